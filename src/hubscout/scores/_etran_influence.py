"""How much each sample moves the class means that other samples are scored by: a part of ETran's standard error."""

from __future__ import annotations

import numpy as np

from hubscout._typing import Array, FloatArray
from hubscout.scores._etran_models import SphericalClasses, centred_chunks, left_out_factors
from hubscout.stats import Statistics
from hubscout.stats.namespace import like, namespace, one_hot, to_numpy


def model_influence(statistics: Statistics, variance: float) -> FloatArray:
    """Return what a little more of each sample does to the mean posterior through the model, (n_samples,).

    Parameters
    ----------
    statistics : Statistics
    variance : float
        That of the classes.

    Returns
    -------
    effects : ndarray of shape (n_samples,)
        Of mean zero.

    Notes
    -----
    The variance is taken to grow with a sample's squared distance from its class mean, whatever the direction.
    """
    model, codes = SphericalClasses.of(statistics, variance), statistics.codes
    counts = model.counts
    by_logit, by_mean, by_spread = _gradient(statistics, model)
    xp = namespace(model.means)
    distances, effects = np.empty(len(codes)), np.empty(len(codes))
    for rows, vectors in centred_chunks(statistics, width=2 * statistics.n_features, single=statistics.is_large):
        index = like(codes[rows].astype(np.int64), vectors)
        residuals = vectors - xp.take(xp.astype(model.means, vectors.dtype), index, axis=0)
        slopes = xp.take(xp.astype(by_mean, vectors.dtype), index, axis=0)
        effects[rows] = to_numpy(xp.vecdot(residuals, slopes, axis=-1)) / counts[codes[rows]]
        distances[rows] = to_numpy(xp.vecdot(residuals, residuals, axis=-1))
    effects += (by_logit / counts)[codes]
    if distances.any():
        effects += by_spread * distances / distances.mean()
    centred: FloatArray = effects - effects.mean()
    return centred


def _gradient(statistics: Statistics, model: SphericalClasses) -> tuple[FloatArray, Array, float]:
    """Return the derivatives of the sum of posteriors by logits, by class means, and of their mean by ln s^2."""
    codes, counts = statistics.codes, model.counts
    n_classes, moved = len(counts), left_out_factors(counts)
    log_priors = np.log(counts / counts.sum())
    xp = namespace(model.means)
    by_logit, pulls, by_spread, weights = np.zeros(n_classes), 0.0 * model.means, 0.0, np.zeros(n_classes)
    for rows, vectors in centred_chunks(statistics, width=8 * n_classes, single=statistics.is_large):
        logits = model.logits(vectors, codes[rows], left_out=True)
        hot = like(one_hot(codes[rows], n_classes), logits)
        posterior = xp.exp(logits - xp.max(logits, axis=1)[:, None])
        posterior = posterior / xp.sum(posterior, axis=1)[:, None]
        slopes = xp.sum(posterior * hot, axis=1)[:, None] * (hot - posterior)
        by_logit += to_numpy(xp.sum(slopes, axis=0, dtype=xp.float64))
        # Shares of the classes do not change with the spread; a class that is alone has no logit to speak of.
        relative = xp.where(logits > -1e29, logits - like(log_priors, logits)[None, :], 0.0 * logits)
        by_spread -= float(xp.sum(slopes * relative, dtype=xp.float64)) / len(codes)
        # The mean without a sample is further from it, and moves further with another one.
        slopes = slopes * (1 + hot * like(moved - 1, hot)[None, :])
        weights += to_numpy(xp.sum(slopes, axis=0, dtype=xp.float64))
        pulls = pulls + xp.astype(xp.matmul(slopes.T, vectors), pulls.dtype)
    by_mean = (pulls - like(weights, pulls)[:, None] * model.means) / model.variance
    return by_logit, by_mean, by_spread
