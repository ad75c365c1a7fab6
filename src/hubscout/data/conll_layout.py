"""Find out how a file of words and tags in columns is laid out, and read its sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

UNIVERSAL_COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
DOCUMENT_MARK = "-DOCSTART-"

# Spaces of other scripts, such as U+00A0 and U+3000, belong to words; str.split would cut there.
_BLANKS = re.compile(r"[ \t]+")
_UNIVERSAL_ID = re.compile(r"[0-9]+([-.][0-9]+)?")
_WORD_ID = re.compile(r"[0-9]+")
# Columns in which "_" says that nothing is known; in the others it says that a word has none.
_UNKNOWN_IF_UNDERSCORE = ("LEMMA", "UPOS", "XPOS", "HEAD", "DEPREL")
_MOSTLY = 0.95
_COUNTED_LINES = 20_000


@dataclass(frozen=True)
class Layout:
    """How the lines of one file are divided.

    Parameters
    ----------
    width : int
        Number of columns.
    has_tabs : bool
        Whether columns are parted by tabs, so that words may hold blanks; otherwise by blanks and tabs.
    words : int
        Position of the column of words, from 0.
    is_universal : bool
        Whether the file is CoNLL-U.
    share : float
        Share of the lines that have this many columns.
    is_parted : bool
        Whether something parts sentences: an empty line between words, or a line that marks a document.
    has_remarks : bool
        Whether nearly all sentences begin with a line that begins with ``#``, or words are numbered: such a line then
        holds no word.
    """

    width: int
    has_tabs: bool
    words: int
    is_universal: bool
    share: float
    is_parted: bool
    has_remarks: bool

    def split(self, line: str) -> list[str]:
        """Divide one line into its columns."""
        return _by_tabs(line) if self.has_tabs else _by_blanks(line)


@dataclass(frozen=True)
class Sentence:
    """One sentence of a file.

    Parameters
    ----------
    words : list of str
        Its words.
    tags : list of (str or None)
        Their tags.
    problem : str or None
        Why it cannot be used.
    """

    words: list[str]
    tags: list[str | None]
    problem: str | None


def find_layout(lines: Iterable[str]) -> Layout | None:
    r"""Find the layout that most of the first lines of a file agree on.

    Parameters
    ----------
    lines : iterable of str
        Without their ends; the first 20 000 are looked at.

    Returns
    -------
    Layout or None
        None where most lines have a single column, or there are none.

    Notes
    -----
    The columns are parted by tabs where that gives as many lines of one width as parting by any blanks does. Empty
    lines, document marks and lines that begin with ``#`` are not counted.

    Examples
    --------
    >>> find_layout(["EU NNP B-ORG", "rejects VBZ O", "", "Peter NNP B-PER"]).width
    3
    """
    counts = _Counts()
    for line in islice(lines, _COUNTED_LINES):
        counts.add(line)
    return counts.layout()


@dataclass
class _Counts:
    by_tabs: Counter[int] = field(default_factory=Counter)
    by_blanks: Counter[int] = field(default_factory=Counter)
    n_ids: int = 0
    n_positions: int = 0
    n_sentences: int = 0
    n_remarks: int = 0
    position: int = 0
    is_remarked: bool = False
    is_after_words: bool = False
    is_parted: bool = False

    def add(self, line: str) -> None:
        """Count one line."""
        if _is_break(line):
            self.is_parted |= line.startswith(DOCUMENT_MARK)
            self.is_after_words |= self.position > 0
            self.position, self.is_remarked = 0, False
            return
        if line.startswith("#"):
            self.is_remarked |= self.position == 0
            return
        self.is_parted |= self.is_after_words
        self.position += 1
        self.n_sentences += self.position == 1
        self.n_remarks += self.position == 1 and self.is_remarked
        tabs, blanks = _by_tabs(line), _by_blanks(line)
        self.by_tabs[len(tabs)] += 1
        self.by_blanks[len(blanks)] += 1
        self.n_ids += len(tabs) == len(UNIVERSAL_COLUMNS) and _UNIVERSAL_ID.fullmatch(tabs[0]) is not None
        self.n_positions += blanks[0] == str(self.position)

    def layout(self) -> Layout | None:
        """Choose among what was counted."""
        n = self.by_tabs.total()
        if not n:
            return None
        (tab_width, n_tabs), (blank_width, n_blanks) = self.by_tabs.most_common(1)[0], self.by_blanks.most_common(1)[0]
        has_tabs = tab_width >= 2 and (n_tabs >= n_blanks or blank_width < 2)
        width, n_same = (tab_width, n_tabs) if has_tabs else (blank_width, n_blanks)
        if width < 2:
            return None
        is_universal = has_tabs and self.n_ids >= _MOSTLY * n
        is_numbered = width >= 3 and self.n_positions >= _MOSTLY * n
        return Layout(
            width=width,
            has_tabs=has_tabs,
            words=int(is_universal or is_numbered),
            is_universal=is_universal,
            share=n_same / n,
            is_parted=self.is_parted,
            has_remarks=is_numbered or self.n_remarks >= _MOSTLY * self.n_sentences,
        )


def read_sentences(lines: Iterable[str], layout: Layout, tag: int) -> Iterator[Sentence]:
    """Read a file sentence by sentence.

    Parameters
    ----------
    lines : iterable of str
        Without their ends.
    layout : Layout
        How they are divided.
    tag : int
        Position of the column of tags, from 0.

    Yields
    ------
    Sentence
        Every sentence that has a line of its own, also with a problem.

    Notes
    -----
    In CoNLL-U, ranges of words (``1-2``) and words that are not in the text (``1.1``) are passed over. Elsewhere a line
    that begins with ``#`` is a remark where it stands before the first word of a sentence and either sentences begin so
    as a rule, or words are numbered, or it has another number of columns than they; ``#`` is a word otherwise.
    """
    open_sentence = _OpenSentence(layout, tag)
    for number, line in enumerate(lines, start=1):
        if not _is_break(line):
            open_sentence.add(number, line)
        elif (sentence := open_sentence.close()) is not None:
            yield sentence
    if (sentence := open_sentence.close()) is not None:
        yield sentence


class _OpenSentence:
    """The sentence whose lines are being read."""

    def __init__(self, layout: Layout, tag: int) -> None:
        self._layout = layout
        self._tag = tag
        unknown = layout.is_universal and UNIVERSAL_COLUMNS[tag] in _UNKNOWN_IF_UNDERSCORE
        self._unknown = "_" if unknown else None
        self._start()

    def add(self, number: int, line: str) -> None:
        """Take one line."""
        fields = self._layout.split(line)
        if line.startswith("#") and (self._layout.is_universal or self._is_remark(fields)):
            return
        self._n_lines += 1
        if len(fields) != self._layout.width:
            self._report(f"line {number} has {len(fields)} columns, not {self._layout.width}")
        elif self._layout.is_universal and not _WORD_ID.fullmatch(fields[0]):
            if not _UNIVERSAL_ID.fullmatch(fields[0]):
                self._report(f"line {number} does not begin with the number of a word")
        else:
            self._words.append(fields[self._layout.words])
            self._tags.append(None if fields[self._tag] == self._unknown else fields[self._tag])

    def close(self) -> Sentence | None:
        """Return the sentence, None where it had no line, and begin the next."""
        sentence = Sentence(self._words, self._tags, self._problem) if self._n_lines else None
        self._start()
        return sentence

    def _start(self) -> None:
        self._words: list[str] = []
        self._tags: list[str | None] = []
        self._n_lines = 0
        self._problem: str | None = None

    def _is_remark(self, fields: list[str]) -> bool:
        return not self._n_lines and (self._layout.has_remarks or len(fields) != self._layout.width)

    def _report(self, problem: str) -> None:
        self._problem = self._problem or problem


def _is_break(line: str) -> bool:
    return (
        not line.strip(" \t") or line.startswith((f"{DOCUMENT_MARK} ", f"{DOCUMENT_MARK}\t")) or line == DOCUMENT_MARK
    )


def _by_tabs(line: str) -> list[str]:
    return [column.strip(" ") for column in line.split("\t")]


def _by_blanks(line: str) -> list[str]:
    return _BLANKS.split(line.strip(" \t"))
