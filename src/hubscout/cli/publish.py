"""A ranking to where the user wants it: table, JSON, CSV."""

from __future__ import annotations

import csv
import io
import sys

from hubscout._printable import printable
from hubscout.cli.streams import console, deliver, say, show
from hubscout.ranking.records import Ranking
from hubscout.ranking.views import columns, row
from hubscout.report import ranking_remarks, ranking_table


def publish(ranking: Ranking, json_path: str | None, csv_path: str | None, *, quiet: bool) -> None:
    """Write the files that were asked for, and the table unless stdout is one of them.

    Parameters
    ----------
    ranking : Ranking
        The result.
    json_path, csv_path : str or None
        A file, or ``-`` for stdout.
    quiet : bool
        No remarks on stderr.
    """
    say(ranking_remarks(ranking), quiet=quiet)
    # Files first: a reader of stdout that leaves early must not cost the results.
    for path, text in sorted(
        [(json_path, ranking.to_json()), (csv_path, ranking_csv(ranking))], key=lambda pair: pair[0] == "-"
    ):
        if path is not None:
            deliver(text, path)
    if "-" not in (json_path, csv_path):
        show(ranking_table(ranking, console(sys.stdout).width))


def ranking_csv(ranking: Ranking) -> str:
    """Return the table as CSV.

    Parameters
    ----------
    ranking : Ranking
        The result.

    Returns
    -------
    str
        The columns of `Ranking.to_frame`; missing values are empty.

    Notes
    -----
    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    handle = io.StringIO()
    writer = csv.writer(handle, lineterminator="\n")
    writer.writerow(columns(ranking))
    for record in ranking.records:
        writer.writerow([_cell(value) for value in row(record, ranking)])
    return handle.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
