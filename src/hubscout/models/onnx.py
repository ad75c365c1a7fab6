"""ONNX files: ``onnx:file.onnx?features=tensor&mean=0.5&std=0.5``, or with ``tokenizer=folder``.

The input decides the modality: four axes of floats are pictures, NCHW or NHWC by where 1 or 3 channels stand;
two axes of integers are tokens. The features are the output named ``features``, ``embeddings``,
``sentence_embedding``, ``pooler_output`` or ``last_hidden_state``, or what ``?features=`` names, or what
goes into the last matrix product. Options of text are ``tokenizer=``, ``max_length=``, ``pair=vectors|joint`` (how
pairs of texts are read) and ``subword=mean|first`` (how words are).
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import CandidateError, UsageError
from hubscout.models.address import Address
from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.image_input import ImageInput
from hubscout.models.image_readings import read_maps, reads_maps
from hubscout.models.image_transform import IMAGE_OPTIONS, ImageTransform, transform_from_options
from hubscout.models.loading import LoadRequest, check_options, unused_pooling
from hubscout.models.onnx_card import complete_card
from hubscout.models.onnx_maps import OnnxMaps
from hubscout.models.onnx_session import OnnxModel, as_rows, device_of, open_onnx
from hubscout.models.onnx_text import TEXT_OPTIONS, text_encoder
from hubscout.models.weights import file_digest

# How an ONNX file spells where a tensor's numbers are: the key "location", then the length of its value, 7 bits a byte.
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x80-\xff]?)([\x01-\x7f])")


class OnnxImageEncoder:
    """An ONNX file that takes pictures.

    Parameters
    ----------
    card : ModelCard
        Its facts.
    model : OnnxModel
        The open file.
    transform : ImageTransform
        From a picture to an array.
    channels_last : bool
        Whether the file wants NHWC.
    """

    def __init__(
        self, card: ModelCard, model: OnnxModel, transform: ImageTransform, *, channels_last: bool = False
    ) -> None:
        self.card = card
        self._model = model
        self._transform = transform
        self._channels_last = channels_last

    def prepare(self, sample: Any) -> npt.NDArray[np.float32]:
        """Transform one picture."""
        return self._transform(sample)

    def encode(self, prepared: Sequence[npt.NDArray[np.float32]]) -> EncodedBatch:
        """Run the file once over a batch."""
        batch = np.stack(prepared)
        if self._channels_last:
            batch = batch.transpose(0, 2, 3, 1)
        features, logits = self._model.run({self._model.session.get_inputs()[0].name: batch})
        return EncodedBatch(
            as_rows(features, channels_last=self._channels_last),
            None if logits is None else as_rows(logits, channels_last=self._channels_last),
        )


def load(address: Address, request: LoadRequest) -> Encoder:
    """Open an ONNX file. See `hubscout.models.loading.load_encoder`."""
    check_options(address, ("features", *TEXT_OPTIONS, *IMAGE_OPTIONS))
    path = Path(address.name).expanduser()
    if not path.is_file():
        msg = f"file {str(path)!r} does not exist; check the path, which is relative to the current folder"
        raise CandidateError(msg)
    model = open_onnx(path, str(path), device=request.device, features=address.options.get("features"))
    first = model.session.get_inputs()[0]
    facts = ModelCard(
        address=str(address),
        identity=file_digest([path, *_external(path)]),
        modality="image",
        transform={"library": "onnx", "features": model.features},
        feature_dim=0,
        n_parameters=model.n_parameters,
        loader=loader(),
        device=device_of(model),
    )
    if len(first.shape) == 4 and first.type in ("tensor(float)", "tensor(float16)"):
        return _image_encoder(address, request, model, facts)
    if len(first.shape) == 2 and first.type in ("tensor(int64)", "tensor(int32)"):
        return text_encoder(address, request, model, facts)
    msg = (
        f"file {str(path)!r} takes {first.type} of shape {first.shape}; "
        "it must take pictures (four axes of floats) "
        "or tokens (two axes of integers)"
    )
    raise CandidateError(msg)


def loader() -> str:
    """Name the library that runs ONNX files, with its version."""
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"


def _image_encoder(address: Address, request: LoadRequest, model: OnnxModel, facts: ModelCard) -> Encoder:
    shape = model.session.get_inputs()[0].shape
    channels_last = shape[1] not in (1, 3) and shape[3] in (1, 3)
    order = (shape[3], shape[1], shape[2]) if channels_last else tuple(shape[1:])
    channels = order[0] if order[0] in (1, 3) else 3
    fixed = all(isinstance(side, int) and side > 0 for side in order[1:])
    config: dict[str, Any] = {"input_size": (channels, *order[1:])} if fixed else {}
    options = dict(address.options)
    options.setdefault("channels", str(channels))
    transform, notes = transform_from_options(options, config)
    if fixed and (transform.height, transform.width) != order[1:]:
        msg = f"input_size of {address.name!r} is fixed to {order[1]}x{order[2]} in the file; leave the option out"
        raise UsageError(msg)
    stated = {**facts.transform, **transform.to_dict(), "layout": "NHWC" if channels_last else "NCHW"}
    return finish_image(facts, request, model, transform, stated, notes, channels_last=channels_last)


def finish_image(
    facts: ModelCard,
    request: LoadRequest,
    model: OnnxModel,
    transform: ImageTransform,
    stated: dict[str, Any],
    notes: tuple[str, ...] = (),
    *,
    channels_last: bool = False,
) -> Encoder:
    """Run a first picture through, and complete the card with the widths that come out.

    Parameters
    ----------
    facts : ModelCard
        The card as far as it is known.
    request : LoadRequest
        With the reading.
    model : OnnxModel
        The open file.
    transform : ImageTransform
        From a picture to an array.
    stated : dict
        The card's ``transform``.
    notes : tuple of str
        For the card.
    channels_last : bool
        Whether the file wants NHWC.

    Returns
    -------
    Encoder
    """
    blank = np.zeros((transform.channels, transform.height, transform.width), np.float32)
    probe = OnnxImageEncoder(facts, model, transform, channels_last=channels_last).encode([blank])
    card = complete_card(facts, "image", stated, probe, notes)
    if reads_maps(request.reading):
        given = ImageInput(transform, stated, transform)
        source = OnnxMaps(model, facts.address, given.shape, card.n_parameters, channels_last=channels_last)
        return read_maps(source, request, replace(card, transform=facts.transform), given)
    card = replace(card, notes=(*card.notes, *unused_pooling(request)))
    return OnnxImageEncoder(card, model, transform, channels_last=channels_last)


def _external(path: Path) -> list[Path]:
    """Find the files of weights that the file points to: beside it, one for all tensors or one a tensor."""
    # The onnx library, which may not be installed, would be needed to parse it; an entry's bytes are plain enough.
    with path.open("rb") as stream:
        if not path.stat().st_size:
            return []
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            names = {content[found.end() : found.end() + _length(found)] for found in _LOCATION.finditer(content)}
    files = (path.parent / os.fsdecode(name) for name in sorted(names) if b"\0" not in name)
    return [file for file in files if file.is_file()]


def _length(found: re.Match[bytes]) -> int:
    low, high = found[1], found[2][0]
    return (low[0] & 127) + (high << 7) if low else high
