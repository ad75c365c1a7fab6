"""Sufficient statistics of features and labels that merge exactly: counts, class sums, centred Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hubscout._typing import Array, FloatArray
from hubscout.stats.namespace import float_dtype, is_numpy, like, namespace, to_numpy
from hubscout.stats.target_sums import TargetSums


@dataclass
class Moments:
    """Running sums over samples f_i with targets b_i; one-hot targets for classification.

    Sums are kept in float64. The scatter is the Gram matrix about the running mean, so that a large common offset
    costs no digits; each chunk's product runs in the precision of the chunk.

    Parameters
    ----------
    n_targets : int
        Number of classes C, or of regression targets.
    has_scatter : bool, default=True
        Whether to accumulate the D x D matrix; off where the sample side is the smaller one.

    Attributes
    ----------
    n_samples : int
    mean : array of shape (n_features,), float64
        Mean of the features.
    scatter : array of shape (n_features, n_features), float64, or None
        Sum of (f_i - mean)(f_i - mean)^T.
    target_totals : ndarray of shape (n_targets,)
        Sum of b_i; the class counts for classification.
    target_squares : ndarray of shape (n_targets,)
        Sum of b_i squared; equal to the counts for classification.
    target_sums : array of shape (n_targets, n_features), float64
        Sum of b_i f_i^T; the class sums for classification.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.stats import Moments
    >>> rows, codes = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])
    >>> whole, left, right = Moments(2), Moments(2), Moments(2)
    >>> whole.update(rows, codes); left.update(rows[:4], codes[:4]); right.update(rows[4:], codes[4:])
    >>> bool(np.allclose(left.merge(right).scatter, whole.scatter))
    True
    """

    n_targets: int
    has_scatter: bool = True
    n_samples: int = 0
    mean: Array = field(default=None, repr=False)
    scatter: Array = field(default=None, repr=False)
    target_totals: FloatArray = field(default_factory=lambda: np.empty(0), repr=False)
    target_squares: FloatArray = field(default_factory=lambda: np.empty(0), repr=False)
    target_sums: Array = field(default=None, repr=False)

    def update(self, chunk: Array, targets: Any, *, overwrite: bool = False) -> None:
        """Add rows.

        Parameters
        ----------
        chunk : array of shape (rows, n_features), float32 or float64
            Features; its precision is that of the products.
        targets : ndarray of shape (rows,), int codes, or of shape (rows, n_targets), float64
            Class codes, or regression targets.
        overwrite : bool, default=False
            Whether the chunk may be centred in place, which saves a copy of it in NumPy.
        """
        xp = namespace(chunk)
        double = float_dtype(xp, single=False)
        rows = chunk.shape[0]
        mean = xp.mean(chunk, axis=0, dtype=double) if is_numpy(chunk) else xp.sum(chunk, axis=0, dtype=double) / rows
        mean = _exact_where_constant(mean, chunk)
        shift = xp.astype(mean, chunk.dtype)
        if overwrite and is_numpy(chunk):
            chunk -= shift
            centred = chunk
        else:
            centred = chunk - shift[None, :]
        own = TargetSums.of(centred, targets, self.n_targets, shift)
        if self.has_scatter:
            product = xp.matmul(centred.T, centred)
            if self.scatter is None:
                self.scatter = xp.astype(product, double)
            else:
                self.scatter += product
                # Chan's update: the distance between the two means.
                gap = (self.mean - mean) * float(np.sqrt(self.n_samples * rows / (self.n_samples + rows)))
                self.scatter += gap[:, None] * gap[None, :]
        self._add(rows, mean, own)

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of samples; neither operand changes."""
        if not (self.n_samples and other.n_samples):
            return self if self.n_samples else other
        merged = Moments(self.n_targets, self.has_scatter and other.has_scatter)
        if merged.has_scatter:
            gap = self.mean - other.mean
            weight = self.n_samples * other.n_samples / (self.n_samples + other.n_samples)
            merged.scatter = self.scatter + other.scatter + weight * gap[:, None] * gap[None, :]
        for part in (self, other):
            own = TargetSums(part.target_totals, part.target_squares, part.target_sums)
            merged._add(part.n_samples, part.mean, own)
        return merged

    def with_targets(self, sums: TargetSums) -> Moments:
        """Return the moments of the same samples with other targets."""
        return replace(self, target_totals=sums.totals, target_squares=sums.squares, target_sums=sums.sums)

    def _add(self, rows: int, mean: Array, own: TargetSums) -> None:
        if self.n_samples == 0:
            self.n_samples, self.mean = rows, mean
            self.target_totals, self.target_squares, self.target_sums = own.totals, own.squares, own.sums
            return
        share = rows / (self.n_samples + rows)
        self.mean = self.mean + share * (mean - self.mean)
        self.n_samples += rows
        self.target_totals = self.target_totals + own.totals
        self.target_squares = self.target_squares + own.squares
        self.target_sums = self.target_sums + own.sums


def _exact_where_constant(mean: Array, chunk: Array) -> Array:
    """Return the mean without rounding error in columns of one value, so that they centre to zero exactly."""
    xp = namespace(chunk)
    first = xp.astype(chunk[0, :], mean.dtype)
    is_near = (xp.abs(mean - first) <= 1e-12 * xp.abs(first)) & (first != mean)
    if not bool(xp.any(is_near)):
        return mean
    return xp.where(is_near & xp.all(chunk == chunk[:1, :], axis=0), first, mean)


def centred_target_sums(moments: Moments) -> Array:
    """Return Fc^T B of shape (n_targets, n_features): target sums with the feature mean taken out."""
    totals = like(moments.target_totals, moments.mean)
    return moments.target_sums - totals[:, None] * moments.mean[None, :]


def class_means(moments: Moments) -> FloatArray:
    """Return the class means about the global mean, (n_classes, n_features), as NumPy float64."""
    means: FloatArray = to_numpy(centred_target_sums(moments)) / moments.target_totals[:, None]
    return means
