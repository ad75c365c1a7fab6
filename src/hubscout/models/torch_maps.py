"""Maps of a user's torch module: of its own kind, of a detector's backbone, or of its blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hubscout.errors import CandidateError
from hubscout.models import torch_runtime
from hubscout.models.layer_tensors import as_layer, has_class_token
from hubscout.models.levels import Level
from hubscout.models.map_source import LayerOutput, MapSource, Outputs, SourceFacts, TorchSource
from hubscout.models.timm_maps import IntermediateMaps, has_intermediates
from hubscout.models.torch_blocks import BlockMaps, find_blocks

# What a module may raise when it is called in a way that it is not made for.
_MISFITS = (TypeError, ValueError, RuntimeError, AttributeError, LookupError, AssertionError, CandidateError)


class ReturnedMaps(TorchSource):
    """A module, or a method of one, that returns maps.

    Parameters
    ----------
    call : callable
        From a batch to a map, tokens, or a list or dict of them.
    name : str
        Of the callable, for the card.
    module : torch.nn.Module
        Whose parameters count.
    device : str
        Where it is.
    example : Tensor of shape (b, channels, height, width)
        A batch that it takes.

    Raises
    ------
    CandidateError
        When it returns no map.
    """

    def __init__(self, call: Callable[[Any], Any], name: str, module: Any, device: str, example: Any) -> None:
        super().__init__(device)
        self._call = call
        self._has_token = has_class_token(module)
        with torch_runtime.forward_pass():
            found = self._maps(example)
        if not found:
            msg = f"{name} returns no map"
            raise CandidateError(msg)
        levels = tuple(
            Level(place, key, int(each.shape[1]), int(each.shape[2]), int(each.shape[3]))
            for place, (key, each) in enumerate(found.items(), start=1)
        )
        resolutions = {(level.rows, level.columns) for level in levels}
        self.facts = SourceFacts(
            levels=levels,
            is_pyramid=1 < len(levels) == len(resolutions) and len({level.width for level in levels}) == 1,
            n_parameters=torch_runtime.count_parameters(module),
            transform={"maps": name},
        )

    def run(self, images: Sequence[Any], chosen: Sequence[int], *, whole: bool) -> Outputs:  # noqa: ARG002
        """Run the module once; maps are all that it gives."""
        batch = torch_runtime.image_batch(images, self._device)
        found = list(self._maps(batch).values())
        return Outputs([LayerOutput(found[place]) for place in chosen])

    def _maps(self, batch: Any) -> dict[str, Any]:
        """Find the maps in what the callable returns, by name."""
        named = _tensors(self._call(batch))
        layers = {key: as_layer(value, batch, has_token=self._has_token) for key, value in named.items()}
        return {key: layer.maps for key, layer in layers.items() if layer is not None and layer.maps.ndim == 4}


def find_maps(
    model: Any, runner: Callable[[], Callable[[Any], Any]], example: Any, device: str, name: str, *, layers: bool
) -> MapSource:
    """Find where a module's maps can be read.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    runner : callable
        Gives the way from a batch to (features, logits or None); may raise where the module returns no features.
    example : Tensor of shape (2, channels, height, width)
        A batch that it takes.
    device : str
        Where it is.
    name : str
        Of the factory, for messages.
    layers : bool
        Whether layers are read, so that blocks are looked at before what the module returns.

    Returns
    -------
    MapSource

    Raises
    ------
    CandidateError
        When it has no maps.

    Notes
    -----
    In this order: timm's ``forward_intermediates``; what ``backbone`` returns, as in a detector, or
    ``forward_features``, or the module itself; the blocks of the module, see `find_blocks`.
    """
    if has_intermediates(model):
        return IntermediateMaps(model, device, example[:1])
    ways = (_blocks, _returned) if layers else (_returned, _blocks)
    for way in ways:
        source = way(model, runner, example, device)
        if source is not None:
            return source
    msg = (
        f"module of {name!r} has no feature maps; let forward_features or forward return maps of shape (b, d, h, w), "
        "or keep its blocks in a list named blocks, layers, stages or features"
    )
    raise CandidateError(msg)


def detector_config(model: Any) -> dict[str, Any]:
    """Read the colours that a detector of torchvision normalises by, in the words of timm's ``pretrained_cfg``."""
    own = getattr(model, "transform", None)
    stated = {"mean": getattr(own, "image_mean", None), "std": getattr(own, "image_std", None)}
    return {key: tuple(value) for key, value in stated.items() if isinstance(value, list | tuple)}


def _returned(model: Any, runner: Any, example: Any, device: str) -> MapSource | None:  # noqa: ARG001
    import torch

    backbone = getattr(model, "backbone", None)
    ways = (
        ("backbone", backbone if isinstance(backbone, torch.nn.Module) else None, backbone),
        ("forward_features", getattr(model, "forward_features", None), model),
        ("forward", model, model),
    )
    for name, call, module in ways:
        if callable(call):
            try:
                return ReturnedMaps(call, name, module, device, example)
            except _MISFITS:
                continue
    return None


def _blocks(model: Any, runner: Callable[[], Callable[[Any], Any]], example: Any, device: str) -> MapSource | None:
    blocks = find_blocks(model)
    if not blocks:
        return None
    try:
        return BlockMaps(model, blocks, runner(), device, example)
    except _MISFITS:
        return None


def _tensors(output: Any) -> dict[str, Any]:
    """Name the tensors that a module returned."""
    import torch

    output = getattr(output, "feature_maps", output)  # a backbone of transformers
    if isinstance(output, Mapping):
        # Detectors add a level that only repeats the last one, coarser; boxes are never pooled from it.
        named = {str(key): value for key, value in output.items() if key != "pool"}
    elif isinstance(output, list | tuple):
        named = {f"output {place}": value for place, value in enumerate(output)}
    else:
        named = {"output": output}
    return {key: value for key, value in named.items() if isinstance(value, torch.Tensor)}
