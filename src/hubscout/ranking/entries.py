"""Between the arrays of acquisition and the plain values of records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hubscout.ranking.records import ScoreEntry

if TYPE_CHECKING:
    from hubscout.scores import ScoreValue


def score_entry(value: ScoreValue) -> ScoreEntry:
    """Return the record of a score's value.

    Parameters
    ----------
    value : ScoreValue
        What `hubscout.scores.evaluate` found.

    Returns
    -------
    ScoreEntry
        Plain Python numbers; what is not finite is None.
    """
    parts = {name: float(part) for name, part in (value.parts or {}).items()}
    return ScoreEntry(finite(value.value), finite(value.standard_error), value.reason, float(value.seconds), parts)


def source_probabilities(
    logits: npt.NDArray[Any] | None, probabilities: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.float64] | None:
    """Return the probabilities of a source head.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, source_classes), or None
        Output of the head before the softmax.
    probabilities : ndarray of the same shape, or None
        Output after it; taken when there are no logits.

    Returns
    -------
    ndarray of shape (n_samples, source_classes), float64, or None
        The softmax is taken in float64: in single precision, rows would not sum to one closely enough.
    """
    if logits is None:
        return None if probabilities is None else np.asarray(probabilities, dtype=np.float64)
    values: npt.NDArray[np.float64] = np.array(logits, dtype=np.float64)
    values -= values.max(axis=1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)
    return values


def finite(value: Any) -> float | None:
    """Return a Python float, or None for what is no finite number."""
    if value is None or not np.isfinite(value):
        return None
    return float(value)
