"""Tables of the facts of scores, from their own records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hubscout._printable import printable
from hubscout._typing import TaskKind
from hubscout.report.fitting import Column, build_table, fit

if TYPE_CHECKING:
    from hubscout.scores import ScoreSpec

# Headings that leave room for all of them on a narrow terminal; the legend below spells them out.
_HEADINGS = {
    "sample_order": "order",
    "label_names": "names",
    "rotation": "rotation",
    "scale": "scale",
    "translation": "shift",
    "constant_columns": "zeros",
    "duplication": "copies",
}
# With more kinds than this missing, those that are left are the shorter list.
_MOST_MISSING = 2


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
        Column("tasks", tuple(kinds_in_short(spec) for spec in specs), 3, "left", folds=True, name="tasks"),
        Column("reference", tuple(spec.reference for spec in specs), 4, "left", folds=True, name="reference"),
    ]
    shown, _ = fit(columns, width)
    legend = (
        "Higher is better everywhere. * ranks by default; (b) is a baseline that a score must beat. "
        "`hubscout scores NAME` shows all facts of one."
    )
    return Group(build_table(shown), Text(), Text(legend, style="dim"))


def invariance_table(specs: Sequence[ScoreSpec]) -> RenderableType:
    """Lay out what each score is invariant to, and what not.

    Parameters
    ----------
    specs : sequence of ScoreSpec
        In the order they are shown.

    Returns
    -------
    rich renderable
    """
    from hubscout.scores import FEATURE_INVARIANCES, INVARIANCES

    def cell(spec: ScoreSpec, invariance: str) -> str:
        if invariance in FEATURE_INVARIANCES and "features" not in spec.needs:
            return ""
        return "yes" if invariance in spec.invariances else "no"

    columns = [Column("is invariant to", tuple(spec.name for spec in specs), justify="left")]
    columns += [
        Column(_HEADINGS[invariance], tuple(cell(spec, invariance) for spec in specs), justify="left")
        for invariance in INVARIANCES
    ]
    meanings = "; ".join(f"{_HEADINGS[name]}: {meaning}" for name, meaning in INVARIANCES.items())
    legend = f"With default options, each checked by the tests. {meanings}. Empty: the score reads no features."
    return Group(build_table(columns), Text(), Text(legend, style="dim"))


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
            "tasks": kinds_in_full(spec),
            "needs": ", ".join(sorted(spec.needs)),
            "ignores": _invariances(spec),
            "cost": spec.cost,
            "repeatable": "yes" if spec.is_deterministic else "with the same seed",
            "options": ", ".join(spec.options) or "none",
            "no signal": spec.null_method,
            "degenerate": spec.degenerate,
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


def kinds_in_short(spec: ScoreSpec) -> str:
    """Name the kinds of task that a score applies to, or those it does not apply to where they are few.

    Parameters
    ----------
    spec : ScoreSpec
        Its facts.

    Returns
    -------
    str

    Examples
    --------
    >>> from hubscout.scores import get_spec
    >>> [kinds_in_short(get_spec(name)) for name in ("logme", "h_score", "leep")]
    ['all', 'all but regression', 'classification']
    """
    missing = [kind for kind in get_args(TaskKind) if kind not in spec.kinds]
    if not missing:
        return "all"
    return f"all but {' and '.join(missing)}" if len(missing) <= _MOST_MISSING else _listed(spec.kinds)


def kinds_in_full(spec: ScoreSpec) -> str:
    """Name all kinds of task that a score applies to, and what it reads of boxes.

    Parameters
    ----------
    spec : ScoreSpec
        Its facts.

    Returns
    -------
    str

    Examples
    --------
    >>> from hubscout.scores import get_spec
    >>> kinds_in_full(get_spec("gbc"))
    'classification, detection (classes alone), token classification, segmentation'
    """
    return _listed([f"detection ({_sides(spec)})" if kind == "detection" else kind for kind in spec.kinds])


def _sides(spec: ScoreSpec) -> str:
    if "labels" not in spec.needs:
        return "neither classes nor boxes"
    sides = ["classes", "boxes"] if "regression" in spec.tasks else ["classes"]
    sides += spec.joined
    return f"sum of {', '.join(sides[:-1])} and {sides[-1]}" if len(sides) > 1 else "classes alone"


def _listed(kinds: Sequence[str]) -> str:
    return ", ".join(kinds).replace("_", " ")


def _mark(spec: ScoreSpec, recommended: str) -> str:
    return spec.name + (" *" if spec.name == recommended else "") + (" (b)" if spec.is_baseline else "")


def _needs(spec: ScoreSpec) -> str:
    # All but a few need labels and features: only what sets a score apart is worth a column.
    return "source head" if "source_probs" in spec.needs else ", ".join(sorted(spec.needs))


def _invariances(spec: ScoreSpec) -> str:
    return ", ".join(sorted(spec.invariances)).replace("_", " ") or "nothing"
