"""What LEEP and NCE say without signal: mean and spread over all orders of the labels, by expansion.

With M = P D^{-1} P^T, D the column sums of P, the probability of sample i's label is pi_y + e_i, where
e_i = sum_j (M_ij - 1/N) [y_j = y_i]. The mean logarithm, expanded in e_i / pi_y to second order, is minus the entropy
of the labels plus tr(A B), with A = Mc - Mc^2 / 2, Mc = M - 11^T / N, and B the projection on the class means: its
moments over all orders are known. The next two orders correct the mean, and tell where the expansion serves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubscout._typing import FloatArray
from hubscout.scores._spec import NullReference
from hubscout.stats import Statistics
from hubscout.stats.chunks import row_slices
from hubscout.stats.label_orders import CentredSums, trace_product_moments
from hubscout.stats.namespace import like, namespace, to_numpy

# The part of the spread that orders beyond the second may have in the mean. Then the mean is within 0.1 standard
# deviations, and those are within 5 percent, of what thousands of draws give.
_NEGLIGIBLE = 0.05
# With more source classes than these, drawing orders of the labels costs less than their S x S matrix.
_MAX_SOURCE_CLASSES = 1024


@dataclass(frozen=True)
class Mixing:
    """What the expansion asks of M, by which samples lend their labels to each other.

    Parameters
    ----------
    own : ndarray of shape (n_samples,)
        M_ii, the share of a sample in its own prediction.
    squares : ndarray of shape (n_samples,)
        Sum over j of M_ij squared.
    eigenvalues : ndarray of shape (n_eigenvalues,)
        Of Mc; zeros may be missing.
    offset : float, default=0.0
        Mean logarithm of the sums of the rows of P, which rounding may have left beside 1.
    """

    own: FloatArray
    squares: FloatArray
    eigenvalues: FloatArray
    offset: float = 0.0


def null_of_answers(statistics: Statistics, answers: Any) -> NullReference | None:
    """Return the null reference of a head that gives each sample one source class, (n_samples,)."""
    sizes = np.bincount(answers)
    shares = 1 / sizes[answers]
    return _expansion(statistics.counts, Mixing(shares, shares, np.ones(np.count_nonzero(sizes) - 1)))


def null_of_probs(statistics: Statistics, probs: Any) -> NullReference | None:
    """Return the null reference of a head's probabilities, (n_samples, n_source_classes); None if it is to be drawn."""
    if probs.shape[1] > _MAX_SOURCE_CLASSES:
        return None
    scaling, own, offset = statistics.remember("leep_own_shares", lambda: _own_shares(probs))
    # Before the S x S matrix: the least that the remainder can be, against the most that the spread can.
    centred, n = own - 1 / len(own), len(own)
    spread = np.sqrt(2 * (statistics.n_targets - 1) * max(centred.sum(), 0.0)) / n
    if 0.75 * _rarity(statistics.counts) * (centred @ centred) / (6 * n) > _NEGLIGIBLE * spread + 1e-12:
        return None
    mixing = statistics.remember("leep_mixing", lambda: _mixing(probs, scaling, own, offset))
    return _expansion(statistics.counts, mixing)


def _rarity(counts: FloatArray) -> float:
    return float((counts.sum() / counts - 1).sum())


def _expansion(counts: FloatArray, mixing: Mixing) -> NullReference | None:
    n, priors = float(counts.sum()), counts / counts.sum()
    certain = mixing.offset + float(priors @ np.log(priors))
    if mixing.eigenvalues.sum() <= 1e-9:
        return NullReference(certain, 0.0, "analytic")  # a head that always answers the same knows no order
    own, squares = mixing.own - 1 / n, mixing.squares - 1 / n
    filtered = mixing.eigenvalues - mixing.eigenvalues**2 / 2
    sums = CentredSums(
        int(n), float(filtered.sum()), float(filtered @ filtered), float(((own - squares / 2) ** 2).sum())
    )
    mean, deviation = trace_product_moments(sums, CentredSums.of_class_means(counts))
    remainder = _rarity(counts) / 6 * float((squares**2 + 3 * (own - squares) ** 2).sum()) / n
    if remainder > _NEGLIGIBLE * deviation:
        return None
    rest = 1 - priors
    skewness = float((rest * (1 - 2 * priors) / priors).sum())
    variance = float((rest**2 / priors).sum())
    # Sums of cubes are those of samples that share their weight evenly, which a head that is sure makes them do.
    cubes = mixing.squares**2 - 3 * squares / n - 1 / n**2
    third = skewness * (cubes / 3 - (own**2 - squares / n) / 2) + variance * (own * squares - 0.75 * squares**2)
    # Bartlett's: a likelihood ratio is off its limit by one factor, in the mean as in the spread.
    factor = 1 + float(third.sum()) / (n * mean)
    return NullReference(certain + mean * factor, deviation * factor, "analytic")


def _blocks(probs: Any, scaling: FloatArray | None = None) -> Iterator[tuple[slice, Any]]:
    """Walk over rows of P in float64, its columns scaled."""
    xp = namespace(probs)
    for rows in row_slices(probs.shape[0], 32 * probs.shape[1]):
        block = xp.astype(probs[rows, :], xp.float64, copy=False)
        yield rows, block if scaling is None else block * like(scaling, block)[None, :]


def _own_shares(probs: Any) -> tuple[FloatArray, FloatArray, float]:
    """Return D^{-1/2}, the diagonal of M, and the mean logarithm of the row sums."""
    xp = namespace(probs)
    totals, offset, own = np.zeros(probs.shape[1]), 0.0, np.empty(probs.shape[0])
    for _, block in _blocks(probs):
        totals += to_numpy(xp.sum(block, axis=0))
        offset += float(xp.sum(xp.log(xp.sum(block, axis=1)))) / len(own)
    # A source class that no sample has any probability of takes no part.
    scaling = np.where(totals > 0, 1 / np.sqrt(np.where(totals > 0, totals, 1.0)), 0.0)
    for rows, block in _blocks(probs, scaling):
        own[rows] = to_numpy(xp.sum(block**2, axis=1))
    return scaling, own, offset


def _mixing(probs: Any, scaling: FloatArray, own: FloatArray, offset: float) -> Mixing:
    xp = namespace(probs)
    gram: Any = None
    for _, block in _blocks(probs, scaling):
        product = xp.matmul(block.T, block)
        gram = product if gram is None else gram + product
    squares = np.empty(len(own))
    for rows, block in _blocks(probs, scaling):
        squares[rows] = to_numpy(xp.sum(xp.matmul(block, gram) * block, axis=1))
    # The largest eigenvalue is 1, of the constant vector, which centring takes away.
    return Mixing(own, squares, to_numpy(xp.linalg.eigvalsh(gram))[:-1], offset)
