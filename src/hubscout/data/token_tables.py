"""Words and their tags in JSON Lines and Parquet files, as columns of lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubscout.data.column_facts import describe_column
from hubscout.data.columns import ColumnRequest
from hubscout.data.splits import choose_split, require_no_split
from hubscout.data.table_files import TableFile, open_table, peek
from hubscout.data.task import RowProblem, Target
from hubscout.data.token_columns import choose_token_columns, has_token_columns
from hubscout.data.word_labels import token_target

# Tables whose cells can hold lists.
LIST_SUFFIXES = (".jsonl", ".ndjson", ".parquet")
_SPLIT = "split"


def looks_like_token_table(path: Path) -> bool:
    """Tell whether a file is a table with columns of words and of tags.

    Parameters
    ----------
    path : Path
        An existing file or folder.

    Returns
    -------
    bool
        False for CSV and TSV files, whose cells hold no lists.
    """
    if not path.is_file() or path.suffix.lower() not in LIST_SUFFIXES:
        return False
    return has_token_columns(_lists(open_table(path)))


def token_table_target(path: Path, *, name: str, request: ColumnRequest | None = None, split: str = "train") -> Target:
    """Read a table with one text a row, whose words and tags are lists.

    Parameters
    ----------
    path : Path
        A JSON Lines or Parquet file.
    name : str
        Name of the task.
    request : ColumnRequest, optional
        The columns the user named; the others are guessed.
    split : str
        Which rows to take where a column ``split`` exists.

    Returns
    -------
    Target
        As `hubscout.data.word_labels.token_target`; texts are counted by their rows, from 1.

    Raises
    ------
    UsageError
        When no choice of columns is clear.
    DataError
        When the file cannot be read, nothing is left, or the tags are no classes.
    """
    table, source = open_table(path), repr(path.name)
    columns = choose_token_columns(_lists(table), request or ColumnRequest(), source)
    has_splits = _SPLIT in table.columns and _SPLIT not in (columns.words, columns.tags)
    wanted = [columns.words, columns.tags, *([_SPLIT] if has_splits else [])]
    found: list[tuple[int, Any, Any, str]] = []
    problems: list[RowProblem] = []
    for number, row in table.rows(wanted):
        if isinstance(row, str):
            problems.append(RowProblem(f"row {number}", row))
        else:
            found.append((number, row.get(columns.words), row.get(columns.tags), str(row.get(_SPLIT, "")).strip()))
    if has_splits:
        chosen = choose_split({each[3] for each in found if each[3]}, split, source)
        problems += [RowProblem(f"row {number}", "split is missing") for number, _, _, own in found if not own]
        found = [each for each in found if each[3] in chosen]
    return token_target(
        [words for _, words, _, _ in found],
        [tags for _, _, tags, _ in found],
        name=name,
        source=source,
        split=split if has_splits else require_no_split(split, source),
        rows=[number for number, _, _, _ in found],
        problems=problems,
        notes=columns.notes,
    )


def _lists(table: TableFile) -> list[str]:
    rows = peek(table)
    facts = [describe_column(column, (row.get(column) for row in rows)) for column in table.columns]
    return [each.name for each in facts if each.content == "list"]
