"""Checks of what the user hands to a score: one place, one wording."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.errors import DataError, UsageError


def check_choice(name: str, value: object, choices: Collection[str | None]) -> None:
    """Refuse an option that is not one of a few words.

    Raises
    ------
    UsageError
        When ``value`` is not among ``choices``.
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        msg = f"{name} must be one of {listed}, got {value!r}"
        raise UsageError(msg)


def check_positive_int(name: str, value: object, *, minimum: int = 1) -> int:
    """Refuse anything but a whole number of at least ``minimum``.

    Raises
    ------
    UsageError
        When ``value`` is not such a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
        msg = f"{name} must be a whole number of at least {minimum}, got {value!r}"
        raise UsageError(msg)
    return int(value)


def check_features(features: Any) -> Array:
    """Return features as a two-dimensional array of real numbers, without copying what already is one.

    Raises
    ------
    DataError
        When the shape or the type is not that of features.
    """
    array = features if array_api_compat.is_array_api_obj(features) else np.asarray(features)
    if isinstance(array, np.ndarray) and array.dtype.kind not in "fiub":
        msg = f"features must be real numbers, got an array of {array.dtype}; convert it to float32 first"
        raise DataError(msg)
    if array.ndim != 2 or 0 in array.shape:
        msg = f"features must have shape (n_samples, n_features) with no empty axis, got {tuple(array.shape)}"
        raise DataError(msg)
    if array.shape[0] < 2:
        msg = f"features must hold at least 2 samples, got {array.shape[0]}"
        raise DataError(msg)
    return array


def check_length(name: str, n_rows: int, n_samples: int) -> None:
    """Refuse labels or probabilities that are not one a sample.

    Raises
    ------
    DataError
        When the counts differ.
    """
    if n_rows != n_samples:
        msg = f"{name} must hold one row a sample: features have {n_samples} rows, {name} {n_rows}"
        raise DataError(msg)


def check_class_labels(labels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], IntArray]:
    """Return the sorted classes and each sample's code, for labels of any kind.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Strings, whole numbers with or without gaps, booleans, floats.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n_samples,), int

    Raises
    ------
    DataError
        When a label is missing, labels cannot be compared, or there is one class only.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        msg = f"labels must have shape (n_samples,) for classification, got {labels.shape}"
        raise DataError(msg)
    missing = _missing(labels)
    if missing.any():
        msg = f"labels must not be missing: row {int(missing.argmax())} is {labels[missing.argmax()]!r}"
        raise DataError(msg)
    try:
        classes, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in labels.tolist()})
        msg = f"labels must be of one kind, got a mixture of {', '.join(kinds)}; convert them to strings"
        raise DataError(msg) from None
    if len(classes) < 2:
        msg = f"labels must hold at least 2 classes, got 1 ({classes[0]!r}); one class cannot be told apart"
        raise DataError(msg)
    return classes, codes.astype(np.intp)


def check_target_values(targets: npt.NDArray[Any]) -> FloatArray:
    """Return regression targets as a float64 matrix of shape (n_samples, n_targets).

    Raises
    ------
    DataError
        When a value is not a finite number or a column is constant.
    """
    try:
        values = np.asarray(targets, dtype=np.float64)
    except (TypeError, ValueError):
        msg = f"labels must be numbers for regression, got {targets.dtype}; give task='classification' for classes"
        raise DataError(msg) from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        msg = f"labels must have shape (n_samples,) or (n_samples, n_targets) for regression, got {values.shape}"
        raise DataError(msg)
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        msg = f"labels must be finite for regression: row {row}, column {column} is {values[row, column]}"
        raise DataError(msg)
    constant = np.ptp(values, axis=0) == 0
    if constant.any():
        column = int(constant.argmax())
        msg = f"labels must vary for regression: column {column} is {values[0, column]} in all rows"
        raise DataError(msg)
    return values


def check_source_probs(source_probs: Any) -> Array:
    """Return source probabilities of shape (n_samples, n_source_classes).

    Raises
    ------
    DataError
        When a row is not a probability distribution.
    """
    probs = source_probs if array_api_compat.is_array_api_obj(source_probs) else np.asarray(source_probs)
    if probs.ndim != 2 or 0 in probs.shape:
        msg = f"source_probs must have shape (n_samples, n_source_classes), got {tuple(probs.shape)}"
        raise DataError(msg)
    xp = array_api_compat.array_namespace(probs)
    totals = xp.sum(probs, axis=1, dtype=xp.float64)
    is_bad = ~((xp.abs(totals - 1.0) <= 1e-2) & (xp.min(probs, axis=1) >= 0))
    if bool(xp.any(is_bad)):
        row = int(xp.argmax(xp.astype(is_bad, xp.int64)))
        msg = (
            f"source_probs must be non-negative and sum to 1 in each row: row {row} sums to {float(totals[row]):.4g}; "
            "apply a softmax to logits first"
        )
        raise DataError(msg)
    return probs


def check_finite(chunk: Array, first_row: int, name: str = "features") -> None:
    """Refuse NaN and infinity, and say where the first one stands.

    Raises
    ------
    DataError
        When a value is not finite.
    """
    xp = array_api_compat.array_namespace(chunk)
    # One product of a vector with the chunk is the cheapest look at every value.
    ones = xp.ones(chunk.shape[0], dtype=chunk.dtype, device=array_api_compat.device(chunk))
    with np.errstate(over="ignore", invalid="ignore"):
        total = xp.sum(xp.matmul(ones, chunk))
    if bool(xp.isfinite(total)):
        return
    bad = xp.astype(~xp.isfinite(chunk), xp.int64)
    if not bool(xp.any(bad == 1)):
        return  # the sum of huge finite values overflowed
    row = int(xp.argmax(xp.max(bad, axis=1)))
    column = int(xp.argmax(bad[row, :]))
    msg = (
        f"{name} must be finite: row {first_row + row}, column {column} is {float(chunk[row, column])}; "
        "an overflow of float16 or a broken sample is the usual cause"
    )
    raise DataError(msg)


def _missing(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if labels.dtype.kind == "f":
        finite: npt.NDArray[np.bool_] = np.isfinite(labels)
        return ~finite
    if labels.dtype.kind == "O":
        return np.array([value is None or value != value for value in labels.tolist()], dtype=bool)
    return np.zeros(labels.shape, dtype=bool)
