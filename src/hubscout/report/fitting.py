"""A table that fits the width it is given: less important columns go first, names are folded, never cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text

from hubscout._printable import printable

_PADDING = 3  # one space on each side of a cell, and the line between columns
_SHORTEST_FOLD = 24


@dataclass(frozen=True)
class Column:
    """One column of text.

    Parameters
    ----------
    title : str
        Heading.
    cells : tuple of str
        One a row. Untrusted text.
    expendable : int
        0 is never left out; of the others, those with the highest number go first.
    justify : {"left", "right"}
        Numbers stand right.
    folds : bool
        Whether long cells continue on the next line instead of asking for their whole width.
    name : str
        What it is called when it is left out.
    """

    title: str
    cells: tuple[str, ...]
    expendable: int = 0
    justify: Literal["left", "right"] = "right"
    folds: bool = False
    name: str = ""

    @property
    def width(self) -> int:
        """Columns of the terminal that the longest cell takes, or the least that a folding column accepts."""
        longest = max(Text(printable(cell)).cell_len for cell in (self.title, *self.cells))
        return min(longest, _SHORTEST_FOLD) if self.folds else longest


def fit(columns: Sequence[Column], width: int) -> tuple[list[Column], list[Column]]:
    """Choose the columns that fit.

    Parameters
    ----------
    columns : sequence of Column
        In the order they are shown.
    width : int
        Columns of the terminal.

    Returns
    -------
    tuple of two lists of Column
        Shown, and left out.
    """
    shown = list(columns)
    left_out: list[Column] = []
    while sum(column.width + _PADDING for column in shown) > width:
        droppable = [column for column in shown if column.expendable > 0]
        if not droppable:
            break
        # The last one among equals: later scores are less important than earlier ones.
        worst = max(reversed(droppable), key=lambda column: column.expendable)
        shown.remove(worst)
        left_out.append(worst)
    return shown, left_out


def build_table(columns: Sequence[Column], styles: Sequence[str] = ()) -> Table:
    """Return a rich table in which no cell is read as markup.

    Parameters
    ----------
    columns : sequence of Column
        All of the same length.
    styles : sequence of str, optional
        Style of each row.

    Returns
    -------
    rich.table.Table
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=True, header_style="bold")
    for column in columns:
        table.add_column(
            Text(printable(column.title)),
            justify=column.justify,
            no_wrap=not column.folds,
            overflow="fold",
            min_width=None if column.folds else column.width,
        )
    for index in range(len(columns[0].cells)):
        cells = [Text(printable(column.cells[index])) for column in columns]
        table.add_row(*cells, style=styles[index] if styles else None)
    return table
