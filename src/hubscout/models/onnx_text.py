"""ONNX files that take tokens: whole texts, pairs of them, words and layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import CandidateError, UsageError
from hubscout.models.address import Address
from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.loading import LoadRequest
from hubscout.models.onnx_card import complete_card
from hubscout.models.onnx_session import OnnxModel, as_rows
from hubscout.models.pairs import JointPairs, NewlineJoiner, PairVectors, asked_style
from hubscout.models.pooling import TOKEN_POOLINGS, pad, pool_tokens
from hubscout.models.reading import Readout
from hubscout.models.readouts import (
    asked_pooling,
    choose_poolings,
    join_readouts,
    pool_text_layer,
    resolve_layers,
    unused_for_words,
)
from hubscout.models.tokens import PairTokens, Tokenizer, load_tokenizer
from hubscout.models.weights import settings_digest
from hubscout.models.word_encoder import TokenVectors, WordEncoder
from hubscout.models.word_tokens import WordTokenizer

TEXT_OPTIONS = ("tokenizer", "max_length", "pair", "subword")
_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
_HIDDEN = re.compile(r"hidden_states[._]?(\d+)")


class TokenSession:
    """An ONNX file run on lists of tokens.

    Parameters
    ----------
    model : OnnxModel
        The open file.
    pad_id : int
        What shorter texts are filled up with.
    """

    def __init__(self, model: OnnxModel, pad_id: int) -> None:
        self.model = model
        self._pad_id = pad_id
        self.outputs = [item.name for item in model.session.get_outputs()]
        numbered = {int(found[1]): name for name in self.outputs if (found := _HIDDEN.fullmatch(name))}
        self.hidden = [numbered[layer] for layer in sorted(numbered)]
        if self.hidden and "last_hidden_state" in self.outputs:
            self.hidden[-1] = "last_hidden_state"

    def run(self, rows: Sequence[Sequence[int]], names: Sequence[str]) -> tuple[npt.NDArray[Any], list[Any]]:
        """Run one batch.

        Parameters
        ----------
        rows : sequence of sequences of int
            Token lists.
        names : sequence of str
            Outputs.

        Returns
        -------
        mask : ndarray of shape (b, tokens), int64
        outputs : list of ndarray
        """
        inputs = self.model.session.get_inputs()
        width = inputs[0].shape[1]
        ids, mask = pad(rows, self._pad_id)
        segments = np.zeros_like(ids)
        for index, row in enumerate(rows):
            if isinstance(row, PairTokens):
                segments[index, : len(row.segments)] = row.segments
        if isinstance(width, int) and width > ids.shape[1]:  # exported for one length
            rest = ((0, 0), (0, width - ids.shape[1]))
            ids, mask = np.pad(ids, rest, constant_values=self._pad_id), np.pad(mask, rest)
            segments = np.pad(segments, rest)
        made = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": segments,
            "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
        }
        return mask, self.model.read(names, {item.name: made.get(item.name, ids) for item in inputs})


class OnnxTextEncoder:
    """An ONNX file that takes tokens.

    Parameters
    ----------
    card : ModelCard
        Its facts.
    session : TokenSession
        The open file.
    tokenizer : Tokenizer
        From text to tokens.
    names : sequence of str
        Outputs that the features are made of.
    pool : callable
        From these outputs and the mask to features of shape (b, d).
    """

    def __init__(
        self,
        card: ModelCard,
        session: TokenSession,
        tokenizer: Tokenizer,
        names: Sequence[str],
        pool: Callable[[list[Any], npt.NDArray[Any]], npt.NDArray[Any]],
    ) -> None:
        self.card = card
        self._session = session
        self._tokenizer = tokenizer
        self._names = list(names)
        self._pool = pool

    def prepare(self, sample: str) -> list[int]:
        """Tokenize one text."""
        return self._tokenizer(sample)

    def encode(self, prepared: Sequence[Sequence[int]]) -> EncodedBatch:
        """Run the file once over a padded batch."""
        head = self._session.model.logits
        mask, outputs = self._session.run(prepared, [*self._names, *([head] if head else [])])
        logits = outputs.pop() if head else None
        features = as_rows(self._pool(outputs, mask))
        return EncodedBatch(features, None if logits is None or logits.ndim != 2 else as_rows(logits))


def text_encoder(address: Address, request: LoadRequest, model: OnnxModel, facts: ModelCard) -> Encoder:
    """Finish a file that takes tokens: its tokenizer, its pooling, and the unit that is read.

    Parameters
    ----------
    address : Address
        With the user's options.
    request : LoadRequest
        What the caller wants.
    model : OnnxModel
        The open file.
    facts : ModelCard
        The card as far as it is known.

    Returns
    -------
    Encoder

    Raises
    ------
    CandidateError
        When the file lacks what the reading needs.
    UsageError
        When an option has no meaning.

    Notes
    -----
    Layers are the outputs ``hidden_states.0``, ``hidden_states.1`` and so on, as exporters call them.
    """
    pooling = asked_pooling(request) or "mean"
    if pooling not in TOKEN_POOLINGS:
        msg = f"pooling of an onnx: text model must be one of {', '.join(TOKEN_POOLINGS)}, got {pooling!r}"
        raise UsageError(msg)
    folder = address.options.get("tokenizer")
    if folder is None:
        msg = f"file {address.name!r} takes tokens; give the folder of its tokenizer with ?tokenizer=folder"
        raise UsageError(msg)
    unknown = [item.name for item in model.session.get_inputs()[1:] if item.name not in _INPUTS]
    if unknown:
        msg = f"file {address.name!r} has the input {unknown[0]!r}; only {', '.join(_INPUTS)} can be given"
        raise CandidateError(msg)
    width = model.session.get_inputs()[0].shape[1]
    limit = width if isinstance(width, int) and width > 0 else None
    tokenizer, notes = load_tokenizer(Path(folder).expanduser(), address.options.get("max_length"), limit)
    stated = {
        **facts.transform,
        **tokenizer.to_dict(),
        "settings": settings_digest(Path(folder).expanduser()),
        "pooling": pooling,
    }
    card = replace(facts, modality="text", transform=stated, notes=(*facts.notes, *notes))
    session = TokenSession(model, tokenizer.pad_id)
    if request.reading.unit == "word":
        return _words(card, session, tokenizer, address, request)
    build = _plain if request.reading.layers is None else _layered
    encoder = build(card, session, tokenizer, request, pooling)
    if request.reading.unit != "pair":
        return encoder
    if asked_style(address) != "joint":
        return PairVectors(encoder)
    if tokenizer.separates_pairs():
        return JointPairs(encoder, tokenizer.pair, "joint")
    return JointPairs(encoder, NewlineJoiner(tokenizer), "joint by newline")


def _plain(
    card: ModelCard, session: TokenSession, tokenizer: Tokenizer, _request: LoadRequest, pooling: str
) -> OnnxTextEncoder:
    def pool(outputs: list[Any], mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
        (features,) = outputs
        return features if features.ndim != 3 else np.asarray(pool_tokens(features, mask, pooling))

    names = [session.model.features]
    probe = OnnxTextEncoder(card, session, tokenizer, names, pool)
    outcome = probe.encode([probe.prepare("a")])
    return OnnxTextEncoder(complete_card(card, "text", card.transform, outcome, ()), session, tokenizer, names, pool)


def _layered(
    card: ModelCard, session: TokenSession, tokenizer: Tokenizer, request: LoadRequest, pooling: str
) -> OnnxTextEncoder:
    layers, names = _layers(card, session, request)
    poolings, notes = choose_poolings(request.reading.poolings, pooling, TOKEN_POOLINGS, card.address)

    def read(outputs: list[Any], mask: npt.NDArray[Any]) -> tuple[tuple[Readout, ...], Any]:
        parts = [
            part
            for layer, vectors in zip(layers, outputs, strict=True)
            for part in pool_text_layer(vectors, mask, layer, poolings, card.address)
        ]
        return join_readouts(parts)

    def pool(outputs: list[Any], mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(read(outputs, mask)[1])

    probe = OnnxTextEncoder(card, session, tokenizer, names, pool)
    ids = [probe.prepare("a")]
    mask, outputs = session.run(ids, names)
    readouts, _ = read(outputs, mask)
    card = complete_card(card, "text", {**card.transform, "pooling": ", ".join(poolings)}, probe.encode(ids), notes)
    return OnnxTextEncoder(replace(card, readouts=readouts), session, tokenizer, names, pool)


def _words(
    card: ModelCard, session: TokenSession, tokenizer: Tokenizer, address: Address, request: LoadRequest
) -> Encoder:
    layers: tuple[int, ...] = ()
    names = ["last_hidden_state" if "last_hidden_state" in session.outputs else session.model.features]
    if request.reading.layers is not None:
        layers, names = _layers(card, session, request)
    head = session.model.logits

    def run(rows: Sequence[Sequence[int]]) -> TokenVectors:
        _, outputs = session.run(rows, [*names, *([head] if head else [])])
        logits = outputs.pop() if head else None
        # Logits of whole texts say nothing of their words.
        return TokenVectors(outputs, layers, logits if logits is not None and logits.ndim == 3 else None)

    card = replace(card, notes=(*card.notes, *unused_for_words(request)))
    words = WordTokenizer(tokenizer, card.address, address.options.get("subword", "mean"))
    return WordEncoder(card, words, run)


def _layers(card: ModelCard, session: TokenSession, request: LoadRequest) -> tuple[tuple[int, ...], list[str]]:
    """Find the layers that are asked for, and the outputs that hold them."""
    if not session.hidden:
        msg = (
            f"candidate {card.address!r} has no outputs hidden_states.0, hidden_states.1 and so on; export it with its "
            "hidden states, or leave layers (--layers) out"
        )
        raise CandidateError(msg)
    layers = resolve_layers(request, len(session.hidden) - 1, card.address)
    return layers, [session.hidden[layer] for layer in layers]
