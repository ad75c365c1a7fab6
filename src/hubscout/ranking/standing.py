"""How sure a candidate's place is: its chance of being best, and how far it lies below the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# How differences were judged: on the same samples, folds or halves of them, or as if on other samples.
Method = Literal["samples", "folds", "halves", "independent"]


@dataclass(frozen=True)
class Standing:
    """What the uncertainty of the deciding score means for one ranked candidate.

    Parameters
    ----------
    probability_best : float or None
        Chance that its value is the highest of those that are ranked, on many samples like these; None when errors are
        missing.
    difference : float
        How far its value lies below that of the first candidate; 0 for the first.
    difference_error : float or None
        Standard error of the difference, both candidates on the same samples wherever that is known.
    is_tie : bool or None
        Whether the 90 % interval of the difference holds 0, so that it is not clearly worse than the first; False for
        the first itself, None when the error is unknown.
    method : {"samples", "folds", "halves", "independent"} or None
        Paired sample by sample, fold by fold (a jackknife), or half by half (half-sampling); or from standard errors
        as if candidates had seen different samples, which makes differences look less sure than they are.
    reason : str or None
        Why there is no probability.
    """

    probability_best: float | None
    difference: float
    difference_error: float | None = None
    is_tie: bool | None = None
    method: Method | None = None
    reason: str | None = None
