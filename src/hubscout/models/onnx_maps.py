"""Maps between the blocks of an ONNX file, from one run of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import CandidateError
from hubscout.models.image_poolings import find_own_pooling, pool_layer
from hubscout.models.levels import Level
from hubscout.models.map_source import LayerOutput, Outputs, SourceFacts, blank
from hubscout.models.onnx_graph import find_block_ends, read_nodes
from hubscout.models.onnx_session import OnnxModel, as_rows, with_tensors


class OnnxMaps:
    """A file whose inner maps are made outputs.

    Parameters
    ----------
    model : OnnxModel
        The open file.
    address : str
        Named in errors.
    shape : (int, int, int)
        Channels, height and width of the input.
    n_parameters : int or None
        Of the encoder, for the card.
    channels_last : bool
        Whether the file wants NHWC.

    Raises
    ------
    CandidateError
        When it has no maps.

    Notes
    -----
    Layers are the tensors between blocks (`hubscout.models.onnx_graph.find_block_ends`) that have four axes, channels
    first as ONNX's convolutions have them, and more than one place.
    """

    def __init__(
        self,
        model: OnnxModel,
        address: str,
        shape: tuple[int, int, int],
        n_parameters: int | None,
        *,
        channels_last: bool = False,
    ) -> None:
        self._model, self._address, self._channels_last = model, address, channels_last
        self._opened: dict[tuple[str, ...], OnnxModel] = {}
        self._input = model.session.get_inputs()[0].name
        content = model.content.read_bytes() if isinstance(model.content, Path) else model.content
        candidates = find_block_ends(read_nodes(content, address), self._input)
        images = [blank(shape), blank(shape) / 2]
        own, _, found = self._read(images, candidates)
        maps = {name: array for name, array in zip(candidates, found, strict=True) if _is_map(array)}
        if not maps:
            msg = f"candidate {address!r} has no map of shape (b, d, h, w) between its blocks; leave it out here"
            raise CandidateError(msg)
        self._names = list(maps)
        ends = f"{self._names[0]!r} to {self._names[-1]!r}"
        last = LayerOutput(maps[self._names[-1]])
        self.facts = SourceFacts(
            levels=tuple(_level(place, name, maps[name]) for place, name in enumerate(self._names, start=1)),
            own_pooling=find_own_pooling(own, {how: pool_layer(last, how) for how in ("mean", "max")}),
            n_parameters=n_parameters,
            transform={"maps": "tensors between blocks", "layout": "NHWC" if channels_last else "NCHW"},
            notes=(f"its layers are taken to be {len(maps)} maps between its blocks, {ends}",),
        )
        self._opened.clear()

    def session(self) -> AbstractContextManager[None]:
        """Surround a batch by nothing."""
        return nullcontext()

    def run(self, images: Sequence[Any], chosen: Sequence[int], *, whole: bool) -> Outputs:  # noqa: ARG002
        """Run the file once."""
        own, logits, found = self._read(images, [self._names[place] for place in chosen])
        return Outputs([LayerOutput(array) for array in found], own, logits)

    def finish(self, vectors: Any) -> Any:
        """Leave pooled vectors as they are."""
        return vectors

    def to_host(self, columns: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Put arrays of shape (n, d) side by side."""
        return np.concatenate(columns, axis=1, dtype=np.float32)

    def _read(
        self, images: Sequence[Any], tensors: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None, list[npt.NDArray[Any]]]:
        """Run the file; return its features, its logits and the named tensors."""
        key = tuple(tensors)
        if key not in self._opened:
            # Only what is read is an output: the runtime keeps outputs, and does not melt operators across them.
            self._opened[key] = with_tensors(self._model, self._address, tensors)
        model = self._opened[key]
        batch = np.stack(images)
        if self._channels_last:
            batch = batch.transpose(0, 2, 3, 1)
        names = [model.features, *tensors, *([model.logits] if model.logits else [])]
        found = model.read(names, {self._input: batch})
        logits = as_rows(found.pop(), channels_last=self._channels_last) if model.logits else None
        own = as_rows(found[0], channels_last=self._channels_last)
        # Half precision is too little for a mean over a map.
        return own, logits, [array.astype(np.float32) if array.dtype == np.float16 else array for array in found[1:]]


def _is_map(array: npt.NDArray[Any]) -> bool:
    return array.dtype.kind == "f" and array.ndim == 4 and len(array) == 2 and array[0, 0].size > 1


def _level(place: int, name: str, array: npt.NDArray[Any]) -> Level:
    return Level(place, name, *array.shape[1:])
