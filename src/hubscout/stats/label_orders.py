"""Mean and spread of quadratic statistics over all orders of the labels, in closed form.

Many scores are a sum over pairs of samples of something that features say, a_ij, times something that labels say,
b_ij. Without signal every order of the labels is as likely as another; the first two moments of sum_ij a_ij b_ij
over all N! orders follow from three sums of each matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubscout._typing import FloatArray

# Differences of sums that agree to this share of them are rounding error.
_ROUNDING = 1e-11


@dataclass(frozen=True)
class PairSums:
    """What a symmetric matrix sums to over ordered pairs of distinct samples; its diagonal plays no part.

    Parameters
    ----------
    n_samples : int
    total : float
        Sum of a_ij.
    squares : float
        Sum of a_ij squared.
    row_squares : float
        Sum over i of (sum_j a_ij) squared.
    """

    n_samples: int
    total: float
    squares: float
    row_squares: float

    @classmethod
    def of_same_class(cls, counts: FloatArray) -> PairSums:
        """Return the sums of the matrix that is 1 for two samples of one class, and 0 otherwise."""
        pairs = float(counts @ (counts - 1))
        return cls(int(counts.sum()), pairs, pairs, float(counts @ (counts - 1) ** 2))

    def overlaps(self) -> tuple[float, float, float]:
        """Sum products of two entries, less their mean, by what the two pairs share.

        Returns
        -------
        both, one, none : float
            Over pairs of entries with both samples in common, with just one of them, and with none.
        """
        n = self.n_samples
        mean = self.total / (n * (n - 1))
        both = _difference(self.squares, n * (n - 1) * mean**2)
        rows = _difference(self.row_squares, n * (n - 1) ** 2 * mean**2)
        one = rows - both
        # All entries together sum to zero, which leaves the rest to the pairs of entries apart from each other.
        return both, one, -2 * both - 4 * one


def pair_product_moments(left: PairSums, right: PairSums) -> tuple[float, float]:
    """Return mean and standard deviation of sum_{i != j} a_ij b_{p(i) p(j)} over all orders p of the samples.

    Parameters
    ----------
    left, right : PairSums
        Of the matrices a and b, of at least 2 samples.

    Returns
    -------
    mean, standard_deviation : float

    References
    ----------
    N. Mantel, "The detection of disease clustering and a generalized regression approach", Cancer Research 27(2),
    1967.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.stats.label_orders import PairSums, pair_product_moments
    >>> same = PairSums.of_same_class(np.array([2.0, 2.0]))
    >>> mean, deviation = pair_product_moments(same, same)
    >>> round(mean, 6), round(deviation, 6)
    (1.333333, 1.885618)
    """
    n = left.n_samples
    variance, orders = 0.0, n
    for step, (weight, own, other) in enumerate(zip((2, 4, 1), left.overlaps(), right.overlaps(), strict=True)):
        # Two pairs are of 2, 3 or 4 samples; there is no such choice among fewer.
        orders *= n - step - 1
        if orders > 0:
            variance += weight * own * other / orders
    return left.total * right.total / (n * (n - 1)), float(np.sqrt(max(variance, 0.0)))


@dataclass(frozen=True)
class CentredSums:
    """What a symmetric matrix whose rows sum to zero adds up to.

    Parameters
    ----------
    n_samples : int
    trace : float
        Sum of a_ii.
    square_trace : float
        Trace of the matrix times itself: the sum of the squares of all its entries.
    diagonal_squares : float
        Sum of a_ii squared.
    """

    n_samples: int
    trace: float
    square_trace: float
    diagonal_squares: float

    @classmethod
    def of_class_means(cls, counts: FloatArray) -> CentredSums:
        """Return the sums of the projection on the classes: 1/n_c between samples of class c, less 1/N for all."""
        n, rank = float(counts.sum()), float(len(counts) - 1)
        return cls(int(n), rank, rank, float(counts @ (1 / counts - 1 / n) ** 2))

    def contrasts(self) -> tuple[float, float]:
        """Return how far the matrix is from one that all orders leave alone: as a whole, and on its diagonal."""
        n, fourth = self.n_samples, self.trace**2 + 2 * self.square_trace
        whole = _difference((n - 1) * self.square_trace, self.trace**2)
        return whole, _difference(n * (n + 1) * self.diagonal_squares, (n - 1) * fourth)


def trace_product_moments(left: CentredSums, right: CentredSums) -> tuple[float, float]:
    """Return mean and standard deviation of sum_ij a_ij b_{p(i) p(j)} over all orders p of the samples.

    Parameters
    ----------
    left, right : CentredSums
        Of the matrices a and b, of at least 2 samples.

    Returns
    -------
    mean, standard_deviation : float

    References
    ----------
    F. Kazi-Aoual, S. Hitier, R. Sabatier, J.-D. Lebreton, "Refined approximations to permutation tests for
    multivariate inference", Computational Statistics & Data Analysis 20(6), 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.stats.label_orders import CentredSums, trace_product_moments
    >>> halves = CentredSums.of_class_means(np.array([2.0, 2.0]))
    >>> mean, deviation = trace_product_moments(halves, halves)
    >>> round(mean, 6), round(deviation, 6)
    (0.333333, 0.471405)
    """
    n = left.n_samples
    (whole, diagonal), (other_whole, other_diagonal) = left.contrasts(), right.contrasts()
    variance = 0.0
    # Matrices of 2 samples with rows that sum to zero look the same in every order; those of 3 do on the diagonal.
    if n > 2:
        variance += 2 * whole * other_whole / ((n - 1) ** 2 * (n + 1) * (n - 2))
    if n > 3:
        variance += diagonal * other_diagonal / ((n + 1) * n * (n - 1) * (n - 2) * (n - 3))
    return left.trace * right.trace / (n - 1), float(np.sqrt(max(variance, 0.0)))


def _difference(first: float, second: float) -> float:
    """Return first - second; zero where only rounding tells them apart."""
    return 0.0 if abs(first - second) <= _ROUNDING * max(abs(first), abs(second)) else first - second
