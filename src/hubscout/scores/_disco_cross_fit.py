"""DISCO cross-fitted: in each group, models fitted to all folds but one say how well they serve that one."""

from __future__ import annotations

import numpy as np

from hubscout._typing import FloatArray
from hubscout.scores._disco_models import ClassCovarianceModel, Covariance, PooledModel
from hubscout.stats import Spectrum, Statistics
from hubscout.stats.folds import fold_codes, trainings
from hubscout.stats.gaussian import ridged
from hubscout.stats.namespace import to_numpy

# Keeps the normal equations of a group solvable; far below what a fit could notice.
_SOLVABLE = 1e-10


def held_out_posteriors(
    statistics: Statistics,
    spectrum: Spectrum,
    groups: list[slice],
    ratios: FloatArray,
    *,
    covariance: Covariance,
    ridge: float,
    log_determinant: bool,
    n_folds: int,
    seed: int,
) -> FloatArray:
    """Return each sample's true-class posterior, by models that have not seen it, (n_samples,)."""
    terms = np.empty(statistics.n_samples)
    for training in trainings(statistics, spectrum, n_folds, seed):
        model: ClassCovarianceModel | PooledModel
        if covariance == "class":
            model = ClassCovarianceModel(
                statistics, spectrum, groups, ridge, log_determinant=log_determinant, training=training
            )
        else:
            model = PooledModel(statistics, spectrum, groups, covariance, ridge, training)
        terms[training.held_out] = model.terms(ratios)
    return terms


def held_out_errors(
    statistics: Statistics, spectrum: Spectrum, groups: list[slice], ratios: FloatArray, n_folds: int, seed: int
) -> FloatArray:
    """Return each sample's negative squared error, by least squares that has not seen it, (n_samples,).

    Parameters
    ----------
    statistics : Statistics
        Of a regression task.
    spectrum : Spectrum
        Centred.
    groups : list of slice
    ratios : ndarray of shape (n_groups,)
    n_folds, seed : int
    """
    targets = statistics.targets - statistics.targets.mean(axis=0)
    products = statistics.target_coordinates(spectrum) * spectrum.singular_values[:, None]
    folds = fold_codes(None, statistics.n_samples, n_folds, seed, statistics.groups)
    terms = np.empty(statistics.n_samples)
    for fold in range(n_folds):
        held_out = np.flatnonzero(folds == fold)
        blocks = [to_numpy(block).astype(np.float64) for _, block in statistics.coordinates(spectrum, rows=held_out)]
        coordinates, wanted = np.concatenate(blocks), targets[held_out]
        left = statistics.n_samples - len(held_out)
        # All coordinates and targets sum to zero, so what is left sums to minus the fold.
        mean, target_mean = -coordinates.sum(axis=0) / left, -wanted.sum(axis=0) / left
        scatter = np.diag(spectrum.singular_values**2) - coordinates.T @ coordinates - left * np.outer(mean, mean)
        cross = products - coordinates.T @ wanted - left * np.outer(mean, target_mean)
        found = np.zeros(len(held_out))
        for group, ratio in zip(groups, ratios, strict=True):
            slopes = np.linalg.solve(ridged(scatter[group, group], _SOLVABLE), cross[group])
            fitted = (coordinates[:, group] - mean[group]) @ slopes + target_mean
            found -= ratio * np.mean((wanted - fitted) ** 2, axis=1)
        terms[held_out] = found
    return terms
