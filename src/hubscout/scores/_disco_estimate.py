"""DISCO of one kind of labels: what each group of components says of them, weighed by its share of the spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubscout._typing import Array, FloatArray
from hubscout.scores._averages import Average, target_weights
from hubscout.scores._disco_cross_fit import held_out_errors, held_out_posteriors
from hubscout.scores._disco_influence import pooled_influence
from hubscout.scores._disco_label_influence import label_influence
from hubscout.scores._disco_labels import LabelModel, held_out_states
from hubscout.scores._disco_models import ClassCovarianceModel, Covariance, PooledModel
from hubscout.scores._estimate import Estimate
from hubscout.stats import Spectrum, Statistics
from hubscout.stats.namespace import like, namespace, to_numpy


def group_slices(n_components: int, n_groups: int) -> list[slice]:
    """Cut components into consecutive groups whose sizes differ by at most one, larger ones first."""
    parts = np.array_split(np.arange(n_components), min(n_groups, max(n_components, 1)))
    return [slice(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]


def group_ratios(spectrum: Spectrum, groups: list[slice]) -> FloatArray:
    """Return each group's share of the sum of the kept singular values; they sum to 1."""
    sums = np.array([spectrum.singular_values[group].sum() for group in groups])
    ratios: FloatArray = sums / sums.sum()
    return ratios


@dataclass(frozen=True)
class Settings:
    """Options of the score, checked."""

    n_components: int | None
    n_groups: int
    covariance: Covariance
    ridge: float
    center: bool
    log_determinant: bool
    cross_fit: int | None
    seed: int
    average: Average


def decomposed(statistics: Statistics, settings: Settings) -> Estimate:
    """Return the score of labelled features of any kind but detection."""
    spectrum = statistics.spectrum(settings.n_components, centred=settings.center)
    groups = group_slices(spectrum.n_components, settings.n_groups)
    if groups and settings.cross_fit is not None:
        return _cross_fitted(statistics, spectrum, groups, settings, settings.cross_fit)
    if statistics.task == "regression":
        return _regression(statistics, spectrum, groups)
    if statistics.task == "multilabel":
        return _several_labels(statistics, spectrum, groups, settings)
    if not groups:
        # Features without any spread leave the prior as the posterior.
        prior = statistics.priors[statistics.codes]
        return Estimate(float(prior.mean()), lambda: prior)
    ratios = group_ratios(spectrum, groups)
    if settings.covariance == "class":
        fitted = ClassCovarianceModel(
            statistics, spectrum, groups, settings.ridge, log_determinant=settings.log_determinant
        )
        posteriors = fitted.terms(ratios)
        return Estimate(float(posteriors.mean()), lambda: posteriors)
    model = PooledModel(statistics, spectrum, groups, settings.covariance, settings.ridge)
    return Estimate(float(model.terms(ratios).mean()), lambda: pooled_influence(model, ratios))


def _cross_fitted(
    statistics: Statistics, spectrum: Spectrum, groups: list[slice], settings: Settings, n_folds: int
) -> Estimate:
    ratios = group_ratios(spectrum, groups)
    if statistics.task == "regression":
        terms = held_out_errors(statistics, spectrum, groups, ratios, n_folds, settings.seed)
    elif statistics.task == "multilabel":
        terms = held_out_states(
            statistics,
            spectrum,
            groups,
            ratios,
            target_weights(statistics, settings.average),
            covariance=settings.covariance,
            ridge=settings.ridge,
            n_folds=n_folds,
            seed=settings.seed,
        )
    else:
        terms = held_out_posteriors(
            statistics,
            spectrum,
            groups,
            ratios,
            covariance=settings.covariance,
            ridge=settings.ridge,
            log_determinant=settings.log_determinant,
            n_folds=n_folds,
            seed=settings.seed,
        )
    return Estimate(float(terms.mean()), lambda: terms)


def _several_labels(statistics: Statistics, spectrum: Spectrum, groups: list[slice], settings: Settings) -> Estimate:
    weights = target_weights(statistics, settings.average)
    if not groups:
        # Features without any spread leave each label's frequency as its posterior.
        shares, targets = statistics.label_frequencies, statistics.targets
        prior = (targets * shares + (1 - targets) * (1 - shares)) @ weights
        return Estimate(float(prior.mean()), lambda: prior)
    ratios = group_ratios(spectrum, groups)
    model = LabelModel.whole(statistics, spectrum, groups, settings.covariance, settings.ridge)
    return Estimate(float(model.terms(ratios, weights).mean()), lambda: label_influence(model, ratios, weights))


def _regression(statistics: Statistics, spectrum: Spectrum, groups: list[slice]) -> Estimate:
    targets = statistics.targets
    if spectrum.is_centred:
        targets = targets - targets.mean(axis=0)
    energy = float((targets**2).sum())
    if not groups:
        return Estimate(-energy / targets.size, lambda: -np.mean(targets**2, axis=1))
    projected = statistics.target_coordinates(spectrum)
    ratios = group_ratios(spectrum, groups)
    fitted = np.array([(projected[group] ** 2).sum() for group in groups])
    value = -(energy - float(ratios @ fitted)) / targets.size

    def terms() -> FloatArray:
        found = np.empty(statistics.n_samples)
        slopes = projected / spectrum.singular_values[:, None]
        for rows, coordinates in statistics.coordinates(spectrum):
            errors: Array = 0.0
            for group, ratio in zip(groups, ratios, strict=True):
                xp = namespace(coordinates)
                residual = like(targets[rows], coordinates) - xp.matmul(
                    coordinates[:, group], like(slopes[group], coordinates)
                )
                errors = errors + float(ratio) * xp.mean(residual**2, axis=1)
            found[rows] = -to_numpy(errors)
        return found

    return Estimate(value, terms)
