"""``hubscout verify``: fine-tune the first candidates of a ranking."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from hubscout.cli.choices import JsonOption, QuietOption, StoreOption
from hubscout.errors import UsageError

_PARTIAL = 3


def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A ranking that `hubscout rank --json FILE` wrote.")],
    top: Annotated[int, typer.Option(help="Candidates that are fine-tuned, from the first.")] = 3,
    target: Annotated[
        str | None, typer.Option(metavar="TARGET", help="Labelled data, where they are not where the ranking says.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="TARGET", help="Test samples [split test, else a held-out fifth].")
    ] = None,
    method: Annotated[str, typer.Option(help="full, linear-probe, or lora.")] = "full",
    optimiser: Annotated[str, typer.Option(help="adamw or sgd.")] = "adamw",
    lr: Annotated[
        str | None, typer.Option(metavar="RATE,...", help="Learning rates; validation chooses one [by method].")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Epochs of one run, at most.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Samples in one step.")] = 32,
    patience: Annotated[int, typer.Option(help="Epochs without gain that end a run; 0 runs them all.")] = 3,
    seeds: Annotated[str, typer.Option(metavar="SEED,...", help="Each fine-tunes once more.")] = "0",
    flips: Annotated[
        bool, typer.Option("--flips/--no-flips", help="Mirror pictures; wrong for digits, letters and signs.")
    ] = True,
    train_size: Annotated[int, typer.Option(help="Training samples, at most; 0 for all.")] = 5000,
    test_size: Annotated[int, typer.Option(help="Test samples, at most; 0 for all.")] = 5000,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps [as in the ranking].")] = None,
    trust_remote_code: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A model or torch: factory whose code may run; may be repeated."),
    ] = None,
    history: Annotated[bool, typer.Option("--history/--no-history", help="Keep the results in the history.")] = True,
    store: StoreOption = None,
    json_path: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fine-tune the first candidates of RUN, and say whether the ranking was right."""
    from hubscout.cli.streams import check_outputs, console, deliver, say, show
    from hubscout.cli.verify_progress import verify_reporter
    from hubscout.evaluation.finetune.recipe import Recipe
    from hubscout.evaluation.verify import NothingVerifiedError
    from hubscout.evaluation.verify import verify as run_verification
    from hubscout.report.verify_table import verify_table

    check_outputs(json=json_path)
    choices: dict[str, Any] = {"method": method, "optimiser": optimiser}
    recipe = Recipe(
        learning_rates=None if lr is None else numbers("--lr", lr, float),
        epochs=epochs,
        batch_size=batch_size,
        patience=patience or None,
        seeds=numbers("--seeds", seeds, int),
        flips=flips,
        train_size=train_size or None,
        test_size=test_size or None,
        **choices,
    )
    error: NothingVerifiedError | None = None
    with verify_reporter(quiet=quiet) as watch:
        try:
            found = run_verification(
                run,
                target,
                top=top,
                recipe=recipe,
                test=test,
                device=device,
                store=store,
                trust_remote_code=tuple(trust_remote_code or ()),
                record=history,
                on_event=watch,
            )
        except NothingVerifiedError as nothing:
            found, error = nothing.verification, nothing
    say([f"note: {note}" for note in found.notes], quiet=quiet)
    if json_path is not None:
        deliver(found.to_json(), json_path)
    if json_path != "-":
        show(verify_table(found, console(sys.stdout).width))
    if error is not None:
        raise error
    if found.failed:
        raise typer.Exit(_PARTIAL)


def numbers(option: str, text: str, kind: Any) -> tuple[Any, ...]:
    """Read a comma list of numbers.

    Raises
    ------
    UsageError
        When one of them is none.

    Examples
    --------
    >>> numbers("--lr", "1e-4, 0.001", float)
    (0.0001, 0.001)
    """
    try:
        return tuple(kind(word) for word in text.split(","))
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        msg = f"{option} must be {what} separated by commas, got {text!r}"
        raise UsageError(msg) from None
