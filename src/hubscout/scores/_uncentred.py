"""The spectrum of the features without centring, from the centred one."""

from __future__ import annotations

import numpy as np

from hubscout._typing import FloatArray
from hubscout.stats import Statistics
from hubscout.stats.namespace import namespace, to_numpy

_BLOCK_ROOTS = 256
_MAX_ITERATIONS = 200


def uncentred_squares(statistics: Statistics) -> FloatArray:
    """Return the squared singular values of the features without centring, descending, (rank,)."""
    return statistics.remember("uncentred_squares", lambda: _find_squares(statistics))


def _find_squares(statistics: Statistics) -> FloatArray:
    # F^T F is the centred Gram matrix plus N mu mu^T. In the centred right vectors, and the part of the mean that is
    # orthogonal to them, that is a diagonal matrix plus one of rank one: no second decomposition is needed.
    spectrum = statistics.spectrum()
    mean = spectrum.mean
    xp = namespace(mean)
    inside = xp.matmul(mean[None, :], spectrum.right_vectors)[0, :]
    rest = mean - xp.matmul(spectrum.right_vectors, inside[:, None])[:, 0]
    size, outside = float(xp.sum(mean**2)), float(xp.sum(rest**2))
    diagonal, vector = spectrum.singular_values**2, to_numpy(inside)
    # What rounding leaves of a mean that lies inside the span is no direction of its own.
    if outside > 1e-14 * size:
        diagonal, vector = np.append(diagonal, 0.0), np.append(vector, np.sqrt(outside))
    return rank_one_update(diagonal[::-1], statistics.n_samples * vector[::-1] ** 2)[::-1]


def rank_one_update(diagonal: FloatArray, squares: FloatArray) -> FloatArray:
    """Return the eigenvalues of diag(d) + z z^T, ascending, as roots of 1 + sum_j z_j^2 / (d_j - x).

    Parameters
    ----------
    diagonal : ndarray of shape (k,)
        d, ascending.
    squares : ndarray of shape (k,)
        z squared.
    """
    ends = np.append(diagonal[1:], diagonal[-1:] + 2 * squares.sum())
    blocks = [slice(start, start + _BLOCK_ROOTS) for start in range(0, len(diagonal), _BLOCK_ROOTS)]
    found = [_roots(diagonal, squares, diagonal[block], ends[block]) for block in blocks]
    roots: FloatArray = np.concatenate([np.empty(0), *found])
    return roots


def _roots(diagonal: FloatArray, squares: FloatArray, starts: FloatArray, ends: FloatArray) -> FloatArray:
    """Return the one root between each start and end, by Newton steps kept inside the bracket."""
    offsets, gaps = diagonal[None, :] - starts[:, None], ends - starts
    low, high, x = np.zeros(len(starts)), gaps, gaps / 2
    # Equal diagonal entries leave no gap, and divide by zero on the way to the start, which is right.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(_MAX_ITERATIONS):
            inverse = 1.0 / (offsets - x[:, None])
            value = 1.0 + inverse @ squares
            low, high = np.where(value < 0, x, low), np.where(value < 0, high, x)
            # Without its poles at both ends the function is nearly straight.
            slope = (inverse**2 @ squares) * x * (gaps - x) + value * (gaps - 2 * x)
            step = x - value * x * (gaps - x) / slope
            new = np.where((step > low) & (step < high), step, (low + high) / 2)
            is_done = np.all(np.abs(new - x) <= 1e-15 * (starts + new))
            x = new
            if is_done:
                break
    return starts + x
