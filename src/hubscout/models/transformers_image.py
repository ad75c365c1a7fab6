"""Vision models of transformers: pictures through their own processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import CandidateError
from hubscout.models import torch_runtime
from hubscout.models.card import Encoder, ModelCard
from hubscout.models.image_input import ImageInput
from hubscout.models.image_readings import read_maps, reads_maps
from hubscout.models.loading import LoadRequest
from hubscout.models.transformers_encoder import TransformersEncoder
from hubscout.models.transformers_maps import HiddenMaps, whole_pixels
from hubscout.models.transformers_model import LoadedModel


class ImageEncoder(TransformersEncoder):
    """A vision model with its own image processor."""

    def __init__(self, card: ModelCard, loaded: LoadedModel, processor: Any) -> None:
        super().__init__(card, loaded)
        self._processor = processor

    def prepare(self, sample: Any) -> npt.NDArray[np.float32]:
        """Run the model's own image processor on one picture."""
        pixels = self._processor(images=sample.convert("RGB"), return_tensors="np")["pixel_values"]
        return np.asarray(pixels[0], dtype=np.float32)

    def inputs(self, prepared: Sequence[npt.NDArray[np.float32]]) -> dict[str, Any]:
        """Stack pictures, which must have come out in one size."""
        shapes = sorted({array.shape for array in prepared})
        if len(shapes) > 1:
            msg = f"the image processor gives pictures of different sizes, such as {shapes[0]} and {shapes[-1]}"
            raise CandidateError(msg)
        return {"pixel_values": torch_runtime.image_batch(prepared, self.card.device)}


def image_encoder(
    card: ModelCard, loaded: LoadedModel, folder: Path, request: LoadRequest, *, trusted: bool
) -> Encoder:
    """Finish a vision model: its processor, and what a first picture tells.

    Parameters
    ----------
    card : ModelCard
        As far as it is known.
    loaded : LoadedModel
        The model, on its device.
    folder : Path
        With the settings of its processor.
    request : LoadRequest
        What the caller wants.
    trusted : bool
        Whether the folder's Python code may run.

    Returns
    -------
    Encoder

    Raises
    ------
    CandidateError
        When there is no processor.
    """
    from PIL import Image
    from transformers import AutoImageProcessor

    if not any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        msg = (
            f"model of {card.address!r} has no image processor (preprocessor_config.json), so its "
            "input is unknown; "
            "save its own there with save_pretrained()"
        )
        raise CandidateError(msg)
    # Of the two implementations the one on Pillow is there on every machine, so features agree between them.
    processor = AutoImageProcessor.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=trusted, backend="pil"
    )
    settings = {key: _listed(value) for key, value in processor.to_dict().items() if _is_plain(value)}
    encoder = ImageEncoder(replace(card, transform={**card.transform, **settings}), loaded, processor)
    if reads_maps(request.reading):
        pixels = whole_pixels(encoder.prepare, processor, card.address)
        given = ImageInput(encoder.prepare, settings, pixels)
        source = HiddenMaps(loaded, encoder.inputs, card.address, card.device, given.shape)
        return read_maps(source, request, card, given)
    encoder.complete(encoder.prepare(Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 20)))
    return encoder


def _listed(value: Any) -> Any:
    """Turn tuples into lists, which is how they come back from JSON."""
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return value is None or isinstance(value, str | int | float | bool)
