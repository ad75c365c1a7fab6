"""Maps of all layers of a vision model of transformers from one forward pass."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import CandidateError
from hubscout.models import torch_runtime
from hubscout.models.image_transform import ImageTransform
from hubscout.models.levels import Level
from hubscout.models.map_source import LayerOutput, Outputs, SourceFacts, TorchSource, blank
from hubscout.models.regions import tokens_to_map
from hubscout.models.transformers_layers import run_hidden, trunk
from hubscout.models.transformers_model import LoadedModel, last_hidden
from hubscout.models.transformers_pooling import pool_image, prefix_tokens


class HiddenMaps(TorchSource):
    """A vision model of transformers with its hidden states.

    Parameters
    ----------
    loaded : LoadedModel
        The model, on its device.
    inputs : callable
        From prepared pictures to the model's arguments.
    address : str
        Named in errors.
    device : str
        Where the model is.
    shape : sequence of int
        Channels, height and width of its input.

    Raises
    ------
    CandidateError
        When the model gives other maps each time.

    Notes
    -----
    Layers are counted as transformers counts its hidden states: 0 is what goes into the first layer, and of
    hierarchical models each stage is a layer. The last layer is the model's own last hidden state, with its final norm
    where it has one. Tokens before the patches, such as a class token, are not part of a map.
    """

    def __init__(
        self, loaded: LoadedModel, inputs: Callable[[Sequence[Any]], dict[str, Any]], address: str, device: str,
        shape: Sequence[int],
    ) -> None:  # fmt: skip
        super().__init__(device)
        self._loaded = loaded
        self._inputs = inputs
        self._address = address
        self._trunk = trunk(loaded, address)
        self._n_prefix = prefix_tokens(self._trunk)
        self._shape = tuple(shape)
        self._last_is_map = False
        self._takes_noise = "noise" in inspect.signature(loaded.model.forward).parameters
        example = [blank(shape)]
        with torch_runtime.forward_pass():
            loaded.settle(inputs(example))
            outcome = self._run(example)
            self._last_is_map = _keeps_rows(outcome.base)
            outputs, again = (self._outputs(each.base) for each in (outcome, self._run(example)))
            first, second = (self.to_host([each[-1].maps.flatten(1)]) for each in (outputs, again))
            if not np.allclose(first, second, rtol=1e-3, atol=1e-5):
                msg = f"model of {address!r} gives other features each time; it cannot be ranked"
                raise CandidateError(msg)
            own = None if loaded.pooling == "joint" else self._own_pooling(outcome)
        # As many hidden states as layers: what goes into the first is not among them.
        begin = 1 if len(outcome.base.hidden_states) == _stated_depth(self._trunk.config) else 0
        self.facts = SourceFacts(
            levels=tuple(_level(begin + k, output) for k, output in enumerate(outputs)),
            own_pooling=own,
            n_parameters=torch_runtime.count_parameters(loaded.model, without=loaded.head),
            transform={"maps": "hidden_states"},
        )

    def run(self, images: Sequence[Any], chosen: Sequence[int], *, whole: bool) -> Outputs:
        """Run the model once."""
        outcome = self._run(images)
        outputs = self._outputs(outcome.base)
        layers = [outputs[place] for place in chosen]
        if not whole or self.facts.own_pooling is None:
            return Outputs(layers)
        return Outputs(layers, self._loaded.features(outcome, {}), outcome.logits)

    def _run(self, images: Sequence[Any]) -> Any:
        inputs = self._inputs(images)
        if self._takes_noise:  # a masked autoencoder shuffles its patches by it, even where it hides none
            import torch

            patches = math.prod(self._shape[1:]) // int(self._loaded.model.config.patch_size) ** 2
            order = torch.arange(patches, device=self._device, dtype=torch.float32)
            inputs = {**inputs, "noise": order.expand(len(images), patches)}
        return run_hidden(self._loaded, inputs, self._address)

    def _outputs(self, base: Any) -> list[LayerOutput]:
        states, last = list(base.hidden_states), last_hidden(base)
        maps = getattr(base, "reshaped_hidden_states", None)
        if maps:  # hierarchical models give their maps beside the same numbers as tokens
            states = list(maps)
            last = last.transpose(1, 2).reshape(states[-1].shape) if self._last_is_map else states[-1]
        states = [*states[:-1], last] if last.shape == states[-1].shape else [*states, last]
        return [self._output(state) for state in states]

    def _output(self, state: Any) -> LayerOutput:
        if state.ndim == 4:
            return LayerOutput(state)
        token = state[:, 0] if self._n_prefix else None
        _, height, width = self._shape
        patches = state.shape[1] - self._n_prefix
        rows = round(math.sqrt(patches * height / width))
        if rows and patches % rows == 0:
            return LayerOutput(tokens_to_map(state, rows, patches // rows), token)
        return LayerOutput(state[:, self._n_prefix :], token)

    def _own_pooling(self, outcome: Any) -> str:
        """Name how the model's own features come from its last hidden state."""
        import torch

        own, last = self._loaded.features(outcome, {}), last_hidden(outcome.base)
        for pooling in ("cls", "mean", "max"):
            if pooling == "cls" and (last.ndim == 4 or not self._n_prefix):
                continue
            pooled = pool_image(last, self._n_prefix, pooling)
            if pooled.shape == own.shape and torch.allclose(pooled, own, rtol=1e-4, atol=1e-6):
                return pooling
        return "pooler"


def whole_pixels(prepare: Callable[[Any], Any], processor: Any, address: str) -> ImageTransform:
    """Find the size, colours and interpolation of an image processor by giving it plain pictures.

    Parameters
    ----------
    prepare : callable
        From a picture to an array of shape (channels, height, width).
    processor : BaseImageProcessor
        The model's own.
    address : str
        Named in errors.

    Returns
    -------
    ImageTransform

    Raises
    ------
    CandidateError
        When it does more to colours than shift and scale each channel.
    """
    from PIL import Image

    height, width = prepare(Image.new("RGB", (64, 64))).shape[1:]
    black, white, red = (
        prepare(Image.new("RGB", (width, height), colour)).reshape(-1, height * width)
        for colour in ((0, 0, 0), (255, 255, 255), (255, 0, 0))
    )
    low, high = black[:, 0].astype(np.float64), white[:, 0].astype(np.float64)
    is_plain = len(low) == 3 and np.ptp(white, axis=1).max() <= 1e-4 * np.abs(white).max()
    if not is_plain or not np.allclose(red[:, 0], [high[0], *low[1:]], rtol=1e-4, atol=1e-4):
        msg = (
            f"the image processor of {address!r} does more to colours than scale each channel, so whole pictures "
            "cannot be given to it; leave it out for this kind of task"
        )
        raise CandidateError(msg)
    std = 1 / (high - low)
    mean = 0 - low * std
    resample = getattr(processor, "resample", None)
    method = Image.Resampling.BILINEAR if resample is None else Image.Resampling(int(resample))
    return ImageTransform(int(height), int(width), _digits(mean), _digits(std), method.name.lower())


def _digits(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Drop what single precision has made of a processor's numbers."""
    return tuple(float(f"{value:.6g}") for value in values)


def _keeps_rows(base: Any) -> bool:
    """Whether a hierarchical model's tokens stand in the order of their rows, so that the last state is a map too."""
    maps, states = getattr(base, "reshaped_hidden_states", None), base.hidden_states
    if not maps or states[-1].ndim != 3 or last_hidden(base).shape != states[-1].shape:
        return False
    laid = states[-1].transpose(1, 2)
    return laid.numel() == maps[-1].numel() and bool((laid.reshape(maps[-1].shape) == maps[-1]).all())


def _stated_depth(config: Any) -> int | None:
    """Count the layers or stages that a configuration states."""
    for name in ("num_encoder_blocks", "depths", "num_hidden_layers"):
        stated = getattr(config, name, None)
        if isinstance(stated, list | tuple):
            return len(stated)
        if isinstance(stated, int):
            return stated
    return None


def _level(layer: int, output: LayerOutput) -> Level:
    maps = output.maps
    is_map = maps.ndim == 4
    rows, columns = maps.shape[2:] if is_map else (0, 0)
    return Level(
        layer, f"hidden state {layer}", int(maps.shape[1 if is_map else 2]), int(rows), int(columns),
        has_class_token=output.class_token is not None,
    )  # fmt: skip
