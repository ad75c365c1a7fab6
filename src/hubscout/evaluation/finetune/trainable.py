"""A candidate that learns: its module, its inputs, and the way to features with gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hubscout.models.card import ModelCard


@dataclass(frozen=True)
class Trainable:
    """What the training loop needs of a candidate.

    Parameters
    ----------
    card : ModelCard
        Its facts; ``feature_dim`` is the width D of the features.
    module : torch.nn.Module
        All its parameters; those with ``requires_grad`` learn.
    prepare : callable
        From a decoded sample to the model's input, as in a ranking.
    collate : callable
        From prepared inputs to what ``features`` takes, on the device.
    features : callable
        From a batch to features of shape (b, D), with gradients.
    """

    card: ModelCard
    module: Any
    prepare: Callable[[Any], Any]
    collate: Callable[[Sequence[Any]], Any]
    features: Callable[[Any], Any]

    @property
    def device(self) -> str:
        """Where it runs."""
        return self.card.device


def learning(module: Any, device: str) -> Any:
    """Put a module into the state for training: float32, gradients everywhere, on its device.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place.
    device : str
        Of torch.

    Returns
    -------
    torch.nn.Module
    """
    from hubscout.models import torch_runtime

    return torch_runtime.ready(module, device).requires_grad_(requires_grad=True)
