"""From the words of a text to windows of tokens, whatever tokenizer the model has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hubscout.data.parts import Words
from hubscout.errors import UsageError
from hubscout.models.words import WordTokens, window_words

SUBWORDS = ("mean", "first")
_SAMPLE = ("the", "cat", "sat")


class SplitTokenizer(Protocol):
    """What a tokenizer must tell for the words of a text."""

    max_length: int
    unknown_id: int | None

    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the special tokens before and behind a text."""
        ...

    def bare(self, text: str) -> list[int]:
        """Tokenize a text without special tokens and without cutting it."""
        ...

    def split(self, words: Sequence[str]) -> list[list[int]]:
        """Tokenize words, each into its own list, without special tokens."""
        ...


class WordTokenizer:
    """From words to windows of tokens.

    Parameters
    ----------
    tokenizer : SplitTokenizer
        The model's own.
    address : str
        Named in errors.
    subword : {"mean", "first"}
        Whether a word is the mean over its tokens or its first token.

    Raises
    ------
    UsageError
        When an option has no meaning, or the special tokens leave no room.

    Notes
    -----
    Tokenizers differ in whether a word that follows another must bring the space between them. Words are given with or
    without it, whichever yields the tokens of the text that they make when a space joins them. A word of which a
    tokenizer leaves nothing, such as a lone control character, stands as the unknown token in its place; where there
    is no such token its vector is zero. Nothing is cut: longer texts are read in windows, see
    `hubscout.models.words.cut_windows`.
    """

    def __init__(self, tokenizer: SplitTokenizer, address: str, subword: str = "mean") -> None:
        if subword not in SUBWORDS:
            msg = f"subword must be mean or first, got {subword!r}"
            raise UsageError(msg)
        self._tokenizer = tokenizer
        self.subword = subword
        self._prefix, self._suffix = tokenizer.frame()
        self.capacity = tokenizer.max_length - len(self._prefix) - len(self._suffix)
        if self.capacity < 1:
            msg = (
                f"max_length of {address!r} must leave room for words beside "
                f"{len(self._prefix) + len(self._suffix)} special tokens, got {tokenizer.max_length}"
            )
            raise UsageError(msg)
        self.leading_space = self._needs_space()

    def __call__(self, sample: Words) -> WordTokens:
        """Tokenize the words of one text."""
        tokens = self._split(sample.words, leading_space=self.leading_space)
        unknown = [] if self._tokenizer.unknown_id is None else [self._tokenizer.unknown_id]
        return window_words(
            [word or unknown for word in tokens],
            sample.kept,
            prefix=self._prefix,
            suffix=self._suffix,
            max_length=self._tokenizer.max_length,
            first_only=self.subword == "first",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        words = {
            "subword": self.subword,
            "leading_space": self.leading_space,
            "window": self.capacity,
            "overlap": self.capacity - max(1, self.capacity // 2),
            "unknown": self._tokenizer.unknown_id,
        }
        return {"pooling": f"{self.subword} of each word", "words": words}

    def _split(self, words: Sequence[str], *, leading_space: bool) -> list[list[int]]:
        lead = " " if leading_space else ""
        return self._tokenizer.split([word if i == 0 else lead + word for i, word in enumerate(words)])

    def _needs_space(self) -> bool:
        whole = self._tokenizer.bare(" ".join(_SAMPLE))
        plain, spaced = (
            [token for word in self._split(_SAMPLE, leading_space=space) for token in word] for space in (False, True)
        )
        return plain != whole and spaced == whole


class PlainTokenizer:
    """A bare function from text to tokens, with what it puts around every text told apart.

    Parameters
    ----------
    tokenize : callable
        From a text to token numbers.
    max_length : int
        Tokens that the model takes.
    pad_id : int
        What shorter texts are filled up with.
    """

    unknown_id: int | None = None

    def __init__(self, tokenize: Callable[[str], Sequence[Any]], max_length: int, pad_id: int = 0) -> None:
        self._tokenize = tokenize
        self.max_length = max_length
        self.pad_id = pad_id
        # What stands around texts that share no letter, and around nothing, is no part of them.
        rows = [self._ids(text) for text in ("", "a", "the", "One", "7")]
        self._prefix = _shared(rows)
        self._suffix = _shared([row[: len(self._prefix) - 1 if self._prefix else None : -1] for row in rows])[::-1]

    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the special tokens before and behind a text."""
        return tuple(self._prefix), tuple(self._suffix)

    def bare(self, text: str) -> list[int]:
        """Tokenize a text without special tokens and without cutting it."""
        ids = self._ids(text)
        if ids[: len(self._prefix)] == self._prefix:
            ids = ids[len(self._prefix) :]
        if self._suffix and ids[-len(self._suffix) :] == self._suffix:
            ids = ids[: -len(self._suffix)]
        return ids

    def split(self, words: Sequence[str]) -> list[list[int]]:
        """Tokenize words, each into its own list, without special tokens."""
        return [self.bare(word) for word in words]

    def _ids(self, text: str) -> list[int]:
        return [int(token) for token in self._tokenize(text)]


def _shared(rows: Sequence[Sequence[int]]) -> list[int]:
    """Return the longest beginning that all rows share."""
    shared = []
    for tokens in zip(*rows, strict=False):
        if len(set(tokens)) > 1:
            break
        shared.append(tokens[0])
    return shared
