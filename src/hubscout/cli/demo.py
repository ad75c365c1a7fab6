"""``hubscout demo``: the main job on data and models of the package, held against fine-tuning."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from hubscout.cli.choices import JsonOption, QuietOption, StoreOption

_TARGET = "bundled:digits"
_CANDIDATES = "bundled:*"
_TRUTH = "bundled_digits"
_SCORES = ("logme", "disco", "h_score", "knn", "linear_probe", "leep")
_PARTIAL = 3
_WORKERS = 2  # half of a small process is waiting for its libraries to load


def demo(
    probe_size: Annotated[int | None, typer.Option(help="Samples every candidate sees, at most [all].")] = None,
    store: StoreOption = None,
    json_path: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Rank the bundled models on handwritten digits, then show how well that agrees with fine-tuning them."""
    from hubscout.cli.progress import reporter
    from hubscout.cli.publish import publish
    from hubscout.cli.streams import check_outputs, console, show
    from hubscout.evaluation import load_ground_truth
    from hubscout.evaluation.comparison import compare
    from hubscout.ranking import rank
    from hubscout.report import agreement_table, findings, truth_table
    from hubscout.scores import RECOMMENDED_SCORE

    check_outputs(json=json_path)
    names = tuple(dict.fromkeys((RECOMMENDED_SCORE, *_SCORES)))
    with reporter(quiet=quiet) as watch:
        ranking = rank(
            _TARGET, _CANDIDATES, scores=names, probe_size=probe_size, store=store, workers=_WORKERS, on_event=watch
        )
    publish(ranking, json_path, None, quiet=quiet)
    if json_path != "-":
        truth = load_ground_truth(_TRUTH)
        rows = compare(ranking, truth)
        width = console(sys.stdout).width
        parts: list[Any] = [
            "",
            f"Each of these models was also really fine-tuned ({truth[0].measure}; {truth[0].protocol}).",
            "",
            truth_table(ranking, truth, width),
            "",
            "How well does each order agree with that of fine-tuning?",
            "",
            agreement_table(rows, width),
            "",
            *findings(rows, ranking.scores[0]),
        ]
        show(*parts)
    if ranking.not_ranked:
        raise typer.Exit(_PARTIAL)
