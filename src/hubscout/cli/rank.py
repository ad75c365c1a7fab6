"""``hubscout rank``: the main job."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hubscout.cli.choices import (
    CsvOption,
    JsonOption,
    QuietOption,
    ScoreOptionsOption,
    ScoresOption,
    SeedOption,
    StoreOption,
    TaskOption,
    score_names,
    score_options,
    task_kind,
)

_PARTIAL = 3


def rank(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Folder of images, CSV or Parquet file, saved data set, or .npz.")
    ],
    models: Annotated[
        list[str],
        typer.Option(
            "--models", "-m", metavar="ADDRESS...", help="Candidates, with wildcards; several at once, or @FILE."
        ),
    ],
    scores: ScoresOption = None,
    option: ScoreOptionsOption = None,
    task: TaskOption = None,
    text_column: Annotated[str | None, typer.Option(metavar="NAME", help="Column that holds the text.")] = None,
    image_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column that holds the paths of the images.")
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Column that holds the labels; several for several labels or targets."),
    ] = None,
    pair_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column of the second text, where samples are pairs.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split that is looked at.")] = "train",
    probe_size: Annotated[int | None, typer.Option(help="Samples every candidate sees, at most [5000].")] = None,
    max_bad: Annotated[float, typer.Option(help="Share of the probe that may be unreadable.")] = 0.1,
    seed: SeedOption = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    layers: Annotated[
        str | None,
        typer.Option(metavar="all|N,...", help="Layers among which each candidate's best is chosen, such as 3,6,-1."),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Pooling: cls, mean, max, last, pooler; of several, the best is chosen."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples in one forward pass.")] = None,
    dtype: Annotated[str, typer.Option(help="How features are kept: float32 or float16.")] = "float32",
    workers: Annotated[int, typer.Option(help="Candidates that run at the same time.")] = 1,
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time for one candidate; 0 for no limit.")
    ] = 3600.0,
    trust_remote_code: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A model whose own code may run; may be repeated."),
    ] = None,
    race: Annotated[
        bool, typer.Option("--race", help="Drop candidates that are surely not the best on a small probe already.")
    ] = False,
    budget: Annotated[str | None, typer.Option(metavar="10m", help="Race, and end within this time.")] = None,
    max_params: Annotated[str | None, typer.Option(metavar="30M", help="Rank smaller models only.")] = None,
    max_latency: Annotated[
        str | None, typer.Option(metavar="20ms", help="Rank models only that take less for a sample.")
    ] = None,
    licences: Annotated[
        str | None, typer.Option("--license", metavar="NAME,...", help="Rank models of these licences only.")
    ] = None,
    store: StoreOption = None,
    engine: Annotated[str, typer.Option(help="local, or inline to debug in one process.")] = "local",
    json_path: JsonOption = None,
    csv_path: CsvOption = None,
    plot: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Draw the scores, or score against layer or step, as .svg or .png."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Rank models by how well they should transfer to TARGET, without fine-tuning any.

    The first of the scores decides the order.
    """
    from hubscout.cli.progress import reporter
    from hubscout.cli.publish import publish
    from hubscout.cli.streams import check_outputs
    from hubscout.ranking import EmptyRankingError
    from hubscout.ranking import rank as run
    from hubscout.report.charts import check_chart_path, write_chart

    check_outputs(json=json_path, csv=csv_path)
    if plot is not None:
        check_chart_path(plot)
    with reporter(quiet=quiet) as watch:
        arguments: dict[str, Any] = {
            "scores": score_names(scores),
            "score_options": score_options(option),
            "task": task_kind(task),
            "text_column": text_column,
            "image_column": image_column,
            "label_column": label_column,
            "pair_column": pair_column,
            "split": split,
            "probe_size": probe_size,
            "max_bad": max_bad,
            "seed": seed,
            "device": device,
            "layers": layers,
            "pooling": pool,
            "batch_size": batch_size,
            "dtype": dtype,
            "workers": workers,
            "time_limit": time_limit or None,
            "trust_remote_code": tuple(trust_remote_code or ()),
            "store": store,
            "engine": engine,
            "on_event": watch,
            "race": race,
            "budget": budget,
            "max_params": max_params,
            "max_latency": max_latency,
            "licences": licences,
        }
        try:
            ranking, error = run(target, models, **arguments), None
        except EmptyRankingError as empty:
            ranking, error = empty.ranking, empty
    publish(ranking, json_path, csv_path, quiet=quiet)
    if plot is not None and ranking.ranked:
        write_chart(ranking, plot)
    if error is not None:
        raise error
    # Who was left out by a limit or a race was left out as asked.
    if any(record.error_type not in ("dropped", "beyond_limit") for record in ranking.not_ranked):
        raise typer.Exit(_PARTIAL)
