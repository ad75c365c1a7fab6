"""One spawned process for each candidate: a crash or a hang of one costs only that one."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

from hubscout.ranking.candidate import CandidateJob, Runner, failed_record, run_candidate
from hubscout.ranking.engines.child import Child
from hubscout.ranking.engines.choice import EngineOptions
from hubscout.ranking.events import Event, OnEvent
from hubscout.ranking.records import ScoreRecord

# Longest wait, after Ctrl-C, for a candidate to keep the rows that are ready.
_GRACE_SECONDS = 3.0
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
# Memory that the C library of Linux keeps for the next batch instead of handing it back.
_KEPT_BYTES = str(2**30)

_SECONDS_BETWEEN_LOOKS = 0.5


class LocalEngine:
    """Runs up to ``workers`` candidates at a time, each in a process of its own.

    Parameters
    ----------
    options : EngineOptions
        Workers and time limit.
    runner : callable
        What is done with each job, in its process; a function of an importable module.

    Notes
    -----
    Processes are started with `subprocess`, not `multiprocessing`: plain scripts need no ``__main__`` guard,
    notebooks work, and one broken process cannot break a pool.
    """

    def __init__(self, options: EngineOptions, runner: Runner = run_candidate) -> None:
        self.options = options
        self.runner = runner
        self._lock = threading.Lock()
        self._children: set[Child] = set()
        self._is_stopped = False

    def run(self, jobs: Sequence[CandidateJob], on_event: OnEvent) -> list[ScoreRecord]:
        """Run all jobs; see `hubscout.ranking.engines.choice.Engine.run`."""
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in range(len(jobs)):
            waiting.put(index)
        # Threads only supervise; everything they hear is told to the caller here, on the caller's own thread.
        heard: queue.SimpleQueue[tuple[int, Event]] = queue.SimpleQueue()
        environment = child_environment(os.environ, self.options.workers)
        for _ in range(min(self.options.workers, len(jobs))):
            threading.Thread(target=self._work, args=(jobs, waiting, heard, environment), daemon=True).start()
        records: dict[int, ScoreRecord] = {}
        try:
            while len(records) < len(jobs):
                index, event = _next(heard)
                if event.record is not None:
                    records[index] = event.record
                on_event(event)
        finally:
            self._stop()
        return [records[index] for index in range(len(jobs))]

    def _work(
        self,
        jobs: Sequence[CandidateJob],
        waiting: queue.SimpleQueue[int],
        heard: queue.SimpleQueue[tuple[int, Event]],
        environment: dict[str, str],
    ) -> None:
        while not self._is_stopped:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            common: dict[str, Any] = {
                "candidate": jobs[index].address,
                "position": index + 1,
                "n_candidates": len(jobs),
            }
            heard.put((index, Event("start", **common)))
            record = self._one(jobs[index], index, heard, environment, common)
            heard.put((index, Event("done", record=record, **common)))

    def _one(
        self,
        job: CandidateJob,
        index: int,
        heard: queue.SimpleQueue[tuple[int, Event]],
        environment: dict[str, str],
        common: dict[str, Any],
    ) -> ScoreRecord:
        def relay(message: dict[str, Any]) -> None:
            heard.put((index, Event(**message, **common)))

        start = time.perf_counter()
        try:
            child = Child(job, self.runner, environment, self.options.time_limit)
            self._adopt(child)
            try:
                return child.supervise(relay)
            finally:
                child.kill()
                self._release(child)
        except Exception as error:
            return failed_record(job, error, time.perf_counter() - start)

    def _adopt(self, child: Child) -> None:
        with self._lock:
            self._children.add(child)
            # Started while everything was being stopped: nobody else would end it.
            if self._is_stopped:
                child.kill()

    def _release(self, child: Child) -> None:
        with self._lock:
            self._children.discard(child)

    def _stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            children = list(self._children)
        try:
            for child in children:
                child.interrupt()
            deadline = time.monotonic() + _GRACE_SECONDS
            while time.monotonic() < deadline and not all(child.is_over for child in children):
                time.sleep(0.02)
        finally:
            # Also when a second Ctrl-C arrives while we wait.
            for child in children:
                child.kill()


def child_environment(environment: Any, workers: int) -> dict[str, str]:
    """Return the environment of the candidates' processes.

    Parameters
    ----------
    environment : mapping
        That of this process; what the user has set is kept.
    workers : int
        Processes that share the cores. With one, libraries use as many threads as they like.

    Returns
    -------
    dict of str to str
    """
    result = dict(environment)
    result.setdefault("TOKENIZERS_PARALLELISM", "false")
    result.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    result["PYTHONUNBUFFERED"] = "1"
    # A forward pass frees and takes the same memory again and again; giving it back each time costs half the speed.
    result.setdefault("MALLOC_TRIM_THRESHOLD_", _KEPT_BYTES)
    result.setdefault("MALLOC_MMAP_THRESHOLD_", _KEPT_BYTES)
    # Threads that spin while they wait take the cores from the loader that they wait for.
    result.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Decompositions on all cores of a busy machine wait ten times longer for each other than half of them compute.
    result.setdefault("OPENBLAS_NUM_THREADS", str(max(1, _cores() // (2 * workers))))
    if workers > 1:
        share = str(max(1, _cores() // workers))
        for variable in _THREAD_VARIABLES:
            result.setdefault(variable, share)
    return result


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _next(heard: queue.SimpleQueue[tuple[int, Event]]) -> tuple[int, Event]:
    """Wait for the next event, and wake now and then: Ctrl-C may reach another thread, and does not end a wait here."""
    while True:
        with contextlib.suppress(queue.Empty):
            return heard.get(timeout=_SECONDS_BETWEEN_LOOKS)
