"""Builders of rankings and jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hubscout.data.task import Probe, RowProblem, Task
from hubscout.ranking.candidate import CandidateJob
from hubscout.ranking.order import order_records
from hubscout.ranking.records import ProbeFacts, Ranking, ScoreEntry, ScoreRecord


def build_record(candidate: str, value: float | None = None, **facts: Any) -> ScoreRecord:
    entry = ScoreEntry(value, 0.01 if value is not None else None, None if value is not None else "it is flat", 0.5)
    defaults: dict[str, Any] = {
        "scores": {"logme": entry},
        "n_features": 64,
        "n_parameters": 12_345,
        "samples_per_second": 250.0,
        "seconds": 1.5,
        "rows_computed": 100,
        "transform": {"size": [8, 8]},
        "notes": ("weights are old",),
    }
    return ScoreRecord(candidate=candidate, status="ranked", **{**defaults, **facts})


def build_ranking(*records: ScoreRecord, scores: tuple[str, ...] = ("logme",)) -> Ranking:
    return Ranking(
        task=Task("pets", "classification", "image", ("cat", "dog")),
        probe=ProbeFacts(100, 200, 0, "train", "ab" * 32, (RowProblem("cat/1.jpg", "it is truncated"),), ("a note",)),
        scores=scores,
        records=order_records(records, scores[0]),
        options={"seed": 0},
        environment={"hubscout": "0.1.0"},
        created="2026-11-22T00:00:00+00:00",
    )


@pytest.fixture
def record() -> Callable[..., ScoreRecord]:
    return build_record


@pytest.fixture
def ranking() -> Callable[..., Ranking]:
    return build_ranking


@pytest.fixture
def job() -> Callable[[str], CandidateJob]:
    def build(address: str) -> CandidateJob:
        n = 8
        probe = Probe(
            task=Task("numbers", "classification", "features", ("a", "b")),
            samples=range(n),  # type: ignore[arg-type]
            labels=np.arange(n) % 2,
            rows=np.arange(n),
            fingerprint="00" * 32,
            n_target=n,
            seed=0,
            split="all",
        )
        return CandidateJob(address=address, probe=probe, scores=("logme",))

    return build
