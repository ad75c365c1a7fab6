"""Engines by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from hubscout.errors import UsageError
from hubscout.ranking.candidate import CandidateJob
from hubscout.ranking.events import OnEvent
from hubscout.ranking.records import ScoreRecord


@dataclass(frozen=True)
class EngineOptions:
    """What every engine is told.

    Parameters
    ----------
    workers : int
        Candidates that run at the same time.
    time_limit : float or None
        Seconds one candidate may take, loading included; None is no limit.
    """

    workers: int = 1
    time_limit: float | None = None


class Engine(Protocol):
    """Runs jobs; one failing job never stops the others."""

    def run(self, jobs: Sequence[CandidateJob], on_event: OnEvent) -> list[ScoreRecord]:
        """Run all jobs.

        Parameters
        ----------
        jobs : sequence of CandidateJob
            One a candidate.
        on_event : callable
            Told each step, always from the caller's thread.

        Returns
        -------
        list of ScoreRecord
            In the order of the jobs.

        Raises
        ------
        KeyboardInterrupt
            After all that was started has been ended.
        """
        ...


# Targets are resolved when they are asked for, so that a cluster library is only imported by who names it.
_ENGINES = {
    "inline": "hubscout.ranking.engines.inline:InlineEngine",
    "local": "hubscout.ranking.engines.local:LocalEngine",
}


def list_engines() -> list[str]:
    """Return the names of the engines, sorted."""
    return sorted(_ENGINES)


def get_engine(name: str, options: EngineOptions) -> Engine:
    """Build an engine.

    Parameters
    ----------
    name : {"local", "inline"}
        ``local``: a spawned process for each candidate. ``inline``: in this process, for debugging; a crash
        of a candidate is then a crash of the caller, and time limits do not apply.
    options : EngineOptions
        Workers and time limit.

    Returns
    -------
    Engine

    Raises
    ------
    UsageError
        When there is no such engine, or the options are out of range.
    """
    if name not in _ENGINES:
        msg = f"engine must be one of {', '.join(list_engines())}, got {name!r}"
        raise UsageError(msg)
    if isinstance(options.workers, bool) or not isinstance(options.workers, int) or options.workers < 1:
        msg = f"workers must be at least 1, got {options.workers!r}; 1 runs the candidates one after the other"
        raise UsageError(msg)
    if options.time_limit is not None and not options.time_limit > 0:
        msg = f"time_limit must be a positive number of seconds or None, got {options.time_limit!r}"
        raise UsageError(msg)
    module, _, attribute = _ENGINES[name].partition(":")
    build = cast(Callable[[EngineOptions], Engine], getattr(import_module(module), attribute))
    return build(options)
