"""Scores that are sums of parts on scales of their own: each part is spread over 0 to 1 across the candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hubscout.ranking.records import ScoreRecord


def combine_parts(records: Sequence[ScoreRecord], scores: Sequence[str]) -> list[ScoreRecord]:
    """Replace raw sums of parts by sums of parts that are comparable.

    Parameters
    ----------
    records : sequence of ScoreRecord
        Of one ranking.
    scores : sequence of str
        Their scores.

    Returns
    -------
    list of ScoreRecord
        In the given order. A value with parts becomes ``sum_p (v_p - min v_p) / (max v_p - min v_p)``, minimum and
        maximum over the candidates that have the part; a part that all share gives 0. The parts stay as they are. A
        candidate alone keeps its raw sum.

    Notes
    -----
    So DISCO adds the confidence in box classes to the fit of box coordinates, and ETran its three parts. The value
    depends on who takes part: adding a candidate can move all the others, and no error is stated of it.
    """
    combined = list(records)
    for score in scores:
        places = [place for place, record in enumerate(records) if _parts(record, score)]
        if len(places) < 2:
            continue
        names = list(_parts(records[places[0]], score))
        low = {name: min(_parts(records[place], score)[name] for place in places) for name in names}
        high = {name: max(_parts(records[place], score)[name] for place in places) for name in names}
        for place in places:
            parts = _parts(records[place], score)
            value = sum(
                (parts[name] - low[name]) / (high[name] - low[name]) if high[name] > low[name] else 0.0
                for name in names
            )
            entry = replace(combined[place].scores[score], value=value, standard_error=None)
            combined[place] = replace(combined[place], scores={**combined[place].scores, score: entry})
    return combined


def _parts(record: ScoreRecord, score: str) -> dict[str, float]:
    entry = record.scores.get(score)
    # A single part has nothing to be added to, and keeps its own scale and error.
    return {} if entry is None or entry.value is None or len(entry.parts) < 2 else entry.parts
