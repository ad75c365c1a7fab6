"""What a running ranking tells those who watch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hubscout.data.task import Task
from hubscout.ranking.records import ProbeFacts, ScoreRecord

EventKind = Literal["drawing", "probe", "start", "loaded", "progress", "scoring", "note", "done"]


@dataclass(frozen=True)
class Event:
    """One step of a run.

    Parameters
    ----------
    kind : str
        ``drawing`` (the probe is being read), ``probe`` (it is drawn), then for each candidate ``start``,
        ``loaded`` (features will be extracted), ``progress``, ``scoring``, ``note``, and at last ``done``.
    candidate : str
        The address as it was asked for; empty before the first ``start``. Untrusted text.
    position, n_candidates : int
        Place of the candidate in the run, from 1, and how many there are.
    done, total : int
        Rows of the probe that are ready.
    message : str
        Text of a note. Untrusted text.
    record : ScoreRecord or None
        With ``done``.
    task : Task or None
        With ``probe``.
    probe : ProbeFacts or None
        With ``probe``.
    """

    kind: EventKind
    candidate: str = ""
    position: int = 0
    n_candidates: int = 0
    done: int = 0
    total: int = 0
    message: str = ""
    record: ScoreRecord | None = None
    task: Task | None = None
    probe: ProbeFacts | None = None


OnEvent: TypeAlias = Callable[[Event], None]
