"""How well scores and baselines agreed with the truth over many tasks, as a table and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from hubscout.evaluation.bootstrap import Interval
from hubscout.evaluation.published import PublishedTable
from hubscout.evaluation.standings import Standing
from hubscout.report.fitting import Column, build_table, fit
from hubscout.report.numbers import DASH

_LEGEND = (
    "mean tau: mean weighted tau over tasks in SciPy's convention, 1 is the order of fine-tuning, 0 is chance, with a "
    "90 % interval over candidates and tasks; truth-weighted: weights from the truth alone; worst: the lowest task; "
    "regret@1: points of accuracy lost by taking the first; lift: mean tau above the static order, the mean place on "
    "the other tasks; seconds: of one candidate, features and their decomposition being ready. Orders in brackets do "
    "not look at the data."
)
_CSV = (
    "table", "name", "kind", "mean_weighted_tau", "low", "high", "mean_truth_weighted_tau", "worst_task", "worst_tau",
    "regret_at_1", "hit_rate", "lift", "lift_low", "lift_high", "seconds", "n_tasks", "n_tasks_left_out",
    "n_candidates_dropped",
)  # fmt: skip


def bench_table(standings: Sequence[Standing], width: int) -> RenderableType:
    """Lay out standings.

    Parameters
    ----------
    standings : sequence of Standing
        In the order they are shown.
    width : int
        Columns of the terminal.

    Returns
    -------
    rich renderable
    """
    rows = list(standings)
    columns = [
        Column("ordered by", tuple(_name(row) for row in rows), justify="left", folds=True),
        Column("mean tau", tuple(_signed(row.mean_tau) for row in rows)),
        Column("90 %", tuple(_bounds(row.interval) for row in rows), 2, name="90 %"),
        Column("truth-w.", tuple(_signed(row.mean_tau_truth) for row in rows), 6, name="truth-w."),
        Column("worst", tuple(_signed(row.worst_tau) for row in rows), 3, name="worst"),
        Column("regret@1", tuple(_points(row.regret) for row in rows)),
        Column("hits", tuple(_percent(row.hit_rate) for row in rows), 5, name="hits"),
        Column("lift", tuple(_signed(row.lift) for row in rows), 1, name="lift"),
        Column("lift 90 %", tuple(_bounds(row.lift_interval) for row in rows), 7, name="lift 90 %"),
        Column("tasks", tuple(_tasks(row) for row in rows), 4, name="tasks"),
    ]
    if any(row.seconds is not None for row in rows):
        columns.append(Column("seconds", tuple(_seconds(row.seconds) for row in rows), 4, name="seconds"))
    shown, _ = fit(columns, width)
    return build_table(shown)


def published_tables(tables: Sequence[PublishedTable], width: int) -> RenderableType:
    """Lay out benchmarks of the literature, one table each, with one legend.

    Parameters
    ----------
    tables : sequence of PublishedTable
    width : int
        Columns of the terminal.

    Returns
    -------
    rich renderable
    """
    parts: list[RenderableType] = []
    for table in tables:
        parts += [Text(f"{table.name}: {table.n_tasks} tasks, {table.n_models} models", style="bold")]
        parts += [bench_table(table.standings, width)]
        parts += [Text(f"note: {note}", style="dim") for note in table.notes] + [Text()]
    return Group(*parts, legend())


def legend() -> Text:
    """Return what the columns mean."""
    return Text(_LEGEND, style="dim")


def standings_csv(tables: Sequence[tuple[str, Sequence[Standing]]]) -> str:
    """Write standings as CSV.

    Parameters
    ----------
    tables : sequence of (name, standings)

    Returns
    -------
    str
        Empty cells where there is no value; regret and hits are shares.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV)
    for name, standings in tables:
        writer.writerows(_cells(name, row) for row in standings)
    return text.getvalue()


def _cells(table: str, row: Standing) -> list[object]:
    values: list[object] = [
        table, row.name, row.kind, row.mean_tau, *_ends(row.interval), row.mean_tau_truth, row.worst_task,
        row.worst_tau, row.regret, row.hit_rate, row.lift, *_ends(row.lift_interval), row.seconds,
        len(row.agreements), len(row.left_out), row.n_dropped,
    ]  # fmt: skip
    return ["" if value is None else round(value, 6) if isinstance(value, float) else value for value in values]


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _name(row: Standing) -> str:
    return f"({row.name})" if row.kind == "baseline" else row.name


def _signed(value: float | None) -> str:
    return DASH if value is None else f"{value:+.2f}"


def _bounds(interval: Interval | None) -> str:
    return DASH if interval is None else f"{interval.low:+.2f} {interval.high:+.2f}"


def _points(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.1f}"


def _percent(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.0f} %"


def _tasks(row: Standing) -> str:
    n = len(row.agreements)
    return f"{n} of {n + len(row.left_out)}" if row.left_out else str(n)


def _seconds(value: float | None) -> str:
    return DASH if value is None else f"{value:.3f}" if value < 1 else f"{value:.1f}"
