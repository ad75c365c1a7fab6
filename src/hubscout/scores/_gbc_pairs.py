"""Sums of exp(-distance) over all pairs of Gaussian classes, in blocks of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout.scores._gbc_moments import ClassMoments, FoldMoments
from hubscout.stats.chunks import row_slices

# Ratios of variances that are multiplied before one logarithm is taken of all, and how far they may go.
_RATIOS_A_LOGARITHM, _RATIO_RANGE = 8, 1e-30


@dataclass(frozen=True)
class Replicated:
    """What classes differ by in one fold, to be held against what they differ by in all others.

    Parameters
    ----------
    own, others : ndarray of shape (n_folds, n_classes, ...)
        Some moment of each class in each fold, and in all folds but that one.
    known : ndarray of shape (n_folds, n_classes), float64
        1 where both could be found, 0 elsewhere.
    """

    own: FloatArray
    others: FloatArray
    known: FloatArray

    @classmethod
    def of(cls, folds: FoldMoments, classes: ClassMoments) -> tuple[Replicated, Replicated]:
        """Return the class means, and the spreads, which need two samples."""
        others, means, tail = folds.others, classes.means, classes.spreads.shape[1:]
        least = np.minimum(folds.counts, others.counts)
        return (
            cls(means + folds.means, means + others.means, (least > 0).astype(np.float64)),
            cls(folds.spreads(tail), others.spreads(tail), (least > 1).astype(np.float64)),
        )

    def products(self, rows: slice, component: int) -> FloatArray:
        """Return the mean over folds of own times others' difference, of classes ``rows`` and those from there on."""
        known = self.known
        own, others = known * self.own[:, :, component], known * self.others[:, :, component]
        # (a - b)(a' - b') is a product of four pairs of vectors over the folds.
        left = np.concatenate([own * others, known, -own, -others])[:, rows]
        right = np.concatenate([known, own * others, others, own])[:, rows.start :]
        counts = known[:, rows].T @ known[:, rows.start :]
        found: FloatArray = (left.T @ right) / np.maximum(counts, 1.0)
        return found


def affinity(classes: ClassMoments, folds: FoldMoments | None = None) -> float:
    """Return the sum over unordered pairs of classes of exp(-D_B), for classes with variances.

    Parameters
    ----------
    classes : ClassMoments
    folds : FoldMoments, optional
        Count of each distance only what replicates between folds.
    """
    means, spreads = Replicated.of(folds, classes) if folds is not None else (None, None)
    n_classes, total = len(classes.means), 0.0
    for rows in row_slices(n_classes, 80 * n_classes):
        distances = _mean_distances(classes, means, rows)
        distances += _spread_distances(classes, spreads, rows)
        # Each row starts at the block's first class; pairs lie right of the diagonal.
        total += float(np.triu(_overlap(distances), k=1).sum())
    return min(total, n_classes * (n_classes - 1) / 2)


def _mean_distances(classes: ClassMoments, replicated: Replicated | None, rows: slice) -> FloatArray:
    """Return 1/8 of the squared distances of means, relative to the mean of both variances."""
    n_classes, n_components = classes.means.shape
    total, last = np.zeros((rows.stop - rows.start, n_classes - rows.start)), classes.spreads.shape[1] - 1
    for j in range(n_components):
        if replicated is None:
            gaps = _differences(classes.means[:, j], rows)
            gaps *= gaps
        else:
            gaps = replicated.products(rows, j)
        gaps /= _sums(classes.spreads[:, min(j, last)], rows)
        total += gaps
    total /= 4
    return total


def _spread_distances(classes: ClassMoments, replicated: Replicated | None, rows: slice) -> FloatArray:
    """Return 1/2 ln of the mean of both variances over their geometric mean, summed over components."""
    spreads = classes.spreads
    step = _RATIOS_A_LOGARITHM if spreads.min() > _RATIO_RANGE * spreads.max() else 1
    total: FloatArray = np.zeros((rows.stop - rows.start, len(spreads) - rows.start))
    again, whole, ratios = np.zeros_like(total), np.zeros_like(total), np.ones_like(total)
    for j in range(spreads.shape[1]):
        variances, shared = spreads[:, j], _sums(spreads[:, j], rows)
        ratios *= 4 * (variances[rows, None] / shared) * (variances[None, rows.start :] / shared)
        if (j + 1) % step == 0 or j + 1 == spreads.shape[1]:
            total -= np.log(ratios)
            ratios[...] = 1.0
        if replicated is not None:
            again += replicated.products(rows, j) / shared**2
            whole += (_differences(variances, rows) / shared) ** 2
    total *= classes.multiplicity / 4
    return total if replicated is None else total * _share(again, whole)


def full_affinity(classes: ClassMoments, folds: FoldMoments | None = None) -> float:
    """Return the sum over unordered pairs of classes of exp(-D_B), for classes with covariances.

    Parameters
    ----------
    classes : ClassMoments
    folds : FoldMoments, optional
        Count of each distance only what replicates between folds.
    """
    means, spreads = classes.means, classes.spreads
    replicated = Replicated.of(folds, classes) if folds is not None else None
    volumes, total = np.linalg.slogdet(spreads)[1], 0.0
    for left, right in _pairs(*means.shape):
        shared = (spreads[left] + spreads[right]) / 2
        inverse = np.asarray(np.linalg.inv(shared), dtype=np.float64)
        logarithms = 0.5 * np.linalg.slogdet(shared)[1] - 0.25 * (volumes[left] + volumes[right])
        if replicated is None:
            gaps = means[left] - means[right]
            squares = _mahalanobis(gaps, inverse, gaps)
        else:
            squares = _fold_mean(replicated[0], left, right, inverse)
            whitened = inverse @ (spreads[left] - spreads[right])
            again = _fold_mean(replicated[1], left, right, inverse)
            logarithms *= _share(again, _traces(whitened, whitened))
        total += float(_overlap(squares / 8 + logarithms).sum())
    return min(total, len(means) * (len(means) - 1) / 2)


def _overlap(distances: FloatArray) -> FloatArray:
    """Return exp(-D), and for D < 0 as far above 1 as it would be below: chance then leaves the mean at 1."""
    overlap = np.exp(-np.abs(distances))
    found: FloatArray = np.where(distances < 0, 2 - overlap, overlap)
    return found


def _fold_mean(replicated: Replicated, left: IntArray, right: IntArray, inverse: FloatArray) -> FloatArray:
    """Return the mean over folds of own times others' difference, in the measure of the covariance of each pair."""
    total, counts = np.zeros(len(left)), np.zeros(len(left))
    for own, others, known in zip(replicated.own, replicated.others, replicated.known, strict=True):
        gaps, other_gaps = own[left] - own[right], others[left] - others[right]
        if gaps.ndim == 2:
            found = _mahalanobis(gaps, inverse, other_gaps)
        else:
            found = _traces(inverse @ gaps, inverse @ other_gaps)
        total += known[left] * known[right] * found
        counts += known[left] * known[right]
    return total / np.maximum(counts, 1.0)


def _mahalanobis(left: FloatArray, inverse: FloatArray, right: FloatArray) -> FloatArray:
    found: FloatArray = np.einsum("pi,pi->p", (inverse @ left[:, :, None])[:, :, 0], right)
    return found


def _traces(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the trace of each product of two matrices."""
    found: FloatArray = np.einsum("pij,pji->p", left, right)
    return found


def _pairs(n_classes: int, n_components: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Walk over all unordered pairs of classes, by blocks."""
    starts = np.concatenate([[0], np.cumsum(np.arange(n_classes - 1, 0, -1))])
    for part in row_slices(int(starts[-1]), 8 * (10 * n_components**2 + 10)):
        numbers = np.arange(part.start, part.stop)
        left = np.searchsorted(starts, numbers, side="right") - 1
        yield left, numbers - starts[left] + left + 1


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return which share of the squared relative differences is found again in other folds, in [-1, 1]."""
    found: FloatArray = np.clip(part / np.maximum(whole, np.finfo(np.float64).tiny), -1.0, 1.0)
    return found


def _differences(values: FloatArray, rows: slice) -> FloatArray:
    found: FloatArray = values[rows, None] - values[None, rows.start :]
    return found


def _sums(values: FloatArray, rows: slice) -> FloatArray:
    found: FloatArray = values[rows, None] + values[None, rows.start :]
    return found
