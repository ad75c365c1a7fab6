"""Values that differ by rounding alone are equal: what a score saturates at must not decide who is first."""

from __future__ import annotations

import math
from collections.abc import Sequence

_ROUNDING = 1e-9


def tie_rounded(values: Sequence[float | None]) -> list[float | None]:
    """Give values that differ by rounding alone one value, the largest of them.

    Parameters
    ----------
    values : sequence of float or None
        None where there is no value; it stays.

    Returns
    -------
    list of float or None
        In the given order.

    Examples
    --------
    >>> tie_rounded([2.0, 3.0, None, 2.0 + 1e-12])
    [2.000000000001, 3.0, None, 2.000000000001]
    """
    tied = list(values)
    leader: float | None = None
    for _, place in sorted((-value, place) for place, value in enumerate(values) if value is not None):
        value = values[place]
        if leader is None or value is None or not math.isclose(leader, value, rel_tol=_ROUNDING):
            leader = value
        tied[place] = leader
    return tied
