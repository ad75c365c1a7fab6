"""``hubscout bench``: does a score deserve belief? Agreement with what fine-tuning reached."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from hubscout.cli.choices import CsvOption, JsonOption, QuietOption, SeedOption, StoreOption

SCHEMA_PUBLISHED = "hubscout.bench.published/1"
_PARTIAL = 3
DrawsOption = Annotated[int, typer.Option("--draws", min=0, metavar="N", help="Draws of the bootstrap; 0 for none.")]

app = typer.Typer(help="Hold scores against fine-tuned accuracies.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    from hubscout.cli.streams import say

    if context.invoked_subcommand is None:
        say(context.get_help().splitlines())
        raise typer.Exit(2)


@app.command("published")
def published(
    table: Annotated[
        list[str] | None, typer.Option("--table", metavar="NAME", help="One ground truth; may be repeated [all].")
    ] = None,
    draws: DrawsOption = 1000,
    seed: SeedOption = 0,
    json_path: JsonOption = None,
    csv_path: CsvOption = None,
) -> None:
    """Recompute the agreement of published scores, beside orders that do not look at the data."""
    from hubscout.cli.streams import check_outputs, console, deliver, show
    from hubscout.evaluation.published import recompute
    from hubscout.report.bench_table import published_tables, standings_csv

    check_outputs(json=json_path, csv=csv_path)
    tables = recompute(table, n_draws=draws, seed=seed)
    if json_path is not None:
        document = {"schema": SCHEMA_PUBLISHED, "seed": seed, "tables": [asdict(each) for each in tables]}
        deliver(json.dumps(document, indent=2, allow_nan=False) + "\n", json_path)
    if csv_path is not None:
        deliver(standings_csv([(each.name, each.standings) for each in tables]), csv_path)
    if "-" not in (json_path, csv_path):
        show(published_tables(tables, console(sys.stdout).width))


@app.command("hub")
def hub(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Hub with weights/, data/, ground_truth.csv and hub_models.py.")
    ],
    sets: Annotated[str | None, typer.Option(metavar="NAME,...", help="Sets with a truth [all].")] = None,
    encoders: Annotated[str | None, typer.Option(metavar="NAME,...", help="Encoders with a truth [all].")] = None,
    scores: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC,...",
            help="Scores such as knn, disco(cross_fit=5)@unit_rms, logme@n=200, or knn+logme for their rank average.",
        ),
    ] = None,
    variants: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Ablations of DISCO: all, none, or by name.")
    ] = None,
    truth: Annotated[
        list[str] | None,
        typer.Option("--truth", metavar="FILE", help="Further table of fine-tuned accuracies; may be repeated."),
    ] = None,
    audio: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder of audio features and their linear probes.")
    ] = None,
    probe_size: Annotated[int, typer.Option(min=2, help="Samples every encoder sees, at most.")] = 5000,
    null_draws: Annotated[int, typer.Option(min=0, metavar="N", help="Random orders of the labels for null z.")] = 0,
    draws: DrawsOption = 1000,
    seed: SeedOption = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    store: StoreOption = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder for values.json, result.json, result.csv and charts.")
    ] = None,
    write: Annotated[str | None, typer.Option(metavar="FILE.md", help="Write the page of evidence.")] = None,
    json_path: JsonOption = None,
    csv_path: CsvOption = None,
    quiet: QuietOption = False,
) -> None:
    """Run scores on every encoder and set of a hub and hold them against fine-tuned accuracies.

    Runs the hub's own program hub_models.py, which builds its encoders.
    """
    from hubscout.cli.streams import check_outputs, console, deliver, say, show
    from hubscout.evaluation.benchmark import bench_hub
    from hubscout.evaluation.benchmark_variants import split_list
    from hubscout.report.bench_table import bench_table, legend, standings_csv
    from hubscout.report.evidence import evidence_page

    check_outputs(json=json_path, csv=csv_path, write=write)
    place = None if out is None else _made(out)
    found = bench_hub(
        folder,
        sets=None if sets is None else split_list(sets),
        encoders=None if encoders is None else split_list(encoders),
        scores=None if scores is None else split_list(scores),
        variants=None if variants is None else split_list(variants),
        truth_files=truth or (),
        audio=audio,
        probe_size=probe_size,
        seed=seed,
        null_draws=null_draws,
        n_draws=draws,
        device=device,
        store=store,
        values=None if place is None else place / "values.json",
        on_step=lambda text: say(text, quiet=quiet),
    )
    table = standings_csv([("hub", found.standings)])
    document = json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"
    outputs = [(json_path, document), (csv_path, table)]
    if place is not None:
        outputs += [(str(place / "result.json"), document), (str(place / "result.csv"), table)]
    if write is not None:
        outputs.append((write, evidence_page(found, _published(draws, seed), _command())))
    for path, text in outputs:
        if path is not None:
            deliver(text, path)
    if place is not None:
        _draw(found.standings, place)
    if "-" not in (json_path, csv_path):
        show(bench_table(_sorted(found.standings), console(sys.stdout).width), "", legend())
    say((f"note: {note}" for note in (*found.notes, *found.failures)), quiet=quiet)
    if found.failures:
        raise typer.Exit(_PARTIAL)


@app.command("paper")
def paper(
    pool: Annotated[
        str, typer.Option(help="sfda_supervised (11 networks), sfda_selfsup (12 ResNet-50s) or detection.")
    ] = "sfda_supervised",
    root: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder of the data sets, one folder each, by name.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="NAME=SOURCE", help="Where one data set is: a folder, or hf:org/name."),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder of the files of weights [torchvision's own].")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME=ADDRESS", help="A candidate of the detection pool; may be repeated."),
    ] = None,
    truth: Annotated[
        str | None, typer.Option(metavar="FILE", help="Fine-tuned accuracies as CSV (task, model, value) [published].")
    ] = None,
    scores: Annotated[str, typer.Option(metavar="SPEC,...", help="Scores, as for `bench hub`.")] = "disco",
    probe_size: Annotated[int, typer.Option(min=2, help="Samples every candidate sees, at most.")] = 1_000_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be read and fetched, and stop.")] = False,
    seed: SeedOption = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    store: StoreOption = None,
    engine: Annotated[str, typer.Option(help="local, or inline to debug in one process.")] = "local",
    json_path: JsonOption = None,
    csv_path: CsvOption = None,
    quiet: QuietOption = False,
) -> None:
    """Repeat DISCO's own benchmarks, on a machine that has the data and the weights."""
    from hubscout.cli.streams import check_outputs, console, deliver, say, show
    from hubscout.evaluation.benchmark_variants import split_list
    from hubscout.evaluation.paper import bench_paper
    from hubscout.evaluation.paper_plan import plan_paper
    from hubscout.report.bench_table import bench_table, legend, standings_csv
    from hubscout.report.paper_table import plan_table

    check_outputs(json=json_path, csv=csv_path)
    plan = plan_paper(pool, root=root, data=data or (), weights=weights, models=models or (), truth=truth)
    if dry_run:
        if json_path is not None:
            deliver(json.dumps(plan.to_dict(), indent=2, allow_nan=False) + "\n", json_path)
        if json_path != "-":
            show(plan_table(plan, console(sys.stdout).width))
        return
    found = bench_paper(
        plan,
        scores=split_list(scores),
        probe_size=probe_size,
        seed=seed,
        device=device,
        store=store,
        engine=engine,
        on_step=lambda text: say(text, quiet=quiet),
    )
    if json_path is not None:
        deliver(json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n", json_path)
    if csv_path is not None:
        deliver(standings_csv([(pool, found.standings)]), csv_path)
    if "-" not in (json_path, csv_path):
        show(bench_table(_sorted(found.standings), console(sys.stdout).width), "", legend())
    say((f"note: {note}" for note in (*found.notes, *found.failures)), quiet=quiet)
    if found.failures:
        raise typer.Exit(_PARTIAL)


def _made(folder: str) -> Path:
    from hubscout.errors import UsageError

    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"--out must be a folder that can be made, got {folder!r}: {error.strerror}"
        raise UsageError(msg) from error
    return Path(folder)


def _draw(standings: Any, folder: Path) -> None:
    """Draw the chart where the library for it is installed; the tables do not need it."""
    from hubscout.cli.streams import say
    from hubscout.errors import MissingExtraError
    from hubscout.report.bench_chart import write_standings_chart

    try:
        write_standings_chart(standings, folder / "standings.svg")
    except MissingExtraError as error:
        say(f"note: no chart was drawn: {error}")


def _published(draws: int, seed: int) -> Any:
    from hubscout.evaluation.published import recompute

    return recompute(n_draws=draws, seed=seed)


def _sorted(standings: Any) -> list[Any]:
    return sorted(standings, key=lambda row: 2.0 if row.mean_tau is None else -row.mean_tau)


def _command() -> str:
    """Return the words of this process, without the folder that the program lies in."""
    return " ".join(["hubscout", *sys.argv[1:]])
