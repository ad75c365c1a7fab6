"""Baselines that every score must beat: k nearest neighbours and a linear probe, left one out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray, TaskKind
from hubscout._validation import check_positive_int
from hubscout.errors import DataError
from hubscout.scores._averages import Average, average_precision, check_average, target_weights
from hubscout.scores._neighbours import nearest_neighbours
from hubscout.scores._ridge import ridge_strengths
from hubscout.scores._ridge_residuals import left_out_residuals
from hubscout.scores._spec import Estimate, get_spec, score
from hubscout.stats import Statistics
from hubscout.stats.chunks import row_slices
from hubscout.stats.namespace import one_hot, to_numpy
from hubscout.stats.target_sums import segment_sums

# Of predictions of 0 and 1, beyond which they are equal.
_DECIMALS = 9


def _estimate_knn(statistics: Statistics, *, k: int = 5, average: Average = "macro") -> Estimate:
    check_positive_int("k", k)
    check_average(statistics, average)
    _check_neighbours(statistics, k)
    neighbours, distances = statistics.remember(("neighbours", k), lambda: nearest_neighbours(statistics, k))
    if statistics.task == "regression":
        predicted = statistics.targets[neighbours].mean(axis=1)
        return _explained_variance(statistics.targets, statistics.targets - predicted)
    if statistics.task == "multilabel":
        return _precision_of_votes(statistics, neighbours, average)
    labels = statistics.codes[neighbours]
    blocks = row_slices(statistics.n_samples, 16 * k * k)
    voted = [_votes(labels[rows], distances[rows]) for rows in blocks]
    hits = np.concatenate(voted) == statistics.codes
    return Estimate(float(hits.mean()), lambda: hits.astype(np.float64))


def _check_neighbours(statistics: Statistics, k: int) -> None:
    if k >= statistics.n_samples:
        msg = f"k must be below the number of samples, {statistics.n_samples}, got {k}"
        raise DataError(msg)
    if statistics.groups is not None:
        outside = statistics.n_samples - int(np.bincount(statistics.groups).max())
        if k > outside:
            msg = f"k must be at most the number of samples outside of each group, {outside}, got {k}"
            raise DataError(msg)


def _precision_of_votes(statistics: Statistics, neighbours: IntArray, average: Average) -> Estimate:
    targets, votes = statistics.targets, np.empty(statistics.targets.shape)
    for rows in row_slices(statistics.n_samples, 8 * neighbours.shape[1] * targets.shape[1]):
        votes[rows] = targets[neighbours[rows]].mean(axis=1)
    return Estimate(float(average_precision(votes, targets) @ target_weights(statistics, average)))


def _votes(labels: Any, distances: FloatArray) -> Any:
    """Return the most frequent label of each row; among equals, the one of the smaller sum of distances."""
    same = labels[:, :, None] == labels[:, None, :]
    votes = same.sum(axis=2)
    spread = (same * distances[:, None, :]).sum(axis=2) / votes
    spread = spread / np.maximum(spread.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    best = np.argmax(votes - 0.5 * spread, axis=1)
    return labels[np.arange(len(labels)), best]


def _estimate_linear(statistics: Statistics, *, average: Average = "macro") -> Estimate:
    check_average(statistics, average)
    spectrum, targets = statistics.spectrum(), statistics.targets
    if spectrum.n_components == 0:
        return _without_features(statistics, average)
    projected = statistics.target_coordinates(spectrum)
    strengths = ridge_strengths(spectrum.singular_values**2, projected, statistics)
    outcome: npt.NDArray[Any] = np.empty(targets.shape)  # whether the class is right, or the residuals
    for rows, errors in left_out_residuals(statistics, projected, strengths):
        if statistics.has_classes:
            wanted = one_hot(targets[rows], statistics.n_targets)
            outcome[rows] = np.subtract(wanted, errors, out=errors).argmax(axis=1) == targets[rows]
        else:
            outcome[rows] = errors
    if statistics.has_classes:
        return Estimate(float(outcome.mean()), lambda: outcome)
    if statistics.task == "regression":
        return _explained_variance(targets, outcome)
    # The mean of the others is lower for a sample that has the label: alone, it would rank all samples wrongly.
    added = targets - outcome - _mean_of_others(targets, statistics.groups)
    # Samples that only rounding tells apart are equal: all of them, where the others all have a label or all lack it.
    precision = average_precision(np.round(added, _DECIMALS), targets)
    return Estimate(float(precision @ target_weights(statistics, average)))


def _without_features(statistics: Statistics, average: Average) -> Estimate:
    targets = statistics.targets
    if statistics.has_classes:
        hits = (statistics.codes == statistics.counts.argmax()).astype(np.float64)
        return Estimate(float(hits.mean()), lambda: hits)
    if statistics.task == "multilabel":
        return Estimate(float(statistics.label_frequencies @ target_weights(statistics, average)))
    return _explained_variance(targets, targets - targets.mean(axis=0))


def _mean_of_others(targets: FloatArray, groups: IntArray | None) -> FloatArray:
    """Return the mean of the targets of all other samples, or of all other groups, (n_samples, n_targets)."""
    own, size = targets, np.ones((len(targets), 1))
    if groups is not None:
        own = to_numpy(segment_sums(targets, groups, int(groups.max()) + 1))[groups]
        size = np.bincount(groups)[groups][:, None].astype(np.float64)
    means: FloatArray = (targets.sum(axis=0) - own) / np.maximum(len(targets) - size, 1)
    return means


def _explained_variance(targets: FloatArray, residuals: FloatArray) -> Estimate:
    """R^2, averaged over targets; its terms are 1 minus each sample's squared error over the variance."""
    terms = np.mean(1 - residuals**2 / targets.var(axis=0), axis=1)
    return Estimate(float(terms.mean()), lambda: terms)


_COMMON: dict[str, Any] = {"is_baseline": True, "deviations": "A plain method, not a published score."}


@score(
    estimate=_estimate_knn,
    tasks=("classification", "multilabel", "regression"),
    title="k nearest neighbours",
    summary="Leave-one-out accuracy (R^2 for regression, average precision for several labels) of the k nearest "
    "neighbours.",
    formula="mean_i [majority label of the k nearest other samples = y_i]; for several labels the mean over them of "
    "the average precision of their shares among the k",
    range="[0, 1]; R^2, at most 1, for regression; several labels have their frequency as chance level",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N^2 D",
    spectrum="none",
    reference="Cover and Hart, IEEE Transactions on Information Theory 13(1), 1967, doi:10.1109/TIT.1967.1053964",
    degenerate="Constant features give the accuracy of the k first other samples.",
    **_COMMON,
)
def knn(
    features: Any,
    labels: Any = None,
    *,
    k: int = 5,
    task: TaskKind = "classification",
    average: Average = "macro",
) -> float:
    """Score features by the accuracy of the nearest other samples.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind; for detection a pair of classes and boxes.
    k : int, default=5
        Number of neighbours, by Euclidean distance.
    task : {"classification", "multilabel", "regression", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default. In detection the value is the sum of two parts, the accuracy
        on box classes and the R^2 of box coordinates.
    average : {"macro", "weighted"}, default="macro"
        Of several labels a sample: all alike, or by their frequency.

    Returns
    -------
    float
        Higher is better: leave-one-out accuracy in [0, 1]; mean R^2 over the targets for regression, at most 1; mean
        average precision over several labels a sample, in [0, 1], each with its frequency as chance level.

    Raises
    ------
    DataError
        When features or labels cannot be used, or there are not more than ``k`` samples, or ``k`` outside of a group.
    UsageError
        When an option does not exist for the task.

    Notes
    -----
    Labels that tie in votes are settled by the smaller mean distance. Distances are computed in blocks; exact
    duplicates of a sample vote for it, so remove them first. Samples of one group, such as boxes of one image, have no
    vote for each other. Targets of regression count alike, whatever their units. Average precision is no mean over
    samples, and so has no standard error here.

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
    return get_spec("knn").estimate(Statistics.of(features, labels, task=task), k=k, average=average).value


@score(
    estimate=_estimate_linear,
    tasks=("classification", "multilabel", "regression"),
    title="Linear probe",
    summary="Leave-one-out accuracy (R^2 for regression, average precision for several labels) of ridge regression on "
    "the labels' indicators.",
    formula="mean_i [argmax_c of the ridge fit without sample i = y_i]; strength by generalised cross-validation; for "
    "several labels the mean over them of the average precision of the fits without i",
    range="[0, 1]; R^2, at most 1, for regression; several labels have their frequency as chance level",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N D^2 + D^3",
    spectrum="whole",
    reference="Allen, Technometrics 16(1), 1974, doi:10.1080/00401706.1974.10489157",
    degenerate="Constant features give the share of the largest class; R^2 of 0; the frequency of each label.",
    **_COMMON,
)
def linear_probe(
    features: Any, labels: Any = None, *, task: TaskKind = "classification", average: Average = "macro"
) -> float:
    """Score features by the accuracy of a cross-validated linear model on them.

    Ridge regression with an intercept on one-hot labels (or on the targets). All leave-one-out fits follow exactly
    from one decomposition: e_i = (y_i - fit_i) / (1 - h_i) with h_i the leverage.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind; for detection a pair of classes and boxes.
    task : {"classification", "multilabel", "regression", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default. In detection the value is the sum of two parts, the accuracy
        on box classes and the R^2 of box coordinates.
    average : {"macro", "weighted"}, default="macro"
        Of several labels a sample: all alike, or by their frequency.

    Returns
    -------
    float
        Higher is better: leave-one-out accuracy in [0, 1]; mean R^2 over the targets for regression, at most 1; mean
        average precision over several labels a sample, in [0, 1], each with its frequency as chance level.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option does not exist for the task.

    Notes
    -----
    The ridge is the one of 13 strengths, relative to the mean variance of a component, with the smallest error of
    generalised cross-validation, which needs no pass over the samples: one for all classes, and one for each number or
    label to predict. It is ridge regression, not logistic regression: close in rank, and without iterations.

    With groups, such as boxes of one image, each is predicted by the fit without the whole of it, as exactly:
    e_g = (I - H_gg)^{-1} (y_g - fit_g). Targets of regression count alike, whatever their units. Several labels a
    sample are ranked by what features add to the mean of the other samples, which by itself tells a sample's own
    label. Average precision is no mean over samples, and so has no standard error here.

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
    return get_spec("linear_probe").estimate(Statistics.of(features, labels, task=task), average=average).value
