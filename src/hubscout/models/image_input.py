"""How pictures reach a model, and which of its layers are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hubscout.errors import CandidateError
from hubscout.models.image_transform import ImageTransform
from hubscout.models.loading import LoadRequest
from hubscout.models.map_source import MapSource
from hubscout.models.reading import choose_layers


@dataclass(frozen=True)
class ImageInput:
    """How pictures reach a model.

    Parameters
    ----------
    prepare : callable
        The model's usual transform, from a picture to an array of shape (channels, height, width).
    stated : dict
        That transform as plain JSON values, for the card.
    pixels : ImageTransform
        Size, colours and interpolation, for when the whole picture is scaled into the input.
    """

    prepare: Callable[[Any], Any]
    stated: dict[str, Any]
    pixels: ImageTransform

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the input."""
        return self.pixels.channels, self.pixels.height, self.pixels.width


def chosen_places(source: MapSource, request: LoadRequest, address: str) -> tuple[list[int], tuple[str, ...]]:
    """Find the levels of the layers asked for; layer 0 is left out, with a note, where the model does not give it.

    Parameters
    ----------
    source : MapSource
        The model.
    request : LoadRequest
        Its reading names layers.
    address : str
        Named in errors.

    Returns
    -------
    places : list of int
        Ascending positions in the levels.
    notes : tuple of str

    Raises
    ------
    CandidateError
        When nothing is left.
    UsageError
        When a layer lies beyond the model's depth.
    """
    levels = source.facts.levels
    layers = choose_layers(request.reading.layers or "all", source.facts.depth, address)
    places = [place for place, level in enumerate(levels) if level.layer in layers]
    if not places:
        msg = f"candidate {address!r} does not give what goes into its first layer; ask for layers from 1 on"
        raise CandidateError(msg)
    if len(places) < len(layers):
        return places, ("layer 0 is left out: this model does not give what goes into its first layer",)
    return places, ()


def asked_poolings(request: LoadRequest) -> tuple[str, ...]:
    """Return the poolings asked for, one or several; none for the model's own choice."""
    if request.reading.poolings or request.pooling is None:
        return request.reading.poolings
    return (request.pooling,)
