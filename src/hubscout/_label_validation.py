"""Checks of labels: classes of any kind, numbers to predict, several labels a sample, or boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray
from hubscout._validation import check_magnitude
from hubscout.errors import DataError


def label_array(labels: Any, name: str = "labels") -> npt.NDArray[Any]:
    """Return labels, or what else is named, as a NumPy array that keeps apart what differs.

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
        msg = f"{name} must have rows of one length, got rows of different lengths"
        raise DataError(msg) from None
    is_list = not isinstance(labels, np.ndarray) and array.ndim == 1
    if is_list and array.dtype.kind in "US" and not all(isinstance(value, str | bytes) for value in labels):
        array = np.array([*labels], dtype=object)
    if array.ndim == 0:
        msg = f"{name} must have shape (n_samples,), got the single value {labels!r}"
        raise DataError(msg)
    return array


def check_class_labels(labels: npt.NDArray[Any], *, at_least: int = 2) -> tuple[npt.NDArray[Any], IntArray]:
    """Return the sorted classes and each sample's code, for labels of any kind.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Strings, whole numbers with or without gaps, booleans, floats.
    at_least : int, default=2
        How many classes there must be.

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
    if len(classes) < at_least:
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


def check_label_matrix(labels: npt.NDArray[Any]) -> FloatArray:
    """Return the labels of a multilabel task as indicators, float64 of shape (n_samples, n_labels).

    Raises
    ------
    DataError
        When the shape is another one, a value is neither 0 nor 1, or a label has the same value in all rows.
    """
    if labels.ndim != 2 or labels.shape[1] == 0:
        msg = f"labels must have shape (n_samples, n_labels) for multilabel, got {labels.shape}"
        raise DataError(msg)
    try:
        values = labels.astype(np.float64)
    except (TypeError, ValueError):
        msg = f"labels must be 0 or 1 for multilabel, got an array of {labels.dtype}; give one column a label"
        raise DataError(msg) from None
    bad = (values != 0) & (values != 1)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        msg = f"labels must be 0 or 1 for multilabel: row {row}, column {column} is {values[row, column]:g}"
        raise DataError(msg)
    constant = np.ptp(values, axis=0) == 0
    if constant.any():
        column = int(constant.argmax())
        msg = (
            f"labels must be given to some samples and not to others: column {column} is {values[0, column]:g} in all "
            "rows; leave that label out"
        )
        raise DataError(msg)
    return values


def split_detection_labels(labels: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the classes (n_boxes,) and the boxes (n_boxes, 4) of a detection task, not yet looked at.

    Parameters
    ----------
    labels : pair of array-like, or array-like of shape (n_boxes, 5)
        Classes and boxes, or a table of the class and the four coordinates of each box.

    Raises
    ------
    DataError
        When labels have neither form.
    """
    # A scalar or ragged second element is no matrix of boxes; what it is instead, the table's message says.
    if isinstance(labels, tuple | list) and len(labels) == 2 and np.ndim(np.asarray(labels[1], dtype=object)) >= 2:
        classes, boxes = label_array(labels[0]), label_array(labels[1])
    else:
        table = label_array(labels)
        if table.ndim != 2 or table.shape[1] != 5:
            msg = (
                "labels must be a pair of classes (n_boxes,) and boxes (n_boxes, 4), or an array (n_boxes, 5), for "
                f"detection, got {table.shape}"
            )
            raise DataError(msg)
        classes, boxes = table[:, 0], table[:, 1:]
    if boxes.ndim != 2 or boxes.shape[1] != 4 or classes.ndim != 1 or len(classes) != len(boxes):
        msg = (
            "labels must hold one class and four coordinates a box for detection, got classes of shape "
            f"{classes.shape} and boxes of shape {boxes.shape}"
        )
        raise DataError(msg)
    return classes, boxes


def check_boxes(boxes: npt.NDArray[Any]) -> FloatArray:
    """Return boxes as float64 of shape (n_boxes, 4).

    Raises
    ------
    DataError
        When a coordinate is not a finite number, or is the same for all boxes.
    """
    try:
        values = boxes.astype(np.float64)
    except (TypeError, ValueError):
        msg = f"boxes must be numbers, got an array of {boxes.dtype}"
        raise DataError(msg) from None
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        msg = f"boxes must be finite: row {row}, coordinate {column} is {values[row, column]}"
        raise DataError(msg)
    with np.errstate(over="ignore", under="ignore"):
        check_magnitude("boxes", float(np.sqrt(np.mean(values**2))))
    constant = np.ptp(values, axis=0) == 0
    if constant.any():
        column = int(constant.argmax())
        msg = (
            f"boxes must vary: coordinate {column} is {values[0, column]} in all rows; "
            "give task='classification' and the classes alone"
        )
        raise DataError(msg)
    return values


def check_groups(groups: Any) -> IntArray:
    """Return which group each row belongs to, as codes from 0.

    Raises
    ------
    DataError
        When there is not one value a row, one is missing, or they cannot be compared.
    """
    array = label_array(groups, "groups")
    if array.ndim != 1:
        msg = f"groups must have shape (n_samples,), got {array.shape}"
        raise DataError(msg)
    missing = _missing(array)
    if missing.any():
        msg = f"groups must not be missing: row {int(missing.argmax())} is {array[missing.argmax()]!r}"
        raise DataError(msg)
    try:
        codes = np.unique(array, return_inverse=True)[1]
    except TypeError:
        kinds = sorted({type(value).__name__ for value in array.tolist()})
        msg = f"groups must be of one kind, got a mixture of {', '.join(kinds)}; convert them to strings"
        raise DataError(msg) from None
    return codes.astype(np.intp)


def _missing(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if labels.dtype.kind == "f":
        finite: npt.NDArray[np.bool_] = np.isfinite(labels)
        return ~finite
    if labels.dtype.kind == "O":
        return np.array([value is None or value != value for value in labels.tolist()], dtype=bool)
    return np.zeros(labels.shape, dtype=bool)
