"""Ranks of all pairs of samples by their similarity, without ever holding a matrix of all pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.stats.namespace import is_numpy, is_single_precision, like, namespace, to_numpy

# A similarity s becomes the position s * _HALF + _CENTRE, whose whole part is a bin. Simple fractions, which
# similarities of few or repeated samples are, lie in the middle of a bin, where rounding cannot tell them apart.
_N_BINS = 2**18
_HALF, _CENTRE = _N_BINS // 2 - 2, _N_BINS // 2 + 0.5
# Similarities that differ by less are ties that rounding has broken.
_TIE = 1e-12 * _HALF
# Up to so many samples, similarities are sorted instead of counted in bins.
_SORTED_SAMPLES = 1024
# Sum of the cubed shares of bins from which they are too full: 30 000 bins of equal size.
_CROWDED = 1e-9
# Pairs held at once, and those of them that stay in the processor's cache while they are counted.
_ROWS, _COLUMNS, _CACHED = 512, 2**13, 2**18


class PairRanks:
    """Mid-ranks of s_ij = u_i . u_j over ordered pairs of distinct samples, less their mean.

    Parameters
    ----------
    rows : array of shape (n_samples, k)
        The u_i: of unit length, or zero.

    Attributes
    ----------
    centred : ndarray of shape (n_bins,), float64
        Rank of each bin of similarities, less the mean rank, in units of the number of pairs.
    squares : float
        Sum of the squared centred ranks over all ordered pairs.

    Notes
    -----
    Up to 1 024 samples the ranks are exact. Above, similarities are counted in 262 144 bins, those in a bin being
    ties, and full bins are cut once more: that moves a rank correlation by less than 1e-6 of itself.
    """

    def __init__(self, rows: Array) -> None:
        xp = namespace(rows)
        self.n_samples = rows.shape[0]
        if self.n_samples <= _SORTED_SAMPLES:
            rows = to_numpy(rows).astype(np.float64)
            xp = namespace(rows)
        ones = rows[:, :1] * 0 + 1
        # The product of one left and one right row is a position: scaling and shift cost no pass of their own.
        self._left = xp.concat([rows * _HALF, ones * _CENTRE], axis=1)
        self._right = xp.concat([rows, ones], axis=1)
        if self.n_samples <= _SORTED_SAMPLES:
            bins, counts = _sorted_bins(self._left @ self._right.T)
            self._bins: _Bins = bins
        else:
            self._bins = _EvenBins()
            counts = self._count_all()
            if not is_single_precision(rows) and np.sum((counts / counts.sum()) ** 3) > _CROWDED:
                self._bins = _FinerBins.of(counts)
                counts = self._count_all()
        # Each sample is once beside itself in these counts, which is no pair.
        own = xp.sum(self._left * self._right, axis=1)
        self._own = to_numpy(self._bins.numbers(own))
        counts = counts - np.bincount(self._own, minlength=len(counts))
        n_pairs = self.n_samples * (self.n_samples - 1)
        self.centred: FloatArray = (np.cumsum(counts) - 0.5 * counts) / n_pairs - 0.5
        self.squares = float(counts @ self.centred**2)

    def same_class_sum(self, codes: IntArray) -> float:
        """Sum the centred ranks of the ordered pairs of distinct samples of one class.

        Parameters
        ----------
        codes : ndarray of shape (n_samples,), int
        """
        order = np.argsort(codes, kind="stable")
        classes = codes[order]
        ends = np.searchsorted(classes, classes, side="right")
        xp = namespace(self._left)
        index = like(order.astype(np.int64), self._left)
        left, right = xp.take(self._left, index, axis=0), xp.take(self._right, index, axis=0)
        counts = np.zeros(len(self.centred), dtype=np.int64)
        for rows, columns, weight in _blocks(ends):
            positions = xp.matmul(left[rows, :], right[columns, :].T)
            if classes[rows.start] != classes[columns.stop - 1]:
                same = classes[rows, None] == classes[None, columns]
                positions = positions[like(same, positions)]
            counts += weight * self._count(positions)
        return float(counts @ self.centred) - float(self.centred[self._own].sum())

    def row_sums(self) -> FloatArray:
        """Sum the centred ranks of the pairs of each sample, (n_samples,)."""
        xp = namespace(self._left)
        table = like(self.centred, self._left)
        sums: FloatArray = -self.centred[self._own]
        for rows, columns, weight in _blocks(np.full(self.n_samples, self.n_samples)):
            for part in _parts(rows, columns):
                positions = xp.matmul(self._left[part, :], self._right[columns, :].T)
                numbers = self._bins.numbers(xp.reshape(positions, (-1,)))
                ranks = xp.reshape(xp.take(table, numbers), positions.shape)
                sums[part] += to_numpy(xp.sum(ranks, axis=1))
                if weight == 2:
                    sums[columns] += to_numpy(xp.sum(ranks, axis=0))
        return sums

    def _count_all(self) -> npt.NDArray[np.int64]:
        """Count all ordered pairs by bin, those of a sample with itself too."""
        xp = namespace(self._left)
        counts = np.zeros(self._bins.n_bins, dtype=np.int64)
        for rows, columns, weight in _blocks(np.full(self.n_samples, self.n_samples)):
            counts += weight * self._count(xp.matmul(self._left[rows, :], self._right[columns, :].T))
        return counts

    def _count(self, positions: Array) -> npt.NDArray[np.int64]:
        xp = namespace(positions)
        flat = xp.reshape(positions, (-1,))
        counts = np.zeros(self._bins.n_bins, dtype=np.int64)
        step = _CACHED if is_numpy(flat) else max(flat.shape[0], 1)
        for start in range(0, flat.shape[0], step):
            numbers = self._bins.numbers(flat[start : min(start + step, flat.shape[0])])
            # All libraries but the bare standard count where the numbers are.
            found = xp.bincount(numbers, minlength=len(counts)) if hasattr(xp, "bincount") else None
            counts += np.bincount(to_numpy(numbers), minlength=len(counts)) if found is None else to_numpy(found)
        return counts


def _blocks(ends: npt.NDArray[Any]) -> Iterator[tuple[slice, slice, int]]:
    """Cut the pairs of each sample i with those before ``ends[i]`` into blocks of rows and columns.

    Yields
    ------
    rows, columns : slice
    weight : int
        2 where a block also stands for its mirror image, 1 for one on the diagonal.
    """
    n = len(ends)
    for start in range(0, n, _ROWS):
        stop = min(start + _ROWS, n)
        yield slice(start, stop), slice(start, stop), 1
        end = int(ends[stop - 1])
        for first in range(stop, end, _COLUMNS):
            yield slice(start, stop), slice(first, min(first + _COLUMNS, end)), 2


def _parts(rows: slice, columns: slice) -> Iterator[slice]:
    step = max(1, _CACHED // (columns.stop - columns.start))
    return (slice(start, min(start + step, rows.stop)) for start in range(rows.start, rows.stop, step))


class _Bins(Protocol):
    """A numbering of positions that never falls as they grow."""

    @property
    def n_bins(self) -> int: ...

    def numbers(self, positions: Array) -> Array:
        """Return the bin of each position, as int64."""


@dataclass(frozen=True)
class _EvenBins:
    n_bins: int = _N_BINS

    def numbers(self, positions: Array) -> Array:
        xp = namespace(positions)
        return xp.astype(positions, xp.int64)


@dataclass(frozen=True)
class _FinerBins:
    """Even bins, each cut into ``sizes`` even ones that are numbered from ``starts`` on."""

    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    n_bins: int

    @classmethod
    def of(cls, counts: npt.NDArray[np.int64]) -> _FinerBins:
        shares = np.minimum(counts / counts.sum() * _N_BINS, 1 / _TIE)
        sizes = 2 * (shares / 2).astype(np.int64) + 1  # odd, so that the middle of a bin stays one
        return cls(np.cumsum(sizes) - sizes, sizes, int(sizes.sum()))

    def numbers(self, positions: Array) -> Array:
        xp = namespace(positions)
        whole = xp.astype(positions, xp.int64)
        inside = positions - xp.astype(whole, positions.dtype)
        sizes = xp.take(like(self.sizes, positions), whole)
        finer = xp.astype(inside * xp.astype(sizes, positions.dtype), xp.int64)
        return xp.take(like(self.starts, positions), whole) + finer


@dataclass(frozen=True)
class _EdgedBins:
    edges: FloatArray

    @property
    def n_bins(self) -> int:
        return len(self.edges) + 1

    def numbers(self, positions: Array) -> Array:
        return np.searchsorted(self.edges, positions)


def _sorted_bins(positions: FloatArray) -> tuple[_EdgedBins, npt.NDArray[np.int64]]:
    """Give each distinct position a bin of its own, and count them."""
    ordered = np.sort(positions, axis=None)
    last = np.flatnonzero(np.diff(ordered) > _TIE)
    counts = np.diff(last + 1, prepend=0, append=len(ordered)).astype(np.int64)
    return _EdgedBins((ordered[last] + ordered[last + 1]) / 2), counts
