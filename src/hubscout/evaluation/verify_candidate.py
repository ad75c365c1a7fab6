"""One candidate of a verification: fine-tuned, measured, and written down."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hubscout._typing import FloatArray
from hubscout.errors import HubscoutError
from hubscout.evaluation.finetune.data import Parts
from hubscout.evaluation.finetune.fine_tuning import FineTuning, OnProgress, fine_tune
from hubscout.evaluation.finetune.history import HistoryEntry
from hubscout.evaluation.finetune.objective import MEASURES, value_terms
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.result import accuracy_interval, mean_interval
from hubscout.evaluation.verification import VerifiedCandidate
from hubscout.ranking.environment import environment
from hubscout.ranking.records import ScoreRecord


@dataclass(frozen=True)
class Setting:
    """How all candidates are fine-tuned; the fields are arguments of `hubscout.evaluation.verify.verify`."""

    recipe: Recipe
    device: str
    store: str | Path | None
    home: str | Path | None
    trust: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of one candidate.

    Parameters
    ----------
    candidate : VerifiedCandidate
        For the verification.
    terms : ndarray of shape (n_seeds, n_test), or None
        Whose mean is the value; for paired differences.
    tuning : FineTuning or None
        Its runs.
    """

    candidate: VerifiedCandidate
    terms: FloatArray | None = None
    tuning: FineTuning | None = None


def verify_candidate(record: ScoreRecord, score: str, parts: Parts, setting: Setting, progress: OnProgress) -> Outcome:
    """Fine-tune one candidate; a failure becomes part of the outcome.

    Parameters
    ----------
    record : ScoreRecord
        Of the ranking.
    score : str
        The score that ranks.
    parts : Parts
        The data.
    setting : Setting
        How.
    progress : callable
        Told each epoch.

    Returns
    -------
    Outcome
    """
    base = VerifiedCandidate(
        candidate=record.candidate,
        rank=record.rank or 0,
        score=record.value(score),
        status="failed",
        n_parameters=record.n_parameters,
    )
    try:
        tuning = _tune(record.candidate, parts, setting, progress)
    except HubscoutError as error:
        return Outcome(replace(base, reason=str(error), error_type=type(error).__name__))
    except Exception as error:
        # Frameworks raise whatever they like; the other candidates go on.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        return Outcome(replace(base, reason=reason, error_type=type(error).__name__))
    terms = np.stack([value_terms(parts.task.kind, run.predicted, parts.test.labels) for run in tuning.chosen])
    interval = accuracy_interval if parts.task.kind == "classification" else mean_interval
    notes = () if record.identity in (None, tuning.card.identity) else ("its weights have changed since the ranking",)
    best = tuning.chosen[0]
    done = replace(
        base,
        status="verified",
        reached=interval(terms),
        validation=None if best.best is None else best.best.validation,
        setting=best.setting,
        n_epochs=0 if setting.recipe.method == "linear-probe" else sum(len(run.epochs) for run in tuning.runs),
        seconds=tuning.seconds,
        device=best.device,
        notes=notes,
    )
    return Outcome(done, terms, tuning)


def _tune(address: str, parts: Parts, setting: Setting, progress: OnProgress) -> FineTuning:
    common: dict[str, Any] = {
        "device": setting.device,
        "trust_remote_code": setting.trust,
        "on_progress": progress,
    }
    if setting.recipe.method == "linear-probe":
        from hubscout.evaluation.finetune.probe import linear_probe

        return linear_probe(address, parts, setting.recipe, store=setting.store, **common)
    return fine_tune(address, parts, setting.recipe, home=setting.home, **common)


def history_entry(record: ScoreRecord, outcome: Outcome, parts: Parts, recipe: Recipe) -> HistoryEntry | None:
    """Write an outcome as the history keeps it; None for a failure."""
    reached, tuning = outcome.candidate.reached, outcome.tuning
    if reached is None or tuning is None:
        return None
    values = {name: entry.value for name, entry in record.scores.items()}
    return HistoryEntry(
        task=parts.task.name,
        kind=parts.task.kind,
        measure=MEASURES[parts.task.kind],
        fingerprint=parts.fingerprint,
        candidate=record.candidate,
        identity=tuning.card.identity,
        value=reached.value,
        low=reached.low,
        high=reached.high,
        level=reached.level,
        n_train=len(parts.train),
        n_test=len(parts.test),
        recipe=recipe.to_dict(),
        setting=tuning.chosen[0].setting,
        scores={name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)},
        n_parameters=record.n_parameters,
        date=now(),
        version=environment().get("hubscout", ""),
    )


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
