"""One order of the candidates on many tasks: mean agreement, interval, worst task, lift over the static order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hubscout.evaluation.agreement import Agreement, agreement
from hubscout.evaluation.baselines import TaskValues
from hubscout.evaluation.bootstrap import N_DRAWS, Interval, TaskPair, mean_interval
from hubscout.evaluation.task_truth import TaskTruth
from hubscout.ranking.ties import tie_rounded

Kind = Literal["score", "combination", "baseline"]


@dataclass(frozen=True)
class Standing:
    """How well one order agrees with the truths of several tasks.

    Parameters
    ----------
    name : str
        What ordered the candidates.
    kind : {"score", "combination", "baseline"}
        A baseline needs no look at the data.
    agreements : dict of task to Agreement
        Tasks on which it has an order.
    left_out : dict of task to str
        The other tasks, each with its reason.
    mean_tau, mean_tau_truth : float or None
        Mean weighted tau over tasks in the conventions ``scipy`` and ``truth-weighted``.
    interval : Interval or None
        Of ``mean_tau``, over candidates and tasks.
    worst_task : str or None
        Where the weighted tau is lowest.
    regret : float or None
        Mean of regret@1 over the tasks whose truth is a share (0.01 is one point of accuracy).
    hit_rate : float or None
        Share of the tasks whose best candidate it puts first.
    n_dropped : int
        Candidates left out for want of a value, over all tasks.
    lift : float or None
        Mean weighted tau minus that of the static order, on the tasks and candidates that both have.
    lift_interval : Interval or None
        Of ``lift``, paired.
    seconds : float or None
        Mean time of one candidate.
    families : dict of str to float
        Mean weighted tau in each family of tasks.
    """

    name: str
    kind: Kind
    agreements: dict[str, Agreement]
    left_out: dict[str, str] = field(default_factory=dict)
    mean_tau: float | None = None
    mean_tau_truth: float | None = None
    interval: Interval | None = None
    worst_task: str | None = None
    regret: float | None = None
    hit_rate: float | None = None
    n_dropped: int = 0
    lift: float | None = None
    lift_interval: Interval | None = None
    seconds: float | None = None
    families: dict[str, float] = field(default_factory=dict)

    @property
    def worst_tau(self) -> float | None:
        """Weighted tau on the worst task."""
        return None if self.worst_task is None else self.agreements[self.worst_task].weighted_tau


def judge(
    name: str,
    values: TaskValues,
    truths: Sequence[TaskTruth],
    *,
    kind: Kind = "score",
    static: TaskValues | None = None,
    seconds: float | None = None,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Standing:
    """Hold one order of the candidates against the truths.

    Parameters
    ----------
    name : str
        What ordered them.
    values : mapping of task to mapping of candidate to float or None
        Higher is better.
    truths : sequence of TaskTruth
        Candidates without a truth are not looked at.
    kind : {"score", "combination", "baseline"}
        For the table.
    static : mapping, optional
        The values of `hubscout.evaluation.baselines.static_order`, for the lift.
    seconds : float, optional
        Mean time of one candidate.
    n_draws, seed : int
        Of the bootstrap; no interval where ``n_draws`` is 0.

    Returns
    -------
    Standing

    Notes
    -----
    Values that differ by rounding alone are equal. A task on which fewer than three candidates have a value, or all
    have the same, is left out of the means and named, never counted as 0.

    Examples
    --------
    >>> truth = TaskTruth("a", {"x": 0.5, "y": 0.7, "z": 0.9})
    >>> judge("size", {"a": {"x": 1, "y": 2, "z": 3}}, [truth]).mean_tau
    1.0
    """
    found: dict[str, Agreement] = {}
    left_out: dict[str, str] = {}
    for truth in truths:
        result = agreement(*_pair(values, truth))
        if result.reason is None:
            found[truth.task] = result
        else:
            left_out[truth.task] = result.reason
    kept = [truth for truth in truths if truth.task in found]
    taus = {task: float(result.weighted_tau or 0.0) for task, result in found.items()}
    lift, lift_interval = _lift(values, kept, static, n_draws, seed)
    pairs = [_pair(values, truth) for truth in kept]
    return Standing(
        name=name,
        kind=kind,
        agreements=found,
        left_out=left_out,
        mean_tau=_mean(list(taus.values())),
        mean_tau_truth=_mean([result.weighted_tau_truth for result in found.values()]),
        interval=mean_interval(pairs, n_draws=n_draws, seed=seed) if pairs and n_draws else None,
        worst_task=min(taus, key=lambda task: taus[task]) if taus else None,
        regret=_mean([_share(found[truth.task].regret, truth) for truth in kept]),
        hit_rate=_mean([float(bool(result.top1_hit)) for result in found.values()]),
        n_dropped=sum(result.n_dropped for result in found.values()),
        lift=lift,
        lift_interval=lift_interval,
        seconds=seconds,
        families=_by_family(taus, kept),
    )


def chance(truths: Sequence[TaskTruth]) -> Standing:
    """Return what a random order gives in the mean over all orders: no draws are needed.

    Parameters
    ----------
    truths : sequence of TaskTruth

    Returns
    -------
    Standing
        Agreement 0 by symmetry; regret@1 and hits are those of a candidate taken at random.

    Examples
    --------
    >>> found = chance([TaskTruth("a", {"x": 0.5, "y": 0.7, "z": 0.9})])
    >>> found.mean_tau, round(found.regret, 3), round(found.hit_rate, 3)
    (0.0, 0.2, 0.333)
    """
    gaps: list[float | None] = []
    hits: list[float | None] = []
    found: dict[str, Agreement] = {}
    for truth in truths:
        reached = np.array(list(truth.values.values()))
        if len(reached) < 3 or np.ptp(reached) == 0:
            continue
        gap, hit = float(reached.max() - reached.mean()), float((reached == reached.max()).mean())
        gaps.append(_share(gap, truth))
        hits.append(hit)
        found[truth.task] = Agreement(len(reached), 0, 0.0, 0.0, 0.0, 0.0, gap, None)
    kept = [truth for truth in truths if truth.task in found]
    zero = 0.0 if found else None
    return Standing(
        name="random",
        kind="baseline",
        agreements=found,
        mean_tau=zero,
        mean_tau_truth=zero,
        regret=_mean(gaps),
        hit_rate=_mean(hits),
        families=_by_family(dict.fromkeys(found, 0.0), kept),
    )


def _pair(values: TaskValues, truth: TaskTruth) -> TaskPair:
    own: Mapping[str, float | None] = values.get(truth.task, {})
    return tie_rounded([own.get(name) for name in truth.values]), list(truth.values.values())


def _lift(
    values: TaskValues, truths: Sequence[TaskTruth], static: TaskValues | None, n_draws: int, seed: int
) -> tuple[float | None, Interval | None]:
    """Compare with the static order where both have a value."""
    if static is None:
        return None, None
    ours: list[TaskPair] = []
    theirs: list[TaskPair] = []
    differences = []
    for truth in truths:
        own, other = values.get(truth.task, {}), static.get(truth.task, {})
        both = {
            name: value
            for name, value in truth.values.items()
            if own.get(name) is not None and other.get(name) is not None
        }
        shared = TaskTruth(truth.task, both)
        pair, static_pair = _pair(values, shared), _pair(static, shared)
        tau, static_tau = agreement(*pair).weighted_tau, agreement(*static_pair).weighted_tau
        if tau is not None and static_tau is not None:
            ours.append(pair)
            theirs.append(static_pair)
            differences.append(tau - static_tau)
    if not differences:
        return None, None
    interval = mean_interval(ours, minus=theirs, n_draws=n_draws, seed=seed) if n_draws else None
    return float(np.mean(differences)), interval


def _by_family(taus: Mapping[str, float], truths: Sequence[TaskTruth]) -> dict[str, float]:
    families = dict.fromkeys(truth.family for truth in truths if truth.family)
    return {
        family: float(np.mean([taus[truth.task] for truth in truths if truth.family == family])) for family in families
    }


def _share(value: float | None, truth: TaskTruth) -> float | None:
    return None if value is None or truth.unit is None else truth.unit * value


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
