"""Means and covariances of classes for GBC: of all samples, and of the folds of a cross-fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.scores._leading_coordinates import LeadingCoordinates
from hubscout.stats import Statistics
from hubscout.stats.moments import class_means
from hubscout.stats.namespace import is_numpy, like, namespace, to_numpy
from hubscout.stats.target_sums import segment_sums

Covariance = Literal["diagonal", "spherical", "full"]

# Share of the pooled covariance in that of each class: no class is without spread where others have some.
_SHRINKAGE = 1e-2
# Below this share of the variance of all samples, what a class has is rounding.
_POINT_SPREAD = 1e-9
_AUTHORS_FLOOR = 1e-4


@dataclass(frozen=True)
class ClassMoments:
    """Gaussian classes.

    Parameters
    ----------
    means : ndarray of shape (n_classes, k)
    spreads : ndarray of shape (n_classes, k), (n_classes, 1) or (n_classes, k, k)
        Variances of each component, one variance for all of them, or covariances.
    multiplicity : int
        Components that each of the variances stands for in the determinant.
    """

    means: FloatArray
    spreads: FloatArray
    multiplicity: int = 1


@dataclass(frozen=True)
class FoldMoments:
    """What samples of each fold sum to, about the mean that their class has over all folds.

    Parameters
    ----------
    counts : ndarray of shape (n_folds, n_classes)
    sums : ndarray of shape (n_folds, n_classes, k)
    squares : ndarray of shape (n_folds, n_classes, ...)
        Sums of squares; their shape ends as that of the spreads.
    """

    counts: FloatArray
    sums: FloatArray
    squares: FloatArray

    @property
    def others(self) -> FoldMoments:
        """The same of all folds but one."""
        return FoldMoments(self.counts.sum(axis=0) - self.counts, -self.sums, self.squares.sum(axis=0) - self.squares)

    @property
    def means(self) -> FloatArray:
        """Means of each class and fold, about the class mean; zero without samples."""
        found: FloatArray = self.sums / np.maximum(self.counts, 1)[:, :, None]
        return found

    def spreads(self, shape: tuple[int, ...]) -> FloatArray:
        """Return unbiased variances or covariances, of a given shape after the classes; zero below two samples."""
        counts = self.counts.reshape(*self.counts.shape, *(1 for _ in shape))
        by_means = self.means[..., :, None] * self.sums[..., None, :] if len(shape) == 2 else self.means * self.sums
        if shape == (1,):
            by_means = by_means.mean(axis=-1, keepdims=True)
        found: FloatArray = np.where(counts > 1, (self.squares - by_means) / np.maximum(counts - 1, 1), 0.0)
        return found


def fold_moments(
    statistics: Statistics, leading: LeadingCoordinates, covariance: Covariance, folds: IntArray, n_folds: int
) -> FoldMoments:
    """Return the sums of each fold, in one pass over the coordinates."""
    means, codes = statistics.class_coordinates(leading.spectrum), statistics.codes
    n_classes, size = means.shape
    is_full = covariance == "full"
    sums = np.zeros((n_folds * n_classes, size))
    squares = np.zeros((n_folds * n_classes, size * size if is_full else size))
    # Other array libraries sum by a product with indicators of all cells.
    width = size * (2 * size if is_full else 3) + (0 if is_numpy(leading.spectrum.right_vectors) else len(sums))
    for rows, coordinates in leading.walk(width=width):
        xp, own = namespace(coordinates), codes[rows]
        away = coordinates - xp.take(like(means, coordinates), like(own.astype(np.int64), coordinates), axis=0)
        cells = folds[rows] * n_classes + own
        sums += to_numpy(segment_sums(away, cells, len(sums)))
        products = _outer(away) if is_full else away**2
        squares += to_numpy(segment_sums(products, cells, len(sums)))
    if covariance == "spherical":
        squares = squares.mean(axis=1, keepdims=True)
    tail = (size, size) if is_full else squares.shape[1:]
    counts = np.bincount(folds * n_classes + codes, minlength=len(sums)).astype(np.float64)
    return FoldMoments(
        counts.reshape(n_folds, n_classes),
        sums.reshape(n_folds, n_classes, size),
        squares.reshape(n_folds, n_classes, *tail),
    )


def class_moments(
    statistics: Statistics, leading: LeadingCoordinates, covariance: Covariance, folds: FoldMoments
) -> ClassMoments:
    """Return the classes of all samples, each covariance drawn a little towards the pooled one."""
    means = statistics.class_coordinates(leading.spectrum)
    counts = statistics.counts
    variances = leading.spectrum.singular_values**2 / statistics.n_samples
    totals = {"diagonal": variances, "spherical": variances.mean(keepdims=True), "full": np.diag(variances)}[covariance]
    tail = tuple(1 for _ in totals.shape)
    squares = folds.squares.sum(axis=0)
    spreads = squares / counts.reshape(-1, *tail)
    axes = tuple(range(1, spreads.ndim))
    diagonal = spreads * np.eye(len(totals)) if covariance == "full" else spreads
    is_point = diagonal.sum(axis=axes) <= _POINT_SPREAD * totals.sum()
    # A class of one sample, or of copies of one, has no spread of its own: it takes that of the other classes.
    pooled = squares[~is_point].sum(axis=0) / max(counts[~is_point].sum(), 1.0) + _POINT_SPREAD * totals
    shares = np.where(is_point, 1.0, _SHRINKAGE).reshape(-1, *tail)
    multiplicity = means.shape[1] if covariance == "spherical" else 1
    return ClassMoments(means, (1 - shares) * spreads + shares * pooled, multiplicity)


def authors_moments(statistics: Statistics, covariance: Covariance) -> ClassMoments:
    """Return the classes as the published program sees them: all features, and variances of at least 1e-4."""
    moments = statistics.moments(with_scatter=False)
    means, codes = class_means(moments), statistics.codes
    squares = np.zeros(means.shape)
    for rows, chunk in statistics.chunks(width=3 * statistics.n_features):
        xp, own = namespace(chunk), like(codes[rows].astype(np.int64), chunk)
        away = chunk - moments.mean[None, :] - xp.take(like(means, chunk), own, axis=0)
        squares += to_numpy(segment_sums(away**2, codes[rows], len(means)))
    variances = np.maximum(squares / statistics.counts[:, None], _AUTHORS_FLOOR)
    return ClassMoments(means, variances.mean(axis=1, keepdims=True) if covariance == "spherical" else variances)


def _outer(rows: Array) -> Array:
    """Return the flattened t t^T of each row, (n, k * k)."""
    xp = namespace(rows)
    n, size = rows.shape
    return xp.reshape(rows[:, :, None] * rows[:, None, :], (n, size * size))
