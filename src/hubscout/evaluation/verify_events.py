"""What a running verification tells those who watch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hubscout.evaluation.finetune.data import Parts
from hubscout.evaluation.verification import VerifiedCandidate


@dataclass(frozen=True)
class VerifyEvent:
    """One step of a verification.

    Parameters
    ----------
    kind : {"reading", "parts", "start", "progress", "done"}
        ``reading`` the target, ``parts`` once it is divided, then for each candidate ``start``, ``progress`` and
        ``done``.
    candidate : str
        Its address. Untrusted text.
    position, n_candidates : int
        Place of the candidate, from 1, and how many there are.
    done, total : int
        Samples read, or epochs of all runs, at most.
    message : str
        What was last done, in words.
    outcome : VerifiedCandidate or None
        With ``done``.
    parts : Parts or None
        With ``parts``.
    """

    kind: Literal["reading", "parts", "start", "progress", "done"]
    candidate: str = ""
    position: int = 0
    n_candidates: int = 0
    done: int = 0
    total: int = 0
    message: str = ""
    outcome: VerifiedCandidate | None = None
    parts: Parts | None = None


OnVerifyEvent: TypeAlias = Callable[[VerifyEvent], None]
