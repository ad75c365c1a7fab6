"""The card of an ONNX file, once a first batch has told its widths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hubscout._typing import Modality
from hubscout.models.card import EncodedBatch, ModelCard


def complete_card(
    facts: ModelCard, modality: Modality, stated: dict[str, Any], probe: EncodedBatch, notes: tuple[str, ...]
) -> ModelCard:
    """Complete a card with what a first batch tells.

    Parameters
    ----------
    facts : ModelCard
        The card as far as it is known.
    modality : {"image", "text"}
        What the file takes.
    stated : dict
        The card's ``transform``.
    probe : EncodedBatch
        Of a first batch.
    notes : tuple of str
        Added to those that are there.

    Returns
    -------
    ModelCard
    """
    width = int(probe.features.shape[1])
    n_classes = None if probe.logits is None else int(probe.logits.shape[1])
    parameters = facts.n_parameters
    if parameters is not None and n_classes is not None:
        parameters -= n_classes * (width + 1)  # the head: one weight a feature and a bias, for each class
    return replace(
        facts,
        modality=modality,
        transform=stated,
        feature_dim=width,
        source_classes=n_classes,
        n_parameters=parameters if parameters is None or parameters > 0 else None,
        notes=(*facts.notes, *notes),
    )
