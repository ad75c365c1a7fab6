"""Tables of scores: the facts of each, and the values of one feature file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hubscout._printable import printable
from hubscout.report.fitting import Column, build_table, fit
from hubscout.report.numbers import DASH, decimals, with_error

if TYPE_CHECKING:
    from hubscout.ranking.single import FeatureScores, JudgedScore
    from hubscout.scores import ScoreSpec

_NULL_LEGEND = (
    "no signal: mean ~spread of the score under labels in random order; z: spreads between that mean and the value."
)


def spec_table(specs: Sequence[ScoreSpec], recommended: str, width: int) -> RenderableType:
    """Lay out the facts of all scores.

    Parameters
    ----------
    specs : sequence of ScoreSpec
        In the order they are shown.
    recommended : str
        The score that ranks by default.
    width : int
        Columns of the terminal.

    Returns
    -------
    rich renderable
    """
    columns = [
        Column("score", tuple(_mark(spec, recommended) for spec in specs), justify="left"),
        Column("what it measures", tuple(spec.summary for spec in specs), justify="left", folds=True),
        Column("needs", tuple(_needs(spec) for spec in specs), 2, "left", name="needs"),
        Column("tasks", tuple(", ".join(spec.tasks) for spec in specs), 3, "left", folds=True, name="tasks"),
        Column("ignores", tuple(_invariances(spec) for spec in specs), 4, "left", folds=True, name="ignores"),
        Column("reference", tuple(spec.reference for spec in specs), 5, "left", folds=True, name="reference"),
    ]
    shown, _ = fit(columns, width)
    legend = "Higher is better everywhere. * ranks by default; (b) is a baseline that a score must beat."
    if any(column.name == "ignores" for column in shown):
        legend += " ignores: changes of the input that leave the value as it is."
    legend += " `hubscout scores NAME` shows all facts of one."
    return Group(build_table(shown), Text(), Text(legend, style="dim"))


def spec_pages(specs: Sequence[ScoreSpec], width: int) -> RenderableType:
    """Lay out all facts of some scores, one below the other.

    Parameters
    ----------
    specs : sequence of ScoreSpec
        In the order they are shown.
    width : int
        Columns of the terminal.

    Returns
    -------
    rich renderable
    """
    pages: list[RenderableType] = []
    for spec in specs:
        facts = {
            "measures": spec.summary,
            "formula": spec.formula,
            "range": spec.range,
            "tasks": ", ".join(spec.tasks),
            "needs": ", ".join(sorted(spec.needs)),
            "ignores": _invariances(spec),
            "cost": spec.cost,
            "repeatable": "yes" if spec.is_deterministic else "with the same seed",
            "no signal": spec.degenerate,
            "reference": spec.reference,
            "differs": spec.deviations,
        }
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold", max_width=max(20, width - 16))
        for name, value in facts.items():
            grid.add_row(Text(name), Text(printable(value)))
        title = f"{spec.name}: {spec.title}" + (" (a baseline)" if spec.is_baseline else "")
        pages += [Text(printable(title), style="bold"), Padding(grid, (0, 0, 1, 2))]
    return Group(*pages)


def score_table(result: FeatureScores, width: int) -> RenderableType:
    """Lay out the scores of one feature file.

    Parameters
    ----------
    result : FeatureScores
        What `hubscout.ranking.single.score_file` returned.
    width : int
        Columns of the terminal.

    Returns
    -------
    rich renderable
    """
    entries = result.scores
    values = tuple(with_error(entry.value, entry.standard_error, decimals([entry.value])) for entry in entries.values())
    columns = [Column("score", tuple(entries), justify="left"), Column("value", values)]
    has_nulls = any(entry.null is not None for entry in entries.values())
    if has_nulls:
        columns += [
            Column("no signal", tuple(_null(entry) for entry in entries.values()), name="null"),
            Column("z", tuple(DASH if entry.z is None else f"{entry.z:.1f}" for entry in entries.values())),
        ]
    columns += [
        Column("seconds", tuple(f"{entry.seconds:.2f}" for entry in entries.values()), 1, name="seconds"),
    ]
    shown, _ = fit(columns, width)
    classes = f", {result.n_classes} classes" if result.n_classes else ""
    caption = f"{result.source}: {result.task}, {result.n_samples} samples x {result.n_features} features{classes}"
    parts: list[RenderableType] = [Text(printable(caption), overflow="fold"), Text(), build_table(shown)]
    if has_nulls:
        parts += [Text(), Text(_NULL_LEGEND, style="dim")]
    missing = [(name, entry.reason) for name, entry in entries.items() if entry.value is None]
    if missing:
        parts.append(Text())
    parts += [Padding(Text(printable(f"{name}: {reason}")), (0, 0, 0, 2)) for name, reason in missing]
    return Group(*parts)


def _null(entry: JudgedScore) -> str:
    if entry.null is None:
        return DASH
    digits = decimals([entry.null.mean])
    return f"{entry.null.mean:.{digits}f} ~{entry.null.standard_deviation:.{digits}f}"


def _mark(spec: ScoreSpec, recommended: str) -> str:
    return spec.name + (" *" if spec.name == recommended else "") + (" (b)" if spec.is_baseline else "")


def _needs(spec: ScoreSpec) -> str:
    # All but a few need labels and features: only what sets a score apart is worth a column.
    return "source head" if "source_probs" in spec.needs else ", ".join(sorted(spec.needs))


def _invariances(spec: ScoreSpec) -> str:
    return ", ".join(sorted(spec.invariances)).replace("_", " ") or "nothing"
