"""What published tables of scores are worth beside orders that never looked at the data."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from hubscout.errors import DataError, UsageError
from hubscout.evaluation.baselines import by_fact, published_facts, static_order
from hubscout.evaluation.bootstrap import N_DRAWS
from hubscout.evaluation.ground_truth import list_ground_truths, load_ground_truth
from hubscout.evaluation.standings import Standing, chance, judge
from hubscout.evaluation.task_truth import TaskTruth, by_task

_OWN = ("bundled_digits",)  # not published elsewhere, and of one task


@dataclass(frozen=True)
class PublishedScore:
    """What one publication says that one score gives to one model.

    Parameters
    ----------
    task, model, score : str
        As in the ground truth of the same table.
    value : float
        Higher is better.
    remark : str
        What is wrong with the value; empty where nothing is known to be.
    source, licence : str
        Where the figure comes from.
    """

    task: str
    model: str
    score: str
    value: float
    remark: str
    source: str
    licence: str


@dataclass(frozen=True)
class PublishedTable:
    """One benchmark of the literature, judged again.

    Parameters
    ----------
    name : str
        Of the ground truth.
    n_tasks, n_models : int
        Its size.
    standings : tuple of Standing
        Published scores and baselines, best mean first.
    n_flawed : int
        Published values that are known to be wrong, and left out.
    notes : tuple of str
        What was left out, and why.
    """

    name: str
    n_tasks: int
    n_models: int
    standings: tuple[Standing, ...]
    n_flawed: int = 0
    notes: tuple[str, ...] = ()


def load_published_scores(name: str, *, with_flawed: bool = False) -> tuple[PublishedScore, ...]:
    """Read the scores that were published beside a ground truth.

    Parameters
    ----------
    name : str
        Of the ground truth.
    with_flawed : bool
        Whether to return values that are known to be wrong, too; their remark says what is wrong.

    Returns
    -------
    tuple of PublishedScore
        Empty where none were published.

    Raises
    ------
    UsageError
        When there is no such ground truth.
    DataError
        When the table is damaged.

    Examples
    --------
    >>> found = load_published_scores("tllib")
    >>> sorted({row.score for row in found})
    ['hscore', 'leep', 'logme', 'nce']
    >>> len(load_published_scores("tllib", with_flawed=True)) - len(found)
    13
    """
    if name not in list_ground_truths():
        msg = f"name must be a table of ground truths ({', '.join(list_ground_truths())}), got {name!r}"
        raise UsageError(msg)
    file = resources.files("hubscout.evaluation") / "tables" / "scores" / f"{name}.csv"
    if not file.is_file():
        return ()
    rows = [_row(row, name) for row in csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))]
    return tuple(row for row in rows if with_flawed or not row.remark)


def recompute(
    names: Sequence[str] | None = None, *, n_draws: int = N_DRAWS, seed: int = 0
) -> tuple[PublishedTable, ...]:
    """Recompute the agreement of every published score, beside the baselines.

    Parameters
    ----------
    names : sequence of str, optional
        Ground truths; by default all published ones.
    n_draws, seed : int
        Of the bootstrap intervals.

    Returns
    -------
    tuple of PublishedTable

    Raises
    ------
    UsageError
        When there is no such ground truth.

    Examples
    --------
    >>> (table,) = recompute(["sfda_supervised"], n_draws=0)
    >>> best = table.standings[0]
    >>> best.name, round(best.mean_tau, 3)
    ('static order', 0.837)
    """
    chosen = [name for name in list_ground_truths() if name not in _OWN] if names is None else list(names)
    return tuple(_table(name, n_draws, seed) for name in chosen)


def _table(name: str, n_draws: int, seed: int) -> PublishedTable:
    truths = by_task(load_ground_truth(name), name)
    rows = load_published_scores(name)
    n_flawed = len(load_published_scores(name, with_flawed=True)) - len(rows)
    static = static_order(truths)
    standings = [
        judge(score, _values(rows, score), truths, static=static, n_draws=n_draws, seed=seed)
        for score in dict.fromkeys(row.score for row in rows)
    ]
    baselines, notes = _baselines(truths, static, n_draws, seed)
    standings += baselines
    if not rows:
        notes.append("no scores were published beside it")
    if n_flawed:
        notes.append(f"{n_flawed} published values are known to be wrong and were left out")
    return PublishedTable(
        name=name,
        n_tasks=len(truths),
        n_models=len({model for truth in truths for model in truth.values}),
        standings=tuple(sorted(standings, key=_last_without_value)),
        n_flawed=n_flawed,
        notes=tuple(notes),
    )


def _baselines(
    truths: Sequence[TaskTruth], static: dict[str, dict[str, float | None]], n_draws: int, seed: int
) -> tuple[list[Standing], list[str]]:
    parameters, accuracies = published_facts()
    found = [chance(truths)]
    notes = []
    for name, values in (
        ("static order", static),
        ("number of parameters", by_fact(truths, parameters)),
        ("ImageNet accuracy", by_fact(truths, accuracies)),
    ):
        standing = judge(name, values, truths, kind="baseline", static=static, n_draws=n_draws, seed=seed)
        if standing.mean_tau is None:
            reason = next(iter(standing.left_out.values()), "there are no tasks")
            notes.append(f"{name} is left out: {reason}")
        else:
            found.append(standing)
    return found, notes


def _values(rows: Sequence[PublishedScore], score: str) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {}
    for row in rows:
        if row.score == score:
            found.setdefault(row.task, {})[row.model] = row.value
    return found


def _row(row: dict[str, str], name: str) -> PublishedScore:
    try:
        value = float(row["value"])
        found = PublishedScore(
            row["task"], row["model"], row["score"], value, row["remark"], row["source"], row["licence"]
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"the table of published scores {name!r} is damaged: {error!r}; install hubscout again"
        raise DataError(msg) from error
    if not math.isfinite(value):
        msg = f"the table of published scores {name!r} must hold finite numbers, got {row['value']!r}"
        raise DataError(msg)
    return found


def _last_without_value(standing: Standing) -> float:
    return math.inf if standing.mean_tau is None else -standing.mean_tau
