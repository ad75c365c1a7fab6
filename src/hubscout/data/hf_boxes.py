"""Boxes in a Hugging Face data set: a column of images, and a column of the objects in each."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubscout.data.box_cleaning import BoxRecords, Corners
from hubscout.data.boxes import detection_target
from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_images import dataset_images
from hubscout.data.image_sizes import Size, stated_size
from hubscout.data.samples import text_problem
from hubscout.data.task import RowProblem, Target
from hubscout.errors import UsageError

BOX_KEYS = ("bbox", "bboxes", "box", "boxes")
CLASS_KEYS = ("category", "categories", "category_id", "label", "labels", "class", "class_id", "class_label", "name")
_MARKS = ("iscrowd", "is_crowd", "crowd", "ignore", "difficult", "is_difficult")
_ROWS_AT_ONCE = 1000
_NOWHERE = float("nan")


@dataclass(frozen=True)
class _Columns:
    """Where images and objects are."""

    image: str
    objects: str
    box: str
    category: str
    names: tuple[str, ...] | None

    @property
    def note(self) -> str:
        """Say what was taken, and how boxes are read, which no data set states."""
        return (
            f"columns: image {self.image!r}, boxes {self.box!r} and classes {self.category!r} of {self.objects!r}; "
            "boxes are read as left, top, width and height in pixels"
        )


def hub_boxes_target(
    dataset: Any, *, name: str, source: str, split: str, request: ColumnRequest | None = None
) -> Target:
    """Make a detection task of one split of a data set.

    Parameters
    ----------
    dataset : datasets.Dataset
        With a column of type ``Image``, and a column of objects: for each image a list of dictionaries, or a dictionary
        of lists, with ``bbox`` and ``category`` (or ``category_id``, ``label``), perhaps with ``iscrowd``.
    name : str
        Name of the task.
    source : str
        How the data set is called in messages.
    split : str
        The split that `dataset` is.
    request : ColumnRequest, optional
        ``image`` names the column of images, ``label`` that of objects; the only ones that fit by default.

    Returns
    -------
    Target
        Images in the order of their rows, and their boxes in the order of the objects.

    Raises
    ------
    UsageError
        When no choice of columns is clear.
    DataError
        When no usable box is left.

    Notes
    -----
    Boxes are read as left, top, width and height in pixels, as in COCO; a note says so, for a data set does not. Class
    numbers get the names of ``ClassLabel`` where the column has that type, and are their own names otherwise. Columns
    ``width`` and ``height`` are taken as the size of the images that boxes were drawn on.
    """
    columns = _choose_columns(dataset.features, request or ColumnRequest(), source)
    dataset = dataset.with_format(None)
    images = dataset_images(dataset, columns.image, source)
    boxes = BoxRecords()
    problems: list[RowProblem] = []
    sizes: list[Size] = []
    wanted = [key for key in ("width", "height") if key in dataset.features]
    for row, values in enumerate(_rows(dataset.select_columns([columns.objects, *wanted]))):
        sizes.append(stated_size(values.get("width"), values.get("height")))
        _read_objects(row, values[columns.objects], columns, boxes, problems)
    return detection_target(
        images,
        sizes,
        boxes,
        name=name,
        source=source,
        split=split,
        class_names=columns.names or (),
        problems=problems,
        notes=[columns.note],
    )


def _image_columns(features: Mapping[str, Any]) -> list[str]:
    return [str(name) for name, feature in features.items() if type(feature).__name__ == "Image"]


def _object_columns(features: Mapping[str, Any]) -> list[str]:
    return [str(name) for name, feature in features.items() if all(_keys(_fields(feature)))]


def _fields(feature: Any) -> Mapping[str, Any]:
    """Return the fields of an object, whether the column holds a list of objects or a dictionary of lists."""
    fields = feature if isinstance(feature, Mapping) else getattr(feature, "feature", None)
    return fields if isinstance(fields, Mapping) else {}


def _keys(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the fields of boxes and classes; empty where there is none."""
    box = next((key for key in BOX_KEYS if key in fields), "")
    category = next((key for key in CLASS_KEYS if key in fields), "")
    return box, category


def _choose_columns(features: Mapping[str, Any], request: ColumnRequest, source: str) -> _Columns:
    if request.text is not None:
        msg = f"text_column (--text-column) does not fit boxes, got {request.text!r} for {source}; leave it out"
        raise UsageError(msg)
    image = _one_of(request.image, _image_columns(features), "image", "of type datasets.Image", source)
    needed = "of objects with 'bbox' and 'category'"
    objects = _one_of(request.label, _object_columns(features), "label", needed, source)
    fields = _fields(features[objects])
    box, category = _keys(fields)
    leaf = fields[category]
    while hasattr(leaf, "feature"):
        leaf = leaf.feature
    names = getattr(leaf, "names", None)
    return _Columns(image, objects, box, category, None if names is None else tuple(str(each) for each in names))


def _one_of(asked: str | None, fitting: list[str], option: str, needed: str, source: str) -> str:
    if asked is None and len(fitting) == 1:
        return fitting[0]
    if asked is not None and asked in fitting:
        return asked
    found = ", ".join(map(repr, fitting)) or "none"
    got = f"{asked!r}; those that fit: {found}" if asked is not None else found
    msg = f"{source} must have one column {needed}, got {got}; name it with {option}_column (--{option}-column)"
    raise UsageError(msg)


def _rows(dataset: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows, many at a time, so that the objects of all images are never in memory together."""
    for start in range(0, len(dataset), _ROWS_AT_ONCE):
        batch = dataset[start : start + _ROWS_AT_ONCE]
        yield from (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))


def _read_objects(row: int, value: Any, columns: _Columns, boxes: BoxRecords, problems: list[RowProblem]) -> None:
    if value is None:
        return
    objects = _as_objects(value)
    if objects is None:
        problems.append(RowProblem(f"row {row + 1}", "the lists of its objects differ in length"))
        return
    known = None if columns.names is None else set(columns.names)
    for number, each in enumerate(objects, start=1):
        class_name = _class_name(each.get(columns.category), columns.names)
        if (reason := text_problem(class_name)) is not None:
            problems.append(RowProblem(f"row {row + 1}, object {number}", f"class {reason.removeprefix('text ')}"))
        elif known is not None and class_name not in known:
            shown = f"class {reprlib.repr(class_name)[:60]} is none of the {len(known)} classes"
            problems.append(RowProblem(f"row {row + 1}, object {number}", shown))
        else:
            is_ignored = any(each.get(mark) in (1, True) for mark in _MARKS)
            boxes.add(row, str(class_name).strip(), _corners(each.get(columns.box)), is_ignored=is_ignored)


def _as_objects(value: Any) -> list[Mapping[str, Any]] | None:
    if not isinstance(value, Mapping):
        return [each for each in value if isinstance(each, Mapping)]
    lists = {key: list(values) for key, values in value.items() if values is not None}
    if len({len(values) for values in lists.values()}) > 1:
        return None
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _class_name(value: object, names: Sequence[str] | None) -> object:
    """Return the name of a class; a number that no name belongs to becomes its digits."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return names[value] if names is not None and 0 <= value < len(names) else str(value)
    return value


def _corners(bbox: Any) -> Corners:
    if not isinstance(bbox, list) or len(bbox) != 4 or any(not isinstance(side, (int, float)) for side in bbox):
        return (_NOWHERE,) * 4
    left, top, width, height = (float(side) for side in bbox)
    return left, top, left + width, top + height
