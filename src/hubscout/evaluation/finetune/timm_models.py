"""Models of timm, ready to learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubscout.evaluation.finetune.torch_models import image_features
from hubscout.evaluation.finetune.trainable import Trainable, learning
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import ModelCard
from hubscout.models.hub import locate
from hubscout.models.timm import import_timm


def open_timm(address: Address, card: ModelCard, *, trusted: bool) -> Trainable:  # noqa: ARG001
    """Open a ``timm:`` address for training.

    Parameters
    ----------
    address : Address
        As `hubscout.models.timm` reads it.
    card : ModelCard
        Of the candidate, which was loaded before, so the name is known to be right.
    trusted : bool
        Without meaning here: timm runs no code of a model.

    Returns
    -------
    Trainable
    """
    timm = import_timm()
    model = learning(_create(timm, address), card.device)
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**config, is_training=False)

    def collate(rows: Sequence[Any]) -> Any:
        return torch_runtime.image_batch(rows, card.device)

    return Trainable(card, model, transform, collate, image_features(model))


def _create(timm: Any, address: Address) -> Any:
    """Build the model from the files that a ranking takes."""
    if ":" in address.name:
        return timm.create_model(f"local-dir:{locate(address).path}", pretrained=True)
    config = timm.get_pretrained_cfg(address.name)
    if config.hf_hub_id is None or config.custom_load:
        return timm.create_model(address.name, pretrained=True)
    snapshot = locate(Address("timm", f"hf-hub:{config.hf_hub_id}", address.revision))
    snapshot.check()
    named = [file for file in snapshot.weights if file.name == config.hf_hub_filename]
    file = (named or snapshot.weights)[0]
    return timm.create_model(address.name, pretrained=True, pretrained_cfg_overlay={"file": str(file)})
