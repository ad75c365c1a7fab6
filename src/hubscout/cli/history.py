"""``hubscout history``: what was fine-tuned on this machine."""

from __future__ import annotations

import dataclasses
import json
import sys

from hubscout.cli.choices import JsonOption, QuietOption

SCHEMA = "hubscout.history_list/1"


def history(json_path: JsonOption = None, quiet: QuietOption = False) -> None:
    """List the fine-tunings of `hubscout verify`, oldest first."""
    from hubscout.cli.streams import check_outputs, console, deliver, say, show
    from hubscout.evaluation.finetune.history import read_history
    from hubscout.report.verify_table import history_table

    check_outputs(json=json_path)
    found = read_history()
    if found.n_damaged:
        say(f"note: {found.n_damaged} lines of {str(found.path)!r} are damaged and were passed over", quiet=quiet)
    if found.n_newer:
        say(f"note: {found.n_newer} lines of {str(found.path)!r} are of a newer hubscout", quiet=quiet)
    if json_path is not None:
        document = {
            "schema": SCHEMA,
            "path": str(found.path),
            "n_damaged": found.n_damaged,
            "n_newer": found.n_newer,
            "entries": [dataclasses.asdict(entry) for entry in found.entries],
        }
        deliver(json.dumps(document, indent=2, allow_nan=False) + "\n", json_path)
    if json_path != "-":
        show(history_table(found, console(sys.stdout).width))
