"""``hubscout cache``: what the feature store holds, and how it is made smaller."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from hubscout.cli.choices import JsonOption, StoreOption
from hubscout.errors import UsageError

SCHEMA = "hubscout.cache/1"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}

app = typer.Typer(help="Show or prune the feature store.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show()


@app.command("show")
def show(
    store: StoreOption = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read everything and check it against its checksums.")
    ] = False,
    json_path: JsonOption = None,
) -> None:
    """List what the store holds, last used first."""
    from hubscout.cli import streams
    from hubscout.features import FeatureStore
    from hubscout.features.cache_report import list_entries
    from hubscout.report import cache_table

    streams.check_outputs(json=json_path)
    opened = FeatureStore(None if store is None else Path(store))
    entries = list_entries(opened, verify=verify)
    if json_path is not None:
        document = {
            "schema": SCHEMA,
            "root": str(opened.root),
            "entries": [{**entry.to_dict(), "path": str(entry.path)} for entry in entries],
        }
        streams.deliver(json.dumps(document, indent=2) + "\n", json_path)
    if json_path != "-":
        streams.show(cache_table(entries, str(opened.root), streams.console(sys.stdout).width))


@app.command("prune")
def prune(
    store: StoreOption = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Delete what was not used for so long: 12h, 30d, 8w.")
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Then delete the least used until the rest fits: 500MB, 20GB."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all.")] = False,
) -> None:
    """Delete features that are no longer needed; the next run computes them again."""
    from hubscout.cli import streams
    from hubscout.features import FeatureStore
    from hubscout.features.cache_report import prune as delete
    from hubscout.report.numbers import size

    if older_than is None and max_size is None and not everything:
        msg = "cache prune needs a rule, got none; give --older-than 30d, --max-size 20GB or --all"
        raise UsageError(msg)
    result = delete(
        FeatureStore(None if store is None else Path(store)),
        older_than_seconds=None if older_than is None else read_age(older_than),
        max_bytes=None if max_size is None else read_size(max_size),
        everything=everything,
    )
    streams.write(f"removed {len(result.removed)} entries, {size(result.freed_bytes)}\n")
    if result.in_use:
        streams.say(f"{len(result.in_use)} entries are being written by another run and were kept")


def read_age(text: str) -> float:
    """Read an age such as ``30d`` in seconds.

    Raises
    ------
    UsageError
        When it is not a number with a unit.

    Examples
    --------
    >>> read_age("12h")
    43200.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    if match is None:
        msg = f"--older-than must be a number with a unit of s, m, h, d or w, such as 30d, got {text!r}"
        raise UsageError(msg)
    return float(match[1]) * _SECONDS[match[2]]


def read_size(text: str) -> int:
    """Read a size such as ``20GB`` in bytes.

    Raises
    ------
    UsageError
        When it is not a number with a unit.

    Examples
    --------
    >>> read_size("1.5GB")
    1500000000
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if match is None:
        msg = f"--max-size must be a number with a unit of B, kB, MB, GB or TB, such as 20GB, got {text!r}"
        raise UsageError(msg)
    return int(float(match[1]) * _BYTES[match[2]])
