"""Real audio features with labels, and what a linear probe reached on each of them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hubscout.errors import DataError, UsageError
from hubscout.evaluation.benchmark_values import Features
from hubscout.evaluation.task_truth import TaskTruth

TABLE = "heart_audio_linear_probe.csv"
FOLDER = Path("features") / "heart_audio"
FAMILY = "audio features, linear probe"
_MEASURE, _ERROR = "lp_cv_acc", "lp_cv_acc_se"
_MURMURS = "_murmurs"


def audio_truths(root: str | Path) -> tuple[TaskTruth, ...]:
    """Read the accuracies of cross-validated linear probes.

    Parameters
    ----------
    root : str or Path
        Folder with ``heart_audio_linear_probe.csv`` and ``features/heart_audio``.

    Returns
    -------
    tuple of TaskTruth

    Raises
    ------
    UsageError
        When the folder has no such table.
    DataError
        When the table is damaged.
    """
    path = Path(root) / TABLE
    if not path.is_file():
        msg = f"audio (--audio) must be a folder with {TABLE}, got {str(root)!r}; leave it out to go without"
        raise UsageError(msg)
    values: dict[str, dict[str, dict[str, float]]] = {_MEASURE: {}, _ERROR: {}}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if row["metric"] in values:
                    values[row["metric"]].setdefault(row["dataset"], {})[row["model"]] = float(row["value"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        msg = f"the table {str(path)!r} cannot be read: {error!r}"
        raise DataError(msg) from error
    return tuple(
        TaskTruth(task, reached, family=FAMILY, errors=values[_ERROR].get(task, {}))
        for task, reached in values[_MEASURE].items()
    )


def audio_features(root: str | Path, truth: TaskTruth) -> Iterator[Features]:
    """Read the features of every encoder that a truth names.

    Parameters
    ----------
    root : str or Path
        As in `audio_truths`.
    truth : TaskTruth
        One of them. A name that ends in ``_murmurs`` is the other labels of the same recordings.

    Yields
    ------
    Features

    Raises
    ------
    DataError
        When a file or an array is missing.
    """
    name, labels = truth.task, "labels"
    if name.endswith(_MURMURS):
        name, labels = name.removesuffix(_MURMURS), "murmurs"
    path = Path(root) / FOLDER / f"{Path(name).name}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for candidate in truth.values:
                yield Features(truth.task, candidate, arrays[f"feat_{candidate}"], arrays[labels])
    except (OSError, KeyError, ValueError) as error:
        msg = f"the features {str(path)!r} cannot be read: {error}"
        raise DataError(msg) from error
