"""Pairs of texts: one joint input, or a vector of each, combined."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hubscout.data.parts import TextPair
from hubscout.errors import UsageError
from hubscout.models.address import Address
from hubscout.models.card import EncodedBatch, Encoder, ModelCard

PAIR_STYLES = ("joint", "vectors")
_NOTES = {
    "joint": "a pair is one input: first text, separator, second text, as the tokenizer builds pairs",
    "joint by newline": "a pair is one input: first text, newline, second text",
    "vectors": "a pair is read as two texts with vectors u and v, taken as [u, v, |u - v|, u * v]",
}


@dataclass(frozen=True)
class PreparedPair:
    """Both texts of a pair, each as the encoder prepares it.

    Parameters
    ----------
    first, second : sized
        With a number of tokens.
    """

    first: Any
    second: Any

    def __len__(self) -> int:
        """Count the tokens of both, by which the loop batches."""
        return len(self.first) + len(self.second)


class PairVectors:
    """An encoder of texts that reads pairs: u and v become [u, v, abs(u - v), u * v].

    Parameters
    ----------
    inner : Encoder
        Of single texts. Each of its readouts is combined on its own.
    """

    def __init__(self, inner: Encoder) -> None:
        self._inner = inner
        card = _paired(inner.card, "vectors")
        self.card = replace(
            card,
            feature_dim=4 * card.feature_dim,
            source_classes=None,
            readouts=tuple(replace(readout, width=4 * readout.width) for readout in card.readouts),
        )

    def prepare(self, sample: TextPair) -> PreparedPair:
        """Prepare both texts."""
        return PreparedPair(self._inner.prepare(sample.first), self._inner.prepare(sample.second))

    def encode(self, prepared: Sequence[PreparedPair]) -> EncodedBatch:
        """Run the encoder over the first texts, then over the second ones."""
        u = self._inner.encode([pair.first for pair in prepared]).features
        v = self._inner.encode([pair.second for pair in prepared]).features
        widths = [readout.width for readout in self._inner.card.readouts]
        return EncodedBatch(combine_vectors(u, v, widths))


class JointPairs:
    """An encoder of texts that reads a pair as one input.

    Parameters
    ----------
    inner : Encoder
        Of single texts; its ``encode`` takes what ``join`` gives.
    join : callable
        From two texts to one prepared input.
    style : {"joint", "joint by newline"}
        For the card.
    """

    def __init__(self, inner: Encoder, join: Callable[[str, str], Any], style: str) -> None:
        self._inner = inner
        self._join = join
        self.card = _paired(inner.card, style)
        self.encode([self.prepare(TextPair("The quick", "brown fox"))])  # a pair that does not work shows at once

    def prepare(self, sample: TextPair) -> Any:
        """Join both texts."""
        return self._join(sample.first, sample.second)

    def encode(self, prepared: Sequence[Any]) -> EncodedBatch:
        """Run the encoder once over a batch."""
        return self._inner.encode(prepared)


def _paired(card: ModelCard, style: str) -> ModelCard:
    return replace(card, unit="pair", transform={**card.transform, "pair": style}, notes=(*card.notes, _NOTES[style]))


def asked_style(address: Address) -> str | None:
    """Read the option ``pair`` of an address.

    Parameters
    ----------
    address : Address
        Of the candidate.

    Returns
    -------
    {"joint", "vectors"} or None

    Raises
    ------
    UsageError
        When it is neither.
    """
    style = address.options.get("pair")
    if style is not None and style not in PAIR_STYLES:
        msg = f"pair must be joint or vectors, got {style!r}"
        raise UsageError(msg)
    return style


def combine_vectors(
    u: npt.NDArray[np.float32], v: npt.NDArray[np.float32], widths: Sequence[int] = ()
) -> npt.NDArray[np.float32]:
    r"""Combine the vectors of two texts into [u, v, \|u - v\|, u * v].

    Parameters
    ----------
    u, v : ndarray of shape (b, d), float32
        Of the first and the second texts.
    widths : sequence of int
        Columns of readouts that stand side by side, combined one by one; empty for a single one.

    Returns
    -------
    ndarray of shape (b, 4 d), float32

    Notes
    -----
    The first three are what a softmax is fitted on in [1]_; the product is added in [2]_.

    References
    ----------
    .. [1] N. Reimers and I. Gurevych, "Sentence-BERT", EMNLP 2019, doi:10.18653/v1/D19-1410.
    .. [2] A. Conneau et al., "Supervised Learning of Universal Sentence Representations from Natural Language
       Inference Data", EMNLP 2017, doi:10.18653/v1/D17-1070.

    Examples
    --------
    >>> combine_vectors(np.float32([[1, 2]]), np.float32([[3, 0]])).tolist()
    [[1.0, 2.0, 3.0, 0.0, 2.0, 2.0, 3.0, 0.0]]
    """
    bounds = np.cumsum([0, *widths]) if widths else (0, u.shape[1])
    blocks = []
    for begin, end in itertools.pairwise(bounds):
        a, b = u[:, begin:end], v[:, begin:end]
        blocks += [a, b, np.abs(a - b), a * b]
    return np.concatenate(blocks, axis=1)


def cut_longest_first(first: Sequence[int], second: Sequence[int], room: int) -> tuple[list[int], list[int]]:
    """Cut the longer of two token lists until both fit.

    Parameters
    ----------
    first, second : sequence of int
        Tokens.
    room : int
        Tokens in all, at least 0.

    Returns
    -------
    tuple of two lists of int
        The beginnings that are kept.

    Examples
    --------
    >>> cut_longest_first([1, 2, 3, 4], [5, 6], 5)
    ([1, 2, 3], [5, 6])
    >>> cut_longest_first([1, 2, 3, 4], [5, 6, 7, 8], 5)
    ([1, 2, 3], [5, 6])
    """
    kept = max(room - len(second), -(-room // 2))
    first = list(first[:kept])
    return first, list(second[: room - len(first)])


class NewlineTokenizer(Protocol):
    """What a tokenizer must do for texts that are joined by a newline."""

    max_length: int
    pad_id: int

    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the special tokens before and behind a text."""
        ...

    def bare(self, text: str) -> list[int]:
        """Tokenize a text without special tokens and without cutting it."""
        ...


class NewlineJoiner:
    """Two texts as the tokens of one, a newline between them.

    Parameters
    ----------
    tokenizer : NewlineTokenizer
        The model's own.

    Notes
    -----
    Where the whole is too long, the texts are tokenized one by one and the longer one is cut first, so that the
    second is never lost.
    """

    def __init__(self, tokenizer: NewlineTokenizer) -> None:
        self._tokenizer = tokenizer
        self._prefix, self._suffix = tokenizer.frame()
        self._room = tokenizer.max_length - len(self._prefix) - len(self._suffix)

    def __call__(self, first: str, second: str) -> list[int]:
        """Tokenize two texts into one list."""
        ids = self._tokenizer.bare(f"{first}\n{second}")
        if len(ids) > self._room:
            parts = self._tokenizer.bare(first), self._tokenizer.bare(f"\n{second}")
            ids = [token for part in cut_longest_first(*parts, self._room) for token in part]
        return [*self._prefix, *ids, *self._suffix] or [self._tokenizer.pad_id]
