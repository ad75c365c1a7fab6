"""DISCO: how well each group of spectral components serves the task, weighed by its share of the spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hubscout._typing import Array, FloatArray, TaskKind
from hubscout._validation import check_choice, check_flag, check_number, check_positive_int
from hubscout.errors import UsageError
from hubscout.scores._disco_cross_fit import held_out_errors, held_out_posteriors
from hubscout.scores._disco_influence import pooled_influence
from hubscout.scores._disco_models import ClassCovarianceModel, Covariance, PooledModel
from hubscout.scores._hard_examples import hard_examples
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Spectrum, Statistics
from hubscout.stats.folds import check_folds
from hubscout.stats.namespace import like, namespace, to_numpy

DEFAULT_RIDGE = {"shared": 1e-6, "class": 1e-2, "identity": 0.0}


def group_slices(n_components: int, n_groups: int) -> list[slice]:
    """Cut components into consecutive groups whose sizes differ by at most one, larger ones first."""
    parts = np.array_split(np.arange(n_components), min(n_groups, max(n_components, 1)))
    return [slice(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]


def group_ratios(spectrum: Spectrum, groups: list[slice]) -> FloatArray:
    """Return each group's share of the sum of the kept singular values; they sum to 1."""
    sums = np.array([spectrum.singular_values[group].sum() for group in groups])
    ratios: FloatArray = sums / sums.sum()
    return ratios


def _estimate(
    statistics: Statistics,
    *,
    n_components: int | None = 128,
    n_groups: int = 8,
    covariance: Covariance = "shared",
    ridge: float | None = None,
    center: bool = True,
    log_determinant: bool = False,
    hard_fraction: float | None = None,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    covariance = "identity" if compat == "authors" else covariance
    check_choice("covariance", covariance, ("shared", "identity", "class"))
    check_positive_int("n_groups", n_groups)
    if n_components is not None:
        check_positive_int("n_components", n_components)
    check_flag("center", center)
    check_flag("log_determinant", log_determinant)
    ridge = DEFAULT_RIDGE[covariance] if ridge is None else check_number("ridge", ridge, above=0, inclusive=True)
    check_positive_int("seed", seed, minimum=0)
    check_folds(cross_fit, statistics.n_samples)
    if cross_fit is not None and not center:
        msg = "center must be True with cross_fit, got False; leave one of them out"
        raise UsageError(msg)
    settings = _Settings(n_components, n_groups, covariance, ridge, center, log_determinant, cross_fit, seed)
    if hard_fraction is not None:
        # Samples that were chosen for their labels are no sample of the task: their value has no standard error.
        chosen = statistics.take(hard_examples(statistics, hard_fraction, n_components))
        return Estimate(_decomposed(chosen, settings).value)
    return _decomposed(statistics, settings)


@dataclass(frozen=True)
class _Settings:
    n_components: int | None
    n_groups: int
    covariance: Covariance
    ridge: float
    center: bool
    log_determinant: bool
    cross_fit: int | None
    seed: int


def _decomposed(statistics: Statistics, settings: _Settings) -> Estimate:
    spectrum = statistics.spectrum(settings.n_components, centred=settings.center)
    groups = group_slices(spectrum.n_components, settings.n_groups)
    if groups and settings.cross_fit is not None:
        return _cross_fitted(statistics, spectrum, groups, settings, settings.cross_fit)
    if statistics.task == "regression":
        return _regression(statistics, spectrum, groups)
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
    statistics: Statistics, spectrum: Spectrum, groups: list[slice], settings: _Settings, n_folds: int
) -> Estimate:
    ratios = group_ratios(spectrum, groups)
    if statistics.task == "regression":
        terms = held_out_errors(statistics, spectrum, groups, ratios, n_folds, settings.seed)
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


@score(
    estimate=_estimate,
    tasks=("classification", "regression"),
    title="DISCO",
    summary="Class confidence, or least-squares fit, in each group of spectral components, weighed by the group's "
    "share of the singular values.",
    formula="sum_g ratio_g * mean_i p_g(y_i | f_i); for regression -sum_g ratio_g * (|B|^2 - |U_g^T B|^2) / (N t)",
    range="[0, 1] for classification; at most 0 for regression, in squared units of the targets",
    invariances=(
        "sample_order",
        "label_names",
        "rotation",
        "scale",
        "translation",
        "constant_columns",
        "duplication",
    ),
    cost="N D^2 + N k (D + C)",
    spectrum="leading",
    reference="Zhang, Shu, Chen, Long, Guo, Yang, AAAI 2025, arXiv:2412.19085",
    deviations="Exact principal components instead of randomised ones; pooled within-class covariance instead of "
    "none (compat='authors' gives theirs), so that the value does not depend on the scale of the features.",
    degenerate="Constant features give the sum of the squared class priors; for regression minus the variance.",
)
def disco(
    features: Any,
    labels: Any = None,
    *,
    n_components: int | None = 128,
    n_groups: int = 8,
    covariance: Covariance = "shared",
    ridge: float | None = None,
    task: TaskKind = "classification",
    center: bool = True,
    log_determinant: bool = False,
    hard_fraction: float | None = None,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
) -> float:
    r"""Score features by the distribution of their spectral components.

    With the singular value decomposition F = U S V^T of the (centred) features, cut into groups g of consecutive
    components, the score is :math:`\sum_g \mathrm{ratio}_g\, \mathrm{task}_g`. The ratio is the group's share of the
    sum of the kept singular values. For classification, task_g is the mean posterior of the true class,
    softmax over c of -1/2 (t - m_c)^T Lambda^{-1} (t - m_c) + ln pi_c in the group's coordinates t. For regression
    it is minus the mean squared error of least squares on the group, -(\|B\|^2 - \|U_g^T B\|^2) / (N t).

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind.
    n_components : int or None, default=128
        Leading components that take part; None for the whole spectrum.
    n_groups : int, default=8
        Number of groups; sizes differ by at most one.
    covariance : {"shared", "identity", "class"}, default="shared"
        Lambda: pooled within-class covariance of the group, none (as the authors' code has it), or one of each
        class (as the paper prints it).
    ridge : float, optional
        Times trace / s, added to the diagonal of each covariance; 1e-6 when shared, 1e-2 for class covariances.
    task : {"classification", "regression"}, default="classification"
        What the labels are.
    center : bool, default=True
        Whether the mean is taken from features (and regression targets).
    log_determinant : bool, default=False
        Whether class covariances also enter by -1/2 ln det.
    hard_fraction : float, optional
        Score only this share of each class: the samples that a linear discriminant finds hardest.
    compat : {"authors"}, optional
        Identity covariance, as in the authors' program.
    cross_fit : int, optional
        Number of folds: class means, covariances and least squares are fitted to all folds but one, and that one is
        scored. Without it they are fitted to what they score, which flatters few samples.
    seed : int, default=0
        Of the folds.

    Returns
    -------
    float
        Higher is better. In [0, 1] for classification, at most 0 for regression.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option is out of range.

    Notes
    -----
    Differs from the authors' code: principal components are exact, not randomised; the pooled covariance is the
    default, because with none the value depends on the scale of the features and ranks architectures by their
    norms; labels need not be 0..C-1; regression, detection and hard examples were not released, so they follow the
    paper's text. Values with different ``n_components`` or ``n_groups`` are not comparable. Class covariances are
    fitted on the samples they score and need more samples a class than components a group; ``cross_fit`` is the cure.
    The components themselves know no labels, so they are those of all samples in every fold.

    Standard errors count, to first order, how each sample moves class sizes, means, the pooled covariance and the
    ratios; with class covariances only the spread of the posteriors, about half of it.

    References
    ----------
    T. Zhang, Y. Shu, X. Chen, Y. Long, C. Guo, B. Yang, "Assessing Pre-trained Models for Transfer Learning through
    Distribution of Spectral Components", AAAI 2025, arXiv:2412.19085.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import disco
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> apart = rng.standard_normal((100, 8)) + 3 * labels[:, None]
    >>> mixed = rng.standard_normal((100, 8))
    >>> disco(apart, labels) > disco(mixed, labels)
    True
    """
    return _estimate(
        Statistics.of(features, labels, task=task),
        n_components=n_components,
        n_groups=n_groups,
        covariance=covariance,
        ridge=ridge,
        center=center,
        log_determinant=log_determinant,
        hard_fraction=hard_fraction,
        compat=compat,
        cross_fit=cross_fit,
        seed=seed,
    ).value
