"""A race: a small probe for all candidates, and twice as much, time and again, for those that can still be the best."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hubscout.ranking.candidate import CandidateJob
from hubscout.ranking.confidence import Difference, compare
from hubscout.ranking.engines import Engine
from hubscout.ranking.events import OnEvent
from hubscout.ranking.nesting import NestedProbe, grow, nested_order
from hubscout.ranking.order import order_records
from hubscout.ranking.parts import combine_parts
from hubscout.ranking.records import ScoreRecord
from hubscout.ranking.rounds import Round

FIRST_SIZE = 128
ERROR_LEVEL = 0.05
_GROWTH = 2
# A first look with fewer samples of a class says little of it.
_SAMPLES_OF_CLASS = 5


@dataclass(frozen=True)
class RacePlan:
    """How a race is run.

    Parameters
    ----------
    budget : float or None
        Seconds for all rounds; None for as long as it takes. The first round is always run.
    error_level : float
        Chance, at most, that the candidate which is best at the sizes looked at is dropped.
    first_size : int
        Samples of the first round, at least.
    time_limit : float or None
        Seconds one candidate may take in one round.
    """

    budget: float | None = None
    error_level: float = ERROR_LEVEL
    first_size: int = FIRST_SIZE
    time_limit: float | None = None


def race_sizes(n: int, n_classes: int, first_size: int = FIRST_SIZE) -> tuple[int, ...]:
    """Return the numbers of samples of the rounds.

    Parameters
    ----------
    n : int
        Of the whole probe.
    n_classes : int
    first_size : int
        Of the first round, at least.

    Returns
    -------
    tuple of int
        Doubled from round to round, the last one the whole; five samples a class in the first.

    Examples
    --------
    >>> race_sizes(700, 10), race_sizes(1000, 100), race_sizes(120, 2)
    ((128, 256, 700), (500, 1000), (120,))
    """
    sizes = [min(n, max(first_size, _SAMPLES_OF_CLASS * n_classes))]
    # What is left over joins the round before it: a last round of a few samples would cost a start of each model.
    while sizes[-1] * _GROWTH * 1.5 <= n:
        sizes.append(sizes[-1] * _GROWTH)
    return (*sizes, n) if sizes[-1] < n else tuple(sizes)


def race(
    job: CandidateJob,
    addresses: Sequence[str],
    engine: Callable[[float | None], Engine],
    on_event: OnEvent,
    plan: RacePlan,
) -> tuple[list[ScoreRecord], tuple[Round, ...]]:
    """Run candidates on growing parts of the probe, and drop those that are surely not the best.

    Parameters
    ----------
    job : CandidateJob
        What every candidate is told; its probe is the whole one.
    addresses : sequence of str
        The candidates.
    engine : callable
        Makes an engine for one round from a time limit.
    on_event : callable
        Told each step.
    plan : RacePlan

    Returns
    -------
    records : list of ScoreRecord
        In the order of the addresses, each with the number of samples it was judged on last; who was dropped is
        ``unranked``, with the reason.
    rounds : tuple of Round

    Notes
    -----
    Successive elimination: after each round a candidate goes when the paired interval of its distance to the leader
    lies above 0. With R rounds and m candidates each interval is one-sided at ``error_level / (R (m - 1))``, so that
    all of them hold at once with a chance of at least ``1 - error_level`` (Bonferroni), and the best is never dropped
    where they do. Best means: by this score, at the size of the round. A score whose order changes with the size of
    the probe can lose its later winner. Candidates without a standard error are never dropped. One that is left ends
    the race: nothing more can change the first place.

    References
    ----------
    E. Even-Dar, S. Mannor, Y. Mansour, "Action elimination and stopping conditions for the multi-armed bandit and
    reinforcement learning problems", JMLR 7, 2006, https://jmlr.org/papers/v7/evendar06a.html.
    """
    start = time.monotonic()
    whole = job.probe
    sizes = race_sizes(len(whole), whole.task.n_classes, plan.first_size)
    order = nested_order(whole, whole.seed)
    level = plan.error_level / (len(sizes) * max(len(addresses) - 1, 1))
    found: dict[str, ScoreRecord] = {}
    running, rounds = list(addresses), list[Round]()
    nested: NestedProbe | None = None
    for size in sizes:
        left = None if plan.budget is None else plan.budget - (time.monotonic() - start)
        if rounds and left is not None and _expected(rounds, size, len(running)) > left:
            break
        nested = grow(nested, whole, order, size)
        began = time.monotonic()
        records = _run(replace(job, probe=nested.probe, nested=nested), running, engine, on_event, _limit(plan, left))
        if rounds and left is not None and _ran_out(records, plan, left):
            break  # the budget ended this round, not its candidates: the one before it counts
        survivors, leader = _judge(records, running, job.scores, level, len(whole), found)
        rounds.append(
            Round(
                size,
                len(nested.blocks[-1]),
                tuple(running),
                tuple(address for address in running if address not in survivors),
                None if leader is None else leader.candidate,
                level,
                time.monotonic() - began,
            )
        )
        running = survivors
        if len(running) < 2:
            break
    return [found[address] for address in addresses], tuple(rounds)


def surely_worse(
    records: Sequence[ScoreRecord], score: str, level: float
) -> tuple[ScoreRecord | None, list[tuple[ScoreRecord, Difference]]]:
    """Find the candidates whose distance to the leader is above 0 at an error level.

    Parameters
    ----------
    records : sequence of ScoreRecord
        Of one round.
    score : str
        The deciding score.
    level : float
        One-sided error level of each comparison.

    Returns
    -------
    leader : ScoreRecord or None
        Of the highest value.
    worse : list of (ScoreRecord, Difference)
    """
    ranked = [record for record in order_records(records, score) if record.status == "ranked"]
    if not ranked:
        return None, []
    leader = ranked[0]
    compared = [(record, compare(leader, record, score)) for record in ranked[1:]]
    return leader, [(record, gap) for record, gap in compared if gap is not None and gap.is_clear(1 - 2 * level)]


def _run(
    job: CandidateJob,
    running: Sequence[str],
    engine: Callable[[float | None], Engine],
    on_event: OnEvent,
    time_limit: float | None,
) -> list[ScoreRecord]:
    found = engine(time_limit).run([replace(job, address=address) for address in running], on_event)
    n = len(job.probe)
    return [record if record.status == "failed" else replace(record, n_samples=n) for record in found]


def _judge(
    records: list[ScoreRecord],
    running: Sequence[str],
    scores: tuple[str, ...],
    level: float,
    n_whole: int,
    found: dict[str, ScoreRecord],
) -> tuple[list[str], ScoreRecord | None]:
    """Note what came of a round, and return who goes on."""
    combined = combine_parts(records, scores)
    leader, worse = surely_worse(combined, scores[0], level)
    gaps = {record.requested or record.candidate: gap for record, gap in worse}
    survivors = []
    for address, record, judged in zip(running, records, combined, strict=True):
        gap = gaps.get(record.requested or record.candidate)
        # Whoever was judged on the whole probe has cost all it can, and is ranked.
        if gap is not None and leader is not None and record.n_samples != n_whole:
            reason = (
                f"it was dropped after {record.n_samples} of {n_whole} samples: its {scores[0]} is "
                f"{gap.difference:.3g} ± {gap.standard_error:.2g} below that of {leader.candidate}, so it is surely "
                "not the best"
            )
            found[address] = replace(judged, status="unranked", error_type="dropped", reason=reason)
            continue
        found[address] = record
        if record.status == "ranked" and record.value(scores[0]) is not None:
            survivors.append(address)
    return survivors, leader


def _limit(plan: RacePlan, left: float | None) -> float | None:
    limits = [each for each in (plan.time_limit, left) if each is not None]
    return max(min(limits), 1e-3) if limits else None


def _ran_out(records: Sequence[ScoreRecord], plan: RacePlan, left: float) -> bool:
    is_budget = plan.time_limit is None or left < plan.time_limit
    return is_budget and any(record.error_type == "time_limit" for record in records)


def _expected(rounds: Sequence[Round], size: int, n_running: int) -> float:
    """Guess the seconds of the next round from the last one: each candidate takes its time by its new samples."""
    last = rounds[-1]
    return last.seconds * (n_running / len(last.candidates)) * ((size - last.n_samples) / last.n_new)
