"""The order in which names are listed: numbers inside names count as numbers."""

from __future__ import annotations

import re

_DIGITS = re.compile("([0-9]+)")


def natural_key(name: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """Sort key under which ``img2`` comes before ``img10``.

    Parameters
    ----------
    name : str
        Any string.

    Returns
    -------
    tuple
        Comparable with the key of any other string; equal only for equal strings.

    Examples
    --------
    >>> sorted(["img10", "img2", "Img1"], key=natural_key)
    ['Img1', 'img2', 'img10']
    """
    # Digits are compared by length and then as text: int() refuses runs of more than 4300 digits.
    parts = tuple(
        (len(part.lstrip("0")), part.lstrip("0")) if position % 2 else part.lower()
        for position, part in enumerate(_DIGITS.split(name))
    )
    return parts, name
