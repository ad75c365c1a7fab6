"""A table of texts or image paths, with a label for each row."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hubscout._typing import TaskKind
from hubscout.data.assembly import assemble_target
from hubscout.data.column_facts import describe_column
from hubscout.data.columns import ColumnRequest, Columns, choose_columns
from hubscout.data.parts import TextPairs
from hubscout.data.samples import ImageFiles, Texts, text_problem
from hubscout.data.splits import canonical_split, choose_split, require_no_split
from hubscout.data.table_files import TableFile, open_table, peek
from hubscout.data.task import RowProblem, Samples, Target
from hubscout.errors import DataError


def table_target(
    path: Path,
    *,
    name: str,
    request: ColumnRequest | None = None,
    kind: TaskKind | None = None,
    split: str = "train",
) -> Target:
    """Read a CSV, TSV, JSON Lines or Parquet file.

    Parameters
    ----------
    path : Path
        The file. Image paths in it are relative to its folder, and must stay below that folder.
    name : str
        Name of the task.
    request : ColumnRequest, optional
        The columns the user named; the others are guessed.
    kind : {"classification", "multilabel", "regression"}, optional
        What the labels are; inferred by default.
    split : str
        Which rows to take where a column ``split`` exists; an image folder's metadata has none.

    Returns
    -------
    Target
        The rows that can be used, and the problems of the others.

    Raises
    ------
    DataError, UsageError
        When the file cannot be read, no choice of columns is clear, or no row is left.
    """
    table = open_table(path)
    source = repr(path.name)
    columns = _columns(table, request or ColumnRequest(), source)
    rows = _ChosenRows(columns, split, _image_path(path.parent) if columns.modality == "image" else _text)
    for number, row in table.rows(columns.wanted):
        rows.add(number, row)
    if columns.split is None:
        read_split = require_no_split(split, source)
    else:
        if rows.splits:
            rows.keep(choose_split(rows.splits, split, source))
        read_split = split
    return assemble_target(
        rows.samples(path.parent),
        rows.labels,
        name=name,
        source=source,
        modality=columns.modality,
        split=read_split,
        kind=kind,
        label_columns=columns.labels if columns.other_labels else (),
        problems=rows.problems,
        notes=columns.notes,
    )


class _ChosenRows:
    """The usable rows of the asked split, gathered in one pass that keeps nothing else."""

    def __init__(self, columns: Columns, split: str, read_sample: Callable[[Any], tuple[str, str | None]]) -> None:
        self._columns = columns
        self._asked = canonical_split(split)
        self._read_sample = read_sample
        self.items: list[tuple[str, ...]] = []
        self.labels: list[Any] = []
        self.numbers: list[int] = []
        self.problems: list[RowProblem] = []
        self.splits: set[str] = set()
        self._split_of: list[str] = []

    def add(self, number: int, row: Mapping[str, Any] | str) -> None:
        if isinstance(row, str):
            self.problems.append(RowProblem(f"row {number}", row))
            return
        if self._columns.split is not None:
            split = row.get(self._columns.split)
            if split is None or not str(split).strip():
                self.problems.append(RowProblem(f"row {number}", "split is missing"))
                return
            self.splits.add(str(split).strip())
            if canonical_split(str(split)) != self._asked:
                return
            self._split_of.append(str(split).strip())
        item, reason = self._item(row)
        if reason is not None:
            self.problems.append(RowProblem(f"row {number}", reason))
            del self._split_of[len(self.items) :]
            return
        self.items.append(item)
        self.numbers.append(number)
        labels = tuple(row.get(name) for name in self._columns.labels)
        self.labels.append(labels if self._columns.other_labels else labels[0])

    def _item(self, row: Mapping[str, Any]) -> tuple[tuple[str, ...], str | None]:
        values = []
        for column in self._columns.samples:
            value, reason = self._read_sample(row.get(column))
            if reason is not None:
                # Of two texts, the reason has to say which one is meant.
                return (), reason if self._columns.pair is None else f"{reason} in {column!r}"
            values.append(value)
        return tuple(values), None

    def samples(self, folder: Path) -> Samples:
        """Return what the rows hold: images below the folder, pairs of texts, or texts."""
        if self._columns.pair is not None:
            return TextPairs(tuple((first, second) for first, second in self.items), tuple(self.numbers))
        alone = tuple(item for (item,) in self.items)
        if self._columns.modality == "image":
            return ImageFiles(folder.resolve(), alone)
        return Texts(alone, tuple(self.numbers))

    def keep(self, splits: tuple[str, ...]) -> None:
        """Leave out rows of splits that only resemble the asked one, as ``val`` resembles ``dev``."""
        kept = [position for position, split in enumerate(self._split_of) if split in splits]
        self.items = [self.items[position] for position in kept]
        self.labels = [self.labels[position] for position in kept]
        self.numbers = [self.numbers[position] for position in kept]


def _columns(table: TableFile, request: ColumnRequest, source: str) -> Columns:
    first_rows = peek(table)
    facts = [describe_column(name, (row.get(name) for row in first_rows)) for name in table.columns]
    for fact in facts:
        if fact.name == request.image and fact.content == "other":
            msg = (
                f"the column {fact.name!r} of {source} must hold image paths, got pixels or bytes; load the "
                "table with datasets.load_dataset, save it with save_to_disk, and give that folder"
            )
            raise DataError(msg)
    return choose_columns(facts, request, source)


def _text(value: object) -> tuple[str, str | None]:
    if isinstance(value, (bool, int, float)) and value == value:
        value = str(value)
    reason = text_problem(value)
    return ("", reason) if reason is not None else (str(value), None)


def _image_path(root: Path) -> Callable[[object], tuple[str, str | None]]:
    base = os.path.realpath(root)

    def read(value: object) -> tuple[str, str | None]:
        if value is None or (isinstance(value, str) and not value.strip()):
            return "", "image path is missing"
        if not isinstance(value, str):
            return "", f"image path is of type {type(value).__name__}, not a string"
        if "\0" in value:
            return "", "image path holds a NUL character"
        # Links are followed later, when the file is read; this step only settles dots and absolute paths.
        whole = os.path.normpath(Path(base, value.strip()))
        if not whole.startswith(base.rstrip(os.sep) + os.sep):
            return "", "image path leads out of the table's folder"
        return whole[len(base.rstrip(os.sep)) + 1 :], None

    return read
