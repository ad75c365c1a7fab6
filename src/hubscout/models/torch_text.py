"""Text modules made by a factory: whole texts, pairs of them, words and layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hubscout.errors import CandidateError, UsageError
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.loading import LoadRequest
from hubscout.models.pairs import JointPairs, NewlineJoiner, PairVectors, asked_style
from hubscout.models.pooling import TOKEN_POOLINGS, pad, pool_tokens
from hubscout.models.readouts import (
    asked_pooling,
    choose_poolings,
    join_readouts,
    pool_text_layer,
    resolve_layers,
    unused_for_words,
)
from hubscout.models.torch_factory import first_tensor
from hubscout.models.word_encoder import TokenVectors, WordEncoder
from hubscout.models.word_tokens import PlainTokenizer, WordTokenizer

if TYPE_CHECKING:
    from hubscout.models.torch import Common

TEXT_OPTIONS = ("pair", "subword")
_DEFAULT_MAX_LENGTH = 512


class FactoryTextEncoder:
    """A text module made by a factory.

    Parameters
    ----------
    card : ModelCard
        Its facts.
    model : torch.nn.Module
        With ``tokenize``.
    max_length : int
        Tokens beyond it are cut off.
    read : callable
        From tokens and mask, integer tensors of shape (b, tokens), to features of shape (b, d).
    """

    def __init__(self, card: ModelCard, model: Any, max_length: int, read: Callable[[Any, Any], Any]) -> None:
        self.card = card
        self._model = model
        self._max_length = max_length
        self._read = read

    def prepare(self, sample: str) -> list[int]:
        """Tokenize one text; at least one token, so that a mean over it exists."""
        return [int(token) for token in self._model.tokenize(sample)][: self._max_length] or [0]

    def encode(self, prepared: Sequence[Sequence[int]]) -> EncodedBatch:
        """Run the module once over a padded batch."""
        with torch_runtime.forward_pass():
            return EncodedBatch(torch_runtime.to_numpy(self._read(*_batch(prepared, self.card.device))))


def text_encoder(address: Address, request: LoadRequest, model: Any, common: Common) -> Encoder:
    """Finish a text module: its length, its pooling, and the unit that is read.

    Parameters
    ----------
    address : Address
        With the user's options.
    request : LoadRequest
        What the caller wants.
    model : torch.nn.Module
        With ``tokenize(text)`` and ``forward(ids, mask)`` or ``hidden(ids)``, on its device.
    common : Common
        What is known of the card.

    Returns
    -------
    Encoder

    Raises
    ------
    CandidateError
        When the module lacks what the reading needs.
    UsageError
        When an option has no meaning.

    Notes
    -----
    ``hidden(ids)``, or ``hidden(ids, mask)``, returns the vectors of all layers: a list of tensors of shape
    (b, tokens, d), what goes into the first layer before all others. A module without a ``forward`` of its own is read
    off the last of them. Words are tokenized one by one, with a space before all but the first where that alone gives
    the tokens of the text.
    """
    if not callable(getattr(model, "tokenize", None)):
        msg = f"module of {address.name!r} must have tokenize(text) -> list of int for modality=text; add it"
        raise CandidateError(msg)
    max_length = _max_length(address, model)
    pooling = asked_pooling(request) or "mean"
    if pooling not in TOKEN_POOLINGS:
        msg = f"pooling of a torch: text model must be one of {', '.join(TOKEN_POOLINGS)}, got {pooling!r}"
        raise UsageError(msg)
    transform = {"max_length": max_length, "pooling": pooling}
    card = common.card(modality="text", transform=transform, feature_dim=0, notes=())
    card = replace(card, n_parameters=torch_runtime.count_parameters(model))
    tokenizer = PlainTokenizer(model.tokenize, max_length)
    if request.reading.unit == "word":
        return _words(card, address, request, model, tokenizer)
    if request.reading.layers is None:
        encoder = _plain(card, model, max_length, pooling)
    else:
        encoder = _layered(card, request, model, max_length, pooling)
    if request.reading.unit != "pair":
        return encoder
    if asked_style(address) == "joint":
        return JointPairs(encoder, NewlineJoiner(tokenizer), "joint by newline")
    return PairVectors(encoder)


def _max_length(address: Address, model: Any) -> int:
    stated = getattr(model, "max_len", None) or _DEFAULT_MAX_LENGTH
    text = address.options.get("max_length", str(stated))
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        msg = f"max_length must be a positive number of tokens, got {text!r}"
        raise UsageError(msg)
    return int(text)


def _plain(card: ModelCard, model: Any, max_length: int, pooling: str) -> FactoryTextEncoder:
    run = _forward(model)

    def read(ids: Any, mask: Any) -> Any:
        vectors = first_tensor(run(ids, mask))
        if vectors.ndim == 3:
            vectors = pool_tokens(vectors, mask, pooling)
        return torch_runtime.pool_map(vectors)

    probe = FactoryTextEncoder(card, model, max_length, read)
    width = probe.encode([probe.prepare("a"), probe.prepare("a b")]).features.shape[1]
    return FactoryTextEncoder(replace(card, feature_dim=int(width)), model, max_length, read)


def _layered(card: ModelCard, request: LoadRequest, model: Any, max_length: int, pooling: str) -> FactoryTextEncoder:
    hidden = _hidden(model, card.address)
    poolings, notes = choose_poolings(request.reading.poolings, pooling, TOKEN_POOLINGS, card.address)

    def read(ids: Any, mask: Any) -> Any:
        states = hidden(ids, mask)
        parts = [
            part for layer in layers for part in pool_text_layer(states[layer], mask, layer, poolings, card.address)
        ]
        return join_readouts(parts)

    with torch_runtime.forward_pass():
        ids, mask = _batch([[int(token) for token in model.tokenize("a b")][:max_length] or [0]], card.device)
        layers = resolve_layers(request, len(hidden(ids, mask)) - 1, card.address)
        readouts, _ = read(ids, mask)
    card = replace(
        card,
        transform={**card.transform, "pooling": ", ".join(poolings)},
        feature_dim=sum(readout.width for readout in readouts),
        readouts=readouts,
        notes=(*card.notes, *notes),
    )
    return FactoryTextEncoder(card, model, max_length, lambda ids, mask: read(ids, mask)[1])


def _words(card: ModelCard, address: Address, request: LoadRequest, model: Any, tokenizer: PlainTokenizer) -> Encoder:
    card = replace(card, notes=(*card.notes, *unused_for_words(request)))
    wants_layers = request.reading.layers is not None
    run = _hidden(model, card.address) if wants_layers else _forward(model)

    def vectors(rows: Sequence[Sequence[int]]) -> TokenVectors:
        output = run(*_batch(rows, card.device))
        if not wants_layers:
            return TokenVectors([_token_vectors(output)])
        layers = resolve_layers(request, len(output) - 1, card.address)
        return TokenVectors([output[layer] for layer in layers], layers)

    words = WordTokenizer(tokenizer, card.address, address.options.get("subword", "mean"))
    return WordEncoder(card, words, vectors, torch_runtime.forward_pass)


def _batch(rows: Sequence[Sequence[int]], device: str) -> tuple[Any, Any]:
    import torch

    ids, mask = pad(rows, 0)
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def _forward(model: Any) -> Callable[[Any, Any], Any]:
    """Return the module itself, or its last hidden vectors where it has no forward pass of its own."""
    import torch

    if type(model).forward is torch.nn.Module.forward and callable(getattr(model, "hidden", None)):
        hidden = _hidden(model, "")
        return lambda ids, mask: hidden(ids, mask)[-1]
    return lambda ids, mask: model(ids, mask)


def _hidden(model: Any, address: str) -> Callable[[Any, Any], list[Any]]:
    method = getattr(model, "hidden", None)
    if not callable(method):
        msg = (
            f"candidate {address!r} does not give its hidden states: its module needs hidden(ids) -> list of "
            "(b, tokens, d); add it, or leave layers (--layers) out"
        )
        raise CandidateError(msg)
    takes_mask = len(inspect.signature(method).parameters) > 1
    return lambda ids, mask: list(method(ids, mask) if takes_mask else method(ids))


def _token_vectors(output: Any) -> Any:
    """Find one vector a token in what a module returned, where it returned other tensors too."""
    last = (
        output.get("last_hidden_state") if isinstance(output, Mapping) else getattr(output, "last_hidden_state", None)
    )
    return first_tensor(output) if last is None else last
