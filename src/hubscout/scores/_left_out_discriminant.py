"""Posteriors of a shrunk linear discriminant fitted without each sample, or without its group, in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.scores._discriminant_space import Space, TrainingSet
from hubscout.scores._pooled_discriminant import ledoit_wolf
from hubscout.scores._ridge_residuals import stacks
from hubscout.stats import Statistics
from hubscout.stats.gaussian import true_class_posterior
from hubscout.stats.namespace import like, namespace, to_numpy
from hubscout.stats.spectrum import Spectrum

# Stands for the logarithm of zero, in float32 too: a class without samples is never predicted.
_LOG_ZERO = -1e30


@dataclass(frozen=True)
class _Discriminant:
    """Gaussian classes with one covariance, fitted to all samples, in coordinates where it is the identity.

    Parameters
    ----------
    spectrum : Spectrum
        Of the features, with components that are scaled and turned so that the coordinates are those.
    means : array of shape (n_classes, n_components)
    counts : ndarray of shape (n_classes,)
    share : float
        What the outer product of one residual counts in the covariance: (1 - a) / N.
    """

    spectrum: Spectrum
    means: Array
    counts: FloatArray
    share: float


@dataclass(frozen=True)
class _Stack:
    """Groups of one size m, and which classes each holds; a group's absent classes repeat its first one.

    Parameters
    ----------
    present : ndarray of shape (n_groups, k), int
        The classes.
    slots : ndarray of shape (n_groups, m), int
        Where each sample's class is among them.
    sizes : ndarray of shape (n_groups, k)
        Samples of the group that they have; 0 for absent ones.
    """

    present: IntArray
    slots: IntArray
    sizes: FloatArray

    @classmethod
    def of(cls, codes: IntArray) -> _Stack:
        """Return the classes of groups by the class of each sample, (n_groups, m)."""
        order = np.argsort(codes, axis=1, kind="stable")
        ascending = np.take_along_axis(codes, order, axis=1)
        is_new = np.diff(ascending, axis=1, prepend=ascending[:, :1]) > 0
        ranks = np.cumsum(is_new, axis=1, dtype=np.intp)
        present = np.repeat(ascending[:, :1], int(ranks.max()) + 1, axis=1)
        np.put_along_axis(present, ranks, ascending, axis=1)
        slots = np.empty_like(ranks)
        np.put_along_axis(slots, order, ranks, axis=1)
        sizes = (slots[:, :, None] == np.arange(present.shape[1])).sum(axis=1)
        return cls(present, slots, sizes.astype(np.float64))


def left_out_posteriors(statistics: Statistics) -> FloatArray:
    """Return the posterior of each sample's own class, (n_samples,), by the fit to all but the sample or its group.

    The amount of shrinkage, a, is that of all samples. With N samples and W the scatter about class means, the
    covariance is A = (1 - a) W / N + ridge I; without m samples it is N / (N - m) (A - B^T B), where B holds what
    they take from W. In coordinates where A is the identity, the distance of v is then

        (N - m) / N (|v|^2 + |S v|^2),  S = (I - B B^T)^{-1/2} B:

    that of v with the few coordinates S v beside it. A class with no other sample is unknown, and its posterior 0.
    """
    codes, spectrum = statistics.codes, statistics.spectrum()
    if spectrum.n_components == 0:
        return _left_out_priors(statistics)
    discriminant = _fitted(Space(statistics))
    found = np.empty(statistics.n_samples)
    for rows, vectors in _walk(statistics, discriminant.spectrum):
        found[rows] = _posteriors(discriminant, vectors, codes[rows])
    return found


def _left_out_priors(statistics: Statistics) -> FloatArray:
    """Return the share of each sample's class among the samples outside of its group."""
    codes, counts = statistics.codes, statistics.counts
    groups = np.arange(len(codes)) if statistics.groups is None else statistics.groups
    _, pairs, sizes = np.unique(groups * len(counts) + codes, return_inverse=True, return_counts=True)
    shares: FloatArray = (counts[codes] - sizes[pairs]) / (len(codes) - np.bincount(groups)[groups])
    return shares


def _fitted(space: Space) -> _Discriminant:
    samples = TrainingSet.whole(space)
    shrinkage, moments = ledoit_wolf(samples), samples.moments
    between = float(moments.counts @ np.einsum("ij,ij->i", moments.means, moments.means)) / moments.n_samples
    whiten = whitener(shrinkage.apply(moments.within, between))
    vectors = space.spectrum.right_vectors
    turned = namespace(vectors).matmul(vectors, like(whiten, vectors))
    share = (1 - shrinkage.amount) / moments.n_samples
    means = like(moments.means @ whiten, vectors)
    return _Discriminant(replace(space.spectrum, right_vectors=turned), means, moments.counts, share)


def whitener(covariance: FloatArray) -> FloatArray:
    """Return T with T T^T = covariance^{-1}, (s, s): rows t T have identity covariance."""
    from scipy.linalg import LinAlgError, cholesky, solve_triangular

    try:
        factor = cholesky(covariance, lower=True, check_finite=False)
    except LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        # As far as rounding left them below zero, nothing above it is known either.
        values = np.maximum(values, max(-values[0], np.finfo(np.float64).tiny ** 0.5))
        scaled: FloatArray = vectors / np.sqrt(values)
        return scaled
    inverse: FloatArray = solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False).T
    return inverse


def _walk(statistics: Statistics, spectrum: Spectrum) -> Iterator[tuple[IntArray, Array]]:
    """Walk over groups of one size m: their rows, (n_groups, m), and coordinates, (n_groups, m, n_components)."""
    width = 5 * spectrum.n_components + 8 * statistics.n_targets
    if statistics.groups is None:
        for part, vectors in statistics.coordinates(spectrum, width=width):
            yield np.arange(part.start, part.stop)[:, None], vectors[:, None, :]
        return
    for rows in stacks(statistics.groups, width):
        parts = [vectors for _, vectors in statistics.coordinates(spectrum, width=width, rows=rows.ravel())]
        xp = namespace(parts[0])
        yield rows, xp.reshape(xp.concat(parts, axis=0), (*rows.shape, spectrum.n_components))


def _posteriors(discriminant: _Discriminant, vectors: Array, codes: IntArray) -> FloatArray:
    """Return the posterior of the class of each sample in some groups, (n_groups, m), without its group.

    Terms of the logits that all classes share are left out.
    """
    stack, xp = _Stack.of(codes), namespace(vectors)
    means = xp.astype(discriminant.means, vectors.dtype, copy=False)
    own_means, taken = _without_group(discriminant, means, vectors, stack, codes)
    squeezed = _squeezed(taken)
    beside = xp.matmul(vectors, xp.matrix_transpose(squeezed))
    others = _logits(vectors, means.T, beside, _products(squeezed, means))
    own = xp.matrix_transpose(own_means)
    present = _logits(vectors, own, beside, xp.matmul(squeezed, own))
    logits = xp.concat([others, present], axis=2)
    n_samples = discriminant.counts.sum()
    logits *= float((n_samples - codes.shape[1]) / n_samples)
    logits += like(_log_priors(discriminant.counts, stack), vectors)[:, None, :]
    table = xp.reshape(logits, (codes.size, logits.shape[2]))
    place = len(discriminant.counts) + stack.slots
    return to_numpy(true_class_posterior(table, place.ravel())).reshape(codes.shape)


def _without_group(
    discriminant: _Discriminant, means: Array, vectors: Array, stack: _Stack, codes: IntArray
) -> tuple[Array, Array]:
    """Return the means of the classes present without each group, (g, k, s), and what it takes from the scatter.

    The latter is B, (g, m, s): the residuals of the group, with their mean in each class stretched by the root of
    n / (n - m_c), for the class mean has followed them.
    """
    xp = namespace(vectors)
    n = discriminant.counts[stack.present]
    left = n - stack.sizes
    is_known = left > 0
    outside = np.maximum(left, 1.0)
    stretch = np.where(is_known, np.sqrt(n / outside) - 1, 0.0) / np.maximum(stack.sizes, 1.0)
    belongs = (stack.slots[:, :, None] == np.arange(n.shape[1])).astype(np.float64)  # (g, m, k)

    def rows_of(wanted: IntArray) -> Array:
        taken = xp.take(means, like(wanted.ravel().astype(np.int64), means), axis=0)
        return xp.reshape(taken, (*wanted.shape, means.shape[1]))

    residuals = vectors - rows_of(codes)
    sums = xp.matmul(like(np.ascontiguousarray(belongs.transpose(0, 2, 1)), vectors), residuals)
    own = rows_of(stack.present) - sums * like(1 / outside, vectors)[:, :, None]
    residuals = residuals + xp.matmul(like(belongs * stretch[:, None, :], vectors), sums)
    return own, residuals * float(np.sqrt(discriminant.share))


def _squeezed(taken: Array) -> Array:
    """Return S with S^T S = (I - B^T B)^{-1} - I for a stack of B, (g, m, s): (g, min(m, s), s)."""
    xp = namespace(taken)
    flipped = xp.matrix_transpose(taken)
    is_wide = taken.shape[1] <= taken.shape[2]
    gram = to_numpy(xp.matmul(taken, flipped) if is_wide else xp.matmul(flipped, taken))
    precision = float(np.finfo(gram.dtype).eps)
    values, turns = np.linalg.eigh(gram.astype(np.float64))
    # A sample that has a direction for itself leaves nothing of it; how little is lost in rounding.
    left = np.maximum(1 - values, precision)[:, :, None]
    turns = turns.transpose(0, 2, 1)
    if is_wide:
        return xp.matmul(like(turns / np.sqrt(left), taken), taken)
    return like(np.sqrt(np.maximum(values, 0.0)[:, :, None] / left) * turns, taken)


def _products(squeezed: Array, means: Array) -> Array:
    """Return S m_c of all classes, (g, k, n_classes), in one product."""
    xp = namespace(means)
    flat = xp.reshape(squeezed, (-1, squeezed.shape[2]))
    return xp.reshape(xp.matmul(flat, means.T), (*squeezed.shape[:2], means.shape[0]))


def _logits(vectors: Array, means: Array, beside: Array, means_beside: Array) -> Array:
    """Return v m - 1/2 |m|^2 of vectors and means with further coordinates beside them.

    Parameters
    ----------
    vectors : array of shape (g, m, s)
    means : array of shape (s, c) or (g, s, c)
    beside : array of shape (g, m, k)
    means_beside : array of shape (g, k, c)
    """
    xp = namespace(vectors)
    if means.ndim == 2:
        flat = xp.matmul(xp.reshape(vectors, (-1, vectors.shape[2])), means)
        found = xp.reshape(flat, (*vectors.shape[:2], means.shape[1]))
    else:
        found = xp.matmul(vectors, means)
    found += xp.matmul(beside, means_beside)
    found -= 0.5 * xp.sum(means**2, axis=-2, keepdims=True)
    found -= 0.5 * xp.sum(means_beside**2, axis=-2, keepdims=True)
    return found


def _log_priors(counts: FloatArray, stack: _Stack) -> FloatArray:
    """Return log counts of all classes outside of each group, then those of its classes, (g, n_classes + k)."""
    left = counts[stack.present] - stack.sizes
    is_known: npt.NDArray[Any] = (left > 0) & (stack.sizes > 0)
    own = np.where(is_known, np.log(np.maximum(left, 1.0)), _LOG_ZERO)
    others = np.tile(np.log(counts), (len(own), 1))
    np.put_along_axis(others, stack.present, _LOG_ZERO, axis=1)
    return np.concatenate([others, own], axis=1)
