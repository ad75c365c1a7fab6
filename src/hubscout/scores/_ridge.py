"""Ridge regression of centred features, from one decomposition: its strength, its fits and its leverages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hubscout._typing import FloatArray
from hubscout.stats import Statistics
from hubscout.stats.moments import centred_target_sums
from hubscout.stats.namespace import is_numpy, to_numpy

# Ridge strengths of the linear probe, relative to the mean variance of a component.
_RIDGES = np.logspace(-4, 2, 13)
# Rows of a chunk that are centred at a time: copies that stay small are made anew at no cost.
_BLOCK_ROWS = 1024


def ridge_strengths(squares: FloatArray, projected: FloatArray, statistics: Statistics) -> FloatArray:
    """Return the ridge of smallest generalised cross-validation error: one for all classes, or one a target.

    Parameters
    ----------
    squares : ndarray of shape (n_components,)
        Squared singular values of the centred features.
    projected : ndarray of shape (n_components, n_targets)
        Targets in the left singular vectors.
    statistics : Statistics

    Returns
    -------
    strengths : ndarray of shape (1,) or (n_targets,)
    """
    n, moments = statistics.n_samples, statistics.moments(with_scatter=False)
    centred = moments.target_squares - moments.target_totals**2 / n
    outside = np.maximum(centred - (projected**2).sum(axis=0), 0.0)
    strengths = _RIDGES * squares.mean()
    shrinkage = strengths / (squares[:, None] + strengths)  # (k, ridges)
    residuals = (shrinkage**2).T @ projected**2 + outside  # (ridges, targets)
    freedom = np.maximum(n - 1 - (1 - shrinkage).sum(axis=0), 1e-12)
    errors = residuals / freedom[:, None] ** 2
    if statistics.has_classes:
        errors = errors.sum(axis=1, keepdims=True)
    chosen: FloatArray = strengths[errors.argmin(axis=0)]
    return chosen


def ridge_fits(
    statistics: Statistics, projected: FloatArray, strengths: FloatArray
) -> Iterator[tuple[Any, FloatArray, FloatArray]]:
    """Walk over the fits of all samples.

    Parameters
    ----------
    statistics : Statistics
    projected : ndarray of shape (n_components, n_targets)
        Targets in the left singular vectors.
    strengths : ndarray of shape (1,) or (n_targets,)
        Of the ridge.

    Yields
    ------
    rows : slice
    fitted : ndarray of shape (rows, n_targets)
        Without the intercept.
    leverages : ndarray of shape (rows, 1) or (rows, n_targets)
        Also without it.
    """
    has_factor = len(strengths) == 1 and statistics.n_samples >= statistics.n_features
    if has_factor and is_numpy(statistics.features):
        return _by_factor(statistics, strengths)
    return _by_components(statistics, projected, strengths)


def _by_components(
    statistics: Statistics, projected: FloatArray, strengths: FloatArray
) -> Iterator[tuple[Any, FloatArray, FloatArray]]:
    """Walk over rows, their centred fits (rows, n_targets), and their leverages for each strength of the ridge."""
    spectrum = statistics.spectrum()
    squares = spectrum.singular_values**2
    filters = squares[:, None] / (squares[:, None] + strengths)  # (k, targets), or one column for all of them
    fits = filters * projected
    width = 2 * statistics.n_targets + 2 * spectrum.n_components
    for rows, coordinates in statistics.coordinates(spectrum, width=width):
        left = to_numpy(coordinates)
        left = left / spectrum.singular_values.astype(left.dtype)
        yield rows, left @ fits.astype(left.dtype), left**2 @ filters.astype(left.dtype)


def _by_factor(statistics: Statistics, strengths: FloatArray) -> Iterator[tuple[Any, FloatArray, FloatArray]]:
    """Do the same in NumPy for one strength, by a triangular factor: half the work of coordinates.

    With L L^T = Fc^T Fc + ridge, the leverage of f is |L^{-1} f|^2.
    """
    from scipy.linalg import cho_factor, cho_solve
    from scipy.linalg.blas import get_blas_funcs

    moments = statistics.moments()
    stable = moments.scatter.copy()
    stable[np.diag_indices(len(stable))] += strengths
    # The transpose is the same matrix in the order of columns that LAPACK overwrites without a copy.
    factor, _ = cho_factor(stable.T, lower=True, overwrite_a=True, check_finite=False)
    slopes = cho_solve((factor, True), centred_target_sums(moments).T, check_finite=False)
    for rows, chunk in statistics.chunks(width=2 * statistics.n_targets, single=statistics.is_large):
        kind = chunk.dtype
        factor, slopes = factor.astype(kind, copy=False), slopes.astype(kind, copy=False)
        fitted, leverages = np.empty((len(chunk), statistics.n_targets), kind), np.empty((len(chunk), 1), kind)
        # Only SciPy's products: threads of NumPy's would still wait for more work on the cores that these need.
        (multiply, solve), mean = get_blas_funcs(("gemm", "trsm"), (factor,)), moments.mean.astype(kind)
        for start in range(0, len(chunk), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            centred = chunk[part] - mean
            fitted[part] = multiply(1.0, slopes, centred.T, trans_a=True).T
            whitened = solve(1.0, factor, centred.T, lower=True, overwrite_b=True).T
            np.vecdot(whitened, whitened, out=leverages[part, 0])
        yield rows, fitted, leverages
