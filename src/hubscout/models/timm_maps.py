"""Maps of all layers of a timm model from one forward pass."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

from hubscout.models import torch_runtime
from hubscout.models.levels import Level
from hubscout.models.map_source import LayerOutput, Outputs, SourceFacts, TorchSource

_POOLINGS = {"token": "cls", "avg": "mean", "fast": "mean", "fastavg": "mean", "max": "max"}
# What stands before the first stage, in the words timm's authors use for it.
_STEM = re.compile(r"(^|\.)(stem\w*|conv_stem|act1|bn1|conv1|conv_?0|layer0)(\.|$)")
# What a forward_intermediates that does not know an option, or does not expect it here, may raise.
_REFUSALS = (AssertionError, TypeError, ValueError, NameError)


class IntermediateMaps(TorchSource):
    """A model with timm's ``forward_intermediates``.

    Parameters
    ----------
    model : torch.nn.Module
        With ``forward_intermediates`` and ``forward_head``, in evaluation mode.
    device : str
        Where it is.
    example : Tensor of shape (1, channels, height, width)
        A batch that it takes.

    Notes
    -----
    Layers are the blocks of a transformer and the stages of a hierarchical network, as timm lists them; a stem is
    layer 0. Where the model can, its final normalisation is put on every layer, as it is on the last: layers are then
    on one scale.
    """

    def __init__(self, model: Any, device: str, example: Any) -> None:
        super().__init__(device)
        self._model = model
        self._has_token = _has_class_token(model)
        self._options, maps, outputs = self._try_out(example)
        self._head, (_, logits) = torch_runtime.find_head(model, maps)
        norm = getattr(model, "fc_norm", None)
        # Models that pool first normalise what they pooled, and have no norm before it.
        self._norm = norm if self._options.get("norm") and callable(norm) else None
        classifier = model.get_classifier() if logits is not None else None
        self.facts = SourceFacts(
            levels=_levels(model, [self._output(item) for item in outputs]),
            own_pooling=_own_pooling(model),
            n_parameters=torch_runtime.count_parameters(model, without=classifier),
            transform={"maps": "forward_intermediates", "final_norm": bool(self._options.get("norm"))},
        )

    def finish(self, vectors: Any) -> Any:
        """Normalise pooled vectors where the model does."""
        return vectors if self._norm is None else self._norm(vectors)

    def run(self, images: Sequence[Any], chosen: Sequence[int], *, whole: bool) -> Outputs:
        """Run the model once; no further than the last chosen layer where no more is wanted."""
        batch = torch_runtime.image_batch(images, self._device)
        if not whole:
            found = self._model.forward_intermediates(
                batch, indices=list(chosen), intermediates_only=True, stop_early=True, **self._options
            )
            return Outputs([self._output(item) for item in found])
        maps, found = self._model.forward_intermediates(batch, indices=list(chosen), **self._options)
        own, logits = self._head(maps)
        return Outputs([self._output(item) for item in found], torch_runtime.pool_map(own), logits)

    def _try_out(self, example: Any) -> tuple[dict[str, Any], Any, Any]:
        """Find the options that the model takes; return them with what they give for the example."""
        known = inspect.signature(self._model.forward_intermediates).parameters
        wanted = {"return_prefix_tokens": self._has_token, "norm": True}
        options = {key: True for key, value in wanted.items() if key in known and value}
        for left_out in ((), ("norm",), ("return_prefix_tokens",)):
            trial = {key: True for key in options if key not in left_out}
            try:
                return trial, *self._attempt(example, trial)
            except _REFUSALS:
                continue
        return {}, *self._attempt(example, {})

    def _attempt(self, example: Any, options: dict[str, Any]) -> tuple[Any, Any]:
        with torch_runtime.forward_pass():
            maps, outputs = self._model.forward_intermediates(example, **options)
        return maps, outputs

    def _output(self, item: Any) -> LayerOutput:
        if not isinstance(item, tuple | list):
            return LayerOutput(item)
        maps, prefix = item
        return LayerOutput(maps, prefix[:, 0])


def has_intermediates(model: Any) -> bool:
    """Whether a module has timm's ``forward_intermediates`` with the options read here."""
    method = getattr(model, "forward_intermediates", None)
    if not callable(method) or not callable(getattr(model, "forward_head", None)):
        return False
    return {"indices", "intermediates_only", "stop_early"} <= set(inspect.signature(method).parameters)


def _levels(model: Any, outputs: Sequence[LayerOutput]) -> tuple[Level, ...]:
    modules = [str(item["module"]) for item in getattr(model, "feature_info", ())]
    names = modules if len(modules) == len(outputs) else [f"layer {k}" for k in range(1, len(outputs) + 1)]
    first = 0 if _STEM.search(names[0]) and len(names) > 1 else 1
    return tuple(
        Level(
            first + k,
            name,
            int(output.maps.shape[1]),
            int(output.maps.shape[2]),
            int(output.maps.shape[3]),
            has_class_token=output.class_token is not None,
        )
        for k, (name, output) in enumerate(zip(names, outputs, strict=True))
    )


def _has_class_token(model: Any) -> bool:
    stated = getattr(model, "has_class_token", None)
    return bool(stated) if stated is not None else getattr(model, "cls_token", None) is not None


def _own_pooling(model: Any) -> str:
    """Read how the model pools its last layer, in our words."""
    for part in (model, getattr(model, "head", None)):
        pool = getattr(part, "global_pool", None)
        word = pool if isinstance(pool, str) else getattr(pool, "pool_type", None)
        if isinstance(word, str) and word:
            return _POOLINGS.get(word, "pooler")
    return "mean"
