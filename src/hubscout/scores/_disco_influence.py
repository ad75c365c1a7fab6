"""How much each sample moves DISCO, to first order: the terms behind its standard error.

The value is a mean of posteriors, but of a model that is fitted to the same samples: more of a class moves its prior,
its mean, the covariance and the shares of the groups. The spread of the posteriors alone gives about half the standard
error.
"""

from __future__ import annotations

import numpy as np

from hubscout._typing import Array, FloatArray
from hubscout.scores._disco_models import PooledModel
from hubscout.stats import Spectrum
from hubscout.stats.gaussian import nearest_mean_logits
from hubscout.stats.namespace import like, namespace, one_hot, to_numpy


class _Gradient:
    """Derivatives of one group's mean posterior, by the class means, priors and the covariance."""

    def __init__(self, n_classes: int, size: int) -> None:
        self.value = 0.0
        self.logits: FloatArray = np.zeros(n_classes)
        self.projected: FloatArray = np.zeros((n_classes, size))

    def add(self, coordinates: Array, means: FloatArray, log_priors: FloatArray, hot: Array) -> Array:
        """Add rows, and return the posterior of their own class."""
        xp = namespace(coordinates)
        logits = nearest_mean_logits(coordinates, means, log_priors)
        posterior = xp.exp(logits - xp.max(logits, axis=1)[:, None])
        posterior = posterior / xp.sum(posterior, axis=1)[:, None]
        own = xp.sum(posterior * hot, axis=1)
        slopes = own[:, None] * (hot - posterior)
        self.value += float(xp.sum(own, dtype=xp.float64))
        self.logits += to_numpy(xp.sum(slopes, axis=0, dtype=xp.float64))
        self.projected += to_numpy(xp.matmul(slopes.T, coordinates))
        return own


def pooled_influence(model: PooledModel, ratios: FloatArray) -> FloatArray:
    """Return one number a sample with the value as mean and its first-order effect as deviation.

    Parameters
    ----------
    model : PooledModel
        Pooled covariance, or none.
    ratios : ndarray of shape (n_groups,)
        Share of each group.

    Returns
    -------
    terms : ndarray of shape (n_samples,)

    Notes
    -----
    The directions of the components are held fixed. Class sizes count as drawn with the samples.
    """
    statistics = model.statistics
    gradients, terms = _fit(model, ratios)
    n, priors, codes = statistics.n_samples, statistics.priors, statistics.codes
    values = np.array([gradient.value for gradient in gradients]) / n
    squares = share_weights(model.spectrum, model.groups, n, ratios, values)
    for rows, coordinates in statistics.coordinates(model.spectrum):
        xp = namespace(coordinates)
        found = to_numpy(xp.matmul(coordinates**2, like(squares[:, None], coordinates)))[:, 0]
        for group, gradient, ratio in zip(model.groups, gradients, ratios, strict=True):
            means = model.means[:, group]
            block = to_numpy(_whitened(model, coordinates, group)) - means[codes[rows]]
            by_mean = (gradient.projected - gradient.logits[:, None] * means) / (n * priors[:, None])
            effect = np.einsum("ij,ij->i", block, by_mean[codes[rows]]) + (gradient.logits / (n * priors))[codes[rows]]
            if model.transform is not None:
                kernel = (0.5 * (means.T * gradient.logits) @ means - means.T @ gradient.projected) / n
                effect += np.einsum("ij,ij->i", block @ kernel, block)
            found = found + ratio * effect
        terms[rows] += found
    centred: FloatArray = terms - terms.mean() + float(ratios @ values)
    return centred


def _fit(model: PooledModel, ratios: FloatArray) -> tuple[list[_Gradient], FloatArray]:
    statistics = model.statistics
    n_classes = statistics.n_targets
    gradients = [_Gradient(n_classes, group.stop - group.start) for group in model.groups]
    posteriors = np.zeros(statistics.n_samples)
    log_priors = np.log(statistics.priors)
    for rows, coordinates in statistics.coordinates(model.spectrum, width=4 * n_classes):
        hot = like(one_hot(statistics.codes[rows], n_classes), coordinates)
        for group, gradient, ratio in zip(model.groups, gradients, ratios, strict=True):
            block = _whitened(model, coordinates, group)
            posteriors[rows] += ratio * to_numpy(gradient.add(block, model.means[:, group], log_priors, hot))
    return gradients, posteriors


def _whitened(model: PooledModel, coordinates: Array, group: slice) -> Array:
    block = coordinates[:, group]
    if model.transform is None:
        return block
    return namespace(block).matmul(block, like(model.transform[group, group], block))


def share_weights(
    spectrum: Spectrum, groups: list[slice], n_samples: int, ratios: FloatArray, values: FloatArray
) -> FloatArray:
    """Return what a sample's squared coordinates do to the value through the groups' shares, (n_components,)."""
    sizes = [group.stop - group.start for group in groups]
    gain = np.repeat(values - ratios @ values, sizes)
    # A singular value grows by half its size times t^2 N / s^2 - 1.
    weights: FloatArray = gain * n_samples / (2 * spectrum.singular_values.sum() * spectrum.singular_values)
    return weights
