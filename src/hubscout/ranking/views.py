"""A ranking as a data frame and as HTML for notebooks."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from hubscout._optional import require
from hubscout._printable import printable
from hubscout.ranking.records import Ranking, ScoreRecord

if TYPE_CHECKING:
    import pandas as pd


_COSTS = ("features", "parameters", "samples_per_second", "seconds", "reason")


def columns(ranking: Ranking) -> tuple[str, ...]:
    """Name the columns of a ranking's table: rank, candidate, each score and its error, then what it costs."""
    scores = (name for score in ranking.scores for name in (score, f"{score}_standard_error"))
    return ("rank", "candidate", *scores, *_COSTS)


def row(record: ScoreRecord, ranking: Ranking) -> tuple[Any, ...]:
    """Return the cells of one candidate, in the order of `columns`."""
    scores = (cell for score in ranking.scores for cell in (record.value(score), _error(record, score)))
    return (record.rank, record.candidate, *scores, *_costs(record))


def frame(ranking: Ranking) -> pd.DataFrame:
    """Return the table as a data frame; see `hubscout.ranking.records.Ranking.to_frame`."""
    pandas: Any = require("pandas", "report", "data frames")
    table: pd.DataFrame = pandas.DataFrame(
        [row(record, ranking) for record in ranking.records], columns=list(columns(ranking))
    )
    whole = ["rank", "features", "parameters"]
    errors = [f"{score}_standard_error" for score in ranking.scores]
    real = [*ranking.scores, *errors, "samples_per_second", "seconds"]
    # Nullable integers: a missing rank must not turn the others into floats.
    return table.astype({**dict.fromkeys(whole, "Int64"), **dict.fromkeys(real, "float64")})


def html_table(ranking: Ranking) -> str:
    """Return the table as HTML in which every name is escaped."""
    head = "".join(f"<th>{_cell(name)}</th>" for name in ("rank", "candidate", *ranking.scores, *_COSTS))
    body = "\n".join(_html_row(record, ranking) for record in ranking.records)
    decides = ranking.scores[0] if ranking.scores else "nothing"
    caption = f"{ranking.task.name}: {ranking.probe.n} samples, ranked by {decides} (higher is better)"
    return (
        f"<table>\n<caption>{_cell(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def _html_row(record: ScoreRecord, ranking: Ranking) -> str:
    cells = [_cell(record.rank), _cell(record.candidate)]
    for score in ranking.scores:
        error = _error(record, score)
        cells.append(_cell(record.value(score)) + ("" if error is None else f" ± {_cell(error)}"))
    cells += [_cell(value) for value in _costs(record)]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _error(record: ScoreRecord, score: str) -> float | None:
    entry = record.scores.get(score)
    return None if entry is None else entry.standard_error


def _costs(record: ScoreRecord) -> tuple[Any, ...]:
    """Return the cells of the columns `_COSTS`."""
    return (record.n_features, record.n_parameters, record.samples_per_second, record.seconds, record.reason)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return html.escape(printable(value))
