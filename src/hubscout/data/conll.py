"""Files of words and tags in columns: CoNLL-2003 and its relatives, CoNLL-U, two columns parted by a tab."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hubscout.data.below import bytes_below, files_below, open_below
from hubscout.data.conll_layout import UNIVERSAL_COLUMNS, Layout, find_layout, read_sentences
from hubscout.data.samples import MAX_FILE_BYTES
from hubscout.data.splits import canonical_split, choose_split, is_split_name, require_no_split
from hubscout.data.task import RowProblem, Target
from hubscout.data.word_labels import token_target
from hubscout.errors import DataError, UsageError

CONLL_SUFFIXES = (".conll", ".conllu", ".iob", ".bio")
# Suffixes that other files have too, so that only their lines tell.
_OTHER_SUFFIXES = (".txt", ".tsv", ".train", ".dev", ".valid", ".test", ".testa", ".testb")
# The names of the shared task of 2003, in which a is for development.
_OWN_SPLITS = {"testa": "validation", "testb": "test"}
_NUMBER = re.compile(r"[0-9]{1,4}")
_PEEKED_BYTES = 65536
_CONSISTENT = 0.9


def looks_like_conll(path: Path) -> bool:
    """Tell whether a file, or one in a folder, holds words and tags in columns.

    Parameters
    ----------
    path : Path
        A file or folder.

    Returns
    -------
    bool
        True for the suffixes ``.conll``, ``.conllu``, ``.iob`` and ``.bio``, and for other text files whose first
        lines are divided into the same number of columns and parted into sentences. Never raises.
    """
    if path.is_dir():
        try:
            return any(_has_columns(path, name) for name in _candidates(path))
        except DataError:
            return False
    if path.suffix.lower() in CONLL_SUFFIXES:
        return True
    real = Path(os.path.realpath(path))
    return path.suffix.lower() in _OTHER_SUFFIXES and _has_columns(real.parent, real.name)


def conll_target(path: Path, *, name: str, split: str = "train", column: str | None = None) -> Target:
    """Read a token classification target from one file, or from a folder with a file for each split.

    Parameters
    ----------
    path : Path
        A UTF-8 file, or a folder of such files, named after their splits, as ``train.txt``, ``en_ewt-ud-dev.conllu``
        or ``eng.testa``. One line a word, an empty line behind each sentence; ``-DOCSTART-`` lines mark documents.
    name : str
        Name of the task.
    split : str
        Which of the files to take. A single file is read whatever its split is.
    column : str, optional
        The column of tags: a number from 1, or for CoNLL-U a name such as ``XPOS``. By default the last one, and
        ``UPOS`` for CoNLL-U.

    Returns
    -------
    Target
        As `hubscout.data.word_labels.token_target`; a text is a sentence, counted from 1. Sentences with lines of
        another number of columns are problems.

    Raises
    ------
    UsageError
        When the split or the column does not exist.
    DataError
        When a file cannot be read, is not in columns, or holds no tags that can be ranked on.
    """
    source = f"the folder {name!r}" if path.is_dir() else repr(path.name)
    root, names, read_split = _choose_files(path, split, source)
    gathered = _Gathered()
    for file_name in names:
        shown = repr(file_name if path.is_dir() else path.name)
        gathered.read(_read_below(root, file_name, shown), shown, column)
    return token_target(
        gathered.texts,
        gathered.tags,
        name=name,
        source=source,
        split=read_split,
        rows=gathered.rows,
        problems=gathered.problems,
        notes=tuple(dict.fromkeys(gathered.notes)),
    )


@dataclass
class _Gathered:
    """The sentences of all files so far, counted through."""

    texts: list[list[str]] = field(default_factory=list)
    tags: list[list[str | None]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _n: int = 0

    def read(self, content: bytes, source: str, column: str | None) -> None:
        """Read one file."""
        # Twice through the lines, so that those of a large file are never in memory together.
        layout = find_layout(_lines(content, source))
        if layout is None:
            msg = (
                f"{source} must hold a word and its tags in columns, one word a line, got no lines of two columns; "
                "part words and tags by a tab"
            )
            raise DataError(msg)
        tag = _tag_column(layout, column, source)
        if column is None:
            self.notes.append(_column_note(layout, tag))
        for sentence in read_sentences(_lines(content, source), layout, tag):
            self._n += 1
            if sentence.problem is not None:
                self.problems.append(RowProblem(f"text {self._n}", sentence.problem))
            else:
                self.texts.append(sentence.words)
                self.tags.append(sentence.tags)
                self.rows.append(self._n)


def _tag_column(layout: Layout, column: str | None, source: str) -> int:
    if column is None:
        return UNIVERSAL_COLUMNS.index("UPOS") if layout.is_universal else layout.width - 1
    asked = column.strip()
    found = int(asked) - 1 if _NUMBER.fullmatch(asked) else -1
    if layout.is_universal and asked.upper() in UNIVERSAL_COLUMNS:
        found = UNIVERSAL_COLUMNS.index(asked.upper())
    # The column before that of the words, where there is one, numbers them.
    if layout.words < found < layout.width:
        return found
    usable = f"a number from {layout.words + 2} to {layout.width}"
    usable += f" or one of {', '.join(UNIVERSAL_COLUMNS[2:])}" if layout.is_universal else ""
    msg = (
        f"label_column (--label-column) must be {usable} for {source}, whose words are in column {layout.words + 1}, "
        f"got {column!r}"
    )
    raise UsageError(msg)


def _column_note(layout: Layout, tag: int) -> str:
    place = f"column {tag + 1}" + (f" ({UNIVERSAL_COLUMNS[tag]} of CoNLL-U)" if layout.is_universal else ", the last")
    words = layout.words + 1
    return f"the words are in column {words}, the tags in {place}; label_column (--label-column) names another one"


def _choose_files(path: Path, split: str, source: str) -> tuple[Path, Sequence[str], str]:
    """Choose the files of the asked split, relative to a folder, and say how the split is called in the result."""
    if not path.is_dir():
        own = _split_of(path.name)
        # A single file may be a link to somewhere else, as in the cache of the hub.
        real = Path(os.path.realpath(path))
        if own is None or canonical_split(split) not in ("train", own):
            return real.parent, [real.name], require_no_split(split, source)
        return real.parent, [real.name], own
    names = _candidates(path)
    splits = {file_name: own for file_name in names if (own := _split_of(file_name)) is not None}
    if splits:
        chosen = choose_split(set(splits.values()), split, source)
        return path, [file_name for file_name, own in splits.items() if own in chosen], split
    usable = [file_name for file_name in names if file_name.lower().endswith(CONLL_SUFFIXES)]
    if not usable:
        msg = (
            f"{source} must hold files of words and tags in columns, got none; name them after their splits, as "
            "train.conll and test.conll"
        )
        raise DataError(msg)
    return path, usable, require_no_split(split, source)


def _candidates(folder: Path) -> list[str]:
    """List the files that can be read: those with a suffix of their own, and text files named after a split."""
    names = files_below(folder, "", CONLL_SUFFIXES + _OTHER_SUFFIXES, deep=False)
    return [name for name in names if name.lower().endswith(CONLL_SUFFIXES) or _split_of(name) is not None]


def _split_of(file_name: str) -> str | None:
    """Find the one split that a file is named after: ``dev`` in ``en_ewt-ud-dev.conllu``."""
    parts = [part for part in re.split(r"[^a-z]+", file_name.lower()) if part]
    found = {
        _OWN_SPLITS.get(part, canonical_split(part)) for part in parts if part in _OWN_SPLITS or is_split_name(part)
    }
    return found.pop() if len(found) == 1 else None


def _has_columns(root: Path, file_name: str) -> bool:
    try:
        with open_below(root, file_name) as file:
            content = file.read(_PEEKED_BYTES)
        # The last line may be cut, in the middle of a character too.
        whole = content if len(content) < _PEEKED_BYTES else content[: content.rfind(b"\n") + 1]
        layout = find_layout(_lines(whole, ""))
    except (DataError, OSError):
        return False
    return layout is not None and layout.share >= _CONSISTENT and (layout.is_universal or layout.is_parted)


def _read_below(root: Path, file_name: str, source: str) -> bytes:
    try:
        return bytes_below(root, file_name, MAX_FILE_BYTES)
    except DataError as error:
        msg = f"{source} must be a file that can be read, got {str(error)!r}"
        raise DataError(msg) from None


def _lines(content: bytes, source: str) -> Iterator[str]:
    # Not by str.splitlines, which would also cut words that hold U+2028 or U+0085.
    reader = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig")
    try:
        for line in reader:
            yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        found = error.object[error.start : error.start + 1].hex()
        encoding = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "LATIN1"
        msg = (
            f"{source} must be UTF-8, got the byte 0x{found}, perhaps of {encoding}; convert it, for example with "
            f"iconv -f {encoding} -t UTF-8"
        )
        raise DataError(msg) from None
