"""From single values to standings: scores, combinations and baselines on all tasks, and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from hubscout.errors import UsageError
from hubscout.evaluation.audio_folder import FAMILY as AUDIO
from hubscout.evaluation.baselines import by_fact, static_order
from hubscout.evaluation.benchmark_lists import selection_candidates
from hubscout.evaluation.benchmark_values import Cell
from hubscout.evaluation.benchmark_variants import parts_of
from hubscout.evaluation.selection import NestedSelection, nested_selection, rank_average
from hubscout.evaluation.standings import Standing, chance, judge
from hubscout.evaluation.task_truth import TaskTruth
from hubscout.ranking.parts import combine_parts
from hubscout.ranking.records import ScoreEntry, ScoreRecord

# By task, candidate and variant.
Cells: TypeAlias = dict[str, dict[str, dict[str, Cell]]]


def judge_scores(
    names: Sequence[str], cells: Cells, truths: Sequence[TaskTruth], *, n_draws: int, seed: int
) -> list[Standing]:
    """Hold each score, variant and combination against the truths.

    Parameters
    ----------
    names : sequence of str
        Combinations are written with a plus sign.
    cells : dict
        Values of all their parts.
    truths : sequence of TaskTruth
    n_draws, seed : int
        Of the bootstrap.

    Returns
    -------
    list of Standing
        In the order of ``names``.
    """
    static = static_order(truths)
    single = {
        part: {task: _as_ranked(candidates, part) for task, candidates in cells.items()}
        for part in dict.fromkeys(part for name in names for part in parts_of(name))
    }
    found = []
    for name in names:
        parts = parts_of(name)
        is_single = len(parts) == 1
        values = single[parts[0]] if is_single else rank_average([single[part] for part in parts], list(cells))
        seconds = [own[part].seconds for candidates in cells.values() for own in candidates.values() for part in parts]
        found.append(
            judge(
                name,
                values,
                truths,
                kind="score" if is_single else "combination",
                static=static,
                seconds=float(np.mean(seconds)) * len(parts) if seconds else None,
                n_draws=n_draws,
                seed=seed,
            )
        )
    return found


def _as_ranked(candidates: Mapping[str, Mapping[str, Cell]], name: str) -> dict[str, float | None]:
    """Combine parts across the candidates as a ranking does; scores without parts stay as they are."""
    records = [
        ScoreRecord(
            candidate,
            "ranked",
            scores={name: ScoreEntry(cell.value, cell.standard_error, cell.reason, cell.seconds, cell.parts)},
        )
        for candidate, own in candidates.items()
        for cell in [own[name]]
    ]
    return {record.candidate: record.value(name) for record in combine_parts(records, [name])}


def judge_baselines(
    truths: Sequence[TaskTruth], facts: Mapping[str, Mapping[str, float | None]], *, n_draws: int, seed: int
) -> tuple[list[Standing], list[str]]:
    """Hold orders that need no look at the data against the truths.

    Parameters
    ----------
    truths : sequence of TaskTruth
    facts : mapping of name to mapping of candidate to float or None
        One baseline each, beside random orders and the static order.
    n_draws, seed : int
        Of the bootstrap.

    Returns
    -------
    standings : list of Standing
    notes : list of str
        Baselines that have no order on any task, with the reason.
    """
    static = static_order(truths)
    orders = {"static order": static, **{name: by_fact(truths, own) for name, own in facts.items()}}
    found, notes = [chance(truths)], []
    for name, values in orders.items():
        standing = judge(name, values, truths, kind="baseline", static=static, n_draws=n_draws, seed=seed)
        if standing.mean_tau is None:
            notes.append(f"{name} is left out: {next(iter(standing.left_out.values()), 'there are no tasks')}")
        else:
            found.append(standing)
    return found, notes


def select(standings: Sequence[Standing], truths: Sequence[TaskTruth]) -> dict[str, NestedSelection]:
    """Choose among the scores by the fine-tuned tasks, and by all.

    Parameters
    ----------
    standings : sequence of Standing
        Of scores; simple ones first.
    truths : sequence of TaskTruth

    Returns
    -------
    dict of str to NestedSelection
        Empty where there is nothing to choose by: a single task, or too few candidates for an order.
    """
    allowed = set(selection_candidates([each.name for each in standings]))
    candidates = [each for each in standings if each.name in allowed]
    fine_tuned = [truth.task for truth in truths if truth.family != AUDIO]
    found = {}
    for label, tasks in (("fine-tuned tasks", fine_tuned), ("all tasks", [truth.task for truth in truths])):
        # Recordings of one collection are one group, whatever their labels.
        groups = {task: task.removesuffix("_murmurs") for task in tasks}
        if label == "all tasks" and tasks == fine_tuned:
            continue
        try:
            found[label] = nested_selection(candidates, tasks, groups=groups)
        except UsageError:
            continue
    return found
