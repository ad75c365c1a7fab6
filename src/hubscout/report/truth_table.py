"""The order of a score beside the order after fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from hubscout.evaluation.ground_truth import GroundTruth
from hubscout.ranking.records import Ranking
from hubscout.report.fitting import Column, build_table, fit
from hubscout.report.numbers import DASH, with_error


def truth_table(ranking: Ranking, truth: Sequence[GroundTruth], width: int) -> RenderableType:
    """Lay out what each candidate reached, in the order in which the score put them.

    Parameters
    ----------
    ranking : Ranking
        The order.
    truth : sequence of GroundTruth
        Of one task, matched by address.
    width : int
        Columns of the terminal.

    Returns
    -------
    rich renderable
    """
    known = {row.model: row for row in truth}
    reached = [known.get(record.candidate) for record in ranking.records]
    values = sorted((row.value for row in reached if row is not None), reverse=True)
    columns = [
        Column(ranking.scores[0], tuple(str(record.rank or DASH) for record in ranking.records)),
        Column("fine-tuned", tuple(DASH if row is None else str(1 + values.index(row.value)) for row in reached)),
        Column(
            "accuracy",
            tuple(DASH if row is None else with_error(row.value, row.standard_error, 3) for row in reached),
            short=tuple(DASH if row is None else with_error(row.value, None, 3) for row in reached),
            shortens=1,
        ),
        Column("candidate", tuple(record.candidate for record in ranking.records), justify="left", folds=True),
    ]
    shown, _ = fit(columns, width)
    return build_table(shown)
