"""What is read off a model: of which unit, from which layers, by which poolings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hubscout._typing import Unit
from hubscout.errors import UsageError


@dataclass(frozen=True)
class Reading:
    """What the caller wants a model's features to be.

    Parameters
    ----------
    unit : {"sample", "pair", "box", "word", "point"}
        What one row belongs to; the samples are then those of `hubscout.data.parts`.
    layers : tuple of int, "all" or None
        Layers to read, from 1 to the model's depth, or from -1 backwards; 0 is what goes into the first layer. None
        reads the model's own output.
    poolings : tuple of str
        How tokens or maps become one vector, among ``cls``, ``mean``, ``max``, ``last`` and ``pooler``; empty for
        the adapter's own choice. Several need layers.
    typical_size : float or None
        Median over the boxes of the root of their area, as a share of the image's: chooses the level of a pyramid.
    """

    unit: Unit = "sample"
    layers: tuple[int, ...] | Literal["all"] | None = None
    poolings: tuple[str, ...] = ()
    typical_size: float | None = None


OWN_OUTPUT = Reading()


@dataclass(frozen=True)
class Readout:
    """One layer, pooled in one way: some columns of the features.

    Parameters
    ----------
    layer : int
        From 0, what goes into the first layer, to the model's depth.
    pooling : str
        How it became one vector.
    width : int
        Number of columns; readouts stand side by side in the features, in order.
    """

    layer: int
    pooling: str
    width: int

    @property
    def name(self) -> str:
        """Return ``layer 3, mean``."""
        return f"layer {self.layer}, {self.pooling}"


def choose_layers(layers: Sequence[int] | Literal["all"], depth: int, address: str) -> tuple[int, ...]:
    """Resolve the asked layers of a model of known depth.

    Parameters
    ----------
    layers : sequence of int, or "all"
        As in `Reading`.
    depth : int
        Number of layers.
    address : str
        Named in errors.

    Returns
    -------
    tuple of int
        Ascending, from 0 to ``depth``, each once. "all" leaves out 0.

    Raises
    ------
    UsageError
        When a layer is not there.

    Examples
    --------
    >>> choose_layers([-1, 2, 12], 12, "hf:org/name")
    (2, 12)
    """
    if layers == "all":
        return tuple(range(1, depth + 1))
    chosen = set()
    for layer in layers:
        if not -depth <= layer <= depth:
            msg = f"layers (--layers) of {address!r} must lie between {-depth} and {depth}, got {layer}"
            raise UsageError(msg)
        chosen.add(layer + depth + 1 if layer < 0 else layer)
    return tuple(sorted(chosen))
