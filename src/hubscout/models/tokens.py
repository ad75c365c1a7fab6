"""From text to tokens, with the tokenizer of a model's folder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hubscout._optional import require
from hubscout.errors import CandidateError, UsageError

# Tokenizers that know no limit state an absurd one.
_NO_LIMIT = 1_000_000
_ASSUMED = 512


class PairTokens(list[int]):
    """The tokens of two texts in one list, with the segment of each.

    Parameters
    ----------
    ids : sequence of int
        At least one.
    segments : sequence of int
        0 in the first text and 1 in the second, as the tokenizer says; empty where it knows no segments.
    """

    def __init__(self, ids: Sequence[int], segments: Sequence[int] = ()) -> None:
        super().__init__(ids)
        self.segments = list(segments)


class Tokenizer:
    """A tokenizer of transformers that several threads may call.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's own.
    max_length : int
        Tokens beyond it are cut off.
    pad_id : int
        What shorter texts are filled up with; masked, so that its value does not matter.
    prompt : str
        Put before every text.
    """

    def __init__(self, tokenizer: Any, max_length: int, pad_id: int, prompt: str = "") -> None:
        self._tokenizer = tokenizer
        self.max_length = max_length
        self.pad_id = pad_id
        self.prompt = prompt
        self.unknown_id = None if tokenizer.unk_token_id is None else int(tokenizer.unk_token_id)
        self._one_at_a_time = threading.Lock()  # truncation is state of the tokenizer: it must not be set twice

    def __call__(self, text: str) -> list[int]:
        """Tokenize one text into at least one token."""
        with self._one_at_a_time:
            ids = self._tokenizer(self.prompt + text, truncation=True, max_length=self.max_length)["input_ids"]
        # A text can lose all its characters to normalisation; a model needs something to look at.
        return [int(token) for token in ids] or [self.pad_id]

    def pair(self, first: str, second: str) -> PairTokens:
        """Tokenize two texts into one list, as the tokenizer builds pairs; the longer text is cut first."""
        with self._one_at_a_time:
            found = self._tokenizer(self.prompt + first, second, truncation="longest_first", max_length=self.max_length)
        return PairTokens(found["input_ids"] or [self.pad_id], found.get("token_type_ids") or ())

    def bare(self, text: str) -> list[int]:
        """Tokenize a text without special tokens and without cutting it."""
        return [int(token) for token in self._whole(text, add_special_tokens=False)["input_ids"]]

    def split(self, words: Sequence[str]) -> list[list[int]]:
        """Tokenize words, each into its own list, without special tokens."""
        if not self._tokenizer.is_fast:  # the older kind does not tell which word a token is from
            return [self.bare(word) for word in words]
        found = self._whole(list(words), add_special_tokens=False, is_split_into_words=True)
        tokens: list[list[int]] = [[] for _ in words]
        for token, word in zip(found["input_ids"], found.word_ids(), strict=True):
            if word is not None:
                tokens[word].append(int(token))
        return tokens

    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return what stands before and behind a text: special tokens, and before it the prompt."""
        inner, ids = self.bare("a"), [int(token) for token in self._whole("a")["input_ids"]]
        at = _find(inner, ids)
        before, behind = (ids, []) if at is None else (ids[:at], ids[at + len(inner) :])
        return (*before, *self.bare(self.prompt)), tuple(behind)

    def separates_pairs(self) -> bool:
        """Whether the tokenizer puts something between two texts; else it would just run them together."""
        inner, ids = self.bare("a"), [int(token) for token in self._whole("a", "a")["input_ids"]]
        at = _find(inner, ids)
        gap = None if at is None else _find(inner, ids[at + len(inner) :])
        return gap is not None and gap > 0

    def _whole(self, *texts: Any, **settings: Any) -> Any:
        with self._one_at_a_time:
            return self._tokenizer(*texts, truncation=False, verbose=False, **settings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "tokenizer": type(self._tokenizer).__name__,
            "max_length": self.max_length,
            "truncation": str(self._tokenizer.truncation_side),
            "prompt": self.prompt,
        }


def _find(part: list[int], whole: list[int]) -> int | None:
    """Return where a list begins within another one; None for an empty list."""
    starts = range(len(whole) - len(part) + 1 if part else 0)
    return next((at for at in starts if whole[at : at + len(part)] == part), None)


def load_tokenizer(
    folder: Path,
    max_length: str | None = None,
    limit: int | None = None,
    *,
    prompt: str = "",
    trust_remote_code: bool = False,
) -> tuple[Tokenizer, tuple[str, ...]]:
    """Load the tokenizer of a model's folder.

    Parameters
    ----------
    folder : Path
        With ``tokenizer.json`` or the files of an older format.
    max_length : str or None
        The user's own limit, as the address gives it.
    limit : int or None
        The longest input of the model.
    prompt : str
        Put before every text.
    trust_remote_code : bool
        Whether the folder's Python code may run.

    Returns
    -------
    tokenizer : Tokenizer
    notes : tuple of str
        Sentences on what the tokenizer does not state.

    Raises
    ------
    CandidateError
        When there is no tokenizer.
    UsageError
        When ``max_length`` is no positive number, or more than the model takes.
    """
    library = require("transformers", "hf", "tokenizers of text models")
    if not folder.is_dir():
        msg = f"tokenizer folder {str(folder)!r} does not exist; check the path"
        raise CandidateError(msg)
    if not any(folder.glob("*token*")) and not any(folder.glob("vocab*")) and not any(folder.glob("*.model")):
        msg = f"folder {str(folder)!r} holds no tokenizer; save the model's own there with save_pretrained()"
        raise CandidateError(msg)
    own = library.AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=trust_remote_code)
    return wrap_tokenizer(own, max_length, limit, prompt=prompt)


def wrap_tokenizer(
    own: Any, max_length: str | None = None, limit: int | None = None, *, prompt: str = ""
) -> tuple[Tokenizer, tuple[str, ...]]:
    """Settle the length and the padding of a tokenizer that is already loaded. See `load_tokenizer`.

    Parameters
    ----------
    own : PreTrainedTokenizerBase
        The model's own.
    max_length, limit, prompt
        As for `load_tokenizer`.

    Returns
    -------
    tokenizer : Tokenizer
    notes : tuple of str
    """
    length, notes = _length(own, max_length, limit)
    pad_id, more = _padding(own)
    return Tokenizer(own, length, pad_id, prompt), (*notes, *more)


def _length(own: Any, wanted: str | None, limit: int | None) -> tuple[int, tuple[str, ...]]:
    stated = [int(n) for n in (getattr(own, "model_max_length", None), limit) if n is not None and 0 < n < _NO_LIMIT]
    if wanted is not None:
        longest = min(limit, _NO_LIMIT) if limit else _NO_LIMIT
        if not wanted.isdecimal() or not 0 < int(wanted) <= longest:
            msg = f"max_length must be a number of tokens from 1 to {longest}, got {wanted!r}"
            raise UsageError(msg)
        return int(wanted), ()
    if not stated:
        note = f"neither model nor tokenizer states a longest input: {_ASSUMED} tokens are kept; set max_length="
        return _ASSUMED, (note,)
    return min(stated), ()


def _padding(own: Any) -> tuple[int, tuple[str, ...]]:
    if own.pad_token_id is not None:
        return int(own.pad_token_id), ()
    if own.eos_token_id is not None:
        return int(own.eos_token_id), (
            f"the tokenizer has no padding token: its end token {own.eos_token!r} fills up, and is masked",
        )
    return 0, ("the tokenizer has neither a padding nor an end token: token 0 fills up, and is masked",)
