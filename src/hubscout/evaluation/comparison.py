"""One ranking against a ground truth: every score, and the yardsticks that need no look at the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubscout.evaluation.agreement import Agreement, agreement
from hubscout.evaluation.ground_truth import GroundTruth
from hubscout.ranking.records import Ranking, ScoreRecord
from hubscout.ranking.ties import tie_rounded


@dataclass(frozen=True)
class Comparison:
    """One order of the candidates, and how well it agrees with the ground truth.

    Parameters
    ----------
    name : str
        What ordered the candidates.
    agreement : Agreement
        How well.
    is_yardstick : bool
        True for what needs no look at the data: number of parameters, width of the features.
    """

    name: str
    agreement: Agreement
    is_yardstick: bool = False


def compare(ranking: Ranking, truth: Sequence[GroundTruth]) -> tuple[Comparison, ...]:
    """Measure how well each score of a ranking agrees with fine-tuned accuracies.

    Parameters
    ----------
    ranking : Ranking
        Its candidates are matched to the truth by address; those without a truth are left out.
    truth : sequence of GroundTruth
        Of one task.

    Returns
    -------
    tuple of Comparison
        The scores in the ranking's order, then the yardsticks.
    """
    values = {row.model: row.value for row in truth}
    records = [record for record in ranking.records if record.candidate in values]
    reached = [values[record.candidate] for record in records]
    scores = [
        Comparison(name, agreement(tie_rounded([record.value(name) for record in records]), reached))
        for name in ranking.scores
    ]
    yardsticks = [
        Comparison(name, agreement([_size(record, field) for record in records], reached), is_yardstick=True)
        for name, field in (("number of parameters", "n_parameters"), ("width of the features", "n_features"))
    ]
    return (*scores, *yardsticks)


def _size(record: ScoreRecord, field: str) -> float | None:
    value = getattr(record, field)
    return None if value is None else float(value)
