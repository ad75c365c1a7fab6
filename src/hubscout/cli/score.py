"""``hubscout score``: scores of one file of features."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from hubscout.cli.choices import (
    JsonOption,
    QuietOption,
    ScoreOptionsOption,
    ScoresOption,
    SeedOption,
    TaskOption,
    score_names,
    score_options,
    task_kind,
)

SCHEMA = "hubscout.scores/1"
_NOTHING = 5


def score(
    features: Annotated[
        str,
        typer.Argument(metavar="FEATURES.npz", help="Arrays 'features', 'labels', and maybe 'source_probs'."),
    ],
    labels: Annotated[
        str | None, typer.Option(metavar="FILE.npy", help="Labels, instead of those in the file.")
    ] = None,
    scores: ScoresOption = None,
    option: ScoreOptionsOption = None,
    task: TaskOption = None,
    seed: SeedOption = 0,
    null_draws: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Random orders of the labels that stand for 'no signal'; 0 for none."),
    ] = None,
    quiet: QuietOption = False,
    json_path: JsonOption = None,
) -> None:
    """Score features that were extracted elsewhere, beside what each score says without signal."""
    from hubscout.cli.progress import draw_progress
    from hubscout.cli.score_table import score_table
    from hubscout.cli.streams import check_outputs, console, deliver, say, show
    from hubscout.ranking.single import score_file

    check_outputs(json=json_path)
    with draw_progress(quiet=quiet) as progress:
        result = score_file(
            features,
            labels=labels,
            scores=score_names(scores),
            task=task_kind(task),
            seed=seed,
            score_options=score_options(option),
            null_draws=null_draws,
            progress=progress,
        )
    say((f"note: {note}" for note in result.notes), quiet=quiet)
    if json_path is not None:
        document: dict[str, Any] = {"schema": SCHEMA, **result.to_dict()}
        deliver(json.dumps(document, indent=2, allow_nan=False) + "\n", json_path)
    if json_path != "-":
        show(score_table(result, console(sys.stdout).width))
    if all(entry.value is None for entry in result.scores.values()):
        raise typer.Exit(_NOTHING)
