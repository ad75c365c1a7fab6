"""Who is first: candidates by falling value, then those without one, then those that failed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from hubscout.ranking.records import ScoreRecord
from hubscout.ranking.ties import tie_rounded


def order_records(records: Sequence[ScoreRecord], score: str) -> tuple[ScoreRecord, ...]:
    """Sort candidates by one score and give them their ranks.

    Parameters
    ----------
    records : sequence of ScoreRecord
        In any order; those that are ``unranked`` for a reason of their own stay so.
    score : str
        The deciding score; higher is better.

    Returns
    -------
    tuple of ScoreRecord
        Ranked candidates by falling value, the given order within ties, which share the better rank (1, 1,
        3) and may differ by rounding; then candidates without a value, with the reason; those that were out
        before, who saw the most samples first; failed ones last.
    """
    with_value = [r for r in records if r.status == "ranked" and r.value(score) is not None]
    without = [r for r in records if r.status == "ranked" and r.value(score) is None]
    excluded = sorted(
        (r for r in records if r.status == "unranked"),
        key=lambda r: (-(r.n_samples or 0), -(-math.inf if (value := r.value(score)) is None else value)),
    )
    failed = [r for r in records if r.status == "failed"]
    values = [value or 0.0 for value in tie_rounded([r.value(score) for r in with_value])]
    ranked = [
        replace(
            with_value[place], status="ranked", rank=1 + sum(other > values[place] for other in values), reason=None
        )
        for place in sorted(range(len(values)), key=lambda place: -values[place])
    ]
    unranked = [replace(r, status="unranked", rank=None, reason=_no_value(r, score)) for r in without]
    return (*ranked, *unranked, *(replace(r, rank=None) for r in excluded), *(replace(r, rank=None) for r in failed))


def _no_value(record: ScoreRecord, score: str) -> str:
    entry = record.scores.get(score)
    why = entry.reason if entry is not None and entry.reason else "it was not computed"
    return f"{score} has no value: {why}"
