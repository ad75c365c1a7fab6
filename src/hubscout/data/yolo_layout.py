"""Where a data set in YOLO form keeps its images, its label files and the names of its classes."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hubscout.data.below import files_below, folders_below, relative_path, text_below
from hubscout.data.images import IMAGE_SUFFIXES
from hubscout.data.ordering import natural_key
from hubscout.data.samples import text_problem
from hubscout.data.splits import choose_split, is_split_name, require_no_split
from hubscout.errors import DataError, MissingExtraError

YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
NAME_LISTS = ("classes.txt", "obj.names", "_darknet.labels")
_MAX_TEXT_BYTES = 64 * 1024**2
_LONGEST_SHOWN = 100
_NOTHING = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True)
class YoloLayout:
    """The images of a split, and what their classes are called.

    Parameters
    ----------
    root : Path
        The folder of the data set; nothing outside of it is read.
    images : tuple of str
        Relative to `root`, in natural order.
    names : dict of int to str, or None
        The name of each class; None where nothing states them.
    split : str
        The split that is read; ``all`` where the source has none.
    has_keypoints : bool
        Whether key points follow the box on each line.
    """

    root: Path
    images: tuple[str, ...]
    names: Mapping[int, str] | None
    split: str
    has_keypoints: bool = False


def find_yolo(path: Path, split: str, source: str) -> YoloLayout:
    """Find the images of a split and the names of classes.

    Parameters
    ----------
    path : Path
        A ``.yaml`` file of Ultralytics, or a folder: with such a file, or with ``classes.txt`` or ``obj.names``; with
        ``images/`` and ``labels/`` on top of splits or below them, or with label files beside images.
    split : str
        The asked split.
    source : str
        How the source is called in messages.

    Returns
    -------
    YoloLayout
        The images and names.

    Raises
    ------
    DataError, UsageError, MissingExtraError
        When the description cannot be read, or the split is absent or has no images.
    """
    root = path.parent if path.is_file() else path
    listing = path.name if path.is_file() else description_of(root)
    facts = {} if listing is None else _read_yaml(root, listing)
    names = _yaml_names(facts.get("names"), listing) if listing is not None else _listed_names(root)
    stated = {key: value for key, value in facts.items() if is_split_name(key) and value not in (*_NOTHING, [])}
    splits = _folder_splits(root)
    if stated:
        places = [place for each in choose_split(stated, split, source) for place in _stated(root, facts, each, splits)]
        read_split = split
    elif splits:
        places, read_split = [splits[each] for each in choose_split(splits, split, source)], split
    else:
        places = ["images" if "images" in folders_below(root) else ""]
        read_split = require_no_split(split, source)
    images = [image for place in places for image in _images_of(root, place)]
    if not images:
        msg = f"{source} must hold images of split {split!r} in {' or '.join(map(repr, places))}, got none"
        raise DataError(msg)
    images = sorted(dict.fromkeys(images), key=natural_key)
    return YoloLayout(root, tuple(images), names, read_split, "kpt_shape" in facts)


def description_of(root: Path) -> str | None:
    """Return the name of a folder's description: the usual one, or the only YAML file."""
    found = [name for name in YAML_NAMES if (root / name).is_file()]
    if not found:
        others = files_below(root, "", (".yaml", ".yml"), deep=False)
        found = others if len(others) == 1 else []
    return found[0] if found else None


def label_file(image: str) -> str:
    """Return where the boxes of an image are listed.

    Parameters
    ----------
    image : str
        Path of the image, with forward slashes.

    Returns
    -------
    str
        The same path with its last ``images`` replaced by ``labels``, and the suffix ``.txt``; beside the image where
        no folder is called ``images``.

    Examples
    --------
    >>> label_file("images/train/a.jpg"), label_file("train/a.jpg")
    ('labels/train/a.txt', 'train/a.txt')
    """
    path = PurePosixPath(image).with_suffix(".txt")
    parts = list(path.parts)
    folders = [position for position, part in enumerate(parts[:-1]) if part == "images"]
    if folders:
        parts[folders[-1]] = "labels"
    return "/".join(parts)


def _folder_splits(root: Path) -> dict[str, str]:
    """Map each split that folders show to the folder of its images."""
    inner = folders_below(root)
    if "images" in inner:
        below = [name for name in folders_below(root, "images") if is_split_name(name)]
        return {name: f"images/{name}" for name in below}
    own = [name for name in inner if is_split_name(name)]
    return {name: f"{name}/images" if "images" in folders_below(root, name) else name for name in own}


def _stated(root: Path, facts: Mapping[str, Any], split: str, splits: Mapping[str, str]) -> list[str]:
    """Return what the description states for a split: folders of images, or lists of them."""
    value = facts[split]
    found = []
    for each in value if isinstance(value, list) else [value]:
        # Unlike the method of Path, this function does not fail on a path that is too long.
        place = next((place for place in _candidates(facts.get("path"), each) if os.path.exists(root / place)), None)  # noqa: PTH110
        place = splits.get(split) if place is None else place
        if place is None:
            msg = (
                f"the split {split!r} of the description must name a folder or list below its own folder, got "
                f"{reprlib.repr(each)[:_LONGEST_SHOWN]}"
            )
            raise DataError(msg)
        found.append(place)
    return found


def _candidates(base: object, value: object) -> list[str]:
    """List what a stated path can mean below the folder: exporters write it from several places."""
    if not isinstance(value, str):
        return []
    parts = [part for part in value.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    # The ends of a path that holds another machine's folders; of one name alone nobody knows which folder it was.
    ends = ["/".join(parts[start:]) for start in range(max(1, len(parts) - 1))]
    tried = [value, *ends]
    if isinstance(base, str) and base not in _NOTHING:
        tried.insert(0, f"{base}/{value}")
    found = []
    for each in tried:
        try:
            found.append("" if each in (".", "./") else relative_path(each))
        except DataError:
            continue
    return found


def _images_of(root: Path, place: str) -> list[str]:
    """List the images of a folder, or of a text file with a path a line."""
    if not place.lower().endswith(".txt"):
        return files_below(root, place, IMAGE_SUFFIXES)
    try:
        lines = text_below(root, place, _MAX_TEXT_BYTES).splitlines()
        start = PurePosixPath(place).parent
        paths = [relative_path(line) for line in lines if line.strip()]
    except DataError as error:
        msg = f"{place!r} must be a list of images below its folder, got {str(error)!r}"
        raise DataError(msg) from None
    return [path if os.path.exists(root / path) else str(start / path) for path in paths]  # noqa: PTH110


def _read_yaml(root: Path, listing: str) -> dict[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        msg = f"reading {listing!r} needs pyyaml; install it with pip install 'hubscout[data]'"
        raise MissingExtraError(msg) from None
    try:
        # This loader makes nothing but strings, lists and dictionaries: a class called "no" keeps its name.
        content = yaml.load(text_below(root, listing, _MAX_TEXT_BYTES), Loader=yaml.BaseLoader)  # noqa: S506
    except (DataError, yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0][:200]
        msg = f"{listing!r} must be YAML that can be read, got {reason!r}"
        raise DataError(msg) from None
    if not isinstance(content, dict):
        msg = f"{listing!r} must hold the keys names and train, got {type(content).__name__}"
        raise DataError(msg)
    return {key: value for key, value in content.items() if isinstance(key, str)}


def _yaml_names(value: object, listing: str) -> dict[int, str] | None:
    """Read names that are a list, or a mapping from class numbers."""
    if value is None:
        return None
    pairs = (
        list(enumerate(value)) if isinstance(value, list) else list(value.items()) if isinstance(value, dict) else []
    )
    names = {}
    for key, name in pairs:
        number = int(key) if str(key).isascii() and str(key).isdecimal() and len(str(key)) < 10 else -1
        if number < 0 or text_problem(name) is not None:
            pairs = []
            break
        names[number] = name.strip()
    if not pairs:
        msg = (
            f"names of {listing!r} must be a list of names, or map class numbers from 0 to names, got "
            f"{reprlib.repr(value)[:_LONGEST_SHOWN]}"
        )
        raise DataError(msg)
    return names


def _listed_names(root: Path) -> dict[int, str] | None:
    """Read a text file with a name a line, in the folder or with the label files."""
    usual = [place + name for name in NAME_LISTS for place in ("", "labels/", "train/", "labels/train/")]
    for listing in [*usual, *files_below(root, "", (".names",), deep=False)]:
        if (root / listing).is_file():
            try:
                lines = text_below(root, listing, _MAX_TEXT_BYTES).rstrip().splitlines()
            except DataError as error:
                msg = f"{listing!r} must hold one class name a line, got {str(error)!r}"
                raise DataError(msg) from None
            return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    return None
