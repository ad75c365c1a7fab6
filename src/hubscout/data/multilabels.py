"""Several labels a sample: lists, sets and separated strings become one column of 0 and 1 for each label."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray
from hubscout.data.label_values import class_name, is_several, plain_value
from hubscout.data.labels import MISSING, EncodedLabels
from hubscout.data.ordering import natural_key
from hubscout.errors import DataError

# Cuts a string into classes; None for a list that cannot be read.
_Cut: TypeAlias = Callable[[str], list[str] | None]

SEPARATORS = (";", "|", ",")
MAX_CELLS = 4 * 1024**3
_NAMES_SHOWN = 5
_LONGEST_SHOWN = 80
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_ESCAPE = re.compile(r'\\.|"', re.DOTALL)
_ITEM = re.compile(rf"\s*({_QUOTED}|[^\s,'\"\[\]][^,'\"\[\]]*)\s*", re.DOTALL)


def encode_multilabels(raw: Sequence[object], *, source: str, names: Sequence[str] | None = None) -> EncodedLabels:
    r"""Encode labels of which a sample may have none, one or several.

    Parameters
    ----------
    raw : sequence of length n
        For each sample a list, tuple, set or array of classes, a string of classes with separators, or one class.
        Empty ones have no label of any class, which is a valid sample; None and NaN are missing labels.
    source : str
        How the source is called in messages.
    names : sequence of str, optional
        The classes that integers are codes of; by default the classes that occur, in natural order.

    Returns
    -------
    EncodedLabels
        Of kind ``multilabel``: values of shape (n_kept, n_labels), int8, 1 where the sample has the label.

    Raises
    ------
    DataError
        When no sample has labels that can be read, no label tells samples apart, each label belongs to one sample
        alone, or the matrix would be larger than 4 GB.

    Notes
    -----
    Strings that all stand in brackets, as in ``['a', 'b']``, are read as lists. Others are cut at one separator: of
    ``;``, ``|`` and ``,`` the first, in this order, that occurs in any of them; a string that is one of `names` is
    never cut. A note says which. Labels that no sample has, or all have, are left out with a note: nothing can be
    learned of them.

    Examples
    --------
    >>> encoded = encode_multilabels(["red;round", "round", "", "red"], source="'x.csv'")
    >>> encoded.names, encoded.values.tolist()
    (('red', 'round'), [[1, 1], [0, 1], [0, 0], [1, 0]])
    """
    if names is not None:
        require_different(names, source)
    split, note = _splitter(raw, frozenset(names or ()))
    by_name = None if names is None else {name: code for code, name in enumerate(names)}
    found: list[set[str]] = []
    kept: list[int] = []
    problems: list[tuple[int, str]] = []
    for position, value in enumerate(raw):
        classes = _read(value, split, by_name, names or ())
        if isinstance(classes, str):
            problems.append((position, classes))
        else:
            found.append(classes)
            kept.append(position)
    listed = tuple(names) if names is not None else tuple(sorted(set().union(*found), key=natural_key))
    require_some(len(kept), problems, source)
    values, used, notes = _matrix(found, listed, source)
    return EncodedLabels(
        "multilabel",
        values,
        used,
        np.asarray(kept, dtype=np.intp),
        tuple(problems),
        (*note, *_count_notes(found), *notes),
    )


def usable_labels(
    counts: IntArray, n_samples: int, names: Sequence[str], source: str
) -> tuple[npt.NDArray[np.bool_], tuple[str, ...]]:
    """Find the labels that some samples have and others have not.

    Parameters
    ----------
    counts : ndarray of shape (n_labels,), int
        How many samples have each label.
    n_samples : int
        How many samples there are.
    names : sequence of str
        The labels.
    source : str
        How the source is called in messages.

    Returns
    -------
    usable : ndarray of shape (n_labels,), bool
        Which labels tell samples apart.
    notes : tuple of str
        Which were left out, and why.

    Raises
    ------
    DataError
        When no label is usable.
    """
    absent, everywhere = counts == 0, (counts == n_samples) & (counts > 0)
    usable = ~(absent | everywhere)
    if not usable.any():
        have = f"{int(everywhere.sum())} that all {n_samples} samples have" if everywhere.any() else "none"
        msg = f"{source} must hold a label that some samples have and others have not, got {have}; give other labels"
        raise DataError(msg)
    notes = []
    for left_out, which in ((absent, "no sample has"), (everywhere, "all samples have")):
        if left_out.any():
            chosen = [names[code] for code in np.flatnonzero(left_out).tolist()]
            notes.append(f"{_labels(chosen)} left out: {which} {'it' if len(chosen) == 1 else 'them'}")
    return usable, tuple(notes)


def require_different(names: Sequence[str], source: str) -> None:
    """Refuse class names of which two are the same."""
    if len(set(names)) != len(names):
        msg = f"the class names of {source} must differ from each other, got {tuple(names)!r}; rename the repeated ones"
        raise DataError(msg)


def require_some(n_kept: int, problems: Sequence[tuple[int, str]], source: str) -> None:
    """Refuse labels of which none can be used."""
    if not n_kept:
        found = f"; the first problem: {problems[0][1]}" if problems else ""
        msg = f"{source} must hold samples with a label, got none{found}"
        raise DataError(msg)


def _splitter(raw: Sequence[object], names: frozenset[str]) -> tuple[_Cut, tuple[str, ...]]:
    """Choose how strings are cut into classes, and say so."""
    texts = [text for text in map(_text, raw) if text and text not in names]
    if texts and all(text.startswith("[") and text.endswith("]") for text in texts):
        return _listed, ("the labels of a sample are read as a list in brackets",)
    separator = next((mark for mark in SEPARATORS if any(mark in text for text in texts)), None)
    if separator is None:
        return lambda text: [text], ()

    def cut(text: str) -> list[str]:
        return [text] if text in names else [part for part in map(str.strip, text.split(separator)) if part]

    return cut, (f"the labels of a sample are separated by {separator!r}",)


def _text(value: object) -> str:
    text = plain_value(value) if isinstance(value, (str, bytes)) else None
    return text.strip() if isinstance(text, str) else ""


def _listed(text: str) -> list[str] | None:
    """Read ``['a', "b", c]``, of one level, without a parser that nesting could exhaust."""
    inner, place, items = text[1:-1].rstrip(), 0, []
    while place < len(inner):
        match = _ITEM.match(inner, place)
        if match is None or (match.end() < len(inner) and inner[match.end()] != ","):
            return None
        item = match[1].strip()
        try:
            items.append(_unquoted(item) if item[0] in "'\"" else item)
        except ValueError:
            return None
        place = match.end() + 1
    return items


def _unquoted(item: str) -> str:
    """Undo the quotes and escapes of JSON, and of Python's own way to write a string."""
    body = _ESCAPE.sub(lambda match: {"\\'": "'", '"': '\\"'}.get(match[0], match[0]), item[1:-1])
    return str(json.loads(f'"{body}"', strict=False))


def _read(value: object, split: _Cut, by_name: dict[str, int] | None, names: Sequence[str]) -> set[str] | str:
    """Give the classes of one sample, or the reason why they cannot be read."""
    items: Iterable[object] | None
    if is_several(value):
        if isinstance(value, dict):
            return "labels are of type dict, not a list"
        items = value.ravel().tolist() if isinstance(value, np.ndarray) else value  # type: ignore[assignment]
    elif isinstance(value, (str, bytes)):
        items = split(text) if (text := _text(value)) else []
    else:
        items = None if plain_value(value) is None else [value]
        if items is None or (names and value == -1):
            return MISSING
    if items is None:
        return f"labels {_shown(value)} are no list that can be read"
    classes = set()
    for item in items:
        label = None if is_several(item) else plain_value(item)
        if label is None:
            return f"a label in the list is {'a list itself' if is_several(item) else 'missing'}"
        name = class_name(label).strip() if by_name is None else _named(label, by_name, names)
        if name is None:
            return f"label {_shown(label)} is none of the {len(names)} classes"
        classes.add(name)
    return classes


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _named(label: object, by_name: dict[str, int], names: Sequence[str]) -> str | None:
    if isinstance(label, str):
        return label if label in by_name else None
    return names[int(label)] if isinstance(label, (int, float)) and label in range(len(names)) else None


def _matrix(
    found: list[set[str]], listed: tuple[str, ...], source: str
) -> tuple[npt.NDArray[np.int8], tuple[str, ...], tuple[str, ...]]:
    code_of = {name: code for code, name in enumerate(listed)}
    rows = np.repeat(np.arange(len(found)), [len(classes) for classes in found])
    codes = np.asarray([code_of[name] for classes in found for name in classes], dtype=np.intp)
    counts = np.bincount(codes, minlength=len(listed)).astype(np.intp)
    usable, notes = usable_labels(counts, len(found), listed, source)
    n_labels = int(usable.sum())
    if n_labels > 1 and counts[usable].max() == 1:
        msg = (
            f"the labels of {source} must repeat, got {n_labels} labels that one sample each has, as an id would give; "
            "give labels that several samples share"
        )
        raise DataError(msg)
    if len(found) * n_labels > MAX_CELLS:
        msg = (
            f"the labels of {source} must fit into a matrix of {MAX_CELLS // 1024**3} GB, got {len(found)} samples "
            f"with {n_labels} labels; leave out rare labels, or give fewer samples"
        )
        raise DataError(msg)
    values = np.zeros((len(found), n_labels), dtype=np.int8)
    seen = usable[codes]
    values[rows[seen], (np.cumsum(usable) - 1)[codes[seen]]] = 1
    return values, tuple(name for name, use in zip(listed, usable.tolist(), strict=True) if use), notes


def _count_notes(found: list[set[str]]) -> tuple[str, ...]:
    n_without = sum(not classes for classes in found)
    most = max(map(len, found))
    if most <= 1 and not n_without:
        return ("each sample has exactly one label; give --task classification if the classes exclude each other",)
    return (f"{n_without} of {len(found)} samples have no label of any class",) if n_without else ()


def _labels(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"the label {shown} was" if len(names) == 1 else f"the {len(names)} labels {shown}{more} were"
