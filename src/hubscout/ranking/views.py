"""A ranking as a data frame and as HTML for notebooks."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from hubscout._optional import require
from hubscout._printable import printable
from hubscout.ranking.records import Ranking, ScoreRecord

if TYPE_CHECKING:
    import pandas as pd


def columns(ranking: Ranking) -> tuple[str, ...]:
    """Name the columns of a ranking's table: rank, candidate, each score, then what the candidate costs."""
    tail = ("features", "parameters", "samples_per_second", "seconds", "reason")
    return ("rank", "candidate", *ranking.scores, *tail)


def row(record: ScoreRecord, ranking: Ranking) -> tuple[Any, ...]:
    """Return the cells of one candidate, in the order of `columns`."""
    return (
        record.rank,
        record.candidate,
        *(record.value(score) for score in ranking.scores),
        record.n_features,
        record.n_parameters,
        record.samples_per_second,
        record.seconds,
        record.reason,
    )


def frame(ranking: Ranking) -> pd.DataFrame:
    """Return the table as a data frame; see `hubscout.ranking.records.Ranking.to_frame`."""
    pandas: Any = require("pandas", "report", "data frames")
    table: pd.DataFrame = pandas.DataFrame(
        [row(record, ranking) for record in ranking.records], columns=list(columns(ranking))
    )
    whole = ["rank", "features", "parameters"]
    real = [*ranking.scores, "samples_per_second", "seconds"]
    # Nullable integers: a missing rank must not turn the others into floats.
    return table.astype({**dict.fromkeys(whole, "Int64"), **dict.fromkeys(real, "float64")})


def html_table(ranking: Ranking) -> str:
    """Return the table as HTML in which every name is escaped."""
    head = "".join(f"<th>{_cell(name)}</th>" for name in columns(ranking))
    body = "\n".join(
        "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row(record, ranking)) + "</tr>"
        for record in ranking.records
    )
    decides = ranking.scores[0] if ranking.scores else "nothing"
    caption = f"{ranking.task.name}: {ranking.probe.n} samples, ranked by {decides} (higher is better)"
    return (
        f"<table>\n<caption>{_cell(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return html.escape(printable(value))
