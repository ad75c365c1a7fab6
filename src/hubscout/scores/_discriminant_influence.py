"""How much each sample moves the mean posterior of a discriminant, to first order.

The discriminant is fitted to samples of the same task: more of a class moves its prior, its mean and the covariance.
The spread of the posteriors alone leaves that out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.scores._discriminant_space import own_rows
from hubscout.scores._pooled_discriminant import Fit, softmax
from hubscout.stats.chunks import row_slices
from hubscout.stats.namespace import like, namespace, one_hot, to_numpy


def influence(
    fit: Fit,
    codes: IntArray,
    scored: Iterator[tuple[Any, Array]],
    fitted: Iterator[tuple[Any, Array]],
) -> tuple[FloatArray, FloatArray]:
    """Return the posteriors of some samples, and what the samples of the fit do to the sum of them.

    Parameters
    ----------
    fit : Fit
        Its amount of shrinkage is held fixed.
    codes : ndarray of shape (n_samples,), int
    scored : iterator over rows and vectors
        The samples whose posteriors count.
    fitted : iterator over rows and vectors
        The samples of the fit, as it saw them; the vectors are overwritten.

    Returns
    -------
    posteriors : ndarray of shape (n_samples,)
        Zero for samples that are not scored.
    effects : ndarray of shape (n_samples,)
        Change of the sum of the posteriors with one more of a sample, about their mean; zero for samples that the fit
        has not seen.
    """
    posteriors, totals, pulls = _slopes(fit, codes, scored)
    xp = namespace(pulls)
    pulled = fit.solve(pulls)
    both = xp.concat([fit.weights, pulled.T], axis=1)
    # A residual r acts through the covariance by sum_c (r . pulled_c)(r . w_c) - totals_c (r . w_c)^2 / 2; this is
    # what the mean variance does, which shrinkage mixes in.
    halves = like(0.5 * totals, pulls)[:, None]
    spread = float(xp.sum((pulled - halves * fit.weights.T) * fit.weights.T))
    amount, size = fit.shrinkage.amount, fit.shrinkage.size
    effects, is_fitted = np.zeros(len(codes)), np.zeros(len(codes), dtype=bool)
    for rows, vectors in fitted:
        own = codes[rows]
        vectors -= own_rows(fit.means, own, vectors)
        by_mean, by_covariance = _projections(vectors, both, totals, own)
        norms = to_numpy(namespace(vectors).vecdot(vectors, vectors, axis=-1))
        by_covariance = (1 - amount) * by_covariance + amount / size * spread * norms
        effects[rows] = (by_mean + totals[own]) / fit.counts[own] - by_covariance / fit.counts.sum()
        is_fitted[rows] = True
    effects[is_fitted] -= effects[is_fitted].mean()
    return posteriors, effects


def _slopes(fit: Fit, codes: IntArray, scored: Iterator[tuple[Any, Array]]) -> tuple[FloatArray, FloatArray, Array]:
    """Return the posteriors of the true class, and the sums of their slopes by each logit.

    Returns
    -------
    posteriors : ndarray of shape (n_samples,)
    totals : ndarray of shape (n_classes,)
        Sums of the slopes.
    pulls : array of shape (n_classes, size)
        Sums of the slopes times the samples.
    """
    posteriors, totals = np.zeros(len(codes)), np.zeros(len(fit.counts))
    pulls: Array = 0.0
    for rows, vectors in scored:
        xp, found = namespace(vectors), []
        for part, logits in fit.logits(vectors):
            probabilities = softmax(logits)
            hot = like(one_hot(codes[rows][part], len(totals)), vectors)
            own = xp.sum(probabilities * hot, axis=1)
            slopes = own[:, None] * (hot - probabilities)
            totals += to_numpy(xp.sum(slopes, axis=0, dtype=xp.float64))
            pulls = pulls + xp.astype(xp.matmul(slopes.T, vectors[part, :]), xp.float64, copy=False)
            found.append(to_numpy(own))
        posteriors[rows] = np.concatenate(found)
    return posteriors, totals, pulls


def _projections(residuals: Array, both: Array, totals: FloatArray, codes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return what each residual does through its class mean, and through the covariance."""
    xp, n_classes = namespace(residuals), len(totals)
    both, halves = xp.astype(both, residuals.dtype, copy=False), like(0.5 * totals, residuals)
    by_mean, by_covariance = [], []
    for part in row_slices(residuals.shape[0], 64 * n_classes):
        projected = xp.matmul(residuals[part, :], both)
        weights, pulled = projected[:, :n_classes], projected[:, n_classes:]
        by_covariance.append(to_numpy(xp.sum((pulled - halves[None, :] * weights) * weights, axis=1)))
        own = like(codes[part].astype(np.int64), residuals)[:, None]
        chosen = [to_numpy(xp.take_along_axis(each, own, axis=1))[:, 0] for each in (pulled, weights)]
        by_mean.append(chosen[0] - totals[codes[part]] * chosen[1])
    return np.concatenate(by_mean).astype(np.float64), np.concatenate(by_covariance).astype(np.float64)
