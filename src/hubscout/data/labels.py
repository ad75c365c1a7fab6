"""Labels of any kind become codes with names, or numbers; and what they are is inferred when nobody says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray, TaskKind
from hubscout.data.label_values import (
    Plain,
    class_name,
    is_finite,
    is_number,
    is_quantity,
    is_several,
    number_of,
    plain_value,
)
from hubscout.data.ordering import natural_key
from hubscout.errors import DataError, UsageError

MISSING = "label is missing"
_FEW_VALUES = 20
_SAMPLES_A_CLASS = 5
_MOSTLY = 0.9


@dataclass(frozen=True)
class EncodedLabels:
    """Labels that can be scored, and which samples have them.

    Parameters
    ----------
    kind : {"classification", "multilabel", "regression"}
        As given, or as inferred.
    values : ndarray of shape (n_kept,) or (n_kept, k), intp codes, int8 0 and 1, or float64
        The labels of the kept samples: one class, k labels that a sample has or has not, one target or k of them.
    names : tuple of str
        The class of each code, or the k labels; empty for regression.
    kept : ndarray of shape (n_kept,), intp
        Positions of the samples that have a usable label, ascending.
    problems : tuple of (int, str)
        Position and reason for each sample that has none.
    notes : tuple of str
        What was inferred, where it could be otherwise.
    target_names : tuple of str
        The k targets of a regression with several; empty otherwise.
    """

    kind: TaskKind
    values: npt.NDArray[Any]
    names: tuple[str, ...]
    kept: IntArray
    problems: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()


def encode_labels(
    raw: Sequence[object],
    *,
    source: str,
    kind: TaskKind | None = None,
    names: Sequence[str] | None = None,
) -> EncodedLabels:
    """Encode labels of one value a sample.

    Parameters
    ----------
    raw : sequence of length n
        One label a sample: strings, booleans, numbers, NumPy scalars, or None.
    source : str
        How the source is called in messages.
    kind : {"classification", "regression"}, optional
        What the labels are; inferred by default.
    names : sequence of str, optional
        The classes that integer labels are codes of; -1 is then a missing label.

    Returns
    -------
    EncodedLabels
        Codes or numbers of the samples that have a label.

    Raises
    ------
    UsageError
        When `kind` is no kind of a single label, or integers could be classes as well as quantities.
    DataError
        When nothing can be ranked on the labels: none left, a single class, a class a sample, a constant
        target.

    Notes
    -----
    Strings and booleans are classes, numbers with a fraction are quantities, whole numbers are classes when
    few of them differ. Numbers that are written as strings count as numbers, unless one of them has a leading
    zero.
    """
    if kind not in (None, "classification", "regression"):
        msg = f"kind (--task) must be 'classification' or 'regression' for {source}, got {kind!r}"
        raise UsageError(msg)
    values = [_one_value(value, source) for value in raw]
    if names is not None and kind != "regression":
        encoded = _encode_codes(values, tuple(names), source)
    else:
        stripped = [value.strip() if isinstance(value, str) else value for value in values]
        encoded = _encode_free(_as_numbers(stripped, kind), kind, source)
    _require_contrast(encoded, source)
    return encoded


def _one_value(value: object, source: str) -> Plain | None:
    if is_several(value):
        msg = (
            f"the labels of {source} must be one value a sample, got a {type(value).__name__}; "
            "give a column with one class or one number a row"
        )
        raise DataError(msg)
    return plain_value(value)


def _as_numbers(values: list[Plain | None], kind: TaskKind | None) -> list[Plain | None]:
    """Read strings as numbers when they are numbers; make all values strings when the labels are names."""
    # "007" is a code and no quantity, unless the user says so.
    zeros = kind == "regression"
    texts = {value for value in values if isinstance(value, str)}
    parsed = {text: number_of(text) for text in texts if is_number(text, leading_zeros=zeros)}
    read = [parsed.get(value, value) if isinstance(value, str) else value for value in values]
    n_known = sum(value is not None for value in values)
    n_numbers = sum(value in parsed if isinstance(value, str) else is_quantity(value) for value in values)
    has_fraction = any(isinstance(value, float) and not value.is_integer() for value in read)
    # A few words among measurements, such as "n/a", are faults of their rows and do not turn numbers into
    # names.
    mostly = kind is None and has_fraction and n_numbers >= _MOSTLY * n_known
    if n_numbers == n_known or mostly or kind == "regression":
        return read
    return [value if value is None else str(value) for value in values]


def _encode_codes(values: list[Plain | None], names: tuple[str, ...], source: str) -> EncodedLabels:
    if len(set(names)) != len(names):
        msg = f"the class names of {source} must differ from each other, got {names!r}; rename the repeated ones"
        raise DataError(msg)
    by_name = {name: code for code, name in enumerate(names)}
    codes: list[int] = []
    kept: list[int] = []
    problems: list[tuple[int, str]] = []
    for position, value in enumerate(values):
        code = by_name.get(value) if isinstance(value, str) else value
        if value is None or (code == -1 and not isinstance(value, str)):
            problems.append((position, MISSING))
        elif isinstance(code, (int, float)) and code in range(len(names)):
            codes.append(int(code))
            kept.append(position)
        else:
            problems.append((position, f"label {value!r} is none of the {len(names)} classes"))
    return EncodedLabels(
        "classification",
        np.asarray(codes, dtype=np.intp),
        names,
        np.asarray(kept, dtype=np.intp),
        tuple(problems),
    )


def _encode_free(values: list[Plain | None], kind: TaskKind | None, source: str) -> EncodedLabels:
    notes: tuple[str, ...] = ()
    if kind is None:
        kind, notes = _infer_kind([value for value in values if value is not None], source)
    problems = list(_label_problems(values, kind))
    bad = {position for position, _ in problems}
    kept = [position for position in range(len(values)) if position not in bad]
    usable = [value for position, value in enumerate(values) if value is not None and position not in bad]
    rows = np.asarray(kept, dtype=np.intp)
    if kind == "regression":
        targets = np.asarray([float(value) for value in usable], dtype=np.float64)
        return EncodedLabels(kind, targets, (), rows, tuple(problems), notes)
    texts = [class_name(value) for value in usable]
    names = tuple(sorted(set(texts), key=natural_key))
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.asarray([code_of[text] for text in texts], dtype=np.intp)
    return EncodedLabels(kind, codes, names, rows, tuple(problems), notes)


def _label_problems(values: list[Plain | None], kind: TaskKind | None) -> Iterator[tuple[int, str]]:
    for position, value in enumerate(values):
        if value is None:
            yield position, MISSING
        elif isinstance(value, str):
            if kind == "regression":
                yield position, f"label {value!r} is not a number"
        elif not is_finite(value):
            yield position, "label is not a finite number"


def _infer_kind(values: Sequence[Plain], source: str) -> tuple[TaskKind, tuple[str, ...]]:
    numbers = [value for value in values if not isinstance(value, str) and is_finite(value)]
    if any(isinstance(value, float) and not value.is_integer() for value in numbers):
        note = "the labels are numbers with fractions, read as quantities (--task regression)"
        return "regression", (note,)
    if any(isinstance(value, (str, bool)) for value in values):
        return "classification", ()
    n_samples, n_values = len(numbers), len(set(numbers))
    if n_values <= _FEW_VALUES and (n_values < n_samples or n_values <= 2):
        return "classification", ()
    if n_values * _SAMPLES_A_CLASS <= n_samples:
        note = (
            f"the labels are whole numbers with {n_values} different values, read as classes; "
            "give --task regression if they are quantities"
        )
        return "classification", (note,)
    msg = (
        f"the labels of {source} are whole numbers with {n_values} different values in {n_samples} samples, "
        "which could be classes, quantities or ids; give kind (--task) as 'classification' or 'regression', "
        "or another label column"
    )
    raise UsageError(msg)


def _require_contrast(encoded: EncodedLabels, source: str) -> None:
    n_samples = len(encoded.values)
    if not n_samples:
        found = f"; the first problem: {encoded.problems[0][1]}" if encoded.problems else ""
        msg = f"{source} must hold samples with a label, got none{found}"
        raise DataError(msg)
    n_values = len(np.unique(encoded.values))
    if encoded.kind == "regression":
        if n_values == 1:
            msg = (
                f"the targets of {source} must differ, got {float(encoded.values[0])!r} for all {n_samples} "
                "samples; give another label column"
            )
            raise DataError(msg)
    elif n_values == 1:
        name = encoded.names[int(encoded.values[0])]
        msg = (
            f"{source} must hold at least two classes, got only {name!r} for all {n_samples} samples; "
            "add another class or give another label column"
        )
        raise DataError(msg)
    elif n_values == n_samples:
        msg = (
            f"the labels of {source} must repeat, got {n_values} classes for {n_samples} samples, as an id "
            "would give; give labels that several samples share, or --task regression if they are quantities"
        )
        raise DataError(msg)
