"""How far a mean agreement would move with other candidates and other tasks: seeded bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray
from hubscout.errors import UsageError
from hubscout.evaluation.correlations import Convention, check_convention
from hubscout.evaluation.paired_values import FEWEST, Values, complete_pairs

Over = Literal["candidates", "tasks", "both"]
# Scores and truth of one task, in the same order of candidates.
TaskPair: TypeAlias = tuple[Values, Values]

LEVEL, N_DRAWS = 0.9, 1000
_FEWEST_DRAWN = 5
_OVER: tuple[Over, ...] = ("candidates", "tasks", "both")


@dataclass(frozen=True)
class Interval:
    """Percentiles of a bootstrap.

    Parameters
    ----------
    low, high : float
        Bounds.
    level : float
        Share of the draws between them.
    n_draws : int
        Draws that had a value.
    """

    low: float
    high: float
    level: float
    n_draws: int


def mean_interval(
    tasks: Sequence[TaskPair],
    *,
    over: Over = "both",
    minus: Sequence[TaskPair] | None = None,
    convention: Convention = "scipy",
    level: float = LEVEL,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Interval | None:
    """Bootstrap the mean weighted tau over tasks, or its difference between two scores.

    Parameters
    ----------
    tasks : sequence of (scores, truth)
        One pair a task. Candidates without one of both values are left out; tasks that leave fewer than three or no
        order are left out too.
    over : {"candidates", "tasks", "both"}
        What is drawn anew, with replacement. Tasks with as many candidates draw the same ones, since a hub is judged
        on several tasks.
    minus : sequence of (scores, truth), optional
        Another score on the same tasks and candidates; the interval is then of the difference of the means, draw by
        draw on the same candidates and tasks.
    convention : {"scipy", "truth-weighted"}
        Of the weighted tau.
    level : float
        Share of the draws inside.
    n_draws : int
        Draws.
    seed : int
        Of the draws.

    Returns
    -------
    Interval or None
        None when no task can be compared, ``over="tasks"`` has a single one, or candidates are drawn and no task has
        five of them: draws of so few hardly differ, and the interval would promise what nobody knows.

    Raises
    ------
    UsageError
        When an argument is not of its form.

    Notes
    -----
    A candidate that is drawn twice ties with itself, and tau-b counts such a pair on neither side. Draws with fewer
    than three different candidates have no value in that task. With few tasks the interval over tasks is too narrow:
    three tasks have ten different means.

    Examples
    --------
    >>> tasks = [([1, 2, 3, 4, 5], [1, 3, 2, 4, 5]), ([5, 3, 4, 2, 1], [5, 4, 3, 2, 1])]
    >>> found = mean_interval(tasks, n_draws=200)
    >>> found.low < found.high <= 1
    True
    """
    _check(over, convention, level, n_draws)
    pairs = [complete_pairs(*task) for task in tasks]
    others = None if minus is None else [complete_pairs(*task) for task in minus]
    if others is not None and [len(x) for x, _ in pairs] != [len(x) for x, _ in others]:
        msg = "minus must hold the same tasks and candidates as tasks; leave out those that have no value on one side"
        raise UsageError(msg)
    if over != "tasks" and max((len(x) for x, _ in pairs), default=0) < _FEWEST_DRAWN:
        return None
    rng = np.random.default_rng(seed)
    chosen = {
        n: rng.integers(0, n, (n_draws, n)) if over != "tasks" else np.arange(n)[None]
        for n in sorted({len(x) for x, _ in pairs})
    }
    columns = [_taus(x, y, chosen[len(x)], convention) for x, y in pairs]
    if others is not None:
        columns = [
            column - _taus(x, y, chosen[len(x)], convention) for column, (x, y) in zip(columns, others, strict=True)
        ]
    columns = [column for column in columns if np.isfinite(column).any()]
    if not columns or (over == "tasks" and len(columns) < 2):
        return None
    return _percentiles(_means(columns, over, n_draws, rng), level)


def _means(columns: Sequence[FloatArray], over: Over, n_draws: int, rng: np.random.Generator) -> FloatArray:
    values = np.stack([np.broadcast_to(column, n_draws) for column in columns], axis=1)
    if over != "candidates":
        tasks = rng.integers(0, values.shape[1], values.shape)
        values = np.take_along_axis(values, tasks, axis=1)
    known = np.isfinite(values)
    sums, counts = np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1)
    means: FloatArray = sums[counts > 0] / counts[counts > 0]
    return means


def _taus(x: FloatArray, y: FloatArray, rows: IntArray, convention: Convention) -> FloatArray:
    if len(x) < FEWEST:
        return np.full(len(rows), np.nan)
    taus = weighted_taus(x[rows], y[rows], convention)
    distinct = (np.diff(np.sort(rows, axis=1), axis=1) > 0).sum(axis=1) + 1
    taus[distinct < FEWEST] = np.nan
    return taus


def weighted_taus(
    x: npt.NDArray[np.floating], y: npt.NDArray[np.floating], convention: Convention = "scipy"
) -> FloatArray:
    """Compute the weighted tau of many rows at once.

    Parameters
    ----------
    x, y : ndarray of shape (n_rows, n_candidates)
        Scores and truths without missing values.
    convention : {"scipy", "truth-weighted"}
        As in `hubscout.evaluation.weighted_tau`, which gives the same numbers one by one.

    Returns
    -------
    ndarray of shape (n_rows,)
        NaN where one side is constant.

    Examples
    --------
    >>> weighted_taus(np.array([[1, 2, 3], [1, 1, 1]]), np.array([[1, 2, 3], [1, 2, 3]]))
    array([ 1., nan])
    """
    first, second = np.triu_indices(x.shape[1], 1)
    signs_x = np.sign(x[:, first] - x[:, second])
    signs_y = np.sign(y[:, first] - y[:, second])
    by_truth = _tau(signs_x, signs_y, _weights(y, x), first, second)
    if convention == "truth-weighted":
        return by_truth
    return (by_truth + _tau(signs_x, signs_y, _weights(x, y), first, second)) / 2


def _weights(leading: npt.NDArray[np.floating], breaking: npt.NDArray[np.floating]) -> FloatArray:
    """Return 1 / (rank + 1); ranks fall with the leading values, equal ones go by the others."""
    order = np.lexsort((breaking, leading), axis=-1)[:, ::-1]
    weights = np.empty(order.shape)
    np.put_along_axis(weights, order, 1.0 / np.arange(1, order.shape[1] + 1)[None], axis=1)
    return weights


def _tau(
    signs_x: FloatArray, signs_y: FloatArray, weights: FloatArray, first: IntArray, second: IntArray
) -> FloatArray:
    pairs = weights[:, first] + weights[:, second]
    whole = np.sqrt((pairs * np.abs(signs_x)).sum(axis=1) * (pairs * np.abs(signs_y)).sum(axis=1))
    agreed = (pairs * signs_x * signs_y).sum(axis=1)
    taus: FloatArray = np.divide(agreed, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return taus


def _percentiles(means: FloatArray, level: float) -> Interval | None:
    if not len(means):
        return None
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, len(means))


def _check(over: str, convention: str, level: float, n_draws: int) -> None:
    check_convention(convention)
    if over not in _OVER:
        msg = f"over must be one of {', '.join(_OVER)}, got {over!r}"
        raise UsageError(msg)
    if not 0 < level < 1:
        msg = f"level must lie between 0 and 1, got {level!r}"
        raise UsageError(msg)
    if n_draws < 1:
        msg = f"n_draws must be at least 1, got {n_draws!r}"
        raise UsageError(msg)
