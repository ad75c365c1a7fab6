"""The application, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from hubscout.cli import bench, cache, demo, history, models, rank, score, scores, verify
from hubscout.cli.commands import ManyValuesCommand
from hubscout.cli.streams import prepare, say, write
from hubscout.errors import HubscoutError

_BUG = 1
_INTERRUPTED = 130

app = typer.Typer(
    name="hubscout",
    help="Which pre-trained model should I fine-tune on my data?",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("rank", cls=ManyValuesCommand)(rank.rank)
app.command("score")(score.score)
app.command("scores")(scores.scores)
app.command("models")(models.models)
app.command("demo")(demo.demo)
app.command("verify")(verify.verify)
app.command("history")(history.history)
app.add_typer(bench.app, name="bench")
app.add_typer(cache.app, name="cache")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        import hubscout

        write(f"hubscout {hubscout.__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(context.get_help().splitlines())
        raise typer.Exit(2)


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``hubscout``; by default those of this process.

    Returns
    -------
    int
        0 done, 1 a bug of ours, 2 wrong usage, 3 some candidates failed, 4 bad input data, 5 nothing could be
        ranked, 6 an unsafe file was refused, 130 interrupted.
    """
    prepare()
    command = typer.main.get_command(app)
    words = None if argv is None else list(argv)
    try:
        result = command.main(args=words, prog_name="hubscout", standalone_mode=False)
    except HubscoutError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        result = _INTERRUPTED
    except Exception as error:
        # The classes of usage errors live in click or in typer, depending on typer's version.
        describe = getattr(error, "format_message", None)
        if describe is None:
            return _bug(error)
        return _fail(_usage(error, describe()), int(getattr(error, "exit_code", 2)))
    code = result if isinstance(result, int) else 0
    if code == _INTERRUPTED:
        say("hubscout: interrupted; what is ready is kept, run the same command again to go on")
    return code


def main() -> None:
    """Run the command line of this process and exit."""
    # A scheduler that ends the process deserves what Ctrl-C gets: rows that are ready are kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run())


def _usage(error: Exception, message: str) -> str:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "hubscout")
    hint = " (TARGET stands before --models)" if "'TARGET'" in message else ""
    return f"{message.rstrip('.')}{hint}; see `{path} --help`"


def _fail(sentence: str, code: int) -> int:
    if os.environ.get("HUBSCOUT_DEBUG"):
        traceback.print_exc()
    say(f"hubscout: error: {sentence}")
    return code


def _bug(error: Exception) -> int:
    hint = "" if os.environ.get("HUBSCOUT_DEBUG") else "; HUBSCOUT_DEBUG=1 before the command shows the traceback"
    return _fail(f"this is a bug of hubscout, please report it: {type(error).__name__}: {error}{hint}", _BUG)
