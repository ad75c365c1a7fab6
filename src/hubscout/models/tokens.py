"""From text to tokens, with the tokenizer of a model's folder."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from hubscout._optional import require
from hubscout.errors import CandidateError, UsageError

# Tokenizers that know no limit state an absurd one.
_NO_LIMIT = 1_000_000
_ASSUMED = 512


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
        self._one_at_a_time = threading.Lock()  # truncation is state of the tokenizer: it must not be set twice

    def __call__(self, text: str) -> list[int]:
        """Tokenize one text into at least one token."""
        with self._one_at_a_time:
            ids = self._tokenizer(self.prompt + text, truncation=True, max_length=self.max_length)["input_ids"]
        # A text can lose all its characters to normalisation; a model needs something to look at.
        return [int(token) for token in ids] or [self.pad_id]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "tokenizer": type(self._tokenizer).__name__,
            "max_length": self.max_length,
            "truncation": str(self._tokenizer.truncation_side),
            "prompt": self.prompt,
        }


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
