"""What repeating a published benchmark would read and fetch."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from hubscout.evaluation.paper_plan import PaperPlan
from hubscout.report.fitting import Column, build_table
from hubscout.report.names import short_name
from hubscout.report.numbers import DASH


def plan_table(plan: PaperPlan, width: int) -> RenderableType:
    """Lay out a plan.

    Parameters
    ----------
    plan : PaperPlan
    width : int
        Columns of the terminal; long cells are folded.

    Returns
    -------
    rich renderable
    """
    del width  # every column is needed, and folds
    models = [
        Column("candidate", tuple(model.name for model in plan.models), justify="left", folds=True),
        Column("is here", tuple(_yes(model.is_here) for model in plan.models), justify="left"),
        Column(
            "address",
            tuple(DASH if model.address is None else short_name(model.address) for model in plan.models),
            justify="left",
            folds=True,
        ),
        Column("to fetch", tuple(model.fetch or DASH for model in plan.models), justify="left", folds=True),
    ]
    sets = [
        Column("data set", tuple(each.name for each in plan.sets), justify="left", folds=True),
        Column("is here", tuple(_yes(each.is_here) for each in plan.sets), justify="left"),
        Column("classes", tuple(DASH if each.n_classes is None else str(each.n_classes) for each in plan.sets)),
        Column("source", tuple(each.source or DASH for each in plan.sets), justify="left", folds=True),
        Column("to fetch", tuple(each.fetch or DASH for each in plan.sets), justify="left", folds=True),
    ]
    n_values = sum(len(truth.values) for truth in plan.truths)
    missing = sum(not model.is_here for model in plan.models) + sum(not each.is_here for each in plan.sets)
    return Group(
        build_table(models),
        Text(),
        build_table(sets),
        Text(),
        Text(
            f"{plan.pool}: {len(plan.models)} candidates on {len(plan.sets)} sets, {n_values} fine-tuned values to "
            f"hold scores against; {missing} candidates and sets are not here. Nothing was fetched."
        ),
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
