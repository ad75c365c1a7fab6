"""Several layers of a vision model, pooled in one or several ways, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.image_input import ImageInput, asked_poolings, chosen_places
from hubscout.models.image_poolings import Chosen, plan_readouts, pool_layer
from hubscout.models.loading import LoadRequest
from hubscout.models.map_source import MapSource, blank
from hubscout.models.reading import Readout


class LayerEncoder:
    """Reads several layers, pooled in one or several ways, from one forward pass.

    Parameters
    ----------
    card : ModelCard
        Its facts.
    source : MapSource
        The model.
    prepare : callable
        Its usual transform.
    chosen : Chosen
        What is read.
    """

    def __init__(self, card: ModelCard, source: MapSource, prepare: Callable[[Any], Any], chosen: Chosen) -> None:
        self.card = card
        self._source = source
        self._prepare = prepare
        self._chosen = chosen

    def prepare(self, sample: Any) -> Any:
        """Transform one picture with the model's usual transform."""
        return self._prepare(sample)

    def encode(self, prepared: Sequence[Any]) -> EncodedBatch:
        """Run the model once over a batch."""
        with self._source.session():
            columns, logits = self._columns(prepared)
            return EncodedBatch(
                self._source.to_host(columns), None if logits is None else self._source.to_host([logits])
            )

    def widths(self, prepared: Sequence[Any]) -> tuple[list[int], int | None]:
        """Find the width of each readout, and of the logits, on a batch."""
        with self._source.session():
            columns, logits = self._columns(prepared)
            return [int(column.shape[1]) for column in columns], None if logits is None else int(logits.shape[1])

    def _columns(self, prepared: Sequence[Any]) -> tuple[list[Any], Any]:
        outputs = self._source.run(prepared, self._chosen.places, whole=True)
        layers = dict(zip(self._chosen.places, outputs.layers, strict=True))
        columns = [
            outputs.own if each.is_own else self._source.finish(pool_layer(layers[each.place], each.how))
            for each in self._chosen.readouts
        ]
        return columns, outputs.logits


def layer_encoder(source: MapSource, request: LoadRequest, facts: ModelCard, given: ImageInput) -> Encoder:
    """Build an encoder that reads layers. See `hubscout.models.image_readings.read_maps`."""
    levels = source.facts.levels
    places, notes = chosen_places(source, request, facts.address)
    chosen = plan_readouts(source.facts, places, asked_poolings(request), facts.address)
    stated = {**facts.transform, **given.stated, **source.facts.transform, "layers": [levels[k].name for k in places]}
    probe = LayerEncoder(facts, source, given.prepare, chosen)
    widths, n_classes = probe.widths([blank(given.shape)])
    readouts = tuple(
        Readout(levels[each.place].layer, each.how, width) for each, width in zip(chosen.readouts, widths, strict=True)
    )
    card = replace(
        facts,
        transform=stated,
        feature_dim=sum(widths),
        source_classes=n_classes,
        readouts=readouts,
        notes=(*facts.notes, *notes, *chosen.notes),
    )
    return LayerEncoder(card, source, given.prepare, chosen)
