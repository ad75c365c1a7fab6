"""A table that fits the width it is given: less important columns go first, names are folded, never cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text

from hubscout._printable import printable

_GAP = 2  # columns of the terminal between two columns of the table
_EDGES = 2
# A folding column gives way to the others down to this, or to this share of the whole: names are worth more.
_SHORTEST_FOLD = 24
_SHARE_OF_FOLD = 0.4


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
    short : tuple of str, optional
        Narrower cells.
    shortens : int
        When the narrower cells are taken, in the same order as ``expendable``.
    """

    title: str
    cells: tuple[str, ...]
    expendable: int = 0
    justify: Literal["left", "right"] = "right"
    folds: bool = False
    name: str = ""
    short: tuple[str, ...] | None = None
    shortens: int = 0

    @property
    def width(self) -> int:
        """Columns of the terminal that the longest cell takes."""
        return max(Text(printable(cell)).cell_len for cell in (self.title, *self.cells))


def fit(columns: Sequence[Column], width: int) -> tuple[list[Column], list[str]]:
    """Choose the columns that fit.

    Parameters
    ----------
    columns : sequence of Column
        In the order they are shown.
    width : int
        Columns of the terminal.

    Returns
    -------
    shown : list of Column
        Some of them with their narrower cells.
    left_out : list of str
        Names of the others.
    """
    shown = list(columns)
    left_out: list[str] = []
    while _needed(shown, width) > width:
        steps = [(column.expendable, place) for place, column in enumerate(shown) if column.expendable]
        steps += [(column.shortens, place) for place, column in enumerate(shown) if column.short is not None]
        if not steps:
            break
        # Of equals the last one: later scores are less important than earlier ones.
        urgency, place = max(steps)
        column = shown[place]
        if column.short is not None and urgency == column.shortens:
            shown[place] = replace(column, cells=column.short, short=None)
        else:
            left_out.append(shown.pop(place).name)
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
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, collapse_padding=True, padding=(0, 1), header_style="bold")
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


def _needed(columns: Sequence[Column], width: int) -> int:
    longest_fold = max(_SHORTEST_FOLD, int(_SHARE_OF_FOLD * width))
    widths = [min(column.width, longest_fold) if column.folds else column.width for column in columns]
    return sum(widths) + _GAP * (len(widths) - 1) + _EDGES
