"""Gaussian classes that share one shrunk covariance: the classifier behind LDA, SFDA and PED."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.scores._discriminant_space import TrainingSet, add_own
from hubscout.stats import chunks
from hubscout.stats.chunks import row_slices
from hubscout.stats.gaussian import ledoit_wolf_shrinkage, true_class_posterior
from hubscout.stats.namespace import like, namespace, to_numpy

# Added to every variance, relative to the mean one: keeps classes that are points invertible, and above rounding.
_FLOOR = 1e-9
# Copies for which chunks are cut where only few numbers a row are wanted: memory of that size is at hand, not new.
_SMALL_CHUNKS = 8


@dataclass(frozen=True)
class Shrinkage:
    """How a covariance is drawn towards a multiple of the identity.

    Parameters
    ----------
    amount : float
        Share of the mean variance, in [0, 1].
    size : int
        Dimensions that the trace is shared out to.
    floor : float, default=1e-9
        Added to each variance, relative to the mean variance of samples and class means.
    """

    amount: float
    size: int
    floor: float = _FLOOR

    def apply(self, covariance: FloatArray, between: float) -> FloatArray:
        """Shrink a covariance, which is overwritten.

        Parameters
        ----------
        covariance : ndarray of shape (s, s)
        between : float
            Trace of the covariance of the class means.
        """
        trace = max(float(np.trace(covariance)), 0.0)
        smallest = max(self.floor * (trace + between), np.finfo(np.float64).tiny ** 0.5)
        covariance *= 1 - self.amount
        covariance[np.diag_indices(len(covariance))] += (self.amount * trace + smallest) / self.size
        return covariance


@dataclass(frozen=True)
class Fit:
    """Gaussian classes with one covariance, as linear logits v W + b whose softmax is the posterior.

    Parameters
    ----------
    weights : array of shape (size, n_classes)
        S_a^{-1} m_c as columns, in some space and the array library of the features.
    offsets : ndarray of shape (n_classes,)
        ln pi_c - 1/2 m_c^T S_a^{-1} m_c.
    means : array of shape (n_classes, size)
        In the same space.
    counts : ndarray of shape (n_classes,)
        Samples of each class that it is fitted to.
    log_priors : ndarray of shape (n_classes,)
    shrinkage : Shrinkage
    solve : callable
        Multiplies rows of the space, (n, size), by the inverse of the shrunk covariance.
    """

    weights: Array
    offsets: FloatArray
    means: Array
    counts: FloatArray
    log_priors: FloatArray
    shrinkage: Shrinkage
    solve: Callable[[Array], Array]

    def posteriors(self, vectors: Array, codes: IntArray) -> Array:
        """Return the posterior of each sample's own class, (n,), for vectors (n, size) and codes (n,)."""
        found = [true_class_posterior(logits, codes[part]) for part, logits in self.logits(vectors)]
        return namespace(vectors).concat(found)

    def logits(self, vectors: Array) -> Iterator[tuple[slice, Array]]:
        """Walk over the logits (rows, n_classes), in blocks of rows: there may be far more classes than features."""
        xp = namespace(vectors)
        weights, offsets = xp.astype(self.weights, vectors.dtype, copy=False), like(self.offsets, vectors)
        for part in row_slices(vectors.shape[0], 32 * len(self.offsets)):
            yield part, xp.matmul(vectors[part, :], weights) + offsets[None, :]


def softmax(logits: Array) -> Array:
    """Return the probabilities of each row, without overflow."""
    xp = namespace(logits)
    exponentials = xp.exp(logits - xp.max(logits, axis=1, keepdims=True))
    return exponentials / xp.sum(exponentials, axis=1, keepdims=True)


def ledoit_wolf(samples: TrainingSet) -> Shrinkage:
    """Return the shrinkage that suits the residuals of samples from their class means.

    The target is relative to the number of components, not of features: columns without spread change nothing.
    """
    if samples.rows is not None:
        return _ledoit_wolf(samples)
    statistics = samples.space.statistics
    return statistics.remember("pooled shrinkage", lambda: _ledoit_wolf(samples), of_labels=True)


def _ledoit_wolf(samples: TrainingSet) -> Shrinkage:
    within = samples.moments.within
    squares, trace, rank = float(np.vdot(within, within)), float(np.trace(within)), len(within)
    amount = ledoit_wolf_shrinkage(samples.norms, squares, trace, samples.moments.n_samples, rank)
    return Shrinkage(amount, rank)


def fit(samples: TrainingSet, shrinkage: Shrinkage) -> Fit:
    """Fit Gaussian classes to samples by their moments in the coordinates of the spectrum.

    Parameters
    ----------
    samples : TrainingSet
        The covariance among its moments is overwritten.
    shrinkage : Shrinkage

    Returns
    -------
    Fit
        In the space of the samples.
    """
    if samples.rows is not None:
        return _fit(samples, shrinkage)
    # LDA's classifier is the one that SFDA and PED start from. Its factor is as large as the Gram matrix, and not kept.
    space = samples.space

    def solve(rows: Array) -> Array:
        return _fit(TrainingSet.whole(space), shrinkage).solve(rows)

    def compute() -> Fit:
        return replace(_fit(samples, shrinkage), solve=solve)

    return space.statistics.remember(("pooled fit", space.is_reduced, shrinkage), compute, of_labels=True)


def _fit(samples: TrainingSet, shrinkage: Shrinkage) -> Fit:
    space, moments = samples.space, samples.moments
    means = moments.means
    solve = _solver(moments.within, means, moments.log_priors, shrinkage)
    weights = solve(means)

    def solve_in_space(rows: Array) -> Array:
        return space.place(solve(space.coordinates(rows)))

    offsets = moments.log_priors - 0.5 * np.einsum("ij,ij->i", means, weights)
    placed = space.place(weights).T
    return Fit(placed, offsets, samples.means, moments.counts, moments.log_priors, shrinkage, solve_in_space)


def posteriors_of(
    samples: TrainingSet,
    fit: Fit,
    *,
    shifts: Array | None = None,
    confidences: FloatArray | None = None,
    origins: Array | None = None,
    is_softened: bool = False,
) -> FloatArray:
    """Return the posterior of each sample's own class, with the samples moved by what they belong to.

    A sample v of class c is scored as o_c + q (v + s_c - o_c). Its logits move as it does, and have fewer numbers: they
    are moved instead, where there are not too many pairs of classes.

    Parameters
    ----------
    samples : TrainingSet
    fit : Fit
    shifts : array of shape (n_classes, size), optional
        s_c.
    confidences : ndarray of shape (n_samples,), optional
        q.
    origins : array of shape (n_classes, size), optional
        o_c; given along with ``confidences``.
    is_softened : bool, default=False
        Whether to take the softmax of the posteriors once more.

    Returns
    -------
    ndarray of shape (n_samples,)
        Zero for samples outside the set.
    """
    space, found = samples.space, np.zeros(samples.space.statistics.n_samples)
    xp, is_late = namespace(fit.weights), 24 * len(fit.offsets) ** 2 <= chunks.CHUNK_BYTES
    starts, ends = shifts, origins
    if origins is not None:
        starts = -origins if shifts is None else shifts - origins
    if is_late:
        starts, ends = (None if points is None else xp.matmul(points, fit.weights) for points in (starts, ends))

    def moved(vectors: Array, codes: IntArray, scales: FloatArray | None) -> Array:
        vectors = vectors if starts is None else add_own(vectors, starts, codes)
        if scales is not None:
            vectors *= like(scales, vectors)[:, None]
        return vectors if ends is None else add_own(vectors, ends, codes)

    for rows, vectors in space.walk(samples.rows, copies=_SMALL_CHUNKS):
        codes = space.statistics.codes[rows]
        for part in row_slices(len(codes), 32 * len(fit.offsets)):
            scales = None if confidences is None else confidences[rows][part]
            block = vectors[part, :] if is_late else moved(vectors[part, :], codes[part], scales)
            logits = xp.matmul(block, xp.astype(fit.weights, vectors.dtype, copy=False))
            logits = moved(logits, codes[part], scales) if is_late else logits
            logits += like(fit.offsets, logits)[None, :]
            own = true_class_posterior(softmax(logits) if is_softened else logits, codes[part])
            place = slice(rows.start + part.start, rows.start + part.stop) if isinstance(rows, slice) else rows[part]
            found[place] = to_numpy(own)
    return found


def own_posteriors(samples: TrainingSet, fit: Fit) -> FloatArray:
    """Return the posterior of each sample's own class, (n_samples,): what LDA is the mean of, and SFDA mixes by."""
    if samples.rows is not None:
        return posteriors_of(samples, fit)
    key = ("pooled posteriors", samples.space.is_reduced, fit.shrinkage)
    return samples.space.statistics.remember(key, lambda: posteriors_of(samples, fit), of_labels=True)


def fit_in_space(
    covariance: FloatArray, means: Array, log_priors: FloatArray, counts: FloatArray, shrinkage: Shrinkage
) -> Fit:
    """Fit Gaussian classes to moments in the space itself.

    Parameters
    ----------
    covariance : ndarray of shape (size, size)
        Pooled within-class covariance; overwritten.
    means : array of shape (n_classes, size)
    log_priors, counts : ndarray of shape (n_classes,)
    shrinkage : Shrinkage
    """
    own = to_numpy(means)
    solve = _solver(covariance, own, log_priors, shrinkage)
    weights = solve(own)
    offsets = log_priors - 0.5 * np.einsum("ij,ij->i", own, weights)

    def solve_in_space(rows: Array) -> Array:
        return like(solve(to_numpy(rows)), means)

    return Fit(like(weights, means).T, offsets, means, counts, log_priors, shrinkage, solve_in_space)


def _solver(
    covariance: FloatArray, means: FloatArray, log_priors: FloatArray, shrinkage: Shrinkage
) -> Callable[[FloatArray], FloatArray]:
    """Return the function that multiplies rows, (n, s), by the inverse of the shrunk covariance."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    between = float(np.exp(log_priors) @ np.einsum("ij,ij->i", means, means))
    stable = shrinkage.apply(covariance, between)
    # The transpose is the same matrix in the order of columns that LAPACK overwrites without a copy.
    diagonal = stable.diagonal().copy()
    try:
        factor = cho_factor(stable.T, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        # What folds take away leaves rounding below zero, where single samples have nearly all of the spread.
        stable[np.diag_indices(len(stable))] = diagonal
        return _eigen_solver(stable)

    def solve(rows: FloatArray) -> FloatArray:
        solved: FloatArray = cho_solve(factor, rows.T, check_finite=False).T
        return solved

    return solve


def _eigen_solver(covariance: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Do the same for a covariance, read from its lower triangle, that rounding leaves indefinite."""
    values, vectors = np.linalg.eigh(covariance)
    # As far as they go below zero, nothing above it is known either.
    values = np.maximum(values, max(-values[0], np.finfo(np.float64).tiny ** 0.5))

    def solve(rows: FloatArray) -> FloatArray:
        solved: FloatArray = (rows @ vectors / values) @ vectors.T
        return solved

    return solve
