"""All candidates in the caller's own process: for debugging and for tests."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from typing import Any

from hubscout.ranking.candidate import CandidateJob, Emit, Runner, Step, failed_record, run_candidate
from hubscout.ranking.engines.choice import EngineOptions
from hubscout.ranking.events import Event, OnEvent
from hubscout.ranking.records import ScoreRecord


class InlineEngine:
    """Runs one candidate after the other, here.

    Parameters
    ----------
    options : EngineOptions
        Kept for the common form; nothing in one process can be timed out or run beside itself.
    runner : callable
        What is done with each job.
    """

    def __init__(self, options: EngineOptions, runner: Runner = run_candidate) -> None:
        self.options = options
        self.runner = runner

    def run(self, jobs: Sequence[CandidateJob], on_event: OnEvent) -> list[ScoreRecord]:
        """Run all jobs; see `hubscout.ranking.engines.choice.Engine.run`."""
        records = []
        for position, job in enumerate(jobs, start=1):
            common: dict[str, Any] = {
                "candidate": job.address,
                "position": position,
                "n_candidates": len(jobs),
            }
            on_event(Event("start", **common))
            start = time.perf_counter()
            try:
                record = self.runner(job, _relay(on_event, common))
            except Exception as error:
                record = failed_record(job, error, time.perf_counter() - start, traceback.format_exc()[-4000:])
            on_event(Event("done", record=record, **common))
            records.append(record)
        return records


def _relay(on_event: OnEvent, common: dict[str, Any]) -> Emit:
    def emit(kind: Step, done: int, total: int, message: str) -> None:
        on_event(Event(kind, done=done, total=total, message=message, **common))

    return emit
