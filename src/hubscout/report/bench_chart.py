"""The standings of a benchmark as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hubscout._optional import require
from hubscout._printable import printable
from hubscout.evaluation.standings import Standing

_WIDTH, _ROW = 560, 18


def write_standings_chart(standings: Sequence[Standing], path: Path) -> None:
    """Draw mean weighted tau with its interval, best on top; each task is a small point.

    Parameters
    ----------
    standings : sequence of Standing
        Those without a mean are not drawn.
    path : Path
        An ``.svg`` or ``.png`` file.

    Raises
    ------
    MissingExtraError
        When the library that draws is not installed.
    """
    require("vl_convert", "report", "charts")
    alt = require("altair", "report", "charts")
    shown = sorted((row for row in standings if row.mean_tau is not None), key=lambda row: -(row.mean_tau or 0.0))
    if not shown:
        return
    order = [printable(row.name) for row in shown]
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=320))
    base = alt.Chart(alt.Data(values=[_mean(row) for row in shown]))
    x = alt.X("tau:Q", title="weighted tau (mean over tasks, 90 % interval; small: single tasks)")
    colour = alt.Color("kind:N", title=None)
    means = base.mark_point(filled=True, size=60).encode(x=x, y=y, color=colour)
    bars = base.transform_filter("datum.low !== null").mark_rule().encode(x="low:Q", x2="high:Q", y=y, color=colour)
    tasks = alt.Chart(alt.Data(values=[point for row in shown for point in _tasks(row)]))
    points = tasks.mark_tick(opacity=0.5).encode(x="tau:Q", y=y)
    chart = (points + bars + means).properties(width=_WIDTH, height=_ROW * max(len(shown), 3))
    chart.save(str(path), format=path.suffix.lower()[1:])


def _mean(row: Standing) -> dict[str, Any]:
    low, high = (None, None) if row.interval is None else (row.interval.low, row.interval.high)
    return {"name": printable(row.name), "kind": row.kind, "tau": row.mean_tau, "low": low, "high": high}


def _tasks(row: Standing) -> list[dict[str, Any]]:
    return [
        {"name": printable(row.name), "task": printable(task), "tau": found.weighted_tau}
        for task, found in row.agreements.items()
    ]
