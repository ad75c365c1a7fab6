"""Modules made by a user's factory, ready to learn: images and text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hubscout.errors import CandidateError
from hubscout.evaluation.finetune.trainable import Trainable, learning
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import ModelCard
from hubscout.models.image_transform import IMAGE_OPTIONS, transform_from_options
from hubscout.models.pooling import pad, pool_tokens
from hubscout.models.torch_factory import build, find_factory, json_value, load_weights

_OURS = ("weights", "modality", "max_length")


def open_torch(address: Address, card: ModelCard, *, trusted: bool) -> Trainable:  # noqa: ARG001
    """Open a ``torch:`` address for training.

    Parameters
    ----------
    address : Address
        As `hubscout.models.torch` reads it.
    card : ModelCard
        Of the candidate.
    trusted : bool
        Without meaning here: who writes such an address names code that runs.

    Returns
    -------
    Trainable
    """
    ours = _OURS if card.modality == "text" else (*_OURS, *IMAGE_OPTIONS)
    arguments = {key: json_value(text) for key, text in address.options.items() if key not in ours}
    model = build(address, find_factory(address.name), arguments)
    load_weights(model, address)
    model = learning(model, card.device)
    return _text(card, model) if card.modality == "text" else _images(address, card, model)


def image_features(model: Any) -> Callable[[Any], Any]:
    """Return the way from a batch of pictures to pooled features, as a ranking reads them, with gradients.

    Parameters
    ----------
    model : torch.nn.Module
        With ``forward_features`` and ``forward_head(f, pre_logits=True)``, or with a ``forward`` that returns features.
    """
    if callable(getattr(model, "forward_features", None)) and callable(getattr(model, "forward_head", None)):
        return lambda batch: torch_runtime.pool_map(model.forward_head(model.forward_features(batch), pre_logits=True))
    return lambda batch: torch_runtime.pool_map(first_tensor(model(batch)))


def first_tensor(output: Any) -> Any:
    """Find the features in what a module returned.

    Raises
    ------
    CandidateError
        When there is no tensor.
    """
    import torch

    for name in ("features", "pooler_output", "last_hidden_state"):
        inner = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if isinstance(inner, torch.Tensor):
            return inner
    values = tuple(output.values()) if isinstance(output, Mapping) else output
    if isinstance(values, list | tuple):
        values = next((item for item in values if isinstance(item, torch.Tensor)), None)
    if not isinstance(values, torch.Tensor):
        msg = f"the module must return a tensor, or a tuple or dict that holds one, got {type(output).__name__}"
        raise CandidateError(msg)
    return values


def _images(address: Address, card: ModelCard, model: Any) -> Trainable:
    stated = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    transform, _ = transform_from_options(address.options, stated if isinstance(stated, Mapping) else {})

    def collate(rows: Sequence[Any]) -> Any:
        return torch_runtime.image_batch(rows, card.device)

    return Trainable(card, model, transform, collate, image_features(model))


def _text(card: ModelCard, model: Any) -> Trainable:
    import torch

    longest = int(card.transform["max_length"])

    def prepare(sample: str) -> list[int]:
        return [int(token) for token in model.tokenize(sample)][:longest] or [0]

    def collate(rows: Sequence[Sequence[int]]) -> Any:
        return tuple(torch.from_numpy(array).to(card.device) for array in pad(rows, 0))

    def features(batch: Any) -> Any:
        vectors = first_tensor(model(*batch))
        if vectors.ndim == 3:
            return pool_tokens(vectors, batch[1], card.transform["pooling"])
        return torch_runtime.pool_map(vectors)

    return Trainable(card, model, prepare, collate, features)
