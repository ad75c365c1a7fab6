"""How several targets become one value: weights of labels, units of numbers, and precision along a ranking."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hubscout._typing import FloatArray
from hubscout._validation import check_choice, check_flag
from hubscout.errors import UsageError
from hubscout.stats import Statistics

Average = Literal["macro", "weighted"]


def check_average(statistics: Statistics, average: str, choices: tuple[str, ...] = ("macro", "weighted")) -> None:
    """Refuse another word, and any but the first one outside of multilabel tasks.

    Raises
    ------
    UsageError
        When ``average`` is not among the choices, or says how to average labels where there are none.
    """
    check_choice("average", average, choices)
    if statistics.task != "multilabel" and average != choices[0]:
        msg = (
            f"average must be {choices[0]!r} for {statistics.task}, got {average!r}; it says how the values of several "
            "labels a sample are averaged"
        )
        raise UsageError(msg)


def target_weights(statistics: Statistics, average: str) -> FloatArray:
    """Return what each target counts, (n_targets,): all the same, or labels by their frequency. They sum to 1."""
    if average == "weighted":
        frequencies = statistics.label_frequencies
        weights: FloatArray = frequencies / frequencies.sum()
        return weights
    return np.full(statistics.n_targets, 1 / statistics.n_targets)


def with_scaled_targets(statistics: Statistics, scale_targets: bool) -> Statistics:
    """Return the same features with regression targets of mean 0 and variance 1, if that is wanted.

    Raises
    ------
    UsageError
        When it is wanted of a task without such targets.
    """
    check_flag("scale_targets", scale_targets)
    if not scale_targets:
        return statistics
    if statistics.task != "regression":
        msg = f"scale_targets must be False for {statistics.task}, got True; only numbers to predict have a scale"
        raise UsageError(msg)
    return statistics.standardised()


def average_precision(predicted: FloatArray, indicators: FloatArray) -> FloatArray:
    """Return the average precision of each label, (n_labels,).

    Over the samples in descending order of prediction, the precision at each step weighed by the recall that it adds;
    samples of equal predictions make one step.

    Parameters
    ----------
    predicted : ndarray of shape (n_samples, n_labels)
    indicators : ndarray of shape (n_samples, n_labels)
        0 and 1, each label with some of both.
    """
    n_samples, n_labels = predicted.shape
    found = np.empty(n_labels)
    ranks = np.arange(1, n_samples + 1)
    for label in range(n_labels):
        order = np.argsort(-predicted[:, label], kind="stable")
        values, hits = predicted[order, label], np.cumsum(indicators[order, label])
        is_last = np.append(values[1:] != values[:-1], True)
        hits, n_seen = hits[is_last], ranks[is_last]
        found[label] = np.sum(np.diff(hits, prepend=0.0) * hits / n_seen) / hits[-1]
    return found
