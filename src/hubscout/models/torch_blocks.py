"""The blocks of a torch module that is no library's: found by name, read by hooks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from hubscout.errors import CandidateError
from hubscout.models import torch_runtime
from hubscout.models.image_poolings import find_own_pooling, pool_layer
from hubscout.models.layer_tensors import as_layer, has_class_token
from hubscout.models.levels import Level
from hubscout.models.map_source import LayerOutput, Outputs, SourceFacts, TorchSource

_LISTS = ("blocks", "layers", "stages", "features", "layer", "h", "resblocks")
_NUMBERED = re.compile(r"(layer|stage|block)_?(\d+)")
_DEEPEST = 3


def find_blocks(model: Any) -> list[tuple[str, Any]]:
    """Find the blocks that a module runs one after the other.

    Parameters
    ----------
    model : torch.nn.Module
        Any.

    Returns
    -------
    list of (name, module)
        In order; empty when there is no such list.

    Notes
    -----
    The first, nearest to the module itself, of: modules named ``layer1``, ``layer2``, … (or ``stage``, ``block``); the
    children of a list or `torch.nn.Sequential` named ``blocks``, ``layers``, ``stages``, ``features``, ``layer``,
    ``h`` or ``resblocks``; the children of the module, when it is itself a `torch.nn.Sequential`. At least two.

    Examples
    --------
    >>> from torch import nn
    >>> model = nn.ModuleDict({"stem": nn.Identity(), "blocks": nn.ModuleList([nn.Identity(), nn.Identity()])})
    >>> [name for name, _ in find_blocks(model)]
    ['blocks.0', 'blocks.1']
    """
    import torch

    named = [(name, module) for name, module in model.named_modules() if name.count(".") < _DEEPEST]
    for name, module in sorted(named, key=lambda item: (bool(item[0]), item[0].count("."))):
        prefix = f"{name}." if name else ""
        children = dict(module.named_children())
        numbered = sorted(
            (int(found[2]), child) for child in children if (found := _NUMBERED.fullmatch(child)) is not None
        )
        if len(numbered) > 1:
            return [(prefix + child, children[child]) for _, child in numbered]
        for child in (child for child in _LISTS if child in children):
            inner = list(children[child].named_children())
            if isinstance(children[child], torch.nn.Sequential | torch.nn.ModuleList) and len(inner) > 1:
                return [(f"{prefix}{child}.{key}", block) for key, block in inner]
    if isinstance(model, torch.nn.Sequential) and len(model) > 1:
        return list(model.named_children())
    return []


class BlockMaps(TorchSource):
    """A module whose blocks are read by hooks while it runs as usual.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    blocks : sequence of (name, module)
        From `find_blocks`.
    run : callable
        From a batch to (features, logits or None).
    device : str
        Where it is.
    example : Tensor of shape (2, channels, height, width)
        A batch that it takes.

    Raises
    ------
    CandidateError
        When no block returns a map or tokens.

    Notes
    -----
    Of a run of plain parts, such as convolution, normalisation and activation, the last one before the next
    convolution is read, so that a layer is what the next one takes.
    """

    def __init__(
        self,
        model: Any,
        blocks: Sequence[tuple[str, Any]],
        run: Callable[[Any], Any],
        device: str,
        example: Any,
    ) -> None:
        super().__init__(device)
        self._run = run
        self._has_token = has_class_token(model)
        with torch_runtime.forward_pass():
            found, (own, logits) = self._outputs(blocks, example)
        ends = _ends(blocks, found)
        if not ends:
            msg = "no block returns a map or tokens"
            raise CandidateError(msg)
        self._blocks = [blocks[place] for place in ends]
        outputs = [found[place] for place in ends]
        head = model.get_classifier() if logits is not None and hasattr(model, "get_classifier") else None
        names = [name for name, _ in self._blocks]
        last = outputs[-1]
        ways = ("mean", "max") if last.class_token is None else ("cls", "mean", "max")
        pooled = {how: torch_runtime.to_numpy(pool_layer(last, how)) for how in ways}
        self.facts = SourceFacts(
            levels=tuple(
                _level(place, name, output) for place, (name, output) in enumerate(zip(names, outputs, strict=True), 1)
            ),
            own_pooling=find_own_pooling(torch_runtime.to_numpy(own), pooled),
            n_parameters=torch_runtime.count_parameters(model, without=head),
            transform={"maps": "blocks"},
            notes=(f"its layers are taken to be what {names[0]} to {names[-1]} return, {len(names)} in all",),
        )

    def run(self, images: Sequence[Any], chosen: Sequence[int], *, whole: bool) -> Outputs:  # noqa: ARG002
        """Run the module once, as usual."""
        batch = torch_runtime.image_batch(images, self._device)
        found, (own, logits) = self._outputs([self._blocks[place] for place in chosen], batch)
        return Outputs([found[place] for place in range(len(chosen))], own, logits)

    def _outputs(self, blocks: Sequence[tuple[str, Any]], batch: Any) -> tuple[dict[int, LayerOutput], Any]:
        """Run the module; return the layers of the blocks that gave one, by place, and its features and logits."""
        found: dict[int, LayerOutput] = {}

        def hook_of(place: int) -> Callable[..., None]:
            def hook(_module: Any, _inputs: Any, output: Any) -> None:
                tensor = output[0] if isinstance(output, tuple | list) and output else output
                if hasattr(tensor, "ndim"):
                    layer = as_layer(tensor, batch, has_token=self._has_token)
                    if layer is not None:
                        found[place] = layer

            return hook

        with ExitStack() as stack:
            for place, (_, module) in enumerate(blocks):
                stack.callback(module.register_forward_hook(hook_of(place)).remove)
            outputs = self._run(batch)
        return found, outputs


def _ends(blocks: Sequence[tuple[str, Any]], found: dict[int, LayerOutput]) -> list[int]:
    """Keep the places whose output goes into a part with weights, or out of the list."""
    return [place for place in sorted(found) if place + 1 not in found or _has_weights(blocks[place + 1][1])]


def _has_weights(module: Any) -> bool:
    own = [parameter for parameter in module.parameters(recurse=False) if parameter.ndim > 1]
    return bool(own) or any(True for _ in module.children())


def _level(place: int, name: str, output: LayerOutput) -> Level:
    has_token = output.class_token is not None
    if output.maps.ndim == 3:
        return Level(place, name, int(output.maps.shape[2]), 0, 0, has_class_token=has_token)
    width, rows, columns = (int(n) for n in output.maps.shape[1:])
    return Level(place, name, width, rows, columns, has_class_token=has_token)
