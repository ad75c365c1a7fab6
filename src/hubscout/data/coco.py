"""Annotations in COCO form: one JSON file of images, categories and boxes."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubscout.data.assembly import assemble_target
from hubscout.data.below import relative_path
from hubscout.data.box_cleaning import BoxRecords, Corners
from hubscout.data.boxes import detection_target
from hubscout.data.coco_files import CocoPlace, find_coco, image_prefix, read_json
from hubscout.data.image_sizes import Size, stated_size
from hubscout.data.ordering import natural_key
from hubscout.data.samples import ImageFiles, text_problem
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError

_NOWHERE = float("nan")
_LONGEST_SHOWN = 60


def coco_target(path: Path, *, name: str, split: str = "train") -> Target:
    """Read the boxes of a data set in COCO form.

    Parameters
    ----------
    path : Path
        A ``.json`` file, or a folder with ``annotations/*.json``; images lie in the same folder.
    name : str
        Name of the task.
    split : str
        Which annotation file of a folder to take; a single file is read whole.

    Returns
    -------
    Target
        A detection task: images in natural order of their paths, and their boxes in the order of the file.

    Raises
    ------
    DataError, UsageError
        When the file is not of this form, its images are not there, or no usable box is left.

    Notes
    -----
    ``bbox`` is left, top, width and height in pixels. Boxes with ``iscrowd`` or ``ignore`` are left out, see
    `hubscout.data.boxes.detection_target`. Ids may be numbers or strings in any order; those of annotations are not
    looked at. Outlines, key points and licences are passed over.

    References
    ----------
    T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, arXiv:1405.0312.
    """
    listing = _read(path, name, split)
    boxes = BoxRecords()
    for image, class_name, entry in listing.objects():
        corners = _corners(entry.get("bbox"))
        boxes.add(image, class_name, corners, is_ignored=_is_marked(entry))
    return detection_target(
        listing.images,
        listing.sizes,
        boxes,
        name=name,
        source=listing.place.source,
        split=listing.place.split,
        class_names=listing.class_of.values(),
        problems=listing.problems,
        notes=listing.notes,
    )


def coco_multilabel_target(path: Path, *, name: str, split: str = "train") -> Target:
    """Read which categories each image of a data set in COCO form shows.

    Parameters
    ----------
    path, name, split
        As in `coco_target`.

    Returns
    -------
    Target
        A task of several labels an image: the categories of its annotations, crowds included, whatever their boxes.

    Raises
    ------
    DataError, UsageError
        When the file is not of this form, its images are not there, or the labels cannot be ranked on.
    """
    listing = _read(path, name, split)
    labels: list[set[str]] = [set() for _ in listing.sizes]
    for image, class_name, _ in listing.objects():
        labels[image].add(class_name)
    return assemble_target(
        listing.images,
        [sorted(each, key=natural_key) for each in labels],
        name=name,
        source=listing.place.source,
        modality="image",
        split=listing.place.split,
        kind="multilabel",
        problems=listing.problems,
        notes=listing.notes,
    )


@dataclass
class _Listing:
    """What an annotation file holds, with images in natural order."""

    place: CocoPlace
    images: ImageFiles
    sizes: list[Size]
    position_of: dict[Any, int]
    class_of: dict[Any, str]
    annotations: list[Any]
    left_out: set[Any]
    problems: list[RowProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def objects(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Yield image, class and entry of every annotation that has both, and report the others."""
        n_lost = 0
        for number, entry in enumerate(self.annotations, start=1):
            if not isinstance(entry, dict):
                self._report(number, f"annotation is of type {type(entry).__name__}, not an object")
                continue
            image_id, category_id = _key(entry.get("image_id")), _key(entry.get("category_id"))
            if image_id in self.left_out and image_id is not None:
                n_lost += 1
            elif image_id is None or image_id not in self.position_of:
                self._report(number, f"image_id {_shown(entry.get('image_id'))} is none of the images")
            elif category_id is None or category_id not in self.class_of:
                self._report(number, f"category_id {_shown(entry.get('category_id'))} is none of the categories")
            else:
                yield self.position_of[image_id], self.class_of[category_id], entry
        if n_lost:
            what = "annotation belongs" if n_lost == 1 else "annotations belong"
            self.notes.append(f"{n_lost} {what} to images that are left out")

    def _report(self, number: int, reason: str) -> None:
        self.problems.append(RowProblem(f"annotation {number}", reason))


def _read(path: Path, name: str, split: str) -> _Listing:
    source = repr(path.name) if path.is_file() else f"the folder {name!r}"
    place = find_coco(path, split, source)
    content = read_json(place)
    problems: list[RowProblem] = []
    entries, left_out = _image_entries(content["images"], problems)
    prefix = image_prefix(place, [file_name for file_name, _, _ in entries])
    entries = sorted(((prefix + file_name, *rest) for file_name, *rest in entries), key=lambda e: natural_key(e[0]))
    return _Listing(
        place,
        ImageFiles(place.root.resolve(), tuple(file_name for file_name, _, _ in entries)),
        [size for _, _, size in entries],
        {image_id: position for position, (_, image_id, _) in enumerate(entries)},
        _classes(content["categories"], problems),
        content["annotations"],
        left_out - {image_id for _, image_id, _ in entries},
        problems,
    )


def _image_entries(images: list[Any], problems: list[RowProblem]) -> tuple[list[tuple[str, Any, Size]], set[Any]]:
    """Return file name, id and stated size of every image that can be used, and the ids of the others."""
    entries: list[tuple[str, Any, Size]] = []
    ids: set[Any] = set()
    names: set[str] = set()
    left_out: set[Any] = set()
    for number, entry in enumerate(images, start=1):
        fields = entry if isinstance(entry, dict) else {}
        image_id = _key(fields.get("id"))
        try:
            file_name = relative_path(fields.get("file_name"))
            if image_id is None:
                reason = "image has no id"
            elif image_id in ids:
                reason = f"id {_shown(image_id)} is that of an earlier image"
            else:
                reason = "file name is that of an earlier image" if file_name in names else ""
        except DataError as error:
            file_name, reason = "", str(error)
        if reason:
            left_out.add(image_id)
            problems.append(RowProblem(f"image {number}", reason))
            continue
        ids.add(image_id)
        names.add(file_name)
        entries.append((file_name, image_id, stated_size(fields.get("width"), fields.get("height"))))
    return entries, left_out


def _classes(categories: list[Any], problems: list[RowProblem]) -> dict[Any, str]:
    """Return the name of each category; categories of one name are one class, as they are in other forms."""
    class_of: dict[Any, str] = {}
    for number, entry in enumerate(categories, start=1):
        fields = entry if isinstance(entry, dict) else {}
        category_id, class_name = _key(fields.get("id")), fields.get("name")
        reason = text_problem(class_name)
        if reason is not None:
            problems.append(RowProblem(f"category {number}", f"name {reason.removeprefix('text ')}"))
        elif category_id is None:
            problems.append(RowProblem(f"category {number}", "category has no id"))
        elif category_id in class_of:
            problems.append(
                RowProblem(f"category {number}", f"id {_shown(category_id)} is that of an earlier category")
            )
        else:
            class_of[category_id] = str(class_name).strip()
    return class_of


def _key(value: object) -> int | float | str | None:
    """Return an id that can be looked up; None for everything else."""
    return value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None


def _corners(bbox: object) -> Corners:
    """Turn left, top, width, height into corners; what is no such thing becomes no number, a fault of its box."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return (_NOWHERE,) * 4
    try:
        left, top, width, height = (float(value) if not isinstance(value, (str, bool)) else _NOWHERE for value in bbox)
    except (TypeError, OverflowError):
        return (_NOWHERE,) * 4
    return left, top, left + width, top + height


def _is_marked(entry: dict[str, Any]) -> bool:
    return any(entry.get(key) in (1, "1") for key in ("iscrowd", "ignore"))


def _shown(value: object) -> str:
    return reprlib.repr(value)[:_LONGEST_SHOWN]
