"""Where a data set in COCO form keeps its annotation file and its images."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubscout.data.below import files_below, folders_below, open_below, text_below
from hubscout.data.splits import choose_split, is_split_name, require_no_split
from hubscout.errors import DataError, UsageError

MAX_JSON_BYTES = 4 * 1024**3
_SNIFFED_BYTES = 64 * 1024
_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_IMAGE_FOLDERS = ("", "images", "JPEGImages", "data")
_TRIED_NAMES = 50


@dataclass(frozen=True)
class CocoPlace:
    """An annotation file, and the folder that nothing is read outside of.

    Parameters
    ----------
    root : Path
        The folder of the data set.
    listing : str
        The annotation file, relative to `root`.
    split : str
        The split that is read; ``all`` where the source has none.
    """

    root: Path
    listing: str
    split: str

    @property
    def source(self) -> str:
        """How the file is called in messages."""
        return repr(self.listing)


def find_coco(path: Path, split: str, source: str) -> CocoPlace:
    """Choose the annotation file of a split.

    Parameters
    ----------
    path : Path
        A ``.json`` file, or a folder with such files in ``annotations/``, in itself, or in folders named after splits.
    split : str
        The asked split. A file is of the split that its name or its folder's states: ``instances_val2017.json`` is of
        ``val``. A file that is given itself is read whole.
    source : str
        How the source is called in messages.

    Returns
    -------
    CocoPlace
        The file, and the folder that its images lie in.

    Raises
    ------
    UsageError
        When no file, or more than one, is of the asked split.
    """
    if path.is_file():
        path = path.absolute()
        root = path.parent.parent if path.parent.name.lower() == "annotations" else path.parent
        return CocoPlace(root, path.relative_to(root).as_posix(), require_no_split(split, source))
    listings = coco_listings(path)
    splits = {listing: _split_of(listing) for listing in listings}
    named = {found for found in splits.values() if found is not None}
    if named:
        chosen = choose_split(named, split, source)
        fitting, read_split = [listing for listing in listings if splits[listing] in chosen], split
    else:
        fitting, read_split = listings, require_no_split(split, source)
    # COCO's own folder holds captions and key points of the same images beside the instances.
    fitting = [each for each in fitting if Path(each).name.startswith("instances")] or fitting
    if len(fitting) != 1:
        shown = ", ".join(repr(each) for each in fitting[:5]) or "none"
        msg = (
            f"{source} must have one annotation file (.json) of split {split!r}, got {shown}; give the path of one file"
        )
        raise UsageError(msg)
    return CocoPlace(path, fitting[0], read_split)


def coco_listings(folder: Path) -> list[str]:
    """List what can be annotation files of a folder, relative to it, in natural order.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    list of str
        Every ``.json`` file in ``annotations/``; beside images, where other tools leave such files too, those that
        hold two of the three keys of the form near their beginning and end.
    """
    inner = folders_below(folder)
    listings = [
        listing
        for name in inner
        if name.lower() == "annotations"
        for listing in files_below(folder, name, (".json",), deep=False)
    ]
    if listings:
        return listings
    places = ["", *(name for name in inner if is_split_name(name))]
    beside = [listing for place in places for listing in files_below(folder, place, (".json",), deep=False)]
    return [listing for listing in beside if looks_like_coco(folder, listing)]


def looks_like_coco(root: Path, listing: str) -> bool:
    """Tell whether a file has two of the three keys of the form near its beginning and end."""
    try:
        with open_below(root, listing) as file:
            edges = file.read(_SNIFFED_BYTES)
            size = file.seek(0, 2)
            file.seek(max(0, size - _SNIFFED_BYTES))
            edges += file.read(_SNIFFED_BYTES)
    except (DataError, OSError):
        return False
    return sum(key in edges for key in _KEYS) >= 2


def _split_of(listing: str) -> str | None:
    """Return the split that a file's name or its folder's states, without the year."""
    words = re.split(r"[^A-Za-z]+", Path(listing).stem)
    folder = Path(listing).parent.name
    return next((word for word in [*words, folder] if is_split_name(word)), None)


def read_json(place: CocoPlace) -> dict[str, Any]:
    """Read an annotation file, without its outlines.

    Parameters
    ----------
    place : CocoPlace
        The file.

    Returns
    -------
    dict
        An object whose ``images``, ``annotations`` and ``categories`` are lists.

    Raises
    ------
    DataError
        When it is anything else.
    """
    try:
        text = text_below(place.root, place.listing, MAX_JSON_BYTES)
    except DataError as error:
        msg = f"{place.source} must be a JSON file that can be read, got {str(error)!r}"
        raise DataError(msg) from None
    try:
        content = json.loads(text, object_hook=_without_outlines)
    except (ValueError, RecursionError) as error:
        reason = "too many levels" if isinstance(error, RecursionError) else str(error)[:200]
        msg = f"{place.source} must be JSON in COCO form, got {reason!r}; export the annotations again"
        raise DataError(msg) from None
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
        found = sorted(map(str, content))[:10] if isinstance(content, dict) else type(content).__name__
        msg = f"{place.source} must hold the lists images, annotations and categories, got {found!r}"
        raise DataError(msg)
    return content


def _without_outlines(entry: dict[str, Any]) -> dict[str, Any]:
    # Outlines of objects are most of such a file, and nothing here looks at them.
    entry.pop("segmentation", None)
    return entry


def image_prefix(place: CocoPlace, names: Sequence[str]) -> str:
    """Find the folder that the names of images are relative to.

    Parameters
    ----------
    place : CocoPlace
        The annotation file.
    names : sequence of str
        What it calls its images, without dots that lead out.

    Returns
    -------
    str
        The folder, relative to the root and ending in a slash unless it is the root, below which most of the first
        names are files; the folder of the annotation file wins a tie, then the root, then the folder of the split.

    Raises
    ------
    DataError
        When none of the first names is a file anywhere.
    """
    tried = names[:: max(1, len(names) // _TRIED_NAMES)][:_TRIED_NAMES]
    best, most = "", 0
    for prefix in _prefixes(place):
        # Unlike the method of Path, this one does not fail on a name that is too long.
        hits = sum(os.path.isfile(place.root / prefix / name) for name in tried)  # noqa: PTH113
        if hits > most:
            best, most = prefix, hits
        if hits == len(tried):
            break
    if tried and not most:
        msg = (
            f"the images of {place.source} must lie beside it, in images/, or in a folder named like its split, got no "
            f"file {tried[0]!r} there; move the images, or give the folder that holds both"
        )
        raise DataError(msg)
    return best


def _prefixes(place: CocoPlace) -> list[str]:
    """List the folders that images may lie in, likely ones first."""
    folder = Path(place.listing).parent.as_posix()
    own = "" if folder == "." else f"{folder}/"
    words = re.split(r"[_.\-]+", Path(place.listing).stem)
    named = [*words, *(re.sub(r"\d+$", "", word) for word in words)]
    places = [*_IMAGE_FOLDERS, *(f"{inner}{word}" for word in named if word for inner in ("", "images/"))]
    places += [f"{word}/images" for word in named if word]
    inside = [f"{place}/" if place else "" for place in places]
    return list(dict.fromkeys(f"{start}{place}" for start in (own, "") for place in inside))
