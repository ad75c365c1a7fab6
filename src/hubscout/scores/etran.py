"""ETran: confidence of the nearest class mean, fit of a linear model, and the energy of the features."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from hubscout._typing import TaskKind
from hubscout._validation import check_choice, check_positive_int
from hubscout.errors import DataError
from hubscout.scores._averages import with_scaled_targets
from hubscout.scores._disco_cross_fit import held_out_errors
from hubscout.scores._etran_influence import model_influence
from hubscout.scores._etran_models import (
    held_out_posteriors,
    left_out_errors,
    true_posteriors,
    within_class_variance,
)
from hubscout.scores._spec import Estimate, get_spec, score
from hubscout.stats import Statistics
from hubscout.stats.folds import check_folds
from hubscout.stats.namespace import namespace, to_numpy

# The authors' average is over this many of each 1000 samples, those of the lowest energy.
_AUTHORS_PER_MILLE = 5


def _estimate(
    statistics: Statistics,
    *,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
    scale_targets: bool = False,
) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    check_positive_int("seed", seed, minimum=0)
    n_folds = check_folds(cross_fit, statistics.n_samples, compat=compat)
    statistics = with_scaled_targets(statistics, scale_targets)
    if statistics.task == "regression":
        return _regression(statistics, compat, n_folds, seed)
    if compat == "authors":
        return Estimate(float(true_posteriors(statistics, 1.0, left_out=False).mean()))
    variance = within_class_variance(statistics)
    if variance == 0:
        # Features without any spread leave the prior as the posterior.
        prior = statistics.priors[statistics.codes]
        return Estimate(float(prior.mean()), lambda: prior)
    if n_folds is not None:
        posteriors = held_out_posteriors(statistics, variance, n_folds, seed)
    else:
        posteriors = true_posteriors(statistics, variance, left_out=True)
    return Estimate(float(posteriors.mean()), lambda: posteriors + model_influence(statistics, variance))


def _regression(statistics: Statistics, compat: Literal["authors"] | None, n_folds: int | None, seed: int) -> Estimate:
    n_samples, targets = statistics.n_samples, statistics.targets
    if compat == "authors":
        projected = statistics.target_coordinates(statistics.spectrum(centred=False))
        return Estimate(min(float((projected**2).sum() - (targets**2).sum()) / targets.size, 0.0))
    # Half as many slopes as samples to fit them: more of them fit noise, the worse the nearer they come to N.
    n_fitted = n_samples if n_folds is None else n_samples - -(-n_samples // n_folds)
    n_components = max((n_fitted - 1) // 2, 1)
    spectrum = None if n_folds is None else statistics.spectrum(n_components)
    if n_folds is None or spectrum is None or spectrum.n_components == 0:
        # Features without any spread leave the mean of the others.
        terms = -left_out_errors(statistics, n_components)
    else:
        groups = [slice(0, spectrum.n_components)]
        terms = held_out_errors(statistics, spectrum, groups, np.ones(1), n_folds, seed)
    return Estimate(float(terms.mean()), lambda: terms)


def _estimate_energy(statistics: Statistics, *, compat: Literal["authors"] | None = None) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    energies = statistics.remember("energies", lambda: _energies(statistics))
    if compat is None:
        return Estimate(float(energies.mean()), lambda: energies)
    n_samples = statistics.n_samples
    n_lowest = _AUTHORS_PER_MILLE * n_samples // 1000
    if n_lowest == 0:
        msg = (
            f"features must hold at least 200 samples for compat='authors', got {n_samples}; "
            "it averages the lowest 0.5 % of them"
        )
        raise DataError(msg)
    return Estimate(float(np.partition(energies, n_lowest - 1)[:n_lowest].mean()))


def _energies(statistics: Statistics) -> Any:
    found = np.empty(statistics.n_samples)
    for rows, chunk in statistics.chunks(width=statistics.n_features, single=statistics.is_large):
        xp = namespace(chunk)
        highest = xp.max(chunk, axis=1)
        # Relative to the largest feature nothing overflows, and what vanishes does not matter.
        with np.errstate(under="ignore"):
            total = xp.sum(xp.exp(chunk - highest[:, None]), axis=1)
        found[rows] = to_numpy(xp.log(total) + highest)
    return found


@score(
    estimate=_estimate,
    tasks=("classification", "regression"),
    joined=("energy",),
    title="ETran",
    summary="Posterior of the true class under spherical Gaussian classes around the class means; for regression the "
    "error of least squares; each sample scored without itself.",
    formula="mean_i softmax_c(-|f_i - m_c|^2 / (2 s^2) + ln pi_c)_{y_i}, m_{y_i} without i, "
    "s^2 = tr(S_w^2) / tr(S_w); for regression -mean_i ((y_i - (U U^T y)_i) / (1 - h_i))^2",
    range="[0, 1] for classification; at most 0 for regression, in squared units of the targets",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N D^2 + N C D",
    spectrum="whole",
    reference="Gholami, Akbari, Wang, Kamranian, Zhang, ICCV 2023, arXiv:2308.02027",
    deviations="Distances are relative to the spread within classes, so that the scale of the features does not "
    "matter; each sample is scored without itself; not joined with the energy by extremes over all candidates "
    "(compat='authors' gives the published term).",
    degenerate="Constant features give the sum of the squared class priors; for regression minus the leave-one-out "
    "variance. A sample alone in its class counts 0.",
)
def etran(
    features: Any,
    labels: Any = None,
    *,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
    scale_targets: bool = False,
    task: TaskKind = "classification",
) -> float:
    r"""Score features by how surely the nearest class mean is that of the sample's own class.

    Classes are Gaussians of one spherical covariance; the value is the mean posterior of the true class,
    softmax over c of :math:`-|f_i - m_c|^2 / 2 s^2 + \ln \pi_c`, with the mean of the sample's own class taken over
    the other samples. For regression it is minus the mean squared error of least squares with an intercept, each
    sample predicted by the fit to all others.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind; for detection a pair of classes and boxes.
    compat : {"authors"}, optional
        The authors' program: no variance (s = 1), class means with the sample that is scored; for regression plain
        residuals without centring, -mean((U U^T y - y)^2).
    cross_fit : int, optional
        Number of folds: class means (or slopes) are fitted to all folds but one, and that one is scored, instead of
        to all samples but one.
    seed : int, default=0
        Of the folds.
    scale_targets : bool, default=False
        Whether regression targets are given mean 0 and variance 1 first, so that their units do not matter.
    task : {"classification", "regression", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default. In detection the value is the sum of three parts: the posterior
        of box classes, minus the error of box coordinates, and the `energy` of the features.

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
    Differs from the authors' code: (1) Their posterior takes the features in their own units (the eigenvectors that
    it computes cancel), which ranks architectures by the norm of their features. Here squared distances are relative
    to s^2 = tr(S_w^2) / tr(S_w), S_w the pooled within-class covariance divided by N - C: the variance along a
    typical deviation, to which directions that hardly vary add nothing. (2) A class mean that has seen the sample
    is near it in many dimensions, labels or not; leaving the sample out, in closed form, puts noise at chance.
    (3) Residuals of least squares are 0 for every model with more features than samples; here each is divided by
    1 - h_i, with h_i the leverage, which is the error of the fit without sample i, and the fit sees the leading
    components alone, at most half as many as samples. The components, and s with ``cross_fit``, are those of all
    samples. (4) The paper joins this score with `energy` after min-max scaling over all candidates, so that each
    further candidate changes every value; the two are separate scores here.

    Standard errors count, to first order, how each sample moves class sizes, means and the size of s.

    Exact copies of a sample stay behind when one of them is left out; remove them first.

    References
    ----------
    M. Gholami, M. Akbari, X. Wang, B. Kamranian, Y. Zhang, "ETran: Energy-Based Transferability Estimation",
    ICCV 2023, arXiv:2308.02027.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import etran
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> apart = rng.standard_normal((100, 8)) + 3 * labels[:, None]
    >>> mixed = rng.standard_normal((100, 8))
    >>> etran(apart, labels) > 0.99 > etran(mixed, labels)
    True
    """
    statistics = Statistics.of(features, labels, task=task)
    options = {"compat": compat, "cross_fit": cross_fit, "seed": seed, "scale_targets": scale_targets}
    return get_spec("etran").estimate(statistics, **options).value


@score(
    estimate=_estimate_energy,
    needs=("features",),
    tasks=("classification", "multilabel", "regression"),
    title="Energy",
    summary="Mean over the samples of the log-sum-exp of the features: minus their free energy.",
    formula="mean_i ln sum_d exp(f_id)",
    range="any number",
    invariances=("sample_order", "label_names", "duplication"),
    cost="N D",
    spectrum="none",
    reference="Gholami, Akbari, Wang, Kamranian, Zhang, ICCV 2023, arXiv:2308.02027",
    deviations="The mean over all samples, not over the lowest 0.5 % of them (compat='authors' gives that).",
    degenerate="Constant features give their log-sum-exp; features that are zero everywhere ln D.",
)
def energy(
    features: Any,
    labels: Any = None,  # noqa: ARG001 - one signature for all scores
    *,
    compat: Literal["authors"] | None = None,
) -> float:
    """Score features by their mean log-sum-exp; no labels are needed.

    In the view of energy-based models a head's log-sum-exp is, up to a constant, the log density of a sample: high
    for data like those that the model was trained on.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like, optional
        Not looked at.
    compat : {"authors"}, optional
        The mean of the lowest 0.5 % of the samples, floor(N / 200) of them, as in the authors' program.

    Returns
    -------
    float
        Higher is better; any number.

    Raises
    ------
    DataError
        When features cannot be used: shapes, NaN; with ``compat="authors"`` also fewer than 200 samples.
    UsageError
        When an option is out of range.

    Notes
    -----
    The density is that of the logits of the source model's head; like the authors' program, this takes the features
    before the head, whose scale and number it mostly shows. Do not compare models of different architecture by it.
    Differs from the authors' code: all samples count, so that the value does not hang on a few outliers, and is not
    the mean of nothing below 200 samples.

    References
    ----------
    M. Gholami, M. Akbari, X. Wang, B. Kamranian, Y. Zhang, "ETran: Energy-Based Transferability Estimation",
    ICCV 2023, arXiv:2308.02027. W. Liu, X. Wang, J. Owens, Y. Li, "Energy-based Out-of-distribution Detection",
    NeurIPS 2020, arXiv:2010.03759.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import energy
    >>> round(energy(np.zeros((4, 10))), 6) == round(float(np.log(10)), 6)
    True
    """
    return _estimate_energy(Statistics.of(features), compat=compat).value
