"""``hubscout scores``: what every score is, from its own record."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from hubscout.cli.choices import JsonOption, task_kind

SCHEMA = "hubscout.score_specs/1"
# Facts that are functions or repeat the name.
_HIDDEN = ("estimate", "function", "null")


def scores(
    name: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Show all facts of these.")] = None,
    task: Annotated[str | None, typer.Option(metavar="KIND", help="Only scores of this kind of task.")] = None,
    json_path: JsonOption = None,
) -> None:
    """List the scores: what each is, what it needs, and what it is invariant to."""
    from hubscout.cli.spec_table import invariance_table, spec_pages, spec_table
    from hubscout.cli.streams import check_outputs, console, deliver, show
    from hubscout.scores import RECOMMENDED_SCORE, get_spec, list_scores

    check_outputs(json=json_path)
    names = list(name) if name else list_scores(task_kind(task))
    specs = [get_spec(each) for each in names]
    if json_path is not None:
        facts = [spec_facts(spec) for spec in specs]
        document = {"schema": SCHEMA, "recommended": RECOMMENDED_SCORE, "scores": facts}
        deliver(json.dumps(document, indent=2) + "\n", json_path)
    if json_path == "-":
        return
    width = console(sys.stdout).width
    if name:
        show(spec_pages(specs, width))
    else:
        show(spec_table(specs, RECOMMENDED_SCORE, width), "", invariance_table(specs))


def spec_facts(spec: Any) -> dict[str, Any]:
    """Return the facts of a score as plain JSON values.

    Parameters
    ----------
    spec : ScoreSpec
        The record of a score.

    Returns
    -------
    dict
    """
    from dataclasses import fields

    facts = {each.name: getattr(spec, each.name) for each in fields(spec) if each.name not in _HIDDEN}
    facts["kinds"] = spec.kinds
    facts["options"] = spec.options
    facts["null_method"] = spec.null_method
    return {
        key: sorted(value) if isinstance(value, frozenset) else list(value) if isinstance(value, tuple) else value
        for key, value in facts.items()
    }
