"""Files that name the classes of masks: a name a line, perhaps with the colour of the class."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.data.below import text_below
from hubscout.data.mask_images import colour_value, value_name
from hubscout.errors import DataError

CLASS_FILES = (
    "classes.txt",
    "labels.txt",
    "class_names.txt",
    "label_colors.txt",
    "label_colours.txt",
    "labelmap.txt",
    "class_dict.csv",
)
_MOST_BYTES = 1024 * 1024
_MOST_CLASSES = 1 << 16
_NUMBERS = r"(?P<red>\d{1,3})[\s,;]+(?P<green>\d{1,3})[\s,;]+(?P<blue>\d{1,3})"
_COLOUR_FIRST = re.compile(rf"{_NUMBERS}[\s,;:]+(?P<name>\S.*)", re.ASCII)
_COLOUR_LAST = re.compile(rf"(?P<name>\S.*?)[\s,;:]+{_NUMBERS}[\s,;:]*", re.ASCII)


@dataclass(frozen=True)
class MaskClasses:
    """The classes that mask values stand for.

    Parameters
    ----------
    file : str
        Name of the file that names them.
    names : tuple of str
        The class of each code. Untrusted text.
    colours : mapping of int to int
        The code of each colour; where the file states no colours, that of a grey is its brightness.
    """

    file: str
    names: tuple[str, ...]
    colours: Mapping[int, int]

    def codes(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Turn the colours of a mask into codes; a colour of no class stays, and so do all codes.

        Parameters
        ----------
        values : ndarray of shape (height, width), integer
            As `hubscout.data.mask_images.decode_mask` returns them.

        Returns
        -------
        ndarray of shape (height, width), integer
            Codes.
        """
        if values.dtype != np.int32 or not self.colours:
            return values
        known = np.asarray(sorted(self.colours), dtype=np.int32)
        codes = np.asarray([self.colours[colour] for colour in known.tolist()], dtype=np.int32)
        places = np.minimum(np.searchsorted(known, values), len(known) - 1)
        return np.where(known[places] == values, codes[places], values)


def find_class_file(root: Path) -> MaskClasses | None:
    """Read the class file of a folder.

    Parameters
    ----------
    root : Path
        The folder.

    Returns
    -------
    MaskClasses or None
        None where there is none of `CLASS_FILES`.

    Raises
    ------
    DataError
        When it cannot be read, a name is missing, or names or colours repeat.

    Notes
    -----
    The class of the first line has code 0. Where all lines, a heading apart, hold three numbers up to 255 before or
    behind a name, these are colours, as CamVid's ``64 128 64  Animal`` or CVAT's ``animal:64,128,64::``.
    """
    name = next((name for name in CLASS_FILES if (root / name).is_file()), None)
    if name is None:
        return None
    try:
        text = text_below(root, name, _MOST_BYTES)
    except DataError as error:
        msg = f"{name!r} must be a file that can be read, got {str(error)!r}"
        raise DataError(msg) from None
    # Only at line feeds: a name may hold the line ends of other scripts.
    lines = [line.strip() for line in text.rstrip().split("\n")]
    names, colours = _coloured(lines) or (lines, [])
    _check(name, names, colours)
    if not colours:
        # Grey levels of three equal channels are codes that a program wrote as a colour image.
        greys = {colour_value(code, code, code): code for code in range(min(len(names), 256))}
        if len(names) == 2:
            greys[colour_value(255, 255, 255)] = 1
        return MaskClasses(name, tuple(names), greys)
    return MaskClasses(name, tuple(names), {colour: code for code, colour in enumerate(colours)})


def _coloured(lines: Sequence[str]) -> tuple[list[str], list[int]] | None:
    parsed = [_name_and_colour(line) for line in lines]
    # A heading such as name,r,g,b holds no colour.
    rest = parsed[1:] if len(parsed) > 1 and parsed[0] is None else parsed
    pairs = [pair for pair in rest if pair is not None]
    if len(pairs) < len(rest):
        return None
    return [name for name, _ in pairs], [colour for _, colour in pairs]


def _name_and_colour(line: str) -> tuple[str, int] | None:
    match = _COLOUR_FIRST.fullmatch(line) or _COLOUR_LAST.fullmatch(line)
    if match is None:
        return None
    red, green, blue = int(match["red"]), int(match["green"]), int(match["blue"])
    return (match["name"].strip(), colour_value(red, green, blue)) if max(red, green, blue) <= 255 else None


def _check(file: str, names: Sequence[str], colours: Sequence[int]) -> None:
    if len(names) > _MOST_CLASSES:
        msg = f"{file!r} must name at most {_MOST_CLASSES} classes, got {len(names)}"
        raise DataError(msg)
    if "" in names:
        found = "none" if not any(names) else f"an empty line at line {list(names).index('') + 1}"
        msg = f"{file!r} must name one class a line, got {found}"
        raise DataError(msg)
    for what, items in (("names", list(names)), ("colours", [value_name(colour) for colour in colours])):
        if len(set(items)) < len(items):
            repeated = Counter(items).most_common(1)[0][0]
            msg = f"the {what} of classes in {file!r} must differ from each other, got {repeated!r} twice"
            raise DataError(msg)
