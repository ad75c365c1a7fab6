"""Texts that came divided into words, each word with a tag: parts of speech, names, or any other class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hubscout._typing import IntArray
from hubscout.data.label_values import class_name, is_several, plain_value
from hubscout.data.ordering import natural_key
from hubscout.data.parts import WordLists
from hubscout.data.samples import text_problem
from hubscout.data.splits import split_notes
from hubscout.data.task import RowProblem, Target, Task
from hubscout.errors import DataError

# What programs of the field write for a word that has no tag; -1 is what `datasets` writes for a missing class.
IGNORED_CODE = -100
_MISSING_CODE = -1
_LONGEST_SHOWN = 60


def token_target(
    texts: Sequence[object],
    tags: Sequence[object],
    *,
    name: str,
    source: str,
    split: str,
    rows: Sequence[int],
    class_names: Sequence[str] | None = None,
    problems: Iterable[RowProblem] = (),
    notes: Iterable[str] = (),
) -> Target:
    r"""Make a token classification target of texts and their tags.

    Parameters
    ----------
    texts : sequence of length n
        The words of each text: a list of strings.
    tags : sequence of length n
        The tag of each word of each text: a list of strings or whole numbers. None, NaN, a blank string and -100 stand
        for a word without a tag, and so does -1 where `class_names` is given.
    name : str
        Name of the task.
    source : str
        How the source is called in messages.
    split : str
        The split that was read.
    rows : sequence of length n of int
        Where each text stands in its source, from 1.
    class_names : sequence of str, optional
        The classes that whole numbers are codes of.
    problems : iterable of RowProblem
        Texts that were left out already.
    notes : iterable of str
        Sentences that were collected already.

    Returns
    -------
    Target
        Of kind ``token_classification``: one label for each word that has a tag, text after text. Texts with a fault
        are problems; without `class_names`, classes are the tags as they are, in natural order.

    Raises
    ------
    DataError
        When the lists differ in length, class names repeat, no text is left, or the tags are no classes: a single one,
        or a different one for each word.

    Notes
    -----
    A word without a tag stays in its text, because its neighbours are read in its context, and gives no row. Texts are
    never cut here.

    Examples
    --------
    >>> target = token_target(
    ...     [["Anna", "sees", "Lima"], ["Lima", "sleeps"]],
    ...     [["PER", "O", "LOC"], ["LOC", None]],
    ...     name="names", source="'names'", split="all", rows=[1, 2],
    ... )
    >>> target.task.label_names, target.labels.tolist(), target.unit_counts.tolist()
    (('LOC', 'O', 'PER'), [2, 1, 0, 0], [3, 1])
    >>> target.samples[1].words, target.samples[1].kept
    (('Lima', 'sleeps'), (0,))
    """
    if not len(texts) == len(tags) == len(rows):
        msg = (
            f"texts and tags of {source} must be as many as their rows ({len(rows)}), got {len(texts)} and "
            f"{len(tags)}; give one list of words and one list of tags a row"
        )
        raise DataError(msg)
    classes = _Classes(class_names, source)
    gathered = _Gathered(list(problems))
    for words, marks, row in zip(texts, tags, rows, strict=True):
        gathered.add(words, marks, row, classes)
    gathered.require_some(source)
    codes, names = classes.in_order(gathered.codes)
    _require_contrast(codes, names, source)
    return Target(
        task=Task(name, "token_classification", "text", names),
        samples=gathered.samples(),
        labels=codes,
        split=split,
        problems=tuple(gathered.problems),
        notes=(*notes, *gathered.notes(), *_prefix_notes(names), *split_notes(split)),
        unit_counts=np.asarray(gathered.counts, dtype=np.intp),
    )


class _Classes:
    """The classes, as they are given or as they are met, and the code of each tag."""

    def __init__(self, names: Sequence[str] | None, source: str) -> None:
        self._is_open = names is None
        self._names = list(names or ())
        self._codes = {name: code for code, name in enumerate(self._names)}
        self._known: dict[tuple[type, Any], int | str | None] = {}
        if len(self._codes) < len(self._names):
            msg = f"the class names of {source} must differ from each other, got {names!r}; rename the repeated ones"
            raise DataError(msg)

    def code(self, tag: object) -> int | str | None:
        """Give the code of a tag, None where it stands for no tag, or a phrase that says what is wrong with it."""
        if is_several(tag):
            return f"is of type {type(tag).__name__}, not one class"
        # By type too: True, 1 and 1.0 are one key of a dictionary, and not one class.
        key = (type(tag), tag)
        if key not in self._known:
            self._known[key] = self._find(tag)
        return self._known[key]

    def in_order(self, codes: Sequence[int]) -> tuple[IntArray, tuple[str, ...]]:
        """Give the codes of classes in natural order, or in that of the given names, and their names."""
        array = np.asarray(codes, dtype=np.intp)
        if not self._is_open:
            return array, tuple(self._names)
        order = sorted(range(len(self._names)), key=lambda code: natural_key(self._names[code]))
        rank = np.empty(len(order), dtype=np.intp)
        rank[order] = np.arange(len(order))
        return rank[array], tuple(self._names[code] for code in order)

    def _find(self, tag: object) -> int | str | None:
        value = plain_value(tag)
        if value is None:
            return None
        if not isinstance(value, str) and value == IGNORED_CODE:
            return None
        if self._is_open:
            found = class_name(value).strip()
            if found not in self._codes:
                self._codes[found] = len(self._names)
                self._names.append(found)
            return self._codes[found]
        if isinstance(value, str):
            code = self._codes.get(value, self._codes.get(value.strip()))
            return f"is {_shown(tag)}, none of the {len(self._names)} classes" if code is None else code
        if value == _MISSING_CODE:
            return None
        if value in range(len(self._names)):
            return int(value)
        return f"is {_shown(tag)}, none of the {len(self._names)} classes"


class _Gathered:
    """The texts that can be used so far, with the codes of their tagged words."""

    def __init__(self, problems: list[RowProblem]) -> None:
        self.problems = problems
        self.counts: list[int] = []
        self.codes: list[int] = []
        self._texts: list[tuple[str, ...]] = []
        self._kept: list[tuple[int, ...]] = []
        self._rows: list[int] = []
        self._good: set[str] = set()

    def add(self, words: object, tags: object, row: int, classes: _Classes) -> None:
        """Take one text, or report why it cannot be used."""
        listed, marks = _as_list(words), _as_list(tags)
        reason = _list_problem(words, "words", listed) or _list_problem(tags, "tags", marks)
        reason = reason or self._words_problem(listed, marks)
        codes = [] if reason else [classes.code(tag) for tag in marks]
        for position, code in enumerate(codes, start=1):
            if isinstance(code, str):
                reason = f"tag {position} {code}"
                break
        kept = tuple(position for position, code in enumerate(codes) if code is not None)
        if reason is None and not kept:
            reason = "none of the words has a tag"
        if reason is not None:
            self.problems.append(RowProblem(f"text {row}", reason))
            return
        self._texts.append(tuple(listed))
        self._kept.append(kept)
        self._rows.append(row)
        self.counts.append(len(kept))
        self.codes += [code for code in codes if isinstance(code, int)]

    def samples(self) -> WordLists:
        """Return the usable texts."""
        has_gaps = sum(map(len, self._texts)) > len(self.codes)
        return WordLists(tuple(self._texts), tuple(self._rows), tuple(self._kept) if has_gaps else ())

    def notes(self) -> list[str]:
        """Say how many words have no tag."""
        n_words = sum(map(len, self._texts))
        n_without = n_words - len(self.codes)
        return (
            [f"{n_without} of {n_words} words have no tag: they are read with their texts and give no row"]
            if n_without
            else []
        )

    def require_some(self, source: str) -> None:
        """Refuse a source of which nothing is left."""
        if not self._texts:
            found = self.problems
            cause = f"the first of {len(found)} problems is {found[0].row!r}: {found[0].reason}" if found else ""
            msg = (
                f"{source} must hold texts whose words have tags, got none; {cause or 'check that it is the right one'}"
            )
            raise DataError(msg)

    def _words_problem(self, words: list[Any], tags: list[Any]) -> str | None:
        if not words:
            return "text has no words"
        if len(words) != len(tags):
            return f"text has {len(words)} words and {len(tags)} tags"
        for position, word in enumerate(words, start=1):
            if isinstance(word, str) and word in self._good:
                continue
            if (reason := text_problem(word)) is not None:
                return f"word {position} {reason.removeprefix('text ')}"
            self._good.add(word)
        return None


def _as_list(value: object) -> list[Any]:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return list(value.tolist())
    return list(value) if isinstance(value, (list, tuple)) else []


def _list_problem(value: object, what: str, listed: list[Any]) -> str | None:
    if listed or isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return None
    if value is None or (isinstance(value, float) and value != value):
        return f"{what} are missing"
    return f"{what} are of type {type(value).__name__}, not a list"


def _require_contrast(codes: IntArray, names: tuple[str, ...], source: str) -> None:
    present = np.unique(codes)
    if len(present) == 1:
        msg = (
            f"the words of {source} must have at least two different tags, got only {names[int(present[0])]!r} for all "
            f"{len(codes)} words; give another label column"
        )
        raise DataError(msg)
    if len(present) == len(codes):
        msg = (
            f"the tags of {source} must repeat, got {len(present)} classes for {len(codes)} words; give a label column "
            "with classes that several words share"
        )
        raise DataError(msg)


def _prefix_notes(names: tuple[str, ...]) -> list[str]:
    """Say that the parts of BIO tags are classes of their own, where both parts are there."""
    if any(name.startswith("B-") for name in names) and any(name.startswith("I-") for name in names):
        return [f"the {len(names)} tags are classes as they are: B- and I- of the same type are two"]
    return []


def _shown(value: object) -> str:
    return repr(value)[:_LONGEST_SHOWN]
