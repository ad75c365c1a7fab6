"""Several columns of labels: 0 and 1 for labels that a sample has or has not, or quantities for several targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray, TaskKind
from hubscout.data.label_values import is_finite, is_number, is_several, number_of, plain_value
from hubscout.data.labels import EncodedLabels
from hubscout.data.multilabels import require_different, require_some, usable_labels
from hubscout.errors import DataError, UsageError

_MISSING = "is missing"
_MOST_WORDS = 0.1
_BOOLEANS = {"true": 1, "false": 0}
_NAMES_SHOWN = 5
_LONGEST_SHOWN = 80


@dataclass
class _Cells:
    """All cells as numbers, NaN where there is none, and the first fault of each row that has one."""

    numbers: npt.NDArray[Any]
    faults: dict[int, str] = field(default_factory=dict)
    n_words: int = 0
    word: str = ""
    has_floats: bool = False


def encode_label_columns(
    rows: Sequence[Sequence[object]] | npt.NDArray[Any],
    names: Sequence[str],
    *,
    source: str,
    kind: TaskKind | None = None,
) -> EncodedLabels:
    """Encode the labels of several columns.

    Parameters
    ----------
    rows : sequence of length n of sequences of length k, or ndarray of shape (n, k)
        The values of each sample: numbers, booleans, strings that are written like them, or None.
    names : sequence of str, length k
        The columns.
    source : str
        How the source is called in messages.
    kind : {"multilabel", "regression"}, optional
        What the columns are; inferred by default.

    Returns
    -------
    EncodedLabels
        Of kind ``multilabel`` with values (n_kept, n_labels), int8, or ``regression`` with values (n_kept, k), float64,
        and `target_names`. Samples without a usable value in any one column are problems.

    Raises
    ------
    UsageError
        When `kind` fits no columns, or the columns could be labels as well as quantities, or are neither.
    DataError
        When no sample is left, no label tells samples apart, or a target is the same for all samples.

    Notes
    -----
    Columns of 0 and 1, or true and false, are labels; numbers with fractions are quantities. Whole numbers alone could
    be codes of classes, and 0.0 and 1.0 could be both, so that `kind` has to say what they are.

    Examples
    --------
    >>> encoded = encode_label_columns([["1", "0"], ["1", "1"], ["0", "0"]], ("wings", "gills"), source="'x.csv'")
    >>> encoded.kind, encoded.names, encoded.values.tolist()
    ('multilabel', ('wings', 'gills'), [[1, 0], [1, 1], [0, 0]])
    """
    if kind not in (None, "multilabel", "regression"):
        msg = (
            f"kind (--task) must be 'multilabel' or 'regression' for the {len(names)} label columns of {source}, got "
            f"{kind!r}; name one label column"
        )
        raise UsageError(msg)
    require_different(names, source)
    is_numeric = isinstance(rows, np.ndarray) and rows.dtype.kind in "buif"
    cells = _from_array(np.asarray(rows), names) if is_numeric else _from_rows(rows, names)
    inferred, notes = (kind, ()) if kind is not None else _infer(cells, names, source)
    return (_labels if inferred == "multilabel" else _targets)(cells, tuple(names), source, notes)


def _from_array(array: npt.NDArray[Any], names: Sequence[str]) -> _Cells:
    missing = np.isnan(array)
    faults = {
        row: f"{names[int(missing[row].argmax())]!r} is missing" for row in np.flatnonzero(missing.any(axis=1)).tolist()
    }
    return _Cells(array, faults, has_floats=array.dtype.kind == "f")


def _from_rows(rows: Sequence[Sequence[object]] | npt.NDArray[Any], names: Sequence[str]) -> _Cells:
    cells = _Cells(np.full((len(rows), len(names)), np.nan))
    for position, row in enumerate(rows):
        for column, value in enumerate(row):
            number = _number(value)
            if isinstance(number, str):
                cells.faults.setdefault(position, f"{names[column]!r} {number}")
                if number != _MISSING:
                    cells.n_words += 1
                    cells.word = cells.word or f"{names[column]!r} {number}"
                continue
            cells.has_floats |= isinstance(number, float)
            cells.numbers[position, column] = number if is_finite(number) else np.inf
    return cells


def _number(raw: object) -> int | float | str:
    """Read one cell: a number, or what is wrong with it."""
    if is_several(raw):
        return f"is of type {type(raw).__name__}, not a number"
    value = plain_value(raw)
    if isinstance(value, str):
        return _number_in(value.strip())
    if value is None:
        return _MISSING
    return int(value) if isinstance(value, bool) else value


@lru_cache(maxsize=4096)  # columns of 0 and 1 repeat few strings a million times
def _number_in(text: str) -> int | float | str:
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if not is_number(text, leading_zeros=True):
        return f"is {text[:_LONGEST_SHOWN]!r}, not a number"
    number = number_of(text)
    return _MISSING if number is None else number


def _infer(cells: _Cells, names: Sequence[str], source: str) -> tuple[TaskKind, tuple[str, ...]]:
    columns = f"the label columns {_listed(names)} of {source}"
    if cells.n_words > _MOST_WORDS * cells.numbers.size:
        msg = (
            f"{columns} must hold quantities, or 0 and 1, but {cells.word}; name one label column, or give "
            "kind (--task) as 'multilabel' or 'regression'"
        )
        raise UsageError(msg)
    finite = np.isfinite(cells.numbers)
    is_binary = (((cells.numbers == 0) | (cells.numbers == 1)) | ~finite).all(axis=0)
    if is_binary.all() and not cells.has_floats:
        note = (
            f"the {len(names)} label columns hold only 0 and 1, read as labels that a sample has or has not; give "
            "--task regression if they are quantities"
        )
        return "multilabel", (note,)
    if cells.has_floats and not is_binary.any():
        return "regression", (f"the {len(names)} label columns hold numbers, read as quantities (--task regression)",)
    found = "0 and 1 written with fractions" if is_binary.all() else "whole numbers"
    if is_binary.any() and not is_binary.all():
        found = "quantities beside columns of only 0 and 1"
    msg = (
        f"{columns} hold {found}, which could be labels or quantities; give kind (--task) as 'multilabel' "
        "or 'regression'"
    )
    raise UsageError(msg)


def _labels(cells: _Cells, names: tuple[str, ...], source: str, notes: tuple[str, ...]) -> EncodedLabels:
    wrong = ~((cells.numbers == 0) | (cells.numbers == 1))
    kept, problems = _problems(cells, names, wrong, "neither 0 nor 1")
    require_some(len(kept), problems, source)
    values = cells.numbers[kept].astype(np.int8)
    counts = values.sum(axis=0, dtype=np.intp)
    usable, more = usable_labels(counts, len(kept), names, source)
    used = tuple(name for name, use in zip(names, usable.tolist(), strict=True) if use)
    return EncodedLabels("multilabel", values[:, usable], used, kept, problems, (*notes, *more))


def _targets(cells: _Cells, names: tuple[str, ...], source: str, notes: tuple[str, ...]) -> EncodedLabels:
    kept, problems = _problems(cells, names, ~np.isfinite(cells.numbers), "not a number")
    require_some(len(kept), problems, source)
    values = cells.numbers[kept].astype(np.float64)
    for name, column in zip(names, values.T, strict=True):
        if (column == column[0]).all():
            msg = (
                f"the targets {name!r} of {source} must differ, got {float(column[0])!r} for all {len(kept)} samples; "
                "leave that column out"
            )
            raise DataError(msg)
    return EncodedLabels("regression", values, (), kept, problems, notes, names)


def _problems(
    cells: _Cells, names: Sequence[str], wrong: npt.NDArray[np.bool_], rule: str
) -> tuple[IntArray, tuple[tuple[int, str], ...]]:
    """Give the rows without a wrong cell, and what is wrong with the first wrong cell of the others."""
    is_bad = wrong.any(axis=1)
    problems = []
    for row in np.flatnonzero(is_bad).tolist():
        column = int(wrong[row].argmax())
        value = cells.numbers[row, column].item()
        fault = f"{names[column]!r} is {f'{value!r}, {rule}' if is_finite(value) else 'not a finite number'}"
        problems.append((row, cells.faults.get(row, fault)))
    return np.flatnonzero(~is_bad).astype(np.intp), tuple(problems)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_NAMES_SHOWN])
    return f"{shown} and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else shown
