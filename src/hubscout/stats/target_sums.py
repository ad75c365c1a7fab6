"""What features sum to for each class, or against each regression target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hubscout._typing import Array, FloatArray
from hubscout.stats.namespace import float_dtype, is_numpy, is_single_precision, like, namespace

# Rows that one float32 sum runs over before it joins a float64 one: keeps its rounding below that of the input.
_SINGLE_PRECISION_ROWS = 1024


@dataclass(frozen=True)
class TargetSums:
    """Sums over samples f_i with targets b_i; one-hot targets for classification.

    Parameters
    ----------
    totals : ndarray of shape (n_targets,)
        Sum of b_i; the class counts for classification.
    squares : ndarray of shape (n_targets,)
        Sum of b_i squared; equal to the counts for classification.
    sums : array of shape (n_targets, n_features), float64
        Sum of b_i f_i^T; the class sums for classification.
    """

    totals: FloatArray
    squares: FloatArray
    sums: Array

    @classmethod
    def of(cls, shifted: Array, targets: Any, n_targets: int, shift: Array) -> TargetSums:
        """Return the sums of some rows.

        Parameters
        ----------
        shifted : array of shape (rows, n_features), float32 or float64
            Features with ``shift`` taken away, so that a large common offset costs no digits.
        targets : ndarray of shape (rows,), int codes, or of shape (rows, n_targets), float64
        n_targets : int
        shift : array of shape (n_features,)
        """
        xp = namespace(shifted)
        double = float_dtype(xp, single=False)
        if targets.ndim == 1:
            totals = squares = np.bincount(targets, minlength=n_targets).astype(np.float64)
            sums = segment_sums(shifted, targets, n_targets)
        else:
            totals, squares = targets.sum(axis=0), (targets**2).sum(axis=0)
            features = xp.astype(shifted, double, copy=False)
            sums = xp.matmul(like(np.ascontiguousarray(targets.T), features), features)
        return cls(totals, squares, sums + like(totals, sums)[:, None] * xp.astype(shift[None, :], double))

    def plus(self, other: TargetSums) -> TargetSums:
        """Return the sums over both sets of rows."""
        return TargetSums(self.totals + other.totals, self.squares + other.squares, self.sums + other.sums)


def segment_sums(rows: Array, codes: Any, n_segments: int) -> Array:
    """Sum the rows of each class, in float64.

    Parameters
    ----------
    rows : array of shape (n, d), float32 or float64
    codes : ndarray of shape (n,), int
    n_segments : int

    Returns
    -------
    sums : array of shape (n_segments, d), float64
    """
    xp = namespace(rows)
    double = float_dtype(xp, single=False)
    if not is_numpy(rows):
        classes = xp.arange(n_segments, device=rows.device)
        one_hot = xp.astype(like(codes, rows)[None, :] == classes[:, None], rows.dtype)
        return xp.astype(xp.matmul(one_hot, rows), double)
    from scipy.sparse import csr_array

    sums = np.zeros((n_segments, rows.shape[1]))
    step = _SINGLE_PRECISION_ROWS if is_single_precision(rows) else len(rows)
    for start in range(0, len(rows), step):
        block, part = rows[start : start + step], codes[start : start + step]
        ones = np.ones(len(part), dtype=rows.dtype)
        sums += csr_array((ones, (part, np.arange(len(part)))), shape=(n_segments, len(part))) @ block
    return sums
