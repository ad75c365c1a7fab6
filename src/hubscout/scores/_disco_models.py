"""The Gaussian class models that DISCO asks in each group of components."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.stats import Spectrum, Statistics
from hubscout.stats.folds import Training
from hubscout.stats.gaussian import nearest_mean_logits, ridged, true_class_posterior, whitening
from hubscout.stats.namespace import like, namespace, to_numpy
from hubscout.stats.target_sums import segment_sums

Covariance = Literal["shared", "identity", "class"]

# Below this share of the group's variance, what a class has is rounding.
_POINT_SPREAD = 1e-9


class PooledModel:
    """Nearest class mean in each group, in coordinates that a shared covariance whitens (or in plain ones).

    Parameters
    ----------
    statistics : Statistics
    spectrum : Spectrum
    groups : list of slice
    covariance : {"shared", "identity"}
    ridge : float
        Times trace / s, added to the shared covariance of each group.
    training : Training, optional
        Fit to these samples, and score those they hold out; by default all are fitted and scored.
    """

    def __init__(
        self,
        statistics: Statistics,
        spectrum: Spectrum,
        groups: list[slice],
        covariance: Covariance,
        ridge: float,
        training: Training | None = None,
    ) -> None:
        self.statistics, self.spectrum, self.groups = statistics, spectrum, groups
        self.scored = None if training is None else training.held_out
        self.log_priors = np.log(statistics.priors) if training is None else training.log_priors
        means = statistics.class_coordinates(spectrum) if training is None else training.means
        self.transform: FloatArray | None = None
        if covariance == "shared":
            self.transform = np.zeros((spectrum.n_components, spectrum.n_components))
            for group in groups:
                if training is None:
                    within = within_class_covariance(spectrum.singular_values[group], means[:, group], statistics)
                else:
                    within = training.within[group, group]
                self.transform[group, group] = whitening(ridged(within, ridge))
            means = means @ self.transform
        self.means = means

    def terms(self, ratios: FloatArray) -> FloatArray:
        """Return each scored sample's true-class posterior, averaged over the groups with weights ``ratios``."""
        statistics = self.statistics
        means = [self.means[:, group] for group in self.groups]
        found = []
        walk = statistics.coordinates(self.spectrum, self.transform, width=2 * statistics.n_targets, rows=self.scored)
        for rows, coordinates in walk:
            total: Array = 0.0
            for group, mean, ratio in zip(self.groups, means, ratios, strict=True):
                logits = nearest_mean_logits(coordinates[:, group], mean, self.log_priors)
                total = total + float(ratio) * true_class_posterior(logits, statistics.codes[rows])
            found.append(to_numpy(total))
        return np.concatenate(found).astype(np.float64)


def within_class_covariance(singular_values: FloatArray, means: FloatArray, statistics: Statistics) -> FloatArray:
    """Return the pooled within-class covariance (divided by N) of some coordinates.

    The total scatter of coordinates is diagonal, so only the class means have to be taken away from it: no pass
    over the samples.
    """
    between = (means * statistics.counts[:, None]).T @ means
    total = np.diag(singular_values**2)
    within: FloatArray = (total - between) / statistics.n_samples
    # Rounding can leave a zero variance slightly negative where classes are points.
    floor = np.finfo(np.float64).eps * singular_values[0] ** 2 / statistics.n_samples
    within += floor * np.eye(len(within))
    return within


class ClassCovarianceModel:
    """Posteriors under class covariances, in two passes over the coordinates of each group.

    Parameters
    ----------
    statistics : Statistics
    spectrum : Spectrum
    groups : list of slice
    ridge : float
        Times trace / s, added to each covariance.
    log_determinant : bool
        Whether -1/2 ln det of the covariance joins the logits.
    training : Training, optional
        As for `PooledModel`.
    """

    def __init__(
        self,
        statistics: Statistics,
        spectrum: Spectrum,
        groups: list[slice],
        ridge: float,
        *,
        log_determinant: bool,
        training: Training | None = None,
    ) -> None:
        self.statistics, self.spectrum, self.groups = statistics, spectrum, groups
        self.ridge, self.log_determinant = ridge, log_determinant
        self.scored = None if training is None else training.held_out
        self.fitted = None if training is None else training.fitted(statistics.n_samples)
        self.counts = statistics.counts if training is None else training.counts
        self.log_priors = np.log(statistics.priors) if training is None else training.log_priors
        self.means = statistics.class_coordinates(spectrum) if training is None else training.means

    def terms(self, ratios: FloatArray) -> FloatArray:
        """Return each scored sample's true-class posterior, averaged over the groups with weights ``ratios``."""
        terms = [ratio * self._group_terms(group) for group, ratio in zip(self.groups, ratios, strict=True)]
        total: FloatArray = np.sum(terms, axis=0, dtype=np.float64)
        return total

    def _group_terms(self, group: slice) -> FloatArray:
        statistics, means = self.statistics, self.means[:, group]
        precisions, log_determinants = self._precisions(group)
        shifted = np.einsum("cij,cj->ci", precisions, means)
        offsets = self.log_priors - 0.5 * np.einsum("ci,ci->c", means, shifted)
        if self.log_determinant:
            offsets = offsets - 0.5 * log_determinants
        flat = precisions.reshape(len(precisions), -1).T
        found = []
        for rows, coordinates in self._walk(group, self.scored):
            xp = namespace(coordinates)
            logits = xp.matmul(coordinates, like(shifted.T, coordinates)) + like(offsets, coordinates)[None, :]
            logits -= 0.5 * xp.matmul(_outer(coordinates), like(flat, coordinates))
            found.append(to_numpy(true_class_posterior(logits, statistics.codes[rows])))
        return np.concatenate(found)

    def _precisions(self, group: slice) -> tuple[FloatArray, FloatArray]:
        statistics, means = self.statistics, self.means[:, group]
        n_classes, size = means.shape
        second = np.zeros((n_classes, size * size))
        for rows, coordinates in self._walk(group, self.fitted):
            second += to_numpy(segment_sums(_outer(coordinates), statistics.codes[rows], n_classes))
        covariances = second.reshape(n_classes, size, size) / np.maximum(self.counts, 1)[:, None, None]
        covariances -= means[:, :, None] * means[:, None, :]
        stable: FloatArray = ridged(covariances, self.ridge)
        # A class of one sample, or of copies of one, has no spread of its own: it takes its ridge from the group's.
        spread = np.sum(self.spectrum.singular_values[group] ** 2) / (statistics.n_samples * size)
        is_point = np.trace(covariances, axis1=1, axis2=2) <= _POINT_SPREAD * size * spread
        stable[is_point] += max(self.ridge, _POINT_SPREAD) * spread * np.eye(size)
        log_determinants: FloatArray = np.linalg.slogdet(stable)[1]
        precisions: FloatArray = np.asarray(np.linalg.inv(stable), dtype=np.float64)
        return precisions, log_determinants

    def _walk(self, group: slice, rows: IntArray | None) -> Iterator[tuple[Any, Array]]:
        select = np.eye(self.spectrum.n_components)[:, group]
        width = self.statistics.n_targets + select.shape[1] ** 2
        return self.statistics.coordinates(self.spectrum, select, width=width, rows=rows)


def _outer(coordinates: Array) -> Array:
    """Return the flattened t t^T of each row, (n, s * s)."""
    xp = namespace(coordinates)
    n, size = coordinates.shape
    return xp.reshape(coordinates[:, :, None] * coordinates[:, None, :], (n, size * size))
