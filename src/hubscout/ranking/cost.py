"""What is worth its cost: candidates that no other beats in score without costing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hubscout.ranking.records import Cost, ScoreRecord
from hubscout.ranking.ties import tie_rounded


def pareto_front(values: Sequence[float], costs: Sequence[float]) -> list[bool]:
    """Find what no other is at least as good as at no more cost, and better in one of the two.

    Parameters
    ----------
    values : sequence of float
        Higher is better; what differs by rounding alone is equal.
    costs : sequence of float
        Lower is better.

    Returns
    -------
    list of bool
        In the given order. Of equal ones in both, all are on the front or none.

    Examples
    --------
    >>> pareto_front([0.9, 0.8, 0.7, 0.9], [30.0, 5.0, 10.0, 40.0])
    [True, True, False, False]
    """
    tied = [value or 0.0 for value in tie_rounded(values)]
    order = sorted(range(len(tied)), key=lambda place: (costs[place], -tied[place]))
    is_on = [False] * len(tied)
    best, best_cost = float("-inf"), float("-inf")
    for place in order:
        if tied[place] > best or (tied[place] == best and costs[place] == best_cost):
            is_on[place] = True
            best, best_cost = tied[place], costs[place]
    return is_on


def mark_efficient(records: Sequence[ScoreRecord], score: str) -> tuple[ScoreRecord, ...]:
    """Mark the ranked candidates that are worth their cost.

    Parameters
    ----------
    records : sequence of ScoreRecord
        Of one ranking.
    score : str
        The deciding score.

    Returns
    -------
    tuple of ScoreRecord
        With ``efficient_in``: the costs in which a candidate is on the front. Candidates whose cost is unknown are on
        no front of it. A front of fewer than two candidates says nothing, and is left out.
    """
    efficient: dict[int, list[Cost]] = {place: [] for place in range(len(records))}
    for name in _COSTS:
        known = [
            (place, record.value(score), _cost(record, name))
            for place, record in enumerate(records)
            if record.status == "ranked"
        ]
        points = [(place, value, cost) for place, value, cost in known if value is not None and cost is not None]
        if len(points) < 2:
            continue
        front = pareto_front([value for _, value, _ in points], [cost for _, _, cost in points])
        for (place, _, _), is_on in zip(points, front, strict=True):
            if is_on:
                efficient[place].append(name)
    return tuple(
        replace(record, efficient_in=tuple(efficient[place]), is_efficient=bool(efficient[place]))
        for place, record in enumerate(records)
    )


_COSTS: tuple[Cost, ...] = ("parameters", "macs", "time")


def _cost(record: ScoreRecord, name: Cost) -> float | None:
    if name == "time":
        return 1 / record.samples_per_second if record.samples_per_second else None
    return record.n_parameters if name == "parameters" else record.n_macs
