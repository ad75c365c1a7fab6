"""Which form labels have: one value a sample, lists of classes, or several columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import TaskKind
from hubscout.data.label_columns import encode_label_columns
from hubscout.data.label_values import is_quantity, is_several, plain_value
from hubscout.data.labels import EncodedLabels, encode_labels
from hubscout.data.multilabels import encode_multilabels
from hubscout.errors import UsageError

KINDS_OF_SAMPLES: tuple[TaskKind, ...] = ("classification", "multilabel", "regression")


def encode_any_labels(
    raw: Sequence[Any] | npt.NDArray[Any],
    *,
    source: str,
    kind: TaskKind | None = None,
    names: Sequence[str] | None = None,
    columns: Sequence[str] = (),
) -> EncodedLabels:
    """Encode labels of whole samples, of whichever form they are.

    Parameters
    ----------
    raw : sequence of length n, or ndarray of shape (n, k)
        The labels of each sample.
    source : str
        How the source is called in messages.
    kind : {"classification", "multilabel", "regression"}, optional
        What the labels are; inferred by default.
    names : sequence of str, optional
        The classes that integers are codes of.
    columns : sequence of str, length k, optional
        Names of the columns, where each sample has k values.

    Returns
    -------
    EncodedLabels
        What `encode_labels`, `encode_multilabels` or `encode_label_columns` makes of them.

    Raises
    ------
    UsageError, DataError
        As these do, and when `kind` is of parts of samples.

    Notes
    -----
    Lists are classes, any number of them a sample, and make a task ``multilabel``, with two exceptions. Lists of one
    length that hold numbers with fractions are several targets; and lists of one length that hold only 0 and 1, some
    of them more than once, are one such value for each label.

    Examples
    --------
    >>> encode_any_labels([["a", "b"], ["b"], []], source="'x.jsonl'").names
    ('a', 'b')
    >>> encode_any_labels([[0.5, 1.0], [2.0, 3.5]], source="'x.jsonl'").kind
    'regression'
    """
    if kind is not None and kind not in KINDS_OF_SAMPLES:
        listed = ", ".join(repr(known) for known in KINDS_OF_SAMPLES[:-1])
        msg = f"kind (--task) must be {listed} or {KINDS_OF_SAMPLES[-1]!r} for {source}, got {kind!r}"
        raise UsageError(msg)
    if columns:
        return encode_label_columns(raw, columns, source=source, kind=kind)
    values: list[object] = list(raw)
    if any(map(is_several, values)):
        return _encode_lists(values, source, kind, names)
    if kind == "multilabel":
        return encode_multilabels(values, source=source, names=names)
    return encode_labels(values, source=source, kind=kind, names=names)


def _encode_lists(
    raw: Sequence[object], source: str, kind: TaskKind | None, names: Sequence[str] | None
) -> EncodedLabels:
    lists = [list(value) if isinstance(value, (list, tuple, np.ndarray)) else value for value in raw]
    width = _common_length(lists)
    if width > 1 and kind != "classification":
        rows = [value if isinstance(value, list) else [None] * width for value in lists]
        cells = [cell for row in rows for cell in row if cell is not None]
        places = [str(place) for place in range(width)]
        if kind == "regression" or (kind is None and _are_quantities(cells)):
            encoded = encode_label_columns(rows, places, source=source, kind="regression")
            note = f"the labels are lists of {width} numbers, read as several targets (--task regression)"
            return encoded if kind else replace(encoded, notes=(note, *encoded.notes))
        if _are_indicators(rows, cells):
            columns = names if names is not None and len(names) == width else places
            encoded = encode_label_columns(rows, columns, source=source, kind="multilabel")
            note = f"the labels are lists of {width} times 0 or 1, read as labels that a sample has or has not"
            return replace(encoded, notes=(note, *encoded.notes))
    if kind in ("classification", "regression"):
        alone = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in lists]
        return encode_labels(alone, source=source, kind=kind, names=names)
    return encode_multilabels(raw, source=source, names=names)


def _common_length(lists: Sequence[object]) -> int:
    """Return the length that all labels but missing ones have, 0 where it differs or some are no lists."""
    lengths = {len(value) if isinstance(value, list) else -1 for value in lists if not _is_missing(value)}
    return max(lengths) if len(lengths) == 1 else 0


def _is_missing(value: object) -> bool:
    return not is_several(value) and plain_value(value) is None


def _are_quantities(cells: Sequence[Any]) -> bool:
    plain = [None if is_several(cell) else plain_value(cell) for cell in cells]
    return all(map(is_quantity, plain)) and any(isinstance(cell, float) and not cell.is_integer() for cell in plain)


def _are_indicators(rows: Sequence[Sequence[Any]], cells: Sequence[Any]) -> bool:
    # A list of classes names none of them twice; a list of 0 and 1 for each class soon does.
    is_binary = all(isinstance(cell, (bool, int, float, np.generic)) and cell in (0, 1) for cell in cells)
    return is_binary and any(len(set(row)) < len(row) for row in rows if None not in row)
