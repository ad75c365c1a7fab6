"""What encoders of images and of texts from transformers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hubscout.errors import CandidateError
from hubscout.models import torch_runtime
from hubscout.models.card import EncodedBatch, ModelCard
from hubscout.models.transformers_layers import LayeredModel
from hubscout.models.transformers_model import LoadedModel


class TransformersEncoder:
    """A model of transformers with its own processor or tokenizer.

    Parameters
    ----------
    card : ModelCard
        Its facts.
    loaded : LoadedModel or LayeredModel
        The model, on its device.
    """

    def __init__(self, card: ModelCard, loaded: LoadedModel | LayeredModel) -> None:
        self.card = card
        self._loaded = loaded

    def inputs(self, prepared: Sequence[Any]) -> dict[str, Any]:
        """Build the model's arguments from prepared samples."""
        raise NotImplementedError

    def encode(self, prepared: Sequence[Any]) -> EncodedBatch:
        """Run the model once over a batch."""
        with torch_runtime.forward_pass():
            features, logits = self._loaded.run(self.inputs(prepared))
            return EncodedBatch(
                torch_runtime.to_numpy(features), None if logits is None else torch_runtime.to_numpy(logits)
            )

    def complete(self, first: Any) -> None:
        """Settle on a first sample what only a forward pass tells, and write it on the card."""
        with torch_runtime.forward_pass():
            self._loaded.settle(self.inputs([first]))
        outcome, again = self.encode([first]), self.encode([first])
        if not np.allclose(outcome.features, again.features, rtol=1e-3, atol=1e-5, equal_nan=True):
            msg = f"model of {self.card.address!r} gives other features each time; it cannot be ranked"
            raise CandidateError(msg)
        self.card = replace(
            self.card,
            transform={**self.card.transform, "pooling": self._loaded.pooling},
            feature_dim=int(outcome.features.shape[1]),
            source_classes=None if outcome.logits is None else int(outcome.logits.shape[1]),
            notes=(*self.card.notes, *self._loaded.late_notes),
            readouts=self._loaded.readouts,
        )
