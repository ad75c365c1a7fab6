"""Models of transformers, ready to learn: images and text."""

from __future__ import annotations

from typing import Any

from hubscout.evaluation.finetune.trainable import Trainable, learning
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import ModelCard
from hubscout.models.hub import locate
from hubscout.models.loading import LoadRequest
from hubscout.models.transformers import no_untrusted_code
from hubscout.models.transformers_image import image_encoder
from hubscout.models.transformers_model import load_model
from hubscout.models.transformers_text import text_encoder


def open_transformers(address: Address, card: ModelCard, *, trusted: bool) -> Trainable:
    """Open an ``hf:`` address for training.

    Parameters
    ----------
    address : Address
        As `hubscout.models.transformers` reads it.
    card : ModelCard
        Of the candidate, which was loaded before, so its options are known to be right.
    trusted : bool
        Whether the model's own Python code may run.

    Returns
    -------
    Trainable
        Its features are those of a ranking: what goes into a classifier's head, or the pooled tokens.
    """
    snapshot = locate(address, with_code=trusted)
    snapshot.check()
    request = LoadRequest(card.device, trust_remote_code=frozenset({str(address)} if trusted else ()))
    wanted, modality = address.options.get("pooling"), address.options.get("modality")
    with no_untrusted_code(address.name):
        loaded = load_model(snapshot.path, address.name, modality, wanted, trusted=trusted)
        loaded.model = torch_runtime.ready(loaded.model, card.device)
        encoder: Any  # of images or of text; both lay out their inputs
        if card.modality == "image":
            encoder = image_encoder(card, loaded, snapshot.path, request, trusted=trusted)
        else:
            encoder = text_encoder(card, loaded, snapshot.path, address, request, trusted=trusted)
    learning(loaded.model, card.device)
    return Trainable(card, loaded.model, encoder.prepare, encoder.inputs, lambda inputs: loaded.run(inputs)[0])
