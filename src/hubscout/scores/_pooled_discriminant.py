"""Gaussian classes that share one shrunk covariance: the classifier behind LDA, SFDA and PED."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.scores._discriminant_space import TrainingSet
from hubscout.stats.chunks import row_slices
from hubscout.stats.gaussian import ledoit_wolf_shrinkage, true_class_posterior
from hubscout.stats.namespace import like, namespace, to_numpy

# Added to every variance, relative to the mean one: keeps classes that are points invertible, and above rounding.
_FLOOR = 1e-9


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
    shrinkage : Shrinkage
    solve : callable
        Multiplies rows of the space, (n, size), by the inverse of the shrunk covariance.
    """

    weights: Array
    offsets: FloatArray
    means: Array
    counts: FloatArray
    shrinkage: Shrinkage
    solve: Callable[[Array], Array]

    def posteriors(self, vectors: Array, codes: IntArray, *, is_softened: bool = False) -> Array:
        """Return the posterior of each sample's own class, (n,).

        Parameters
        ----------
        vectors : array of shape (n, size)
        codes : ndarray of shape (n,), int
        is_softened : bool, default=False
            Whether to take the softmax of the posteriors once more.
        """
        found = []
        for part, logits in self.logits(vectors):
            if is_softened:
                logits = softmax(logits)
            found.append(true_class_posterior(logits, codes[part]))
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
    within = samples.moments.within
    squares, trace, rank = float(np.vdot(within, within)), float(np.trace(within)), len(within)
    amount = ledoit_wolf_shrinkage(samples.norms, squares, trace, samples.moments.n_samples, rank)
    return Shrinkage(amount, rank)


def fit(samples: TrainingSet, shrinkage: Shrinkage, shifts: FloatArray | None = None) -> Fit:
    """Fit Gaussian classes to samples by their moments in the coordinates of the spectrum.

    Parameters
    ----------
    samples : TrainingSet
        The covariance among its moments is overwritten.
    shrinkage : Shrinkage
    shifts : ndarray of shape (n_classes, n_components), optional
        Added to all samples of a class beforehand.

    Returns
    -------
    Fit
        In the space of the samples.
    """
    if samples.rows is not None or shifts is not None:
        return _fit(samples, shrinkage, shifts)
    # LDA's classifier is the one that SFDA starts from. Its factor is as large as the Gram matrix, and not kept.
    space = samples.space

    def solve(rows: Array) -> Array:
        return _fit(TrainingSet.whole(space), shrinkage, None).solve(rows)

    def compute() -> Fit:
        return replace(_fit(samples, shrinkage, None), solve=solve)

    return space.statistics.remember(("pooled fit", space.is_reduced, shrinkage), compute, of_labels=True)


def _fit(samples: TrainingSet, shrinkage: Shrinkage, shifts: FloatArray | None) -> Fit:
    space, moments = samples.space, samples.moments
    means = moments.means if shifts is None else moments.means + shifts
    placed = samples.means if shifts is None else samples.means + space.place(shifts)
    solve = _solver(moments.within, means, moments.log_priors, shrinkage)
    weights = solve(means)

    def solve_in_space(rows: Array) -> Array:
        return space.place(solve(space.coordinates(rows)))

    offsets = moments.log_priors - 0.5 * np.einsum("ij,ij->i", means, weights)
    return Fit(space.place(weights).T, offsets, placed, moments.counts, shrinkage, solve_in_space)


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

    return Fit(like(weights, means).T, offsets, means, counts, shrinkage, solve_in_space)


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
