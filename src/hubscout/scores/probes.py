"""Baselines that every score must beat: nearest centroid, k nearest neighbours and a linear probe, left one out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, TaskKind
from hubscout._validation import check_positive_int
from hubscout.errors import DataError
from hubscout.scores._neighbours import nearest_neighbours
from hubscout.scores._ridge import ridge_fits, ridge_strengths
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics
from hubscout.stats.chunks import row_slices
from hubscout.stats.moments import class_means
from hubscout.stats.namespace import like, namespace, one_hot, to_numpy


def _estimate_centroid(statistics: Statistics) -> Estimate:
    codes, counts = statistics.codes, statistics.counts
    moments = statistics.moments(with_scatter=False)
    means = class_means(moments)
    offsets = (means**2).sum(axis=1)
    hits = np.empty(statistics.n_samples)
    for rows, chunk in statistics.chunks(width=2 * statistics.n_targets, single=statistics.is_large):
        xp = namespace(chunk)
        centred = chunk - xp.astype(moments.mean, chunk.dtype)[None, :]
        distances = offsets - 2 * to_numpy(xp.matmul(centred, like(means.T, centred)))
        distances += to_numpy(xp.sum(centred**2, axis=1))[:, None]
        own, index = codes[rows], np.arange(len(codes[rows]))
        size = counts[own]
        # Without sample i its class mean moves away by n / (n - 1); a class of one sample has none left.
        with np.errstate(divide="ignore", invalid="ignore"):
            without = np.where(size > 1, (size / (size - 1)) ** 2 * distances[index, own], np.inf)
        distances[index, own] = np.inf
        hits[rows] = without < distances.min(axis=1)
    return Estimate(float(hits.mean()), lambda: hits)


def _estimate_knn(statistics: Statistics, *, k: int = 5) -> Estimate:
    check_positive_int("k", k)
    if k >= statistics.n_samples:
        msg = f"k must be below the number of samples, {statistics.n_samples}, got {k}"
        raise DataError(msg)
    neighbours, distances = statistics.remember(("neighbours", k), lambda: nearest_neighbours(statistics, k))
    if statistics.task == "regression":
        predicted = statistics.targets[neighbours].mean(axis=1)
        return _explained_variance(statistics.targets, statistics.targets - predicted)
    labels = statistics.codes[neighbours]
    blocks = row_slices(statistics.n_samples, 16 * k * k)
    voted = [_votes(labels[rows], distances[rows]) for rows in blocks]
    hits = np.concatenate(voted) == statistics.codes
    return Estimate(float(hits.mean()), lambda: hits.astype(np.float64))


def _votes(labels: Any, distances: FloatArray) -> Any:
    """Return the most frequent label of each row; among equals, the one of the smaller sum of distances."""
    same = labels[:, :, None] == labels[:, None, :]
    votes = same.sum(axis=2)
    spread = (same * distances[:, None, :]).sum(axis=2) / votes
    spread = spread / np.maximum(spread.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    best = np.argmax(votes - 0.5 * spread, axis=1)
    return labels[np.arange(len(labels)), best]


def _estimate_linear(statistics: Statistics) -> Estimate:
    spectrum = statistics.spectrum()
    targets = statistics.targets
    n, is_class = statistics.n_samples, statistics.task == "classification"
    if spectrum.n_components == 0:
        if is_class:
            hits = (statistics.codes == statistics.counts.argmax()).astype(np.float64)
            return Estimate(float(hits.mean()), lambda: hits)
        return _explained_variance(targets, targets - targets.mean(axis=0))
    squares = spectrum.singular_values**2
    projected = statistics.target_coordinates(spectrum)
    strengths = ridge_strengths(squares, projected, statistics)
    means = statistics.moments(with_scatter=False).target_totals / n
    outcome: npt.NDArray[Any] = np.empty(targets.shape)  # whether the label is right, or the residuals
    for rows, fitted, leverages in ridge_fits(statistics, projected, strengths):
        wanted = one_hot(targets[rows], statistics.n_targets) if is_class else targets[rows]
        # The residual of a ridge fit without sample i, from the fit with it; in place, for many classes.
        errors = np.subtract(wanted - means, fitted, out=fitted)
        errors /= np.maximum(1 - 1 / n - leverages, 1e-12)
        if is_class:
            outcome[rows] = np.subtract(wanted, errors, out=errors).argmax(axis=1) == targets[rows]
        else:
            outcome[rows] = errors
    if is_class:
        return Estimate(float(outcome.mean()), lambda: outcome)
    return _explained_variance(targets, outcome)


def _explained_variance(targets: FloatArray, residuals: FloatArray) -> Estimate:
    """R^2, averaged over targets; its terms are 1 minus each sample's squared error over the variance."""
    terms = np.mean(1 - residuals**2 / targets.var(axis=0), axis=1)
    return Estimate(float(terms.mean()), lambda: terms)


_COMMON: dict[str, Any] = {"is_baseline": True, "deviations": "A plain method, not a published score."}


@score(
    estimate=_estimate_knn,
    tasks=("classification", "regression"),
    title="k nearest neighbours",
    summary="Leave-one-out accuracy (R^2 for regression) of the k nearest neighbours.",
    formula="mean_i [majority label of the k nearest other samples = y_i]",
    range="[0, 1]; R^2, at most 1, for regression",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N^2 D",
    spectrum="none",
    reference="Cover and Hart, IEEE Transactions on Information Theory 13(1), 1967, doi:10.1109/TIT.1967.1053964",
    degenerate="Constant features give the accuracy of the k first other samples.",
    **_COMMON,
)
def knn(features: Any, labels: Any = None, *, k: int = 5, task: TaskKind = "classification") -> float:
    """Score features by the accuracy of the nearest other samples.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind.
    k : int, default=5
        Number of neighbours, by Euclidean distance.
    task : {"classification", "regression"}, default="classification"
        What the labels are.

    Returns
    -------
    float
        Higher is better: leave-one-out accuracy in [0, 1]; mean R^2 over the targets for regression, at most 1.

    Raises
    ------
    DataError
        When features or labels cannot be used, or there are not more than ``k`` samples.

    Notes
    -----
    Labels that tie in votes are settled by the smaller mean distance. Distances are computed in blocks; exact
    duplicates of a sample vote for it, so remove them first.

    References
    ----------
    T. Cover, P. Hart, "Nearest neighbor pattern classification", IEEE Transactions on Information Theory 13(1),
    1967, doi:10.1109/TIT.1967.1053964.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import knn
    >>> knn(np.array([[0.0], [0.1], [5.0], [5.1]]), ["a", "a", "b", "b"], k=1)
    1.0
    """
    return _estimate_knn(Statistics.of(features, labels, task=task), k=k).value


@score(
    estimate=_estimate_linear,
    tasks=("classification", "regression"),
    title="Linear probe",
    summary="Leave-one-out accuracy (R^2 for regression) of ridge regression on the labels' indicators.",
    formula="mean_i [argmax_c of the ridge fit without sample i = y_i]; strength by generalised cross-validation",
    range="[0, 1]; R^2, at most 1, for regression",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N D^2 + D^3",
    spectrum="whole",
    reference="Allen, Technometrics 16(1), 1974, doi:10.1080/00401706.1974.10489157",
    degenerate="Constant features give the share of the largest class; R^2 of 0.",
    **_COMMON,
)
def linear_probe(features: Any, labels: Any = None, *, task: TaskKind = "classification") -> float:
    """Score features by the accuracy of a cross-validated linear model on them.

    Ridge regression with an intercept on one-hot labels (or on the targets). All leave-one-out fits follow exactly
    from one decomposition: e_i = (y_i - fit_i) / (1 - h_i) with h_i the leverage.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind.
    task : {"classification", "regression"}, default="classification"
        What the labels are.

    Returns
    -------
    float
        Higher is better: leave-one-out accuracy in [0, 1]; mean R^2 over the targets for regression, at most 1.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.

    Notes
    -----
    The ridge is the one of 13 strengths, relative to the mean variance of a component, with the smallest error of
    generalised cross-validation, which needs no pass over the samples. It is ridge regression, not
    logistic regression: close in rank, and without iterations.

    References
    ----------
    D. Allen, "The relationship between variable selection and data augmentation and a method for prediction",
    Technometrics 16(1), 1974, doi:10.1080/00401706.1974.10489157.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import linear_probe
    >>> linear_probe(np.array([[0.0], [0.1], [5.0], [5.1]]), ["a", "a", "b", "b"])
    1.0
    """
    return _estimate_linear(Statistics.of(features, labels, task=task)).value


@score(
    estimate=_estimate_centroid,
    title="Nearest centroid",
    summary="Leave-one-out accuracy of the nearest class mean.",
    formula="mean_i [argmin_c |f_i - m_c| = y_i], with m_{y_i} computed without sample i",
    range="[0, 1]",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N C D",
    spectrum="none",
    reference="Tibshirani, Hastie, Narasimhan, Chu, PNAS 99(10), 2002, doi:10.1073/pnas.082099299 (without shrinkage)",
    degenerate="Constant features give 0: no mean is nearer than another.",
    **_COMMON,
)
def nearest_centroid(features: Any, labels: Any = None) -> float:
    """Score features by the accuracy of the nearest class mean.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.

    Returns
    -------
    float
        Higher is better: leave-one-out accuracy in [0, 1].

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.

    Notes
    -----
    Each sample is left out of its own class mean, in closed form. A class of one sample is never right, and a
    sample as near to another mean as to its own counts as wrong.

    References
    ----------
    R. Tibshirani, T. Hastie, B. Narasimhan, G. Chu, "Diagnosis of multiple cancer types by shrunken centroids of gene
    expression", PNAS 99(10), 2002, doi:10.1073/pnas.082099299.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import nearest_centroid
    >>> nearest_centroid(np.array([[0.0], [0.1], [5.0], [5.1]]), ["a", "a", "b", "b"])
    1.0
    """
    return _estimate_centroid(Statistics.of(features, labels)).value
