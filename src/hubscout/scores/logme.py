"""LogME: the evidence of a Bayesian linear model of the labels, maximised over its two precisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hubscout._typing import FloatArray, TaskKind
from hubscout._validation import check_choice
from hubscout.scores._averages import Average, check_average, target_weights, with_scaled_targets
from hubscout.scores._logme_model import LinearModel, linear_model
from hubscout.scores._spec import Estimate, get_spec, score
from hubscout.stats import Statistics
from hubscout.stats.namespace import one_hot, to_numpy

_MAX_ITERATIONS = 100
_TOLERANCE = 1e-6
# Ratios alpha / beta to choose the start from, relative to the mean variance of a component.
_STARTS = np.logspace(-6, 6, 25)
# The published program's stopping rule and its guards against division by zero.
_AUTHORS_ITERATIONS, _AUTHORS_TOLERANCE, _AUTHORS_EPSILON = 11, 1e-3, 1e-5


@dataclass(frozen=True)
class _Evidence:
    """The fixed point of one evidence maximisation, for all targets."""

    per_target: FloatArray  # (t,) log evidence divided by N
    lam: FloatArray
    beta: FloatArray


def _maximise(model: LinearModel) -> _Evidence:
    # Limits and starts in units of the features' own scale make the result independent of it.
    scale = max(model.trace, np.finfo(np.float64).tiny)
    low, high = 1e-14 * scale, 1e10 * scale
    # The evidence can have several maxima, and the fixed point stops at the one it starts near.
    candidates = scale / (model.n * max(model.rank, 1)) * _STARTS
    lam = candidates[np.argmax(model.grid(candidates), axis=0)]
    for _ in range(_MAX_ITERATIONS):
        gamma, m2, r2 = model.solve(lam)
        beta = (model.n - gamma) / r2
        with np.errstate(divide="ignore", over="ignore"):
            # Targets that features say nothing about drive lam to infinity, where the evidence has its limit.
            found = np.clip(np.where(m2 > 0, gamma / np.maximum(m2, 1e-300) / beta, high), low, high)
        is_settled = np.all(np.abs(found - lam) <= _TOLERANCE * lam)
        lam = found
        if is_settled:
            break
    return _profile(model, lam)


def _profile(model: LinearModel, lam: FloatArray) -> _Evidence:
    """Return the evidence at some ratios with the best beta for each: that of the fixed point where it is one."""
    _, m2, r2 = model.solve(lam)
    beta = model.n / (r2 + lam * m2)
    return _Evidence(_log_evidence(model, lam * beta, beta, m2, r2), lam, beta)


def _log_evidence(
    model: LinearModel, alpha: FloatArray, beta: FloatArray, m2: FloatArray, r2: FloatArray
) -> FloatArray:
    n = model.n
    total = model.rank * np.log(alpha) + n * np.log(beta) - model.log_determinant(alpha, beta)
    evidence: FloatArray = (total - beta * r2 - alpha * m2 - n * np.log(2 * np.pi)) / (2 * n)
    return evidence


def _authors_evidence(model: LinearModel, n_features: int) -> FloatArray:
    """Reproduce the published fixed point: absolute guards, an early stop, and D/2 where k/2 belongs."""
    n_targets = len(model.totals)
    alpha, beta = np.ones(n_targets), np.ones(n_targets)
    m2, r2 = np.zeros(n_targets), np.zeros(n_targets)
    is_open = np.ones(n_targets, dtype=bool)
    for _ in range(_AUTHORS_ITERATIONS):
        lam = alpha / beta
        gamma, new_m2, new_r2 = model.solve(lam)
        m2, r2 = np.where(is_open, new_m2, m2), np.where(is_open, new_r2, r2)
        alpha = np.where(is_open, gamma / (m2 + _AUTHORS_EPSILON), alpha)
        beta = np.where(is_open, (model.n - gamma) / (r2 + _AUTHORS_EPSILON), beta)
        is_open &= np.abs(alpha / beta - lam) > _AUTHORS_TOLERANCE * lam
        if not is_open.any():
            break
    surplus = n_features - min(model.n, n_features)
    return _log_evidence(model, alpha, beta, m2, r2) + surplus * np.log(alpha) / (2 * model.n)


def _estimate(
    statistics: Statistics,
    *,
    compat: Literal["authors"] | None = None,
    average: Average = "macro",
    scale_targets: bool = False,
) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    check_average(statistics, average)
    statistics = with_scaled_targets(statistics, scale_targets)
    model, weights = linear_model(statistics), target_weights(statistics, average)
    if compat == "authors":
        return Estimate(float(weights @ _authors_evidence(model, statistics.n_features)))
    evidence = _maximise(model)
    value = float(weights @ evidence.per_target)
    return Estimate(value, lambda: _terms(statistics, model, evidence, weights, value))


def _terms(
    statistics: Statistics, model: LinearModel, evidence: _Evidence, weights: FloatArray, value: float
) -> FloatArray:
    """Return each sample's share of the evidence at the fixed point, where its first derivatives vanish."""
    spectrum = statistics.spectrum()
    slopes, offsets = model.coefficients(evidence.lam)
    targets = statistics.targets
    found = np.empty(statistics.n_samples)
    for rows, fitted in statistics.coordinates(spectrum, slopes.T, width=statistics.n_targets):
        predicted = to_numpy(fitted) + offsets
        wanted = one_hot(targets[rows], statistics.n_targets) if targets.ndim == 1 else targets[rows]
        found[rows] = -0.5 * (evidence.beta * (wanted - predicted) ** 2) @ weights
    terms: FloatArray = found - found.mean() + value
    return terms


@score(
    estimate=_estimate,
    tasks=("classification", "multilabel", "regression"),
    title="LogME",
    summary="Log evidence a sample of a Bayesian linear model from features to labels, maximised over its two "
    "precisions.",
    formula="mean over targets of max_{alpha, beta} ln p(t | F, alpha, beta) / N",
    range="any number; for regression it falls by the logarithm of the targets' scale",
    invariances=("sample_order", "label_names", "rotation", "scale", "constant_columns"),
    cost="N D^2 + D^3 + iterations * C D",
    spectrum="whole",
    reference="You, Liu, Wang, Long, ICML 2021, arXiv:2102.11005; You et al., JMLR 23 (2022)",
    deviations="Right for fewer samples than features, where the published default counts D instead of the rank; no "
    "absolute guards, so the scale of the features does not matter; iterated to convergence "
    "(compat='authors' gives the published number).",
    degenerate="Constant features give the evidence of an intercept; all-zero features that of noise alone.",
)
def logme(
    features: Any,
    labels: Any = None,
    *,
    task: TaskKind = "classification",
    compat: Literal["authors"] | None = None,
    average: Average = "macro",
    scale_targets: bool = False,
) -> float:
    r"""Score features by the maximum evidence of a linear model of the labels.

    For each target column t (one-hot columns for classification, 0 and 1 for several labels a sample), with
    lam = alpha / beta and sigma the squared singular values of the uncentred features, the log evidence a sample is
    :math:`\frac{1}{N}[\frac{k}{2}\ln\alpha + \frac{N}{2}\ln\beta - \frac12\sum_j \ln(\alpha + \beta\sigma_j)
    - \frac{\beta}{2}|t - Fm|^2 - \frac{\alpha}{2}|m|^2 - \frac{N}{2}\ln 2\pi]`, maximised by the fixed point
    alpha = gamma / \|m\|^2, beta = (N - gamma) / \|t - Fm\|^2. The score is the mean over targets.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library. Not centred.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind; for detection a pair of classes and boxes.
    task : {"classification", "multilabel", "regression", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default. In detection the value is the sum of two parts, the evidence
        of box classes and that of box coordinates.
    compat : {"authors"}, optional
        Reproduce the published program, with its error for fewer samples than features.
    average : {"macro", "weighted"}, default="macro"
        Of several labels a sample: all alike, or by their frequency.
    scale_targets : bool, default=False
        Whether regression targets are given mean 0 and variance 1 first.

    Returns
    -------
    float
        Higher is better; nats a sample and target.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option does not exist for the task.

    Notes
    -----
    Differs from the authors' code: that counts D instead of the rank k in the first term, which rewards wide
    features when N < D; it adds 1e-5 to denominators, which makes the value depend on the features' norm; and it
    stops after eleven rounds. Every class counts the same, whatever its size. Targets that are fitted perfectly
    keep a residual of machine precision, so that the value stays finite. Standard errors hold alpha, beta and the
    leverages fixed.

    Targets count as they are: other units of a regression target shift the value by the same amount for every
    candidate, which keeps their order, but not values of different tasks comparable; ``scale_targets`` does.

    References
    ----------
    K. You, Y. Liu, J. Wang, M. Long, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning",
    ICML 2021, arXiv:2102.11005.
    K. You, Y. Liu, Z. Zhang, J. Wang, M. Jordan, M. Long, "Ranking and Tuning Pre-trained Models: A New Paradigm for
    Exploiting Model Hubs", JMLR 23(209), 2022, arXiv:2110.10545.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import logme
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> apart = rng.standard_normal((100, 8)) + 3 * labels[:, None]
    >>> logme(apart, labels) > logme(rng.standard_normal((100, 8)), labels)
    True
    """
    statistics = Statistics.of(features, labels, task=task)
    return get_spec("logme").estimate(statistics, compat=compat, average=average, scale_targets=scale_targets).value
