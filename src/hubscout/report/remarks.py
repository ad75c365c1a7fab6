"""What a user should know beside the table: how the probe came about, what was left out, what was guessed."""

from __future__ import annotations

from hubscout._printable import printable
from hubscout.data.task import Task
from hubscout.ranking.records import ProbeFacts, Ranking
from hubscout.ranking.trajectory import trajectories
from hubscout.report.confidence_remarks import confidence_remarks, race_remarks

_SHOWN_PROBLEMS = 10
_UNITS = {"image": "images", "text": "texts", "features": "rows"}
_PARTS = {"box": "boxes", "word": "words", "point": "points"}


def probe_remarks(task: Task, probe: ProbeFacts) -> list[str]:
    """Say what the candidates look at.

    Parameters
    ----------
    task : Task
        The task.
    probe : ProbeFacts
        The sample.

    Returns
    -------
    list of str
        Lines for a terminal: the probe, the notes, and the first ten problems by row and reason.
    """
    unit = "pairs of texts" if task.is_pair else _UNITS[task.modality]
    left_out = len(probe.problems)
    size = f"{probe.n} {unit}" if probe.n == probe.n_target else f"{probe.n} of {probe.n_target} {unit}"
    if probe.n_units is not None:
        size += f" with {probe.n_units} {_PARTS.get(task.unit, 'rows')}"
    classes = f" in {task.n_classes} classes" if task.n_classes else ""
    if task.kind == "multilabel":
        classes = f" with {task.n_classes} labels"
    lines = [f"{task.name}: {task.kind.replace('_', ' ')}, {size}{classes} (split {probe.split}, seed {probe.seed})"]
    lines += [f"note: {note}" for note in probe.notes]
    if probe.problems:
        lost = f"{unit} or {_PARTS[task.unit]}" if task.unit in _PARTS else unit
        lines.append(f"left out: {left_out} {_one(unit) if left_out == 1 else lost}")
        lines += [f"  {problem.row}: {problem.reason}" for problem in probe.problems[:_SHOWN_PROBLEMS]]
        more = left_out - _SHOWN_PROBLEMS
        if more > 0:
            lines.append(f"  ... and {more} more; --json lists them all")
    return [printable(line) for line in lines]


def ranking_remarks(ranking: Ranking) -> list[str]:
    """Say what happened to the candidates.

    Parameters
    ----------
    ranking : Ranking
        The result.

    Returns
    -------
    list of str
        Lines for a terminal: what the store gave, what was damaged, the notes of the candidates, what a race
        dropped, and how sure the first place is.
    """
    ready = [record for record in ranking.records if record.status != "failed"]
    lines = []
    whole = sum(record.rows_cached > 0 and record.rows_computed == 0 for record in ready)
    partly = sum(record.rows_cached > 0 and record.rows_computed > 0 for record in ready)
    if whole:
        lines.append(f"features of {whole} of {len(ready)} candidates were found in the store")
    if partly:
        lines.append(f"{partly} of {len(ready)} candidates went on from features that were in the store")
    lines += [
        f"note: {record.candidate}: {record.rows_repaired} stored rows were damaged and were computed again"
        for record in ready
        if record.rows_repaired
    ]
    lines += [f"note: {record.candidate}: {note}" for record in ranking.records for note in record.notes]
    lines += race_remarks(ranking)
    lines += confidence_remarks(ranking)
    lines += [f"layers: {line}" for line in layer_remarks(ranking)]
    lines += [f"training: {run.remark()}" for run in trajectories(ranking)]
    return [printable(line) for line in lines]


def layer_remarks(ranking: Ranking) -> list[str]:
    """Say which layer each candidate is judged at, and what the choice is worth.

    Parameters
    ----------
    ranking : Ranking
        The result.

    Returns
    -------
    list of str
        One line a ranked candidate whose layer was chosen.
    """
    lines = []
    for record in ranking.ranked:
        choice = record.layers
        if choice is None:
            continue
        deepest = max(each.layer for each in choice.layers)
        worth = f"{choice.score} {choice.value:.4g} there"
        if choice.corrected is not None:
            error = "" if choice.standard_error is None else f" ± {choice.standard_error:.2g}"
            looks = len(choice.layers)
            worth += f", {choice.corrected:.4g}{error} corrected for having looked at {looks}"
        lines.append(f"{record.candidate}: layer {choice.layer} of {deepest}, {choice.pooling}: {worth}")
    return lines


def _one(unit: str) -> str:
    return "pair of texts" if unit == "pairs of texts" else unit.removesuffix("s")
