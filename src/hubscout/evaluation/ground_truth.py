"""Accuracies after fine-tuning, as small tables of facts with source and licence."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from importlib import resources

from hubscout.errors import DataError, UsageError

_COLUMNS = ("task", "model", "value", "standard_error", "n_seeds", "measure", "protocol", "source", "licence")
_FOLDER = "tables"


@dataclass(frozen=True)
class GroundTruth:
    """What one candidate reached on one task when it was really fine-tuned.

    Parameters
    ----------
    task, model : str
        Name of the task, and address of the candidate.
    value : float
        Higher is better.
    standard_error : float or None
        Over the seeds; None when there was one.
    n_seeds : int
        Runs behind the value.
    measure, protocol, source, licence : str
        What was measured and how, and where the figure comes from.
    """

    task: str
    model: str
    value: float
    standard_error: float | None
    n_seeds: int
    measure: str
    protocol: str
    source: str
    licence: str


def list_ground_truths() -> list[str]:
    """Return the names of the tables that come with the package, sorted.

    Returns
    -------
    list of str
    """
    folder = resources.files("hubscout.evaluation") / _FOLDER
    if not folder.is_dir():
        return []
    return sorted(entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv"))


def load_ground_truth(name: str) -> tuple[GroundTruth, ...]:
    """Read a table of fine-tuned accuracies.

    Parameters
    ----------
    name : str
        Such as ``bundled_digits``; see `list_ground_truths`.

    Returns
    -------
    tuple of GroundTruth
        One a row, in the order of the file.

    Raises
    ------
    UsageError
        When there is no such table.
    DataError
        When the table is damaged.
    """
    known = list_ground_truths()
    if name not in known:
        msg = f"name must be a table of ground truths ({', '.join(known)}), got {name!r}"
        raise UsageError(msg)
    text = (resources.files("hubscout.evaluation") / _FOLDER / f"{name}.csv").read_text(encoding="utf-8")
    return parse_ground_truth(text, name)


def parse_ground_truth(text: str, name: str) -> tuple[GroundTruth, ...]:
    """Read the text of a table; see `load_ground_truth`.

    Parameters
    ----------
    text : str
        CSV with the columns of `GroundTruth`; lines that start with ``#`` are remarks.
    name : str
        For the messages.

    Returns
    -------
    tuple of GroundTruth
    """
    reader = csv.DictReader(io.StringIO("\n".join(line for line in text.splitlines() if not line.startswith("#"))))
    missing = sorted(set(_COLUMNS) - set(reader.fieldnames or ()))
    if missing:
        msg = f"the table {name!r} must have the columns {', '.join(_COLUMNS)}, and lacks {', '.join(missing)}"
        raise DataError(msg)
    rows = []
    for number, row in enumerate(reader, start=1):
        try:
            rows.append(_row(row))
        except (TypeError, ValueError) as error:
            msg = f"the table {name!r} must hold numbers in its number columns; row {number}: {error}"
            raise DataError(msg) from error
    return tuple(rows)


def _row(row: dict[str, str]) -> GroundTruth:
    return GroundTruth(
        task=row["task"],
        model=row["model"],
        value=float(row["value"]),
        standard_error=float(row["standard_error"]) if row["standard_error"].strip() else None,
        n_seeds=int(row["n_seeds"]),
        measure=row["measure"],
        protocol=row["protocol"],
        source=row["source"],
        licence=row["licence"],
    )
