"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence

DASH = "-"
_FEWEST, _MOST = 3, 6


def decimals(values: Sequence[float | None]) -> int:
    """Choose the digits after the point, so that different values of one column look different.

    Parameters
    ----------
    values : sequence of float or None
        One column.

    Returns
    -------
    int
        From 3 to 6: as few as tell apart what six digits tell apart.

    Examples
    --------
    >>> decimals([0.5, 0.6]), decimals([0.50001, 0.50002]), decimals([24.0, 24.0 + 1e-9])
    (3, 5, 3)
    """

    def n_shown(digits: int) -> int:
        return len({f"{value:.{digits}f}" for value in values if value is not None})

    return next(digits for digits in range(_FEWEST, _MOST + 1) if n_shown(digits) == n_shown(_MOST))


def with_error(value: float | None, error: float | None, digits: int) -> str:
    """Write a value and its standard error.

    Examples
    --------
    >>> with_error(0.51234, 0.01, 3), with_error(None, None, 3)
    ('0.512 ±0.010', '-')
    """
    if value is None:
        return DASH
    text = f"{value:.{digits}f}"
    return text if error is None else f"{text} ±{error:.{digits}f}"


def count(value: int | None) -> str:
    """Write a large count shortly.

    Examples
    --------
    >>> count(950), count(21_500), count(86_000_000), count(None)
    ('950', '21.5k', '86.0M', '-')
    """
    if value is None:
        return DASH
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.1f}{unit}"
    return str(value)


def rate(value: float | None) -> str:
    """Write a rate: whole numbers from ten up.

    Examples
    --------
    >>> rate(1234.5), rate(3.21), rate(None)
    ('1234', '3.2', '-')
    """
    if value is None:
        return DASH
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def duration(seconds: float) -> str:
    """Write a time span.

    Examples
    --------
    >>> duration(3.24), duration(75), duration(7300), duration(4e5)
    ('3.2 s', '1 min 15 s', '2 h 1 min', '4 days')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} days"


def size(n_bytes: int) -> str:
    """Write a size in decimal units.

    Examples
    --------
    >>> size(12), size(2_400_000)
    ('12 B', '2.4 MB')
    """
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= limit:
            return f"{n_bytes / limit:.1f} {unit}"
    return f"{n_bytes} B"
