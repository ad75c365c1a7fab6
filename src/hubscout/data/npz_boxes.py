"""Images and boxes as arrays in one ``.npz`` file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray
from hubscout.data.arrays import ArrayImages
from hubscout.data.box_cleaning import BoxRecords
from hubscout.data.boxes import detection_target
from hubscout.data.npz_arrays import read_array, read_shapes, read_vector, split_positions
from hubscout.data.samples import text_problem
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, UsageError

_KEYS = ("images", "boxes", "box_image", "box_class")
_NAME_KEYS = ("label_names", "classes")


def npz_boxes_target(path: Path, *, name: str, split: str = "train") -> Target:
    """Read an ``.npz`` file of images and boxes.

    Parameters
    ----------
    path : Path
        The file, with ``images`` as in `hubscout.data.arrays.array_target`; ``boxes`` of shape (m, 4): left, top,
        right, bottom in pixels; ``box_image`` of shape (m,): the position of each box's image, from 0; and
        ``box_class`` of shape (m,). Optional are ``label_names`` (or ``classes``), the classes that whole numbers are
        codes of, and ``split`` of shape (n,), names of splits.
    name : str
        Name of the task.
    split : str
        Which images to take where the file has ``split``.

    Returns
    -------
    Target
        A detection task: images in the order of the file, and their boxes in the order of the file.

    Raises
    ------
    DataError, UsageError
        When the arrays are not of these shapes or cannot be read, or no usable box is left.
    UnsafeFileError
        When an array holds pickled objects.
    """
    source = repr(path.name)
    shapes = read_shapes(path, source)
    missing = [key for key in _KEYS if key not in shapes]
    if missing:
        msg = (
            f"{source} must hold {', '.join(_KEYS)}, got {sorted(shapes)!r}; save it with numpy.savez under these names"
        )
        raise UsageError(msg)
    corners = _read_corners(path, source)
    box_image = _whole("box_image", read_vector(path, "box_image", source), source)
    box_class = read_vector(path, "box_class", source)
    for key, array in (("box_image", box_image), ("box_class", box_class)):
        if len(array) != len(corners):
            msg = f"{key} of {source} must have one entry a box ({len(corners)}), got {len(array)}"
            raise DataError(msg)
    n = shapes["images"][0] if shapes["images"] else 0
    positions, read_split = split_positions(path, shapes, n, split, source)
    images = ArrayImages(path, positions)
    # Read once here, so that a wrong shape or range is an error of this file and not of its first image.
    pixels, _ = images._pixels()
    names = _class_names(path, shapes, source)
    boxes, problems = _records(corners, box_image, box_class, names, positions, n)
    return detection_target(
        images,
        [(pixels.shape[2], pixels.shape[1])] * len(images),
        boxes,
        name=name,
        source=source,
        split=read_split,
        class_names=names or (),
        problems=problems,
    )


def holds_boxes(path: Path) -> bool:
    """Tell whether an ``.npz`` file has the arrays of boxes, by their names alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{key}.npy" for key in _KEYS} <= set(archive.namelist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def _read_corners(path: Path, source: str) -> npt.NDArray[Any]:
    corners = read_array(path, "boxes", source)
    if corners.ndim != 2 or corners.shape[1] != 4 or corners.dtype.kind not in "uif":
        msg = f"boxes of {source} must be numbers of shape (m, 4), got {corners.dtype} of shape {corners.shape}"
        raise DataError(msg)
    return corners.astype(np.float64)


def _whole(key: str, array: npt.NDArray[Any], source: str) -> npt.NDArray[Any]:
    if array.dtype.kind not in "ui":
        msg = f"{key} of {source} must be whole numbers, got {array.dtype}; count images from 0"
        raise DataError(msg)
    return array


def _class_names(path: Path, shapes: Mapping[str, tuple[int, ...]], source: str) -> list[str] | None:
    key = next((key for key in _NAME_KEYS if key in shapes), None)
    if key is None:
        return None
    names = [str(each) for each in read_vector(path, key, source)]
    if len(set(names)) != len(names):
        msg = f"{key} of {source} must differ from each other, got {names[:10]!r}; rename the repeated ones"
        raise DataError(msg)
    return names


def _records(
    corners: npt.NDArray[Any],
    box_image: npt.NDArray[Any],
    box_class: npt.NDArray[Any],
    names: list[str] | None,
    positions: IntArray,
    n: int,
) -> tuple[BoxRecords, list[RowProblem]]:
    """Keep the boxes of the split, and report those without an image or a class."""
    boxes, problems = BoxRecords(), list[RowProblem]()
    place = {position: index for index, position in enumerate(positions.tolist())}
    rows = zip(box_image.tolist(), box_class.tolist(), corners.tolist(), strict=True)
    for number, (image, value, (left, top, right, bottom)) in enumerate(rows, start=1):
        if not 0 <= image < n:
            problems.append(RowProblem(f"box {number}", f"box_image {image} is none of the {n} images"))
        elif image in place:
            class_name, reason = _class_name(value, names)
            if reason is not None:
                problems.append(RowProblem(f"box {number}", reason))
            else:
                boxes.add(place[image], class_name, (left, top, right, bottom))
    return boxes, problems


def _class_name(value: Any, names: list[str] | None) -> tuple[str, str | None]:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if names is not None and not isinstance(value, str):
        if not isinstance(value, int) or not 0 <= value < len(names):
            return "", f"class {value} is none of the {len(names)} classes"
        value = names[value]
    class_name = str(value)
    if names is not None and class_name not in names:
        return "", f"class {class_name[:100]!r} is none of the {len(names)} classes"
    reason = text_problem(class_name)
    return class_name, None if reason is None else f"class {reason.removeprefix('text ')}"
