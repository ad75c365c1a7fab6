"""Checkpoints of one training run among the candidates: how far training helps this task."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hubscout.errors import UsageError
from hubscout.models.address import Address, parse_address
from hubscout.ranking.records import Ranking, ScoreRecord

# A number that counts training: behind a word that says so, or alone as a file or branch.
_STEP = re.compile(
    r"(?<![a-z])(?:steps?|checkpoint|check|ckpt|epochs?|ep|iterations?|iters?|it|updates?|tokens?)[_\-=.]?(\d+)"
    r"|(?:^|/)(\d+)(?=$|[/.])",
    re.IGNORECASE,
)
_NOISE = 2.0


@dataclass(frozen=True)
class Checkpoint:
    """One candidate of a training run.

    Parameters
    ----------
    step : int
        The number that tells it from the others.
    record : ScoreRecord
        The candidate.
    """

    step: int
    record: ScoreRecord


@dataclass(frozen=True)
class Trajectory:
    """The checkpoints of one training run, earliest first.

    Parameters
    ----------
    run : str
        The address with ``*`` in the place of the step.
    score : str
        The deciding score.
    checkpoints : tuple of Checkpoint
        At least two, all with a value.
    """

    run: str
    score: str
    checkpoints: tuple[Checkpoint, ...]

    @property
    def best(self) -> Checkpoint:
        """The checkpoint of the highest value; the earliest of several."""
        return max(self.checkpoints, key=lambda each: each.record.value(self.score) or 0.0)

    @property
    def settled(self) -> Checkpoint:
        """The earliest checkpoint that no later one surpasses by more than two standard errors of the difference.

        The errors are taken as independent, which is on the safe side: all checkpoints look at the same samples.
        Where the score has no error, any rise counts.
        """
        return next(
            each
            for place, each in enumerate(self.checkpoints)
            if not any(self._rises(each, later) for later in self.checkpoints[place + 1 :])
        )

    def _rises(self, early: Checkpoint, late: Checkpoint) -> bool:
        first, second = early.record.scores[self.score], late.record.scores[self.score]
        noise = math.hypot(first.standard_error or 0.0, second.standard_error or 0.0)
        return (second.value or 0.0) - (first.value or 0.0) > _NOISE * noise

    def remark(self) -> str:
        """Say in one sentence where features stop improving for the task."""
        last, settled, best = self.checkpoints[-1], self.settled, self.best
        if settled is last:
            found = f"features still improve at the last step, {last.step}"
        else:
            found = f"features stop improving at step {settled.step} of {last.step}"
        if best is not last and self._rises(last, best):
            found += f"; step {best.step} is better than the last one by more than the error"
        return f"{self.run}: {found} ({self.score})"


def trajectories(ranking: Ranking) -> tuple[Trajectory, ...]:
    """Find the training runs of which several checkpoints were ranked.

    Parameters
    ----------
    ranking : Ranking
        Any.

    Returns
    -------
    tuple of Trajectory
        Candidates belong together when the names of their weights, folders or revisions differ in one number alone
        that counts training, as in ``step-1000``, ``checkpoint-3`` or ``epoch=12``; checkpoints stand by that number.
    """
    if not ranking.scores:
        return ()
    runs: dict[str, dict[int, ScoreRecord]] = {}
    for record in ranking.ranked:
        for run, step in _readings(record.requested or record.candidate):
            runs.setdefault(run, {}).setdefault(step, record)
    found, taken = [], set()
    # Where two numbers of a name vary, the longer series is the run.
    for run, steps in sorted(runs.items(), key=lambda item: (-len(item[1]), item[0])):
        own = {step: record for step, record in steps.items() if record.candidate not in taken}
        if len(own) > 1:
            taken |= {record.candidate for record in own.values()}
            checkpoints = tuple(Checkpoint(step, own[step]) for step in sorted(own))
            found.append(Trajectory(run, ranking.scores[0], checkpoints))
    return tuple(found)


def _readings(candidate: str) -> Sequence[tuple[str, int]]:
    """Give each way to read one number of an address as the step of its run."""
    try:
        address = parse_address(candidate)
    except UsageError:  # a plugin's own way of naming
        return ()
    if address.revision is not None:
        return [(_written(address, revision=text), step) for text, step in _starred(address.revision)]
    if "weights" in address.options:
        return [(_written(address, weights=text), step) for text, step in _starred(address.options["weights"])]
    if address.is_local or address.scheme in ("onnx", "features"):
        return [(f"{address.scheme}:{text}", step) for text, step in _starred(address.name)]
    return ()


def _starred(text: str) -> list[tuple[str, int]]:
    # A commit's name is no number of steps.
    if re.fullmatch(r"[0-9a-f]{40}", text):
        return []
    found = []
    for each in _STEP.finditer(text):
        place = 1 if each.group(1) is not None else 2
        found.append((f"{text[: each.start(place)]}*{text[each.end(place) :]}", int(each.group(place))))
    return found


def _written(address: Address, *, revision: str | None = None, weights: str | None = None) -> str:
    if weights is not None:
        return str(replace(address, options={**address.options, "weights": weights}))
    return str(replace(address, revision=None)) + f"@{revision}"
