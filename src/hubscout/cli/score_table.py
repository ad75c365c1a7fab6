"""The table of the values of one feature file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hubscout._printable import printable
from hubscout.report.fitting import Column, build_table, fit
from hubscout.report.numbers import DASH, decimals, with_error

if TYPE_CHECKING:
    from hubscout.ranking.single import FeatureScores, JudgedScore

_NULL_LEGEND = (
    "no signal: mean ~spread of the score under labels in random order; z: spreads between that mean and the value."
)


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
    # The spread is often far smaller than the mean, and what z is counted in.
    return f"{entry.null.mean:.{digits}f} ~{entry.null.standard_deviation:.2g}"
