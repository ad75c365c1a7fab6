"""Boxes and points of pictures, read from the maps of a vision model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import CandidateError
from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.image_input import ImageInput, asked_poolings, chosen_places
from hubscout.models.levels import Level, assign_levels, choose_level
from hubscout.models.loading import LoadRequest
from hubscout.models.map_source import MapSource, blank
from hubscout.models.reading import Readout
from hubscout.models.regions import BINS, pool_boxes, sample_points
from hubscout.models.whole_image import PlacedInput, WholeImageTransform

_BOXES = f"RoIAlign, {BINS} x {BINS} bins of 2 x 2 samples, mean over the bins"
_POINTS = "bilinear"


class PlaceEncoder:
    """Reads one vector for each box or point of a picture.

    Parameters
    ----------
    card : ModelCard
        Its facts; the unit decides between boxes and points.
    source : MapSource
        The model.
    transform : WholeImageTransform
        From a picture with places to the input and the places in it.
    chosen : sequence of int
        Positions of the levels that are read.
    by_size : bool
        Whether each box is read from the one of them that fits its size; else from all, side by side.
    """

    def __init__(
        self,
        card: ModelCard,
        source: MapSource,
        transform: WholeImageTransform,
        chosen: Sequence[int],
        *,
        by_size: bool = False,
    ) -> None:
        self.card = card
        self._source = source
        self._transform = transform
        self._chosen = tuple(chosen)
        self._by_size = by_size
        self._pool = pool_boxes if card.unit == "box" else sample_points

    def prepare(self, sample: Any) -> PlacedInput:
        """Scale a whole picture into the input, and its places with it."""
        return self._transform(sample)

    def encode(self, prepared: Sequence[PlacedInput]) -> EncodedBatch:
        """Run the model once over a batch; one row for each place, picture after picture."""
        counts = [len(item.places) for item in prepared]
        places = np.concatenate([item.places for item in prepared])
        with self._source.session():
            outputs = self._source.run([item.pixels for item in prepared], self._chosen, whole=False)
            maps = [layer.maps for layer in outputs.layers]
            if self._by_size:
                return EncodedBatch(self._each_from_its_level(maps, places, counts))
            pooled = [self._source.finish(self._pool(each, places, counts)) for each in maps]
            return EncodedBatch(self._source.to_host(pooled))

    def _each_from_its_level(
        self, maps: Sequence[Any], boxes: npt.NDArray[np.float64], counts: Sequence[int]
    ) -> npt.NDArray[np.float32]:
        levels = [self._source.facts.levels[place] for place in self._chosen]
        level = assign_levels(levels, boxes, self._transform.usual.height, self._transform.usual.width)
        image = np.repeat(np.arange(len(counts)), counts)
        features = np.empty((len(boxes), levels[0].width), dtype=np.float32)
        for index in np.unique(level):
            here = level == index
            count = np.bincount(image[here], minlength=len(counts)).tolist()
            features[here] = self._source.to_host([self._pool(maps[index], boxes[here], count)])
        return features


def place_encoder(source: MapSource, request: LoadRequest, facts: ModelCard, given: ImageInput) -> Encoder:
    """Build an encoder that reads boxes or points. See `hubscout.models.image_readings.read_maps`."""
    levels, reading = source.facts.levels, request.reading
    by_size = source.facts.is_pyramid and reading.unit == "box" and reading.layers is None
    notes: tuple[str, ...] = ()
    if reading.layers is not None:
        places, notes = chosen_places(source, request, facts.address)
    elif by_size:
        places = [place for place, level in enumerate(levels) if level.has_places]
    elif any(level.has_places for level in levels):
        places = [choose_level(levels, reading.typical_size)]
    else:
        places = [len(levels) - 1]
    chosen = [levels[place] for place in places]
    _require_places(chosen, facts.address)
    notes = (*notes, *_place_poolings(request, facts.address))
    transform = WholeImageTransform(given.pixels)
    stated = {
        **facts.transform,
        **transform.to_dict(),
        **source.facts.transform,
        "levels": [_describe(level) for level in chosen],
        "level_of": "each box by its size" if by_size else "all",
        "places": _BOXES if reading.unit == "box" else _POINTS,
    }
    widths = [level.width for level in chosen]
    card = replace(
        facts,
        transform=stated,
        feature_dim=widths[0] if by_size else sum(widths),
        source_classes=None,  # its logits belong to whole pictures, not to boxes
        unit=reading.unit,
        readouts=() if reading.layers is None else tuple(Readout(each.layer, "mean", each.width) for each in chosen),
        notes=(*facts.notes, *notes, *_level_note(chosen, source, by_size=by_size)),
    )
    encoder = PlaceEncoder(card, source, transform, places, by_size=by_size)
    whole = np.array([[0.0, 0.0, 1.0, 1.0]] if reading.unit == "box" else [[0.5, 0.5]])
    encoder.encode([PlacedInput(blank(given.shape), whole)])  # what cannot run fails here, before any data is read
    return encoder


def _place_poolings(request: LoadRequest, address: str) -> tuple[str, ...]:
    """Hold the asked poolings against what boxes and points have: RoIAlign's mean, which is no choice."""
    asked = asked_poolings(request)
    rest = [pooling for pooling in asked if pooling != "mean"]
    if not rest:
        return ()
    if request.reading.layers is not None and "mean" not in asked:
        msg = f"candidate {address!r} pools boxes and points by 'mean' alone, got {', '.join(rest)} (--pool); add mean"
        raise CandidateError(msg)
    return (f"poolings not used, since boxes and points are pooled by their mean: {', '.join(rest)}",)


def _require_places(levels: Sequence[Level], address: str) -> None:
    for level in levels:
        if not level.has_places:
            msg = (
                f"candidate {address!r} gives no map in which places can be told apart ({level.name!r} is "
                f"{level.rows} x {level.columns}); leave it out for this kind of task"
            )
            raise CandidateError(msg)


def _level_note(chosen: Sequence[Level], source: MapSource, *, by_size: bool) -> tuple[str, ...]:
    if by_size:
        return (f"each box is read from the one of {len(chosen)} levels of the pyramid that fits its size",)
    if len(chosen) > 1:
        return ()
    level = chosen[0]
    of = f"layer {level.layer} of {source.facts.depth} ({level.name}, {level.rows} x {level.columns} cells)"
    return (f"read from {of}",)


def _describe(level: Level) -> dict[str, Any]:
    return {"layer": level.layer, "name": level.name, "cells": [level.rows, level.columns]}
