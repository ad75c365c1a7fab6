"""One value of a label: reduced to plain Python, and read as a number where it is one."""

from __future__ import annotations

import math
import re
from typing import TypeAlias

import numpy as np

Plain: TypeAlias = bool | int | float | str

_LONGEST_NUMBER = 300
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_LEADING_ZERO = re.compile(r"[+-]?0\d")
_SEVERAL = (list, tuple, dict, set, frozenset, np.ndarray)


def is_several(value: object) -> bool:
    """Tell whether a value is a list, set, array or structure, and not one value.

    Parameters
    ----------
    value : object
        What the source holds.

    Returns
    -------
    bool
        True for all containers but strings and bytes.
    """
    return isinstance(value, _SEVERAL)


def plain_value(value: object) -> Plain | None:
    """Reduce one value to a plain Python one.

    Parameters
    ----------
    value : object
        A string, boolean, number, NumPy scalar, date or None; not a container.

    Returns
    -------
    bool, int, float, str or None
        None stands for a missing label: None, NaN or a blank string.

    Examples
    --------
    >>> plain_value(np.float32(2)), plain_value(b"cat"), plain_value("  "), plain_value(float("nan"))
    (2.0, 'cat', None, None)
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str):
        # Half of a surrogate pair, which JSON can write, could be shown and stored by nothing that follows.
        return value if value.isascii() else value.encode(errors="backslashreplace").decode()
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return str(value)


def is_quantity(value: Plain | None) -> bool:
    """Tell whether a value is a number and not a boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_number(text: str, *, leading_zeros: bool) -> bool:
    """Tell whether a string is written like a number.

    Parameters
    ----------
    text : str
        Without blanks around it.
    leading_zeros : bool
        Whether "007" is a quantity, and not a code.

    Returns
    -------
    bool
        Also true for spellings of NaN and infinity.
    """
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return False
    return leading_zeros or not _LEADING_ZERO.match(text)


def number_of(text: str) -> int | float | None:
    """Read a string for which `is_number` holds; None for NaN."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return None if math.isnan(number) else number


def is_finite(value: bool | int | float) -> bool:
    """Tell whether a number is finite as float64."""
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def class_name(value: Plain) -> str:
    """Name the class of a value, the same for 2 and 2.0."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)
