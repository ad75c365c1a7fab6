"""Readings of pictures beyond a model's own output: boxes, points and layers, whatever the framework."""

from __future__ import annotations

from dataclasses import replace

from hubscout.models.card import Encoder, ModelCard
from hubscout.models.image_input import ImageInput
from hubscout.models.layer_encoder import layer_encoder
from hubscout.models.loading import LoadRequest
from hubscout.models.map_source import MapSource
from hubscout.models.place_encoder import place_encoder
from hubscout.models.reading import Reading


def reads_maps(reading: Reading) -> bool:
    """Whether a reading of pictures needs more than the model's own output."""
    return reading.unit in ("box", "point") or (reading.unit == "sample" and reading.layers is not None)


def read_maps(source: MapSource, request: LoadRequest, facts: ModelCard, given: ImageInput) -> Encoder:
    """Build the encoder that a reading asks for.

    Parameters
    ----------
    source : MapSource
        The model.
    request : LoadRequest
        With a reading that `reads_maps`.
    facts : ModelCard
        The card as far as it is known; its ``transform`` names the library.
    given : ImageInput
        How pictures reach the model.

    Returns
    -------
    Encoder

    Raises
    ------
    CandidateError
        When the model's maps cannot give what is asked.
    """
    facts = replace(facts, n_parameters=source.facts.n_parameters, notes=(*facts.notes, *source.facts.notes))
    build = layer_encoder if request.reading.unit == "sample" else place_encoder
    return build(source, request, facts, given)
