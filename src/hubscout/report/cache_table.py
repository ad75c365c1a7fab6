"""What the feature store holds, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from hubscout._printable import printable
from hubscout.features.cache_report import CacheEntry
from hubscout.report.fitting import Column, build_table, fit
from hubscout.report.numbers import duration, size


def cache_table(entries: Sequence[CacheEntry], root: str, width: int) -> RenderableType:
    """Lay out the entries of a store.

    Parameters
    ----------
    entries : sequence of CacheEntry
        In the order they are shown.
    root : str
        Where the store lies.
    width : int
        Columns of the terminal.

    Returns
    -------
    rich renderable
    """
    total = sum(entry.size_bytes for entry in entries)
    caption = Text(printable(f"{root}: {len(entries)} entries, {size(total)}"), overflow="fold")
    if not entries:
        return caption
    columns = [
        Column("candidate", tuple(entry.address or "(unknown)" for entry in entries), justify="left", folds=True),
        Column("rows", tuple(_rows(entry) for entry in entries), 2, name="rows"),
        Column("state", tuple(entry.state for entry in entries), justify="left"),
        Column("size", tuple(size(entry.size_bytes) for entry in entries)),
        Column("last used", tuple(f"{duration(entry.age_seconds)} ago" for entry in entries), 1, name="last used"),
        Column("key", tuple(entry.key[:12] for entry in entries), 3, "left", name="key"),
    ]
    shown, _ = fit(columns, width)
    return Group(caption, Text(), build_table(shown))


def _rows(entry: CacheEntry) -> str:
    return str(entry.rows) if entry.rows == entry.n_rows else f"{entry.rows} of {entry.n_rows}"
