"""What a framework's side offers for reading layers, boxes and points: maps of chosen layers from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hubscout.models import torch_runtime
from hubscout.models.levels import Level


class LayerOutput(NamedTuple):
    """What one layer gave for a batch, in the framework's arrays.

    Parameters
    ----------
    maps : array of shape (b, d, h, w) or (b, n, d)
        A map, or the vectors of n tokens that have no place.
    class_token : array of shape (b, d) or None
        Where the model has one.
    """

    maps: Any
    class_token: Any | None = None


class Outputs(NamedTuple):
    """What one forward pass gave for a batch.

    Parameters
    ----------
    layers : list of LayerOutput
        In the order of the levels asked for.
    own : array of shape (b, d) or None
        The model's own features, where they were asked for.
    logits : array of shape (b, source_classes) or None
        Of the source head, where they were asked for and there is one.
    """

    layers: list[LayerOutput]
    own: Any | None = None
    logits: Any | None = None


@dataclass(frozen=True)
class SourceFacts:
    """What is known about a source of maps before anything is read.

    Parameters
    ----------
    levels : tuple of Level
        From the first layer to the last.
    own_pooling : str or None
        How the model makes its own features of its last layer: ``cls``, ``mean``, ``max``, or ``pooler`` for
        anything else; None when it has none beside its layers.
    is_pyramid : bool
        Whether the levels are of one width and meant to be read by the size of a box.
    n_parameters : int or None
        Of the encoder without its source head.
    transform : dict
        For the card: where the maps come from.
    notes : tuple of str
        For the card.
    """

    levels: tuple[Level, ...]
    own_pooling: str | None = None
    is_pyramid: bool = False
    n_parameters: int | None = None
    transform: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def depth(self) -> int:
        """Number of the last layer."""
        return self.levels[-1].layer


class MapSource(Protocol):
    """A model whose layers can be read."""

    facts: SourceFacts

    def session(self) -> AbstractContextManager[None]:
        """Surround everything that is computed for one batch."""
        ...

    def run(self, images: Sequence[Any], chosen: Sequence[int], *, whole: bool) -> Outputs:
        """Run the model once.

        Parameters
        ----------
        images : sequence of arrays of shape (channels, height, width)
            One batch.
        chosen : sequence of int
            Ascending positions in the levels.
        whole : bool
            Whether the model's own features and logits are wanted too.
        """
        ...

    def finish(self, vectors: Any) -> Any:
        """Do what the model does to pooled vectors."""
        ...

    def to_host(self, columns: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Put arrays of shape (n, d) side by side in one NumPy array."""
        ...


class TorchSource:
    """The part that all sources of torch share.

    Parameters
    ----------
    device : str
        Where the model is.
    """

    def __init__(self, device: str) -> None:
        self._device = device

    def session(self) -> AbstractContextManager[None]:
        """Run without gradients; a full memory is a `MemoryError`."""
        return torch_runtime.forward_pass()

    def finish(self, vectors: Any) -> Any:
        """Leave pooled vectors as they are."""
        return vectors

    def to_host(self, columns: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Put tensors of shape (n, d) side by side in one NumPy array."""
        import torch

        return torch_runtime.to_numpy(torch.cat([column.float() for column in columns], dim=1))


def blank(shape: Sequence[int]) -> npt.NDArray[np.float32]:
    """Make an input to find shapes with.

    Parameters
    ----------
    shape : sequence of int
        Channels, height, width.

    Returns
    -------
    ndarray of shape (channels, height, width), float32
        Uniform noise of a fixed seed: on a constant, different poolings would look the same.
    """
    return np.random.default_rng(0).random(tuple(shape), dtype=np.float32)
