"""Arrays in one ``.npz`` file: images, texts or features beside labels, or labels alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray, Modality, TaskKind
from hubscout.data.assembly import assemble_target
from hubscout.data.images import MAX_PIXELS, pixels_to_rgb
from hubscout.data.npz_arrays import as_text, as_vector, read_array, read_shapes, read_vector, split_positions
from hubscout.data.samples import RowNumbers, Texts, named_error, text_problem
from hubscout.data.task import RowProblem, Samples, Target
from hubscout.errors import DataError, UsageError

if TYPE_CHECKING:
    from PIL import Image

_SAMPLE_KEYS: Mapping[str, Modality] = {"images": "image", "texts": "text", "features": "features"}
_CHANNELS = (1, 3, 4)


def array_target(path: Path, *, name: str, kind: TaskKind | None = None, split: str = "train") -> Target:
    """Read an ``.npz`` file.

    Parameters
    ----------
    path : Path
        The file, with ``labels`` of shape (n,), or (n, k) for k labels of 0 and 1 or k targets, and at most one of
        ``images`` of shape (n, height, width) or (n, height, width, channels), ``texts`` of shape (n,), and
        ``features`` of shape (n, d). Optional are ``label_names``, the classes that integer labels are codes of or the
        names of k labels, ``target_names`` of k targets, and ``split`` of shape (n,), names of splits.
    name : str
        Name of the task.
    kind : {"classification", "multilabel", "regression"}, optional
        What the labels are; inferred by default.
    split : str
        Which rows to take where the file has ``split``.

    Returns
    -------
    Target
        Modality ``features`` when there are neither images nor texts: its samples are positions in the file.

    Raises
    ------
    DataError, UsageError
        When the arrays are not of these shapes or cannot be read.
    UnsafeFileError
        When an array holds pickled objects.
    """
    source = repr(path.name)
    shapes = read_shapes(path, source)
    given = [key for key in _SAMPLE_KEYS if key in shapes]
    if "labels" not in shapes or len(given) > 1:
        msg = (
            f"{source} must hold labels and one of images, texts and features, got {sorted(shapes)!r}; "
            "save it with numpy.savez under these names"
        )
        raise UsageError(msg)
    labels = _read_labels(path, source, kind)
    n = len(labels)
    if given and shapes[given[0]][:1] != (n,):
        msg = f"{given[0]} of {source} must have one row a label ({n}), got shape {shapes[given[0]]}"
        raise DataError(msg)
    positions, read_split = split_positions(path, shapes, n, split, source)
    samples, kept, problems = _read_samples(path, given[0] if given else "", positions, source)
    names = _read_names(path, shapes, labels, source)
    return assemble_target(
        samples,
        labels[kept] if labels.ndim == 2 else labels[kept].tolist(),
        name=name,
        source=source,
        modality=_SAMPLE_KEYS[given[0]] if given else "features",
        split=read_split,
        kind=kind,
        class_names=names if labels.ndim == 1 else None,
        label_columns=names or () if labels.ndim == 2 else (),
        problems=problems,
    )


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images of one ``.npz`` file, read into memory when the first of them is asked for.

    Parameters
    ----------
    path : Path
        The file; only the path and the positions travel to another process.
    positions : ndarray of shape (n,), intp
        Positions in its array ``images``.
    """

    path: Path
    positions: IntArray
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __len__(self) -> int:
        """Count the images."""
        return len(self.positions)

    def __getitem__(self, index: int) -> Image.Image:
        """Convert one image to RGB."""
        pixels, scale = self._pixels()
        chosen = pixels[index]
        if not np.isfinite(chosen).all():
            raise named_error(self.name(index), DataError("image holds values that are not finite numbers"))
        return pixels_to_rgb(np.rint(chosen.astype(np.float32) * scale).clip(0, 255).astype(np.uint8))

    def content(self, index: int) -> bytes:
        """Return type, shape and bytes of one image."""
        pixels, _ = self._pixels()
        chosen = pixels[index]
        pixels_bytes: bytes = chosen.tobytes()
        return f"{chosen.dtype.str}{chosen.shape}".encode() + pixels_bytes

    def check(self, index: int) -> bytes:
        """Return `content` of an image of finite pixels."""
        pixels, _ = self._pixels()
        if not np.isfinite(pixels[index]).all():
            msg = "image holds values that are not finite numbers"
            raise DataError(msg)
        return self.content(index)

    def name(self, index: int) -> str:
        """Return ``row 17``, counted from 1."""
        return f"row {int(self.positions[index]) + 1}"

    def subset(self, rows: IntArray) -> ArrayImages:
        """Keep the given positions, in the given order."""
        return ArrayImages(self.path, self.positions[np.asarray(rows, dtype=np.intp)])

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "positions": self.positions}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _cache={}, _lock=threading.Lock())

    def _pixels(self) -> tuple[npt.NDArray[Any], float]:
        # All threads of a loader ask at once, and each reading of the file costs its whole size in memory.
        with self._lock:
            if "pixels" not in self._cache:
                images, scale = _read_images(self.path, repr(self.path.name))
                self._cache["pixels"] = images[self.positions], scale
        cached: tuple[npt.NDArray[Any], float] = self._cache["pixels"]
        return cached


def _read_images(path: Path, source: str) -> tuple[npt.NDArray[Any], float]:
    """Read all images as (n, height, width[, channels]), and the factor that brings them to 0..255."""
    images = read_array(path, "images", source)
    if images.ndim == 4 and images.shape[3] not in _CHANNELS and images.shape[1] in _CHANNELS:
        images = np.moveaxis(images, 1, 3)
    shaped = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in _CHANNELS)
    if not shaped or not images.size or images.dtype.kind not in "uifb":
        msg = (
            f"images of {source} must be numbers of shape (n, height, width) or (n, height, width, 1, 3 or "
            f"4), got {images.dtype} of shape {images.shape}"
        )
        raise DataError(msg)
    if images.shape[1] * images.shape[2] > MAX_PIXELS:
        msg = f"images of {source} must have at most {MAX_PIXELS / 1e6:g} megapixels, got shape {images.shape}"
        raise DataError(msg)
    return images, _scale(images, source)


def _scale(images: npt.NDArray[Any], source: str) -> float:
    if images.dtype == np.uint8:
        return 1.0
    if images.dtype == np.uint16:
        return 1 / 257
    finite = images[np.isfinite(images)] if images.dtype.kind == "f" else images
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if images.dtype.kind in "fb" and low >= 0 and high <= 1:
        return 255.0
    if low >= 0 and high <= 255:
        return 1.0
    msg = f"images of {source} must lie within 0..1 or 0..255, got {low:g}..{high:g}; scale them, or save them as uint8"
    raise DataError(msg)


def _read_samples(path: Path, key: str, positions: IntArray, source: str) -> tuple[Samples, IntArray, list[RowProblem]]:
    if key == "images":
        samples = ArrayImages(path, positions)
        # Read once here, so that a wrong shape or range is an error of this file and not of its first image.
        samples._pixels()
        return samples, positions, []
    if key != "texts":
        return RowNumbers(tuple(positions.tolist())), positions, []
    texts = read_vector(path, "texts", source)
    reasons = {position: text_problem(texts[position].item()) for position in positions.tolist()}
    kept = np.asarray([position for position, reason in reasons.items() if reason is None], dtype=np.intp)
    problems = [RowProblem(f"row {position + 1}", reason) for position, reason in reasons.items() if reason is not None]
    return Texts(tuple(texts[kept].tolist()), tuple((kept + 1).tolist())), kept, problems


def _read_labels(path: Path, source: str, kind: TaskKind | None) -> npt.NDArray[Any]:
    """Read (n,) labels, or (n, k) of which each column is a label or a target."""
    labels = read_array(path, "labels", source)
    is_matrix = labels.ndim == 2 and labels.shape[1] > (kind != "multilabel")
    return as_text(labels) if is_matrix else as_vector(labels, "labels", source)


def _read_names(
    path: Path, shapes: Mapping[str, tuple[int, ...]], labels: npt.NDArray[Any], source: str
) -> list[str] | None:
    """Read the names of the classes, or of each column of labels; columns without names are numbered."""
    width = labels.shape[1] if labels.ndim == 2 else 0
    key = "target_names" if width and "target_names" in shapes else "label_names"
    if key not in shapes:
        return [str(column) for column in range(width)] or None
    names = [str(value) for value in read_vector(path, key, source)]
    if width and len(names) != width:
        msg = f"{key} of {source} must have one name a column of labels ({width}), got {len(names)}"
        raise DataError(msg)
    return names
