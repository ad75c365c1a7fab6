"""Options that more than one command has, and how their text is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias, get_args

import typer

from hubscout._typing import TaskKind
from hubscout.errors import UsageError

_KINDS: tuple[TaskKind, ...] = get_args(TaskKind)

TaskOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--task", metavar="KIND", help="Kind of the task; read from the labels by default."),
]
ScoresOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--scores", metavar="NAME,...", help="Scores by name, in this order; 'all' for all of the task."),
]
ScoreOptionsOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--option", metavar="SCORE.NAME=VALUE", help="Option of one score, such as disco.covariance=identity."
    ),
]
SeedOption: TypeAlias = Annotated[int, typer.Option("--seed", help="Seed of the probe and of the scores.")]
JsonOption: TypeAlias = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; '-' prints only JSON.")
]
CsvOption: TypeAlias = Annotated[
    str | None, typer.Option("--csv", metavar="FILE", help="Write the table as CSV; '-' prints only CSV.")
]
QuietOption: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.")]
StoreOption: TypeAlias = Annotated[
    str | None, typer.Option("--store", metavar="DIR", help="Folder of the feature store.")
]


def task_kind(text: str | None) -> TaskKind | None:
    """Read a kind of task.

    Raises
    ------
    UsageError
        When there is no such kind.
    """
    if text is None:
        return None
    for kind in _KINDS:
        if text.replace("-", "_") == kind:
            return kind
    msg = f"--task must be one of {', '.join(_KINDS)}, got {text!r}"
    raise UsageError(msg)


def score_names(text: str | None) -> str | tuple[str, ...] | None:
    """Read a comma list of scores; ``all`` stands for itself.

    Examples
    --------
    >>> score_names("disco, logme"), score_names("all"), score_names(None)
    (('disco', 'logme'), 'all', None)
    """
    if text is None or text.strip() == "all":
        return None if text is None else "all"
    return tuple(name.strip() for name in text.split(",") if name.strip())


def score_options(words: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Read options of single scores; values are JSON where they can be, text otherwise.

    Raises
    ------
    UsageError
        When a word is not of the form SCORE.NAME=VALUE.

    Examples
    --------
    >>> score_options(["disco.covariance=identity", "disco.n_components=64", "disco.ridge=null"])
    {'disco': {'covariance': 'identity', 'n_components': 64, 'ridge': None}}
    """
    options: dict[str, dict[str, Any]] = {}
    for word in words or ():
        left, equals, value = word.partition("=")
        score, dot, name = left.partition(".")
        if not (equals and dot and score and name):
            msg = f"--option must have the form SCORE.NAME=VALUE, like disco.covariance=identity, got {word!r}"
            raise UsageError(msg)
        try:
            options.setdefault(score, {})[name] = json.loads(value)
        except ValueError:
            options.setdefault(score, {})[name] = value
    return options
