"""H-score: how much of the features' variance the classes explain, plain and with a shrunk covariance."""

from __future__ import annotations

from typing import Any

import numpy as np

from hubscout._typing import FloatArray, TaskKind
from hubscout.scores._averages import check_average
from hubscout.scores._h_score_null import null, null_shrunk, shrunk_weights
from hubscout.scores._label_correlations import HAverage, label_correlation
from hubscout.scores._spec import Estimate, get_spec, score
from hubscout.stats import Statistics
from hubscout.stats.moments import centred_target_sums
from hubscout.stats.namespace import is_numpy, to_numpy

# Below this many features the decomposition takes no time. Below this share of all variance the smallest pivot is too
# near to the rounding of float32 sums: at it, the value is off by less than 1e-6.
_MANY_FEATURES, _SMALLEST_PIVOT = 256, 5e-6
_AVERAGES = ("joint", "macro", "weighted")


def _estimate(statistics: Statistics, *, average: HAverage = "joint") -> Estimate:
    check_average(statistics, average, _AVERAGES)
    if statistics.task == "multilabel":
        return label_correlation(statistics, average, np.ones(statistics.spectrum().n_components))
    value = _by_factor(statistics)
    if value is not None:
        return Estimate(value, lambda: _whitened(statistics).terms())  # type: ignore[misc]
    return _whitened(statistics)


def _whitened(statistics: Statistics) -> Estimate:
    spectrum = statistics.spectrum()
    if spectrum.n_components == 0:
        return Estimate(0.0)
    means = statistics.class_coordinates(spectrum)
    whitened = means * np.sqrt(statistics.n_samples) / spectrum.singular_values
    return _between_to_total(statistics, whitened, np.ones(spectrum.n_components))


def _by_factor(statistics: Statistics) -> float | None:
    """Return the value by a triangular factor of the Gram matrix, a quarter of the work of a decomposition.

    None where the spectrum is known, or too small or too steep for this to be worth while or sound.
    """
    n_features = statistics.n_features
    is_worth = not statistics.is_decomposed and statistics.n_samples > n_features >= _MANY_FEATURES
    if not is_worth or not is_numpy(statistics.features):
        return None
    from scipy.linalg import LinAlgError, cholesky, solve_triangular

    moments = statistics.moments(single=statistics.is_large)
    try:
        factor = cholesky(moments.scatter.T, lower=True, check_finite=False)
    except LinAlgError:
        return None
    if factor.diagonal().min() ** 2 < _SMALLEST_PIVOT * np.trace(moments.scatter):
        return None
    sums = solve_triangular(factor, centred_target_sums(moments).T, lower=True, check_finite=False)
    return float((sums**2).sum(axis=0) @ (1 / moments.target_totals))


def _estimate_shrunk(statistics: Statistics, *, average: HAverage = "joint") -> Estimate:
    check_average(statistics, average, _AVERAGES)
    spectrum = statistics.spectrum()
    if spectrum.n_components == 0:
        return Estimate(0.0)
    if statistics.task == "multilabel":
        return label_correlation(statistics, average, shrunk_weights(statistics, spectrum))
    variances = spectrum.singular_values**2 / statistics.n_samples
    means = statistics.class_coordinates(spectrum)
    # Weights undo the whitening by the plain covariance, which the terms share with the plain score.
    return _between_to_total(statistics, means / np.sqrt(variances), shrunk_weights(statistics, spectrum))


def _between_to_total(statistics: Statistics, whitened: FloatArray, weights: FloatArray) -> Estimate:
    """Sum_c pi_c |m_c|^2 over whitened class means, each component weighed."""
    value = float(statistics.priors @ (whitened**2 @ weights))

    def terms() -> FloatArray:
        # First-order effect of one sample's weight on the value, through the class means and the covariance.
        spectrum = statistics.spectrum()
        directions = (whitened * weights * np.sqrt(statistics.n_samples) / spectrum.singular_values).T
        own = (whitened**2) @ weights
        found = np.empty(statistics.n_samples)
        for rows, projected in statistics.coordinates(spectrum, directions, width=statistics.n_targets):
            host, codes = to_numpy(projected), statistics.codes[rows]
            explained = host**2 @ statistics.priors
            found[rows] = 2 * host[np.arange(len(codes)), codes] - own[codes] - explained
        centred: FloatArray = found - found.mean() + value
        return centred

    return Estimate(value, terms)


_COMMON: dict[str, Any] = {
    "tasks": ("classification", "multilabel"),
    "cost": "N D^2 + D^3",
    "spectrum": "whole",
    "degenerate": "Constant features give 0.",
}


@score(
    estimate=_estimate,
    null=null,
    title="H-score",
    summary="Trace of the between-class covariance relative to the total covariance: the sum of squared canonical "
    "correlations of features and classes.",
    formula="sum_c n_c (m_c - mu)^T (Fc^T Fc)^{-1} (m_c - mu)",
    invariances=(
        "sample_order",
        "label_names",
        "rotation",
        "scale",
        "translation",
        "constant_columns",
        "duplication",
    ),
    range="[0, min(C - 1, rank)]; without signal about (C - 1) rank / (N - 1)",
    reference="Bao, Li, Huang, Zhang, Zheng, Zamir, Guibas, ICIP 2019, doi:10.1109/ICIP.2019.8803726",
    deviations="None in value; computed from the spectrum instead of a D x D pseudo-inverse.",
    **_COMMON,
)
def h_score(
    features: Any, labels: Any = None, *, task: TaskKind = "classification", average: HAverage = "joint"
) -> float:
    """Score features by the variance that classes explain.

    H = tr(Cov(F)^+ Cov(g)) with g_i the mean of sample i's class; equal to
    sum_c n_c (m_c - mu)^T (Fc^T Fc)^+ (m_c - mu).

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_labels) for several labels a sample
        Class labels of any kind; 0 and 1 for several a sample; for detection a pair of classes and boxes.
    task : {"classification", "multilabel", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default. In detection box classes alone are read.
    average : {"joint", "macro", "weighted"}, default="joint"
        Of several labels a sample: canonical correlations with all of them together, or the mean over labels of the
        squared multiple correlation with each, all labels alike or by their frequency.

    Returns
    -------
    float
        Higher is better; in [0, min(C - 1, rank)], for several labels a sample in [0, min(rank of labels, rank)], or
        [0, 1] when averaged.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option does not exist for the task.

    Notes
    -----
    Without any signal the expected value is (C - 1) rank / (N - 1), so wide features look good on few samples; with
    at least as many features as samples it is exactly C - 1 for every model, and says nothing. Use
    `h_score_shrunk` there. Same value as the authors' code, without its D x D pseudo-inverse.

    The H-score of classes is the sum of squared canonical correlations of features and class indicators, and that is
    what it is for several labels a sample: tr(S_ff^+ S_fy S_yy^+ S_yf), where labels that follow from others count
    once. Standard errors of the weighted average hold the frequencies fixed.

    References
    ----------
    Y. Bao et al., "An Information-Theoretic Approach to Transferability in Task Transfer Learning", ICIP 2019,
    doi:10.1109/ICIP.2019.8803726.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import h_score
    >>> labels = np.array([0, 0, 1, 1])
    >>> round(h_score(np.array([[0.0], [0.0], [1.0], [1.0]]), labels), 6)
    1.0
    """
    return get_spec("h_score").estimate(Statistics.of(features, labels, task=task), average=average).value


@score(
    estimate=_estimate_shrunk,
    null=null_shrunk,
    title="H-score, shrunk",
    summary="The H-score with the covariance shrunk towards a multiple of the identity (Ledoit-Wolf), sound for "
    "few samples.",
    formula="(1 - a) sum_c n_c (m_c - mu)^T S_a^{-1} (m_c - mu) / (N - 1)",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation"),
    range="[0, (C - 1) N / (N - 1)]",
    reference="Ibrahim, Ponomareva, Mazumder, ECML PKDD 2022, arXiv:2110.06893",
    deviations="None in value; computed from the spectrum.",
    **_COMMON,
)
def h_score_shrunk(
    features: Any, labels: Any = None, *, task: TaskKind = "classification", average: HAverage = "joint"
) -> float:
    """Score features by the variance that classes explain, under a shrunk covariance.

    With S the covariance of the features, a the Ledoit-Wolf amount and S_a = (1 - a) S + a (tr S / D) I, the value
    is (1 - a) sum_c n_c (m_c - mu)^T S_a^{-1} (m_c - mu) / (N - 1).

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_labels) for several labels a sample
        Class labels of any kind; 0 and 1 for several a sample; for detection a pair of classes and boxes.
    task : {"classification", "multilabel", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default. In detection box classes alone are read.
    average : {"joint", "macro", "weighted"}, default="joint"
        Of several labels a sample: canonical correlations with all of them together, or the mean over labels of the
        squared multiple correlation with each, all labels alike or by their frequency.

    Returns
    -------
    float
        Higher is better; in [0, (C - 1) N / (N - 1)], with C - 1 the rank of several labels a sample, or 1 when they
        are averaged.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option does not exist for the task.

    Notes
    -----
    Same value as the authors' code. The amount of shrinkage depends on N and D, so duplicating all samples or
    padding the features changes the value. Terms behind the standard error hold the amount fixed.

    References
    ----------
    S. Ibrahim, N. Ponomareva, R. Mazumder, "Newer is not always better: Rethinking transferability metrics, their
    peculiarities, stability and performance", ECML PKDD 2022, arXiv:2110.06893.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import h_score_shrunk
    >>> rng = np.random.default_rng(0)
    >>> 0 < h_score_shrunk(rng.standard_normal((20, 40)), [0, 1] * 10) < 1
    True
    """
    return get_spec("h_score_shrunk").estimate(Statistics.of(features, labels, task=task), average=average).value
