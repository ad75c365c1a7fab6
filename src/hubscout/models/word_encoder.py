"""Word vectors of any text model whose adapter can run lists of tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hubscout.data.parts import Words
from hubscout.errors import CandidateError
from hubscout.models.card import EncodedBatch, ModelCard
from hubscout.models.reading import Readout
from hubscout.models.word_tokens import WordTokenizer
from hubscout.models.words import WordTokens, sum_words


@dataclass(frozen=True)
class TokenVectors:
    """One vector a token, of one forward pass over b token lists.

    Parameters
    ----------
    hidden : sequence of Tensors or ndarrays of shape (b, tokens, d)
        Of the layers that are read, or of the last one alone.
    layers : tuple of int
        Which they are; empty for the model's own output.
    logits : Tensor or ndarray of shape (b, tokens, source_classes) or None
        Of a checkpoint that labels tokens.
    """

    hidden: Sequence[Any]
    layers: tuple[int, ...] = ()
    logits: Any | None = None


class WordEncoder:
    """A text model that gives one vector for each word.

    Parameters
    ----------
    card : ModelCard
        Its facts, as far as they are known.
    tokenizer : WordTokenizer
        From words to windows of tokens.
    run : callable
        From a list of token lists to `TokenVectors`.
    session : callable
        Makes the context in which batches run.
    """

    def __init__(
        self,
        card: ModelCard,
        tokenizer: WordTokenizer,
        run: Callable[[Sequence[Sequence[int]]], TokenVectors],
        session: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self._tokenizer = tokenizer
        self._run = run
        self._session = session
        self._widths: list[int] = []
        self.card = self._complete(card)

    def prepare(self, sample: Words) -> WordTokens:
        """Tokenize the words of one text."""
        return self._tokenizer(sample)

    def encode(self, prepared: Sequence[WordTokens]) -> EncodedBatch:
        """Run the model over all windows of a batch, and average the tokens of each word."""
        offsets = np.concatenate([[0], np.cumsum([item.n_words for item in prepared])])
        windows = [
            (ids, np.where(owner >= 0, owner + offset, -1))
            for item, offset in zip(prepared, offsets, strict=False)
            for ids, owner in zip(item.windows, item.owners, strict=True)
        ]
        n_words = int(offsets[-1])
        totals = [np.zeros((n_words, width), np.float32) for width in self._widths]
        counts = np.zeros(n_words, np.float32)
        windows.sort(key=lambda window: -len(window[0]))
        # No more windows at a time than there are texts: where memory runs out, halving the batch then helps.
        for start in range(0, len(windows), len(prepared)):
            ids, owners = zip(*windows[start : start + len(prepared)], strict=True)
            with self._session():
                vectors = self._run(ids)
                blocks = [*vectors.hidden, *([] if vectors.logits is None else [vectors.logits])]
                parts = [sum_words(block, owners) for block in blocks]
            np.add.at(counts, np.concatenate([owner[owner >= 0] for owner in owners]), 1)
            for total, (rows, sums) in zip(totals, parts, strict=True):
                total[rows] += sums
        # A word without any token has the vector zero.
        means = [total / np.maximum(counts, 1)[:, None] for total in totals]
        logits = None if self.card.source_classes is None else means.pop()
        return EncodedBatch(np.concatenate(means, axis=1), logits)

    def _complete(self, card: ModelCard) -> ModelCard:
        """Find the widths on a first text, and check that the model gives one vector a token."""
        tokens = self._tokenizer(Words(("The", "quick", "brown", "fox"))).windows[:1] or ((0,),)
        with self._session():
            first = self._run(tokens)
        for block in first.hidden:
            if block.ndim != 3 or block.shape[1] < len(tokens[0]):
                msg = (
                    f"candidate {card.address!r} gives {tuple(block.shape)} numbers for {len(tokens[0])} "
                    "tokens, not one vector a token, so words have none; leave it out for this kind of task"
                )
                raise CandidateError(msg)
        widths = [int(block.shape[2]) for block in first.hidden]
        n_classes = None if first.logits is None else int(first.logits.shape[2])
        self._widths = [*widths, *([] if n_classes is None else [n_classes])]
        how = self._tokenizer.subword
        return replace(
            card,
            unit="word",
            transform={**card.transform, **self._tokenizer.to_dict()},
            feature_dim=sum(widths),
            source_classes=n_classes,
            readouts=tuple(Readout(layer, how, width) for layer, width in zip(first.layers, widths, strict=False)),
        )
