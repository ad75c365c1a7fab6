"""Pairs, words and layers of models of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hubscout.errors import CandidateError
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.loading import LoadRequest
from hubscout.models.pairs import PairVectors, asked_style
from hubscout.models.pooling import TOKEN_POOLINGS
from hubscout.models.tokens import Tokenizer, wrap_tokenizer
from hubscout.models.transformers_layers import LayeredModel
from hubscout.models.transformers_model import LoadedModel
from hubscout.models.transformers_text import TextEncoder, joint_pairs, longest_input, word_encoder

_POOLINGS = {"lasttoken": "last"}
_NOTE = "{} are those of the model's transformer; its own pooling and what follows are not used"


class TokenSentences:
    """All modules of a model of sentence-transformers, run on lists of tokens.

    Parameters
    ----------
    card : ModelCard
        Its facts.
    model : sentence_transformers.SentenceTransformer
        On its device.
    inputs : callable
        From token lists to the model's arguments.
    """

    def __init__(self, card: ModelCard, model: Any, inputs: Any) -> None:
        self.card = card
        self._model = model
        self._inputs = inputs

    def prepare(self, sample: Any) -> Any:
        """Single texts do not come here."""
        raise NotImplementedError

    def encode(self, prepared: Sequence[Sequence[int]]) -> EncodedBatch:
        """Run the model's own modules once over a batch."""
        with torch_runtime.forward_pass():
            features = self._model(self._inputs(prepared))["sentence_embedding"]
            return EncodedBatch(torch_runtime.to_numpy(features[:, : self._model.truncate_dim]))


def read_sentences(encoder: Encoder, model: Any, prompt: str, address: Address, request: LoadRequest) -> Encoder:
    """Build the encoder that a reading asks for.

    Parameters
    ----------
    encoder : Encoder
        Of whole texts, by the model's own modules.
    model : sentence_transformers.SentenceTransformer
        On its device.
    prompt : str
        Put before every text.
    address : Address
        With the user's options.
    request : LoadRequest
        What the caller wants.

    Returns
    -------
    Encoder

    Raises
    ------
    CandidateError
        When the model holds no transformer and one is needed.

    Notes
    -----
    Such a model is trained to give one vector a text, so two vectors stand for a pair unless the user asks for a joint
    input. Words and layers are read off its transformer, before the model's own pooling.
    """
    reading = request.reading
    style = (asked_style(address) or "vectors") if reading.unit == "pair" else None
    if reading.layers is None and reading.unit == "sample":
        return encoder
    if reading.layers is None and style == "vectors":
        return PairVectors(encoder)
    loaded, tokenizer = _transformer(model, prompt, encoder.card, request)
    if reading.unit == "word":
        card = replace(encoder.card, notes=(*encoder.card.notes, _NOTE.format("word vectors")))
        return word_encoder(card, loaded, tokenizer, address, request)
    single = TextEncoder(encoder.card, loaded, tokenizer)
    if reading.layers is None:
        return joint_pairs(TokenSentences(encoder.card, model, single.inputs), tokenizer, loaded)
    card = replace(encoder.card, notes=(*encoder.card.notes, _NOTE.format("layers")))
    single = TextEncoder(card, LayeredModel(loaded, request, card.address), tokenizer)
    single.complete(single.prepare("The quick brown fox"))
    if style is None:
        return single
    return PairVectors(single) if style == "vectors" else joint_pairs(single, tokenizer, loaded)


def _transformer(model: Any, prompt: str, card: ModelCard, request: LoadRequest) -> tuple[LoadedModel, Tokenizer]:
    """Find the transformer among the modules, with its tokenizer and the pooling behind it."""
    module = next((each for each in model if hasattr(each, "auto_model")), None)
    own = getattr(module, "tokenizer", None)
    if module is None or own is None:
        msg = (
            f"candidate {card.address!r} has no transformer, so it gives no words, layers or joint pairs; "
            "leave it out for this kind of reading"
        )
        raise CandidateError(msg)
    pooling = request.pooling or _own_pooling(card)
    loaded = LoadedModel(module.auto_model, None, "text", pooling, has_pooler=False)
    tokenizer, _ = wrap_tokenizer(own, limit=longest_input(module.auto_model), prompt=prompt)
    return loaded, tokenizer


def _own_pooling(card: ModelCard) -> str:
    """Read the pooling of the model's own modules; the mean where it is none or several that we have."""
    for settings in card.transform.values():
        if isinstance(settings, dict) and any(key.startswith("pooling_mode") for key in settings):
            stated = settings.get("pooling_mode") or _older(settings)
            modes = [stated] if isinstance(stated, str) else list(stated)
            names = [_POOLINGS.get(mode, mode) for mode in modes]
            return names[0] if len(names) == 1 and names[0] in TOKEN_POOLINGS else "mean"
    return "mean"


def _older(settings: dict[str, Any]) -> list[str]:
    """Read the flags of earlier versions: ``pooling_mode_mean_tokens`` and so on."""
    start = "pooling_mode_"
    flags = (key.removeprefix(start) for key, is_on in settings.items() if key.startswith(start) and is_on is True)
    return [flag.removesuffix("_tokens").removesuffix("_token") for flag in flags]
