"""Annotations in the form of Pascal VOC: one XML file an image."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hubscout.data.below import bytes_below, files_below, folders_below, holds_file, relative_path, text_below
from hubscout.data.box_cleaning import BoxRecords, Corners
from hubscout.data.boxes import detection_target
from hubscout.data.image_sizes import Size, stated_size
from hubscout.data.images import IMAGE_SUFFIXES
from hubscout.data.ordering import natural_key
from hubscout.data.samples import ImageFiles, text_problem
from hubscout.data.splits import choose_split, is_split_name, require_no_split
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_XML_BYTES = 16 * 1024**2
_MAX_LIST_BYTES = 64 * 1024**2
_ANNOTATIONS = "annotations"
_IMAGES = ("jpegimages", "images", "image", "pngimages")
_NUMBER = re.compile(r"[+-]?(\d{1,20}\.?\d{0,30}|\.\d{1,30})([eE][+-]?\d{1,3})?", re.ASCII)
_NOWHERE = float("nan")


def voc_target(root: Path, *, name: str, split: str = "train") -> Target:
    """Read the boxes of a data set in the form of Pascal VOC.

    Parameters
    ----------
    root : Path
        A folder with ``Annotations/*.xml`` and ``JPEGImages/``, perhaps with ``ImageSets/Main/train.txt`` and so on;
        or with XML files beside their images, perhaps in folders named after splits.
    name : str
        Name of the task.
    split : str
        Which list of images, or which folder, to take.

    Returns
    -------
    Target
        A detection task: images in natural order of their paths, and their boxes in the order of their files.

    Raises
    ------
    DataError, UsageError
        When there are no annotation files, the split is absent, or no usable box is left.

    Notes
    -----
    Pascal VOC counts pixels from 1 and both corners are part of the box, so that a box reaches from ``xmin - 1`` to
    ``xmax``. A corner below 1 cannot occur there: where the smallest of all is from 0 to 1, the files were written by a
    program that counts from 0, and all corners are taken as they stand, which a note says. Boxes marked ``difficult``
    are left out, as in Pascal VOC's own evaluation; see `hubscout.data.boxes.detection_target`. The image is the file
    with the name of its annotation file, or else the one that ``filename`` states.

    References
    ----------
    M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", International Journal of Computer Vision
    88, 2010, doi:10.1007/s11263-009-0275-4.
    """
    source = f"the folder {name!r}"
    layout = _find_layout(root, split, source)
    entries, problems = _read_annotations(root, layout)
    boxes, notes = _boxes(entries)
    return detection_target(
        ImageFiles(root.resolve(), tuple(entry.image for entry in entries)),
        [entry.size for entry in entries],
        boxes,
        name=name,
        source=source,
        split=layout.split,
        problems=problems,
        notes=notes,
    )


def voc_folder(root: Path, place: str = "") -> tuple[str, str] | None:
    """Find where a folder keeps its annotation files and its images, relative to `root`; None where it has none."""
    start = f"{place}/" if place else ""
    inner = {folder.lower(): f"{start}{folder}" for folder in folders_below(root, place)}
    images = next((inner[folder] for folder in _IMAGES if folder in inner), place)
    held = inner.get(_ANNOTATIONS)
    if held is not None and holds_file(root, held, (".xml",)):
        return held, images
    if not holds_file(root, place, (".xml",)):
        return None
    return place, place if holds_file(root, place, IMAGE_SUFFIXES) else images


def voc_splits(root: Path) -> list[str]:
    """List the folders that are named after splits and hold annotation files."""
    return [folder for folder in folders_below(root) if is_split_name(folder) and voc_folder(root, folder)]


@dataclass(frozen=True)
class _Layout:
    """The annotation files of a split, and the folder of the images that each of them is about."""

    files: list[tuple[str, str]]
    split: str


@dataclass(frozen=True)
class _Entry:
    """One annotation file."""

    image: str
    size: Size
    objects: list[tuple[str, Corners, bool]] = field(default_factory=list)


def _find_layout(root: Path, split: str, source: str) -> _Layout:
    whole = voc_folder(root)
    if whole is None:
        splits = voc_splits(root)
        if not splits:
            msg = f"{source} must hold annotation files (.xml) in Annotations/ or beside the images, got none"
            raise DataError(msg)
        places = [found for each in choose_split(splits, split, source) if (found := voc_folder(root, each))]
        files = [(file, images) for xml, images in places for file in files_below(root, xml, (".xml",), deep=False)]
        return _Layout(files, split)
    xml, images = whole
    lists = {PurePosixPath(file).stem: file for file in files_below(root, "ImageSets/Main", (".txt",), deep=False)}
    # Lists such as "dog_train" tell for one class which images show it.
    named = [stem for stem in lists if is_split_name(stem) or stem == "trainval"]
    if not named:
        files = [(file, images) for file in files_below(root, xml, (".xml",), deep=False)]
        return _Layout(files, require_no_split(split, source))
    start = f"{xml}/" if xml else ""
    chosen = [identity for each in choose_split(named, split, source) for identity in _identities(root, lists[each])]
    return _Layout([(f"{start}{identity}.xml", images) for identity in dict.fromkeys(chosen)], split)


def _identities(root: Path, listing: str) -> list[str]:
    try:
        lines = text_below(root, listing, _MAX_LIST_BYTES).splitlines()
    except DataError as error:
        msg = f"{listing!r} must be a list of images that can be read, got {str(error)!r}"
        raise DataError(msg) from None
    return [line.strip() for line in lines if line.strip()]


def _read_annotations(root: Path, layout: _Layout) -> tuple[list[_Entry], list[RowProblem]]:
    """Read every annotation file, and put the images in natural order."""
    pictures: dict[str, dict[str, str]] = {}
    entries: dict[str, _Entry] = {}
    problems: list[RowProblem] = []
    for file, folder in layout.files:
        if folder not in pictures:
            found = files_below(root, folder, IMAGE_SUFFIXES, deep=False)
            pictures[folder] = {key: each for each in reversed(found) for key in _names(each)}
        try:
            entry = _read_file(root, relative_path(file), folder, pictures[folder], problems)
            if entry.image in entries:
                problems.append(RowProblem(file, f"image {entry.image!r} has an earlier annotation file"))
                continue
            entries[entry.image] = entry
        except DataError as error:
            problems.append(RowProblem(file, str(error)))
    return sorted(entries.values(), key=lambda entry: natural_key(entry.image)), problems


def _names(picture: str) -> tuple[str, str]:
    path = PurePosixPath(picture)
    return path.name, path.stem


def _read_file(root: Path, file: str, folder: str, pictures: dict[str, str], problems: list[RowProblem]) -> _Entry:
    from hubscout.data.safe_xml import parse_xml

    tree = parse_xml(bytes_below(root, file, MAX_XML_BYTES))
    stem = PurePosixPath(file).stem
    stated = PurePosixPath((tree.findtext("filename") or "").strip().replace("\\", "/")).name
    same = stated in pictures and PurePosixPath(stated).stem == stem
    start = f"{folder}/" if folder else ""
    # An image that is not there keeps its name, for the probe to refuse it by.
    image = pictures.get(stated if same else stem) or pictures.get(stated) or f"{start}{stated or stem}"
    size = stated_size(*(_number(tree.findtext(f"size/{side}")) for side in ("width", "height")))
    entry = _Entry(relative_path(image), size)
    for number, each in enumerate(tree.findall("object"), start=1):
        class_name, bounds = each.findtext("name"), each.find("bndbox")
        if (reason := text_problem(class_name)) is not None:
            problems.append(RowProblem(f"{image}, object {number}", f"name {reason.removeprefix('text ')}"))
        else:
            is_difficult = (each.findtext("difficult") or "").strip() == "1"
            entry.objects.append((str(class_name).strip(), _corners(bounds), is_difficult))
    return entry


def _corners(bounds: Element | None) -> Corners:
    if bounds is None:
        return (_NOWHERE,) * 4
    left, top, right, bottom = (_number(bounds.findtext(side)) for side in ("xmin", "ymin", "xmax", "ymax"))
    return left, top, right, bottom


def _number(text: str | None) -> float:
    stripped = (text or "").strip()
    return float(stripped) if _NUMBER.fullmatch(stripped) else _NOWHERE


def _boxes(entries: list[_Entry]) -> tuple[BoxRecords, list[str]]:
    boxes, notes = BoxRecords(), []
    corners = [each for entry in entries for _, each, _ in entry.objects]
    # A negative corner shows that boxes reach out of their images here: then a 0 may be one that reaches out too.
    first = min((edge for left, top, *_ in corners for edge in (left, top) if edge == edge), default=1)
    from_zero = 0 <= first < 1
    if from_zero:
        notes.append(f"a box starts at {first:g} where Pascal VOC starts at 1, so that corners are counted from 0")
    start = 0 if from_zero else 1
    for position, entry in enumerate(entries):
        for class_name, (left, top, right, bottom), is_difficult in entry.objects:
            boxes.add(position, class_name, (left - start, top - start, right, bottom), is_ignored=is_difficult)
    return boxes, notes
