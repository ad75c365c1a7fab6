"""Accuracies after fine-tuning, as small tables of facts with source and licence."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from importlib import resources

from hubscout.errors import DataError, UsageError

_COLUMNS = ("task", "model", "value", "measure", "protocol", "source", "licence")
_FOLDER = "tables"


@dataclass(frozen=True)
class GroundTruth:
    """What one candidate reached on one task when it was really fine-tuned.

    Parameters
    ----------
    task, model : str
        Name of the task, and address of the candidate.
    value : float
        Higher is better, in the units of ``measure``.
    standard_error : float or None
        Over the seeds; None when there was one, or nothing is said.
    n_seeds : int
        Runs behind the value; 1 where nothing is said.
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

    @property
    def unit(self) -> float | None:
        """What one unit of the value is as a share: 0.01 for percent, 1 for shares, None for errors, which are none."""
        if "error" in self.measure:
            return None
        return 0.01 if "percent" in self.measure else 1.0


def list_ground_truths() -> list[str]:
    """Return the names of the tables that come with the package, sorted.

    Returns
    -------
    list of str

    Examples
    --------
    >>> list_ground_truths()[:2]
    ['bundled_digits', 'logme_jmlr_cv']
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

    Notes
    -----
    Two tables may name the same models and tasks and still disagree: fine-tuned accuracies of ``sfda_supervised`` and
    ``tllib`` have a weighted tau of 0.12 on Aircraft. They are never to be mixed.

    Examples
    --------
    >>> row = load_ground_truth("sfda_supervised")[0]
    >>> row.task, row.model, row.value, row.measure
    ('aircraft', 'resnet34', 84.06, 'mean accuracy of the classes in percent')
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
        CSV with the columns of `GroundTruth`, of which ``standard_error`` and ``n_seeds`` may be missing; lines that
        start with ``#`` are remarks.
    name : str
        For the messages.

    Returns
    -------
    tuple of GroundTruth

    Raises
    ------
    DataError
        When a column is missing, or a number is none.
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
        value=_finite(row["value"]),
        standard_error=_finite(error) if (error := row.get("standard_error") or "").strip() else None,
        n_seeds=int(row.get("n_seeds") or 1),
        measure=row["measure"],
        protocol=row["protocol"],
        source=row["source"],
        licence=row["licence"],
    )


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text!r} is no finite number"
        raise ValueError(msg)
    return value
