"""Text models of transformers: whole texts, pairs of them, and their words."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import Encoder, ModelCard
from hubscout.models.loading import LoadRequest
from hubscout.models.pairs import JointPairs, NewlineJoiner, PairVectors, asked_style
from hubscout.models.pooling import pad
from hubscout.models.readouts import resolve_layers, unused_for_words
from hubscout.models.tokens import PairTokens, Tokenizer, load_tokenizer
from hubscout.models.transformers_encoder import TransformersEncoder
from hubscout.models.transformers_layers import LayeredModel, read_hidden, trunk
from hubscout.models.transformers_model import LoadedModel, last_hidden
from hubscout.models.word_encoder import TokenVectors, WordEncoder
from hubscout.models.word_tokens import WordTokenizer


class TextEncoder(TransformersEncoder):
    """A text model with its own tokenizer."""

    def __init__(self, card: ModelCard, loaded: LoadedModel | LayeredModel, tokenizer: Tokenizer) -> None:
        super().__init__(card, loaded)
        self._tokenizer = tokenizer

    def prepare(self, sample: str) -> list[int]:
        """Tokenize one text."""
        return self._tokenizer(sample)

    def inputs(self, prepared: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Pad token lists to one length."""
        import torch

        rows = {"input_ids": pad(prepared, self._tokenizer.pad_id)}
        segments = [row.segments for row in prepared if isinstance(row, PairTokens) and row.segments]
        if segments:
            rows["token_type_ids"] = pad(segments, 0)
        tensors = {name: torch.from_numpy(values).to(self.card.device) for name, (values, _) in rows.items()}
        return {**tensors, "attention_mask": torch.from_numpy(rows["input_ids"][1]).to(self.card.device)}


def text_encoder(
    card: ModelCard, loaded: LoadedModel, folder: Path, address: Address, request: LoadRequest, *, trusted: bool
) -> Encoder:
    """Finish a text model: its tokenizer, the unit that is read, and what a first text tells.

    Parameters
    ----------
    card : ModelCard
        As far as it is known.
    loaded : LoadedModel
        The model, on its device.
    folder : Path
        With the files of its tokenizer.
    address : Address
        With the user's options.
    request : LoadRequest
        What the caller wants.
    trusted : bool
        Whether the folder's Python code may run.

    Returns
    -------
    Encoder
    """
    tokenizer, notes = load_tokenizer(
        folder,
        address.options.get("max_length"),
        longest_input(loaded.model),
        prompt=address.options.get("prompt", ""),
        trust_remote_code=trusted,
    )
    if loaded.head is not None and loaded.model.config.pad_token_id is None:
        loaded.model.config.pad_token_id = tokenizer.pad_id  # classifiers refuse a batch without one
    card = replace(card, transform={**card.transform, **tokenizer.to_dict()}, notes=(*card.notes, *notes))
    if request.reading.unit == "word":
        return word_encoder(card, loaded, tokenizer, address, request)
    model = loaded if request.reading.layers is None else LayeredModel(loaded, request, card.address)
    encoder = TextEncoder(card, model, tokenizer)
    encoder.complete(encoder.prepare("The quick brown fox"))
    if request.reading.unit != "pair":
        return encoder
    # A common space of images and texts holds one vector a text; so does a model whose tokenizer builds no pairs.
    is_joint = loaded.is_causal or (loaded.pooling != "joint" and tokenizer.separates_pairs())
    if (asked_style(address) or ("joint" if is_joint else "vectors")) == "vectors":
        return PairVectors(encoder)
    return joint_pairs(encoder, tokenizer, loaded)


def joint_pairs(encoder: Encoder, tokenizer: Tokenizer, loaded: LoadedModel) -> Encoder:
    """Read a pair as one input, with the tokenizer's separator or else a newline between both texts.

    Parameters
    ----------
    encoder : Encoder
        Whose ``encode`` takes lists of tokens.
    tokenizer : Tokenizer
        The model's own.
    loaded : LoadedModel
        The model.

    Returns
    -------
    Encoder
    """
    if loaded.is_causal or not tokenizer.separates_pairs():
        return JointPairs(encoder, NewlineJoiner(tokenizer), "joint by newline")
    if _takes_segments(loaded.model):
        return JointPairs(encoder, tokenizer.pair, "joint")
    return JointPairs(encoder, lambda first, second: list(tokenizer.pair(first, second)), "joint")


def _takes_segments(model: Any) -> bool:
    """Whether a model tells the second text from the first by their segments; tokenizers give them to all."""
    parameters = inspect.signature(model.forward).parameters
    return "token_type_ids" in parameters and getattr(model.config, "type_vocab_size", 2) > 1


def word_encoder(
    card: ModelCard, loaded: LoadedModel, tokenizer: Tokenizer, address: Address, request: LoadRequest
) -> Encoder:
    """Build an encoder that reads words.

    Parameters
    ----------
    card : ModelCard
        As far as it is known.
    loaded : LoadedModel
        The model, on its device.
    tokenizer : Tokenizer
        The model's own.
    address : Address
        With the user's options.
    request : LoadRequest
        What the caller wants.

    Returns
    -------
    Encoder
    """
    card = replace(card, notes=(*card.notes, *unused_for_words(request)))
    reader = TextEncoder(card, loaded, tokenizer)  # for its padding and its device

    def run(rows: Sequence[Sequence[int]]) -> TokenVectors:
        inputs = reader.inputs(rows)
        if request.reading.layers is None:
            return _last_vectors(loaded, inputs, card.address)
        states = read_hidden(loaded, inputs, card.address)
        layers = resolve_layers(request, len(states.hidden) - 1, card.address)
        return TokenVectors([states.hidden[layer] for layer in layers], layers, states.logits)

    words = WordTokenizer(tokenizer, card.address, address.options.get("subword", "mean"))
    return WordEncoder(card, words, run, torch_runtime.forward_pass)


def _last_vectors(loaded: LoadedModel, inputs: dict[str, Any], address: str) -> TokenVectors:
    """Give what goes into the head of a checkpoint that labels tokens, else the last hidden state."""
    if loaded.pooling == "joint":
        return TokenVectors([last_hidden(trunk(loaded, address)(**inputs))])
    outcome = loaded.forward(inputs)
    if outcome.before is not None:
        return TokenVectors([outcome.before], logits=outcome.logits)
    return TokenVectors([last_hidden(outcome.base)])


def longest_input(model: Any) -> int | None:
    """Find how many positions a model has.

    Parameters
    ----------
    model : PreTrainedModel
        The loaded model.

    Returns
    -------
    int or None
        None when its configuration states none.
    """
    config = getattr(model.config, "text_config", None) or model.config
    limit = getattr(config, "max_position_embeddings", None)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            # RoBERTa and its kin count positions from behind the padding's own.
            limit = int(module.num_embeddings) - int(module.padding_idx) - 1
    return int(limit) if limit is not None and limit > 0 else None
