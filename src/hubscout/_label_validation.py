"""Checks of labels: classes of any kind, or numbers to predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray
from hubscout._validation import check_magnitude
from hubscout.errors import DataError


def label_array(labels: Any) -> npt.NDArray[Any]:
    """Return labels as a NumPy array that keeps apart what differs.

    NumPy turns a list of words and numbers into words, so that 1 and "1" become one class and a missing value the
    class "nan"; such a list stays one of objects here, for `check_class_labels` to judge.

    Raises
    ------
    DataError
        When labels are no sequence, or one of rows of different lengths.
    """
    try:
        array = np.asarray(labels)
    except ValueError:
        msg = "labels must have rows of one length, got rows of different lengths"
        raise DataError(msg) from None
    is_list = not isinstance(labels, np.ndarray) and array.ndim == 1
    if is_list and array.dtype.kind in "US" and not all(isinstance(value, str | bytes) for value in labels):
        array = np.array([*labels], dtype=object)
    if array.ndim == 0:
        msg = f"labels must have shape (n_samples,), got the single value {labels!r}"
        raise DataError(msg)
    return array


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
        When a label is missing, labels cannot be compared, there is one class only, or every class has one sample.
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
        msg = f"labels must hold at least 2 classes, got 1 ({classes.tolist()[0]!r}); one class cannot be told apart"
        raise DataError(msg)
    if len(classes) == len(labels):
        msg = (
            f"labels must give some class at least 2 samples, got {len(classes)} classes for {len(labels)} samples; "
            "give task='regression' for numbers to predict"
        )
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
    if values.ndim != 2 or values.shape[1] == 0:
        msg = f"labels must have shape (n_samples,) or (n_samples, n_targets) for regression, got {values.shape}"
        raise DataError(msg)
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        msg = f"labels must be finite for regression: row {row}, column {column} is {values[row, column]}"
        raise DataError(msg)
    with np.errstate(over="ignore", under="ignore"):
        check_magnitude("labels", float(np.sqrt(np.mean(values**2))))
    constant = np.ptp(values, axis=0) == 0
    if constant.any():
        column = int(constant.argmax())
        msg = f"labels must vary for regression: column {column} is {values[0, column]} in all rows"
        raise DataError(msg)
    return values


def _missing(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if labels.dtype.kind == "f":
        finite: npt.NDArray[np.bool_] = np.isfinite(labels)
        return ~finite
    if labels.dtype.kind == "O":
        return np.array([value is None or value != value for value in labels.tolist()], dtype=bool)
    return np.zeros(labels.shape, dtype=bool)
