"""The truth of one task, whatever it was read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hubscout.evaluation.ground_truth import GroundTruth


@dataclass(frozen=True)
class TaskTruth:
    """What candidates reached on one task.

    Parameters
    ----------
    task : str
        Its name.
    values : mapping of candidate to float
        Higher is better.
    family : str
        Tasks of one family share candidates and the way their truth was made.
    unit : float or None
        What one unit of the values is as a share: 0.01 for percent; None where they are no shares.
    n_test : int or None
        Test samples behind each value, where the values are accuracies.
    errors : mapping of candidate to float
        Standard errors of the values, where they are known.
    """

    task: str
    values: Mapping[str, float]
    family: str = ""
    unit: float | None = 1.0
    n_test: int | None = None
    errors: Mapping[str, float] = field(default_factory=dict)


def by_task(rows: Sequence[GroundTruth], family: str = "") -> tuple[TaskTruth, ...]:
    """Gather the rows of a table by task.

    Parameters
    ----------
    rows : sequence of GroundTruth
        Of one table.
    family : str
        Name for all of them.

    Returns
    -------
    tuple of TaskTruth
        In the order in which tasks appear.

    Examples
    --------
    >>> from hubscout.evaluation import load_ground_truth
    >>> found = by_task(load_ground_truth("sfda_supervised"))
    >>> len(found), len(found[0].values), found[0].unit
    (11, 11, 0.01)
    """
    tasks: dict[str, list[GroundTruth]] = {}
    for row in rows:
        tasks.setdefault(row.task, []).append(row)
    return tuple(
        TaskTruth(
            task=task,
            values={row.model: row.value for row in own},
            family=family,
            unit=own[0].unit,
            errors={row.model: row.standard_error for row in own if row.standard_error is not None},
        )
        for task, own in tasks.items()
    )
