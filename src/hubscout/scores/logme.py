"""LogME: the evidence of a Bayesian linear model of the labels, maximised over its two precisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hubscout._typing import FloatArray, TaskKind
from hubscout._validation import check_choice
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics
from hubscout.stats.namespace import like, namespace, one_hot, to_numpy

_MAX_ITERATIONS = 100
_TOLERANCE = 1e-6
# Ratios alpha / beta to choose the start from, relative to the mean variance of a component.
_STARTS = np.logspace(-6, 6, 25)
# The published program's stopping rule and its guards against division by zero.
_AUTHORS_ITERATIONS, _AUTHORS_TOLERANCE, _AUTHORS_EPSILON = 11, 1e-3, 1e-5


@dataclass
class _LinearModel:
    """Ridge solutions for all targets at all ratios lam = alpha / beta, from the centred spectrum.

    LogME does not centre. Its uncentred Gram matrix is the centred one plus N mu mu^T, so that in the centred right
    vectors (and the part of mu that is orthogonal to them) every inverse follows by Sherman and Morrison, with no
    second decomposition. Residuals are split along and across the vector of ones, which keeps them exact when the
    targets are fitted almost perfectly.
    """

    n: int
    singular_values: FloatArray  # (k,)
    mean: FloatArray  # (k,) the features' mean in the right vectors
    mean_rest: float  # squared norm of the mean outside of them
    projected: FloatArray  # (t, k) U^T (centred targets)
    totals: FloatArray  # (t,)
    target_squares: FloatArray  # (t,)

    def __post_init__(self) -> None:
        centred = self.target_squares - self.totals**2 / self.n
        # Squared norm of the centred targets outside the span of the features, or 0 where it is rounding.
        outside = centred - (self.projected**2).sum(axis=1)
        self.outside = np.where(outside > 1e-13 * self.target_squares, outside, 0.0)
        self.floor = np.finfo(np.float64).eps * np.maximum(self.target_squares, np.finfo(np.float64).tiny)

    @property
    def rank(self) -> int:
        """Number of directions that `log_determinant` runs over."""
        return len(self.singular_values) + int(self.mean_rest > 0)

    @property
    def trace(self) -> float:
        """Trace of F^T F."""
        return float((self.singular_values**2).sum() + self.n * ((self.mean**2).sum() + self.mean_rest))

    def solve(self, lam: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return gamma, |m|^2 and |t - F m|^2 for each target, (t,)."""
        n, s, u, x = self.n, self.singular_values, self.mean, self.projected
        inverse = 1.0 / (s**2 + lam[:, None])
        rest = self.mean_rest / lam
        weights, offsets = self.coefficients(lam)
        gain = 1.0 + n * (inverse @ u**2 + rest)
        free = self.totals - n * offsets
        m2 = (weights**2).sum(axis=1) + rest / lam * free**2
        residuals = inverse * (lam[:, None] * x - s * u * free[:, None])
        r2 = self.outside + (residuals**2).sum(axis=1) + free**2 / n
        gamma = len(s) - lam * (inverse.sum(axis=1) - n * (inverse**2 @ u**2 + rest / lam) / gain)
        return gamma, m2, np.maximum(r2, self.floor)

    def coefficients(self, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the solution in the components, (t, k), and its prediction at the mean, (t,)."""
        n, s, u, x = self.n, self.singular_values, self.mean, self.projected
        inverse = 1.0 / (s**2 + lam[:, None])
        q = inverse @ u**2 + self.mean_rest / lam
        p = (inverse * x) @ (u * s)
        free = (self.totals - n * p) / (1.0 + n * q)
        return inverse * (s * x + u * free[:, None]), (self.totals - free) / n

    def log_determinant(self, alpha: FloatArray, beta: FloatArray) -> FloatArray:
        """Return ln det(alpha I + beta F^T F) on the components and the mean's own direction, (t,)."""
        lam = alpha / beta
        spread = np.log(alpha[:, None] + beta[:, None] * self.singular_values**2).sum(axis=1)
        q = (1.0 / (self.singular_values**2 + lam[:, None])) @ self.mean**2 + self.mean_rest / lam
        own = np.log(alpha) if self.mean_rest > 0 else 0.0
        total: FloatArray = spread + own + np.log1p(self.n * q)
        return total


def _linear_model(statistics: Statistics) -> _LinearModel:
    spectrum = statistics.spectrum()
    moments = statistics.moments(with_scatter=False)
    xp = namespace(spectrum.right_vectors)
    mean = to_numpy(xp.matmul(moments.mean[None, :], spectrum.right_vectors))[0]
    full = to_numpy(moments.mean)
    rest = full - to_numpy(xp.matmul(spectrum.right_vectors, like(mean, moments.mean)[:, None]))[:, 0]
    size = float(full @ full)
    # What rounding leaves of a mean that lies inside the span is no direction of its own.
    mean_rest = float(rest @ rest) if float(rest @ rest) > 1e-14 * size else 0.0
    return _LinearModel(
        n=statistics.n_samples,
        singular_values=spectrum.singular_values,
        mean=mean,
        mean_rest=mean_rest,
        projected=statistics.target_coordinates(spectrum).T,
        totals=moments.target_totals,
        target_squares=moments.target_squares,
    )


@dataclass(frozen=True)
class _Evidence:
    """The fixed point of one evidence maximisation, for all targets."""

    per_target: FloatArray  # (t,) log evidence divided by N
    lam: FloatArray
    beta: FloatArray


def _maximise(model: _LinearModel) -> _Evidence:
    # Limits and starts in units of the features' own scale make the result independent of it.
    scale = max(model.trace, np.finfo(np.float64).tiny)
    low, high = 1e-14 * scale, 1e10 * scale
    # The evidence can have several maxima, and the fixed point stops at the one it starts near.
    candidates = scale / (model.n * max(model.rank, 1)) * _STARTS
    profiles = [_profile(model, np.full(len(model.totals), lam)) for lam in candidates]
    lam = candidates[np.argmax([found.per_target for found in profiles], axis=0)]
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


def _profile(model: _LinearModel, lam: FloatArray) -> _Evidence:
    """Return the evidence at some ratios with the best beta for each: that of the fixed point where it is one."""
    _, m2, r2 = model.solve(lam)
    beta = model.n / (r2 + lam * m2)
    return _Evidence(_log_evidence(model, lam * beta, beta, m2, r2), lam, beta)


def _log_evidence(
    model: _LinearModel, alpha: FloatArray, beta: FloatArray, m2: FloatArray, r2: FloatArray
) -> FloatArray:
    n = model.n
    total = model.rank * np.log(alpha) + n * np.log(beta) - model.log_determinant(alpha, beta)
    evidence: FloatArray = (total - beta * r2 - alpha * m2 - n * np.log(2 * np.pi)) / (2 * n)
    return evidence


def _authors_evidence(model: _LinearModel, n_features: int) -> FloatArray:
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


def _estimate(statistics: Statistics, *, compat: Literal["authors"] | None = None) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    model = _linear_model(statistics)
    if compat == "authors":
        return Estimate(float(_authors_evidence(model, statistics.n_features).mean()))
    evidence = _maximise(model)
    value = float(evidence.per_target.mean())
    return Estimate(value, lambda: _terms(statistics, model, evidence, value))


def _terms(statistics: Statistics, model: _LinearModel, evidence: _Evidence, value: float) -> FloatArray:
    """Return each sample's share of the evidence at the fixed point, where its first derivatives vanish."""
    spectrum = statistics.spectrum()
    weights, offsets = model.coefficients(evidence.lam)
    targets = statistics.targets
    found = np.empty(statistics.n_samples)
    for rows, fitted in statistics.coordinates(spectrum, weights.T, width=statistics.n_targets):
        predicted = to_numpy(fitted) + offsets
        wanted = one_hot(targets[rows], statistics.n_targets) if targets.ndim == 1 else targets[rows]
        found[rows] = -0.5 * np.mean(evidence.beta * (wanted - predicted) ** 2, axis=1)
    terms: FloatArray = found - found.mean() + value
    return terms


@score(
    estimate=_estimate,
    tasks=("classification", "regression"),
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
) -> float:
    r"""Score features by the maximum evidence of a linear model of the labels.

    For each target column t (one-hot columns for classification), with lam = alpha / beta and sigma the squared
    singular values of the uncentred features, the log evidence a sample is
    :math:`\frac{1}{N}[\frac{k}{2}\ln\alpha + \frac{N}{2}\ln\beta - \frac12\sum_j \ln(\alpha + \beta\sigma_j)
    - \frac{\beta}{2}|t - Fm|^2 - \frac{\alpha}{2}|m|^2 - \frac{N}{2}\ln 2\pi]`, maximised by the fixed point
    alpha = gamma / \|m\|^2, beta = (N - gamma) / \|t - Fm\|^2. The score is the mean over targets.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library. Not centred.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind.
    task : {"classification", "regression"}, default="classification"
        What the labels are.
    compat : {"authors"}, optional
        Reproduce the published program, with its error for fewer samples than features.

    Returns
    -------
    float
        Higher is better; nats a sample and target.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.

    Notes
    -----
    Differs from the authors' code: that counts D instead of the rank k in the first term, which rewards wide
    features when N < D; it adds 1e-5 to denominators, which makes the value depend on the features' norm; and it
    stops after eleven rounds. Every class counts the same, whatever its size. Targets that are fitted perfectly
    keep a residual of machine precision, so that the value stays finite. Standard errors hold alpha, beta and the
    leverages fixed.

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
    return _estimate(Statistics.of(features, labels, task=task), compat=compat).value
