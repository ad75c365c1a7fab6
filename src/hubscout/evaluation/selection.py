"""Which score to recommend: chosen on other tasks than it is judged on, and scores that vote by their ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hubscout.errors import UsageError
from hubscout.evaluation.baselines import TaskValues
from hubscout.evaluation.standings import Standing
from hubscout.ranking.ties import tie_rounded


@dataclass(frozen=True)
class NestedChoice:
    """What was chosen without one task, and how it did there.

    Parameters
    ----------
    task : str
        The task that was left out.
    chosen : str
        The candidate that agrees best in the mean on tasks of other groups.
    mean_elsewhere : float
        Its mean weighted tau there.
    weighted_tau, regret : float
        On the task itself.
    """

    task: str
    chosen: str
    mean_elsewhere: float
    weighted_tau: float
    regret: float


@dataclass(frozen=True)
class NestedSelection:
    """A way of choosing a score, judged on tasks that had no part in each choice.

    Parameters
    ----------
    candidates : tuple of str
        What was chosen among.
    choices : tuple of NestedChoice
        One a task.
    mean_tau : float
        Mean weighted tau of the procedure.
    final : str
        The choice when all tasks have a part in it: what to recommend.
    left_out : tuple of str
        Candidates without a value on some task.
    """

    candidates: tuple[str, ...]
    choices: tuple[NestedChoice, ...]
    mean_tau: float
    final: str
    left_out: tuple[str, ...] = ()


def nested_selection(
    standings: Sequence[Standing], tasks: Sequence[str], *, groups: Mapping[str, str] | None = None
) -> NestedSelection:
    """Choose a score on all tasks but one, judge it on that one, and repeat for each.

    Parameters
    ----------
    standings : sequence of Standing
        The candidates; of equally good ones the first is taken, so simple ones stand first.
    tasks : sequence of str
        Tasks that have a part.
    groups : mapping of task to str, optional
        Tasks of one group share data: all of them are left out together. Each task is its own group by default.

    Returns
    -------
    NestedSelection

    Raises
    ------
    UsageError
        When there are fewer than two groups, or no candidate has a value on every task.

    Notes
    -----
    The mean agreement of the best of many scores on the tasks it was found on is too high; that of the procedure is
    not. Candidates that lack a value on some task are not chosen, or tasks would be compared with other tasks.
    """
    group = {task: (groups or {}).get(task, task) for task in tasks}
    if len(set(group.values())) < 2:
        msg = f"tasks must be of at least two groups, got {sorted(set(group.values()))}; a choice needs other tasks"
        raise UsageError(msg)
    complete = [each for each in standings if all(task in each.agreements for task in tasks)]
    if not complete:
        msg = f"no score has an order on every task of {', '.join(tasks)}; leave a task or a score out"
        raise UsageError(msg)
    taus = np.array([[float(each.agreements[task].weighted_tau or 0.0) for task in tasks] for each in complete])
    choices = []
    for place, task in enumerate(tasks):
        others = [index for index, other in enumerate(tasks) if group[other] != group[task]]
        means = taus[:, others].mean(axis=1)
        best = int(np.argmax(means))
        there = complete[best].agreements[task]
        choices.append(
            NestedChoice(task, complete[best].name, float(means[best]), float(taus[best, place]), there.regret or 0.0)
        )
    return NestedSelection(
        candidates=tuple(each.name for each in complete),
        choices=tuple(choices),
        mean_tau=float(np.mean([choice.weighted_tau for choice in choices])),
        final=complete[int(np.argmax(taus.mean(axis=1)))].name,
        left_out=tuple(each.name for each in standings if each not in complete),
    )


def rank_average(parts: Sequence[TaskValues], tasks: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Combine scores by the mean of the ranks that they give.

    Parameters
    ----------
    parts : sequence of mapping of task to mapping of candidate to float or None
        One a score.
    tasks : sequence of str

    Returns
    -------
    dict of task to dict of candidate to float or None
        Minus the mean rank, so that higher is better; None for a candidate that one of the scores has no value of.
        Ranks are taken among the candidates that all scores have.

    Examples
    --------
    >>> one = {"t": {"a": 3.0, "b": 2.0, "c": 1.0}}
    >>> other = {"t": {"a": 5.0, "b": 9.0, "c": None}}
    >>> rank_average([one, other], ["t"])
    {'t': {'a': -1.5, 'b': -1.5, 'c': None}}
    """
    from scipy.stats import rankdata

    found: dict[str, dict[str, float | None]] = {}
    for task in tasks:
        own = [part.get(task, {}) for part in parts]
        names = list(dict.fromkeys(name for values in own for name in values))
        complete = [name for name in names if all(values.get(name) is not None for values in own)]
        ranks = [
            rankdata([-(value or 0.0) for value in tie_rounded([values[name] for name in complete])]) for values in own
        ]
        means = dict(zip(complete, np.mean(ranks, axis=0), strict=True)) if complete else {}
        found[task] = {name: -float(means[name]) if name in means else None for name in names}
    return found
