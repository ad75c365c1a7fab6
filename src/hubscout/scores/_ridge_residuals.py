"""Residuals of ridge regression without each sample, or without its group, in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout.errors import DataError
from hubscout.scores._ridge import ridge_fits
from hubscout.stats import Statistics
from hubscout.stats.chunks import row_slices
from hubscout.stats.namespace import one_hot, to_numpy


def left_out_residuals(
    statistics: Statistics, projected: FloatArray, strengths: FloatArray
) -> Iterator[tuple[Any, FloatArray]]:
    """Walk over rows with their residuals by fits that have not seen them; those may be overwritten.

    Parameters
    ----------
    statistics : Statistics
    projected : ndarray of shape (n_components, n_targets)
        Targets in the left singular vectors.
    strengths : ndarray of shape (1,) or (n_targets,)
        Of the ridge.

    Yields
    ------
    rows : slice, or ndarray of int
    residuals : ndarray of shape (rows, n_targets)
    """
    if statistics.groups is not None:
        yield from _without_groups(statistics, statistics.groups, projected, strengths)
        return
    n = statistics.n_samples
    means = statistics.moments(with_scatter=False).target_totals / n
    for rows, fitted, leverages in ridge_fits(statistics, projected, strengths):
        # The residual of a ridge fit without sample i, from the fit with it; in place, for many classes.
        errors = np.subtract(_wanted(statistics, rows) - means, fitted, out=fitted)
        errors /= np.maximum(1 - 1 / n - leverages, 1e-12)
        yield rows, errors


def _wanted(statistics: Statistics, rows: Any) -> FloatArray:
    targets = statistics.targets[rows]
    return one_hot(targets, statistics.n_targets) if statistics.has_classes else targets


def _without_groups(
    statistics: Statistics, groups: IntArray, projected: FloatArray, strengths: FloatArray
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Walk over groups of one size at a time, each with the residuals of the fit without it."""
    if not groups.any():
        msg = "groups must be at least 2 for this score, got 1, which leaves no other to learn from; leave groups out"
        raise DataError(msg)
    spectrum, n = statistics.spectrum(), statistics.n_samples
    squares = spectrum.singular_values**2
    means = statistics.moments(with_scatter=False).target_totals / n
    kinds, kind_of = np.unique(strengths, return_inverse=True)
    filters = squares[:, None] / (squares[:, None] + kinds)  # (n_components, kinds of strength)
    for rows in stacks(groups, statistics.n_targets + 3 * spectrum.n_components):
        coordinates = [to_numpy(part) for _, part in statistics.coordinates(spectrum, rows=rows.ravel())]
        left = np.concatenate(coordinates).astype(np.float64) / spectrum.singular_values
        stack = left.reshape(*rows.shape, -1)
        wanted = (_wanted(statistics, rows.ravel()) - means).reshape(*rows.shape, -1)
        errors = np.empty_like(wanted)
        for kind, kept in enumerate(filters.T):
            columns = slice(None) if len(strengths) == 1 else np.flatnonzero(kind_of == kind)
            residuals = wanted[:, :, columns] - (stack * kept) @ projected[:, columns]
            intercept = np.full((*rows.shape, 1), n**-0.5)
            errors[:, :, columns] = _solved(np.concatenate([stack * np.sqrt(kept), intercept], axis=2), residuals)
        yield rows.ravel(), errors.reshape(rows.size, -1)


def _solved(roots: FloatArray, residuals: FloatArray) -> FloatArray:
    """Return (I - A A^T)^{-1} r for a stack of A (groups, size, width), on the smaller side of A."""
    flipped = roots.transpose(0, 2, 1)
    n_rows, width = roots.shape[1:]
    if n_rows <= width:
        return np.asarray(np.linalg.solve(np.eye(n_rows) - roots @ flipped, residuals), dtype=np.float64)
    inner = np.linalg.solve(np.eye(width) - flipped @ roots, flipped @ residuals)
    large: FloatArray = residuals + roots @ inner
    return large


def stacks(groups: IntArray, width: int) -> Iterator[IntArray]:
    """Walk over groups of equal size, as many at once as memory allows: their rows, (n_groups, size)."""
    sizes = np.bincount(groups)
    order = np.argsort(groups, kind="stable")
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 0]):
        chosen = np.flatnonzero(sizes == size)
        for part in row_slices(len(chosen), 8 * int(size) * (width + 2 * min(int(size), width))):
            yield order[starts[chosen[part], None] + np.arange(size)]
