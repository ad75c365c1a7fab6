"""DISCO's model of several labels a sample: each label is there or not, two Gaussians in each group of components."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.scores._disco_models import Covariance
from hubscout.stats import Spectrum, Statistics
from hubscout.stats.folds import fold_codes
from hubscout.stats.namespace import like, namespace, to_numpy

# Stands for the log odds of a label that all training samples have, or none; in float32 too.
_CERTAIN = 1e30


@dataclass(frozen=True)
class GroupRule:
    """How one group of components tells each label: log odds t . slopes + offsets.

    With total variances v, gap d = m_1 - m_0 between the means and share pi of a label, its pooled within-class
    covariance is diag(v) - pi (1 - pi) d d^T, plus the ridge; its inverse follows by Sherman and Morrison.

    Parameters
    ----------
    inverse : ndarray of shape (s, n_labels)
        Of the total variances with the ridge; ones without a covariance.
    gaps : ndarray of shape (s, n_labels)
    spread : ndarray of shape (n_labels,)
        pi (1 - pi) over 1 - pi (1 - pi) d^T diag(inverse) d; zeros without a covariance.
    offsets : ndarray of shape (n_labels,)
    """

    inverse: FloatArray
    gaps: FloatArray
    spread: FloatArray
    offsets: FloatArray

    @classmethod
    def of(
        cls,
        variances: FloatArray,
        gaps: FloatArray,
        centres: FloatArray,
        shares: FloatArray,
        covariance: Covariance,
        ridge: float,
    ) -> GroupRule:
        """Return the rule of samples with diagonal total covariance.

        Parameters
        ----------
        variances : ndarray of shape (s,)
        gaps, centres : ndarray of shape (s, n_labels)
            Between the means with and without the label, and half way; zeros where all samples are of one kind.
        shares : ndarray of shape (n_labels,)
            Of the samples that have the label.
        covariance : {"shared", "identity"}
        ridge : float
            Times the mean variance within classes.
        """
        eps = np.finfo(np.float64).eps
        inverse, spread = np.ones_like(gaps), np.zeros_like(shares)
        if covariance == "shared":
            within = np.maximum(variances.sum() - shares * (1 - shares) * (gaps**2).sum(axis=0), 0.0)
            # What rounding leaves of variances that a label explains in full.
            floor = eps * variances.max() + np.finfo(np.float64).tiny ** 0.5
            inverse = 1 / (variances[:, None] + ridge * within / len(variances) + floor)
            room = 1 - shares * (1 - shares) * (inverse * gaps**2).sum(axis=0)
            spread = shares * (1 - shares) / np.maximum(room, eps)
        with np.errstate(divide="ignore"):
            odds = np.clip(np.log(shares) - np.log1p(-shares), -_CERTAIN, _CERTAIN)
        rule = cls(inverse, gaps, spread, odds)
        return cls(inverse, gaps, spread, odds - (centres * rule.slopes).sum(axis=0))

    @property
    def slopes(self) -> FloatArray:
        """Covariance^{-1} gaps, (s, n_labels)."""
        return self.solve(self.gaps)

    def solve(self, vectors: FloatArray) -> FloatArray:
        """Return covariance^{-1} times one vector a label, (s, n_labels)."""
        plain = self.inverse * vectors
        found: FloatArray = plain + self.inverse * self.gaps * (self.spread * (self.gaps * plain).sum(axis=0))
        return found


class LabelModel:
    """The posterior of what each label really is, in each group.

    Parameters
    ----------
    statistics : Statistics
        Of a multilabel task.
    spectrum : Spectrum
        Centred.
    groups : list of slice
    slopes : ndarray of shape (n_components, n_labels)
    offsets : ndarray of shape (n_groups, n_labels)
    rules : list of GroupRule
        Behind them; empty for a fold.
    scored : ndarray of int, optional
        Samples to score; all by default.
    """

    def __init__(
        self,
        statistics: Statistics,
        spectrum: Spectrum,
        groups: list[slice],
        slopes: FloatArray,
        offsets: FloatArray,
        rules: list[GroupRule],
        scored: IntArray | None = None,
    ) -> None:
        self.statistics, self.spectrum, self.groups = statistics, spectrum, groups
        self.slopes, self.offsets, self.rules, self.scored = slopes, offsets, rules, scored

    @classmethod
    def whole(
        cls, statistics: Statistics, spectrum: Spectrum, groups: list[slice], covariance: Covariance, ridge: float
    ) -> LabelModel:
        """Return the model of all samples, whose coordinates have a diagonal covariance."""
        products = statistics.target_coordinates(spectrum) * spectrum.singular_values[:, None]
        counts = statistics.targets.sum(axis=0)
        gaps, centres = gaps_and_centres(products, counts, np.zeros(len(products)), statistics.n_samples)
        variances, shares = spectrum.singular_values**2 / statistics.n_samples, counts / statistics.n_samples
        rules = [
            GroupRule.of(variances[group], gaps[group], centres[group], shares, covariance, ridge) for group in groups
        ]
        slopes, offsets = np.concatenate([rule.slopes for rule in rules]), np.stack([rule.offsets for rule in rules])
        return cls(statistics, spectrum, groups, slopes, offsets, rules)

    def walk(self) -> Iterator[tuple[IntArray | slice, Array, Array, list[Array]]]:
        """Walk over chunks of rows: coordinates, labels as -1 and 1, and the posterior of these in each group."""
        width = 4 * self.offsets.shape[1]
        for rows, coordinates in self.statistics.coordinates(self.spectrum, width=width, rows=self.scored):
            xp = namespace(coordinates)
            signs = like(2 * self.statistics.targets[rows] - 1, coordinates)
            posteriors = []
            for group, offsets in zip(self.groups, self.offsets, strict=True):
                logits = xp.matmul(coordinates[:, group], like(self.slopes[group], coordinates))
                logits = signs * (logits + like(offsets, coordinates)[None, :])
                with np.errstate(over="ignore"):  # gives the posterior 0 that it should
                    posteriors.append(1.0 / (1.0 + xp.exp(-logits)))
            yield rows, coordinates, signs, posteriors

    def terms(self, ratios: FloatArray, weights: FloatArray) -> FloatArray:
        """Return each scored sample's posterior, averaged over the groups and over the labels."""
        found = []
        for _, coordinates, _, posteriors in self.walk():
            column = like(weights[:, None], coordinates)
            shares = [float(ratio) * own for ratio, own in zip(ratios, posteriors, strict=True)]
            found.append(to_numpy(namespace(coordinates).matmul(sum(shares[1:], shares[0]), column))[:, 0])
        return np.concatenate(found).astype(np.float64)


def gaps_and_centres(
    products: FloatArray, counts: FloatArray, total: FloatArray, n_samples: int
) -> tuple[FloatArray, FloatArray]:
    """Return gap and middle of the means with and without each label; zeros where one of them has no sample.

    Parameters
    ----------
    products : ndarray of shape (s, n_labels)
        Sum of the coordinates of the samples with the label.
    counts : ndarray of shape (n_labels,)
        Of these samples.
    total : ndarray of shape (s,)
        Sum of the coordinates of all samples.
    n_samples : int
    """
    is_known = (counts > 0) & (counts < n_samples)
    having = products / np.maximum(counts, 1)
    lacking = (total[:, None] - products) / np.maximum(n_samples - counts, 1)
    return np.where(is_known, having - lacking, 0.0), np.where(is_known, (having + lacking) / 2, 0.0)


def held_out_states(
    statistics: Statistics,
    spectrum: Spectrum,
    groups: list[slice],
    ratios: FloatArray,
    weights: FloatArray,
    *,
    covariance: Covariance,
    ridge: float,
    n_folds: int,
    seed: int,
) -> FloatArray:
    """Return each sample's posterior of its labels, averaged over them, by models that have not seen it."""
    targets, n = statistics.targets, statistics.n_samples
    products = statistics.target_coordinates(spectrum) * spectrum.singular_values[:, None]
    folds = fold_codes(None, n, n_folds, seed, statistics.groups)
    terms = np.empty(n)
    for fold in range(n_folds):
        held_out = np.flatnonzero(folds == fold)
        sums, own, scatter = np.zeros(len(products)), np.zeros_like(products), np.diag(spectrum.singular_values**2)
        for rows, block in statistics.coordinates(spectrum, width=spectrum.n_components, rows=held_out):
            coordinates = to_numpy(block).astype(np.float64)
            sums += coordinates.sum(axis=0)
            own += coordinates.T @ targets[rows]
            scatter -= coordinates.T @ coordinates
        left = n - len(held_out)
        counts = targets.sum(axis=0) - targets[held_out].sum(axis=0)
        # All coordinates sum to zero, so what is left sums to minus the fold.
        within = scatter / left - np.outer(sums, sums) / left**2
        gaps, centres = gaps_and_centres(products - own, counts, -sums, left)
        slopes, offsets = np.empty_like(gaps), []
        for group in groups:
            variances, axes = np.linalg.eigh(within[group, group])
            turned = axes.T @ gaps[group], axes.T @ centres[group]
            rule = GroupRule.of(np.maximum(variances, 0.0), *turned, counts / left, covariance, ridge)
            slopes[group] = axes @ rule.slopes
            offsets.append(rule.offsets)
        model = LabelModel(statistics, spectrum, groups, slopes, np.stack(offsets), [], held_out)
        terms[held_out] = model.terms(ratios, weights)
    return terms
