"""Recognise in which form boxes are annotated, and have them read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from hubscout.data.below import folders_below, holds_file, is_seen, open_below
from hubscout.data.coco import coco_target
from hubscout.data.coco_files import coco_listings, looks_like_coco
from hubscout.data.image_folder import METADATA_NAMES
from hubscout.data.images import IMAGE_SUFFIXES
from hubscout.data.npz_boxes import holds_boxes, npz_boxes_target
from hubscout.data.splits import is_split_name
from hubscout.data.task import Target
from hubscout.data.voc import voc_folder, voc_splits, voc_target
from hubscout.data.yolo import yolo_target
from hubscout.data.yolo_layout import NAME_LISTS, YAML_NAMES, description_of, label_file
from hubscout.errors import DataError, UsageError

Form: TypeAlias = Literal["COCO", "Pascal VOC", "YOLO", "npz"]

_YAML = (".yaml", ".yml")
_CLAIMED = (*METADATA_NAMES, "state.json", "dataset_dict.json")
_FILES_TRIED = 20
_HEAD_BYTES = 4096
_LEAST_NUMBERS = 5


def detection_target_of(path: Path, *, name: str, split: str = "train") -> Target:
    """Read annotated boxes of whatever form a file or folder has.

    Parameters
    ----------
    path : Path
        A COCO ``.json``, an Ultralytics ``.yaml``, an ``.npz`` file with boxes, or a folder in the form of COCO, Pascal
        VOC or YOLO. In a folder that has several of these, the first of them is read, which a note says.
    name : str
        Name of the task.
    split : str
        Which split to take, where there are any.

    Returns
    -------
    Target
        A detection task.

    Raises
    ------
    UsageError
        When it has none of these forms, or the split is absent.
    DataError, MissingExtraError, UnsafeFileError
        As `hubscout.data.coco.coco_target`, `hubscout.data.voc.voc_target`, `hubscout.data.yolo.yolo_target` and
        `hubscout.data.npz_boxes.npz_boxes_target`.
    """
    forms = _forms(path) or _possible_forms(path)
    if not forms:
        what = f"the folder {name!r}" if path.is_dir() else repr(path.name)
        msg = (
            f"{what} must hold boxes for a detection task, got none of: a COCO .json file or annotations/*.json; "
            "Annotations/*.xml of Pascal VOC, or .xml files beside images; data.yaml or labels/*.txt of YOLO beside "
            "images/, or .txt files beside images; an .npz file with images, boxes, box_image and box_class"
        )
        raise UsageError(msg)
    readers: dict[Form, Callable[..., Target]] = {
        "COCO": coco_target,
        "Pascal VOC": voc_target,
        "YOLO": yolo_target,
        "npz": npz_boxes_target,
    }
    target = readers[forms[0]](path, name=name, split=split)
    if len(forms) == 1:
        return target
    others = " and ".join(forms[1:])
    note = f"the boxes are read in the form of {forms[0]}; those in the form of {others} are not looked at"
    return replace(target, notes=(*target.notes, note))


def looks_like_detection(path: Path) -> bool:
    """Tell whether a file or folder holds annotated boxes, by names and a few bytes.

    Parameters
    ----------
    path : Path
        An existing file or folder.

    Returns
    -------
    bool
        False for a folder that another reader claims: with a metadata file, or saved by ``datasets``.
    """
    if any((path / claimed).is_file() for claimed in _CLAIMED):
        return False
    return bool(_forms(path))


def _forms(path: Path) -> list[Form]:
    """List the forms in which a file or folder holds boxes beyond doubt, the one that is read first."""
    if path.is_file():
        suffix = path.suffix.lower()
        if suffix == ".npz":
            return ["npz"] if holds_boxes(path) else []
        if suffix in _YAML:
            return ["YOLO"]
        return ["COCO"] if suffix == ".json" and looks_like_coco(path.parent, path.name) else []
    places = ["", *(folder for folder in folders_below(path) if is_split_name(folder))]
    xml = [folders for place in places if (folders := voc_folder(path, place)) is not None]
    # A stray file among class folders is nobody's annotation; one with the name of an image is.
    is_voc = any(held != images or _paired(path, held, ".xml") for held, images in xml)
    found: list[tuple[Form, bool]] = [
        ("COCO", any(looks_like_coco(path, listing) for listing in coco_listings(path)[:_FILES_TRIED])),
        ("Pascal VOC", is_voc),
        ("YOLO", _is_yolo(path, places)),
    ]
    return [form for form, holds in found if holds]


def _possible_forms(path: Path) -> list[Form]:
    """List the forms worth trying for a user who says that there are boxes."""
    if path.is_file():
        return ["COCO"] if path.suffix.lower() == ".json" else []
    if coco_listings(path):
        return ["COCO"]
    if voc_folder(path) is not None or voc_splits(path):
        return ["Pascal VOC"]
    return ["YOLO"] if description_of(path) is not None else []


def _is_yolo(root: Path, places: list[str]) -> bool:
    if any((root / name).is_file() for name in YAML_NAMES):
        return True
    below = [f"images/{folder}" for folder in folders_below(root, "images") if is_split_name(folder)]
    for images in [*(f"{place}/images" if place else "images" for place in places), *below]:
        if holds_file(root, images, IMAGE_SUFFIXES) and holds_file(root, _labels_of(images), (".txt",)):
            return True
    # Captions lie beside images in text files too: only lines of numbers are boxes.
    return any(_holds_numbers(root, file) for place in places for file in _paired(root, place, ".txt"))


def _labels_of(images: str) -> str:
    """Return the folder of the label files of a folder of images."""
    return PurePosixPath(label_file(f"{images}/x.png")).parent.as_posix()


def _paired(root: Path, place: str, suffix: str) -> list[str]:
    """List the first files of a suffix that lie beside an image of the same name."""
    start = f"{place}/" if place else ""
    try:
        with os.scandir(root / place) as entries:
            named = (entry.name for entry in entries if is_seen(entry.name) and entry.name.lower().endswith(suffix))
            tried = [name for name in islice(named, _FILES_TRIED) if name not in NAME_LISTS]
    except OSError:
        return []
    endings = [ending for each in IMAGE_SUFFIXES for ending in (each, each.upper())]
    stems = {name: PurePosixPath(name).stem for name in tried}
    return [
        f"{start}{name}"
        for name, stem in stems.items()
        if any((root / place / f"{stem}{e}").is_file() for e in endings)
    ]


def _holds_numbers(root: Path, file: str) -> bool:
    try:
        with open_below(root, file) as stream:
            words = stream.read(_HEAD_BYTES).partition(b"\n")[0].split()
        return len(words) >= _LEAST_NUMBERS and [float(word) for word in words] != []
    except (DataError, OSError, ValueError):
        return False
