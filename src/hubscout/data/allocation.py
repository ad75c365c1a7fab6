"""How many samples of each class, and which, make up a probe of a stated size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray
from hubscout.errors import UsageError

FLOOR = 5
_BINS = 10


def allocate(counts: IntArray, size: int) -> IntArray:
    """Divide a sample among strata in proportion to their counts, with a floor for the small ones.

    Parameters
    ----------
    counts : ndarray of shape (n_strata,), int
        Members of each stratum, at least one.
    size : int
        How many to take; at least one a stratum, at most all.

    Returns
    -------
    ndarray of shape (n_strata,), intp
        How many to take of each; their sum is `size`.

    Notes
    -----
    Every stratum keeps at least ``min(count, floor)`` with ``floor = max(1, min(5, size // n_strata))``.
    Those whose proportional share lies below get the floor, the others divide what is left in proportion, and
    fractions go to the largest remainders (ties to the earlier stratum).

    Examples
    --------
    >>> allocate(np.array([900, 90, 10]), 100)
    array([86,  9,  5])
    """
    counts = np.asarray(counts, dtype=np.intp)
    floors = np.minimum(counts, floor_of(len(counts), size))
    at_floor = np.zeros(len(counts), dtype=bool)
    while True:
        free = ~at_floor
        left = size - int(floors[at_floor].sum())
        # Exact integer arithmetic: share_c = left * n_c / total, compared without a division.
        total = max(int(counts[free].sum()), 1)
        below = free & (left * counts < floors * total)
        if not below.any():
            break
        at_floor |= below
    taken = np.where(at_floor, floors, left * counts // total)
    remainders = np.where(at_floor, -1, left * counts % total)
    missing = size - int(taken.sum())
    taken[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return taken.astype(np.intp)


def floor_of(n_strata: int, size: int) -> int:
    """Return how many samples each stratum keeps, if it has as many: five, or fewer in a small probe, but one."""
    return max(1, min(FLOOR, size // n_strata))


def draw_rows(strata: IntArray, size: int, seed: int, *, strata_name: str = "classes") -> IntArray:
    """Draw rows without replacement, stratified.

    Parameters
    ----------
    strata : ndarray of shape (n,), int
        The stratum of each row.
    size : int
        How many rows to draw; all when there are no more.
    seed : int
        Seed of `numpy.random.default_rng`.
    strata_name : str
        What the strata are, for the error.

    Returns
    -------
    ndarray of shape (min(n, size),), intp
        Positions, ascending.

    Raises
    ------
    UsageError
        When there are more strata than rows to draw.
    """
    n = len(strata)
    if n <= size:
        return np.arange(n, dtype=np.intp)
    present, codes, counts = np.unique(strata, return_inverse=True, return_counts=True)
    if len(present) > size:
        msg = (
            f"probe size (--probe-size) must be at least the number of {strata_name}, {len(present)}, got {size}; "
            "raise it, or check that the labels are not ids"
        )
        raise UsageError(msg)
    generator = np.random.default_rng(seed)
    by_stratum = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    drawn = [
        generator.choice(members, taken, replace=False)
        for members, taken in zip(by_stratum, allocate(counts, size).tolist(), strict=True)
    ]
    return np.sort(np.concatenate(drawn)).astype(np.intp)


def quantile_bins(targets: npt.NDArray[np.float64], size: int) -> IntArray:
    """Divide rows into bins of nearly equal count by the rank of their target.

    Parameters
    ----------
    targets : ndarray of shape (n,), float64
        The target of each row.
    size : int
        Size of the sample, which bounds the number of bins.

    Returns
    -------
    ndarray of shape (n,), intp
        Code of each row's bin, at most ten of them.
    """
    n = len(targets)
    n_bins = max(1, min(_BINS, size, n))
    bins = np.empty(n, dtype=np.intp)
    bins[np.argsort(targets, kind="stable")] = np.arange(n) * n_bins // max(n, 1)
    return bins
