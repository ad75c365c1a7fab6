"""How much each sample moves DISCO of several labels, to first order: the terms behind its standard error.

As for classes, a sample moves each label's share, means, covariance and the shares of the groups, beside being scored.
"""

from __future__ import annotations

import numpy as np

from hubscout._typing import FloatArray
from hubscout.scores._disco_influence import share_weights
from hubscout.scores._disco_labels import LabelModel, gaps_and_centres
from hubscout.stats.namespace import like, namespace, to_numpy


def label_influence(model: LabelModel, ratios: FloatArray, weights: FloatArray) -> FloatArray:
    """Return one number a sample with the value as mean and its first-order effect as deviation.

    Parameters
    ----------
    model : LabelModel
        Of all samples.
    ratios : ndarray of shape (n_groups,)
        Share of each group.
    weights : ndarray of shape (n_labels,)
        What each label counts.

    Returns
    -------
    terms : ndarray of shape (n_samples,)

    Notes
    -----
    The directions of the components, the ridge and the weights are held fixed.
    """
    statistics, spectrum = model.statistics, model.spectrum
    n, targets = statistics.n_samples, statistics.targets
    values, level, pull, terms = _gradient(model, ratios, weights)
    shares = statistics.label_frequencies
    products = statistics.target_coordinates(spectrum) * spectrum.singular_values[:, None]
    gaps, centres = gaps_and_centres(products, targets.sum(axis=0), np.zeros(len(products)), n)
    effects = [
        _GroupEffect(model, index, level[index], pull[group] - centres[group] * level[index], gaps, centres)
        for index, group in enumerate(model.groups)
    ]
    squares = share_weights(spectrum, model.groups, n, ratios, values @ weights)
    for rows, coordinates in statistics.coordinates(spectrum, width=4 * len(weights)):
        xp = namespace(coordinates)
        found = to_numpy(xp.matmul(coordinates**2, like(squares[:, None], coordinates)))[:, 0]
        for effect, group, ratio in zip(effects, model.groups, ratios, strict=True):
            block = to_numpy(coordinates[:, group]).astype(np.float64)
            found = found + ratio * effect.of(block, targets[rows], shares) @ weights
        terms[rows] += found
    centred: FloatArray = terms - terms.mean() + float(ratios @ values @ weights)
    return centred


def _gradient(
    model: LabelModel, ratios: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return mean posteriors and slopes of all groups, slopes times coordinates, and what each sample scores."""
    n, shape = model.statistics.n_samples, model.offsets.shape
    values, level, pull, terms = np.zeros(shape), np.zeros(shape), np.zeros_like(model.slopes), np.zeros(n)
    for rows, coordinates, signs, posteriors in model.walk():
        xp = namespace(coordinates)
        for index, (group, ratio, own) in enumerate(zip(model.groups, ratios, posteriors, strict=True)):
            slopes = signs * own * (1 - own)
            values[index] += to_numpy(xp.sum(own, axis=0, dtype=xp.float64)) / n
            level[index] += to_numpy(xp.sum(slopes, axis=0, dtype=xp.float64)) / n
            pull[group] += to_numpy(xp.matmul(coordinates[:, group].T, slopes)) / n
            terms[rows] += ratio * (to_numpy(own) @ weights)
    return values, level, pull, terms


class _GroupEffect:
    """What a sample does to the mean posterior of each label through the model of one group."""

    def __init__(
        self,
        model: LabelModel,
        index: int,
        level: FloatArray,
        pull: FloatArray,
        gaps: FloatArray,
        centres: FloatArray,
    ) -> None:
        group, rule = model.groups[index], model.rules[index]
        self.is_pooled = bool(rule.spread.any())
        self.slopes, self.level = model.slopes[group], level
        self.direction = rule.solve(pull)
        # Coordinates of the two means of each label along both directions, at 0 for those without it and 1 with it.
        means = centres[group] - gaps[group] / 2, centres[group] + gaps[group] / 2
        self.along_slopes = [(mean * self.slopes).sum(axis=0) for mean in means]
        self.along_direction = [(mean * self.direction).sum(axis=0) for mean in means]

    def of(self, block: FloatArray, targets: FloatArray, shares: FloatArray) -> FloatArray:
        """Return the effect on each label, (rows, n_labels), up to a constant a label."""
        has = targets > 0
        by_slopes = block @ self.slopes - np.where(has, self.along_slopes[1], self.along_slopes[0])
        by_direction = block @ self.direction - np.where(has, self.along_direction[1], self.along_direction[0])
        step = np.where(has, 1 / shares, -1 / (1 - shares))  # of the gap between the means, along the residual
        found: FloatArray = step * (by_direction + self.level) - np.abs(step) * self.level * by_slopes / 2
        if self.is_pooled:
            found -= by_direction * by_slopes
        return found
