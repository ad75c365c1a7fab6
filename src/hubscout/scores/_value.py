"""What one score says of one candidate, in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout.scores._estimate import Estimate, NullReference
from hubscout.stats.clusters import standard_error


@dataclass(frozen=True)
class ScoreValue:
    """What one score says of one candidate.

    Parameters
    ----------
    value : float or None
        Higher is better; None when there is no value.
    standard_error : float or None
        Of the value over samples of the task; None when unknown.
    reason : str or None
        Why there is no value, in one sentence.
    seconds : float
        Time this score took beyond what scores before it had computed.
    terms : ndarray of shape (n_samples,), or None
        One number a sample with the value as mean, for paired comparisons.
    null : NullReference or None
        The value under labels in random order, when that was asked for and the score reads labels.
    parts : mapping of str to float, or None
        What the value is the sum of, on their own scales: ``classes`` and, where the score takes numbers too,
        ``boxes`` of a detection. None for other tasks.
    part_errors, part_terms : mapping, or None
        Standard error and terms of each part, None where a part has none.
    """

    value: float | None
    standard_error: float | None = None
    reason: str | None = None
    seconds: float = 0.0
    terms: FloatArray | None = None
    null: NullReference | None = None
    parts: Mapping[str, float] | None = None
    part_errors: Mapping[str, float | None] | None = None
    part_terms: Mapping[str, FloatArray | None] | None = None

    @classmethod
    def bare(cls, estimate: Estimate) -> ScoreValue:
        """Return the value without its uncertainty."""
        return cls(estimate.value, parts=estimate.parts)

    @classmethod
    def of(cls, estimate: Estimate, groups: IntArray | None) -> ScoreValue:
        """Return the value with standard errors over groups of samples, or over single ones."""
        terms = None
        sides = {name: side.terms and side.terms() for name, side in (estimate.sides or {}).items()}
        known = [own for own in sides.values() if own is not None]
        if estimate.sides is None:
            terms = estimate.terms and estimate.terms()
        elif len(known) == len(sides):  # their sum, without asking each of them again
            terms = np.sum(known, axis=0)
        errors = {name: None if own is None else standard_error(own, groups) for name, own in sides.items()}
        return cls(
            estimate.value,
            None if terms is None else standard_error(terms, groups),
            terms=terms,
            parts=estimate.parts,
            part_errors=errors or None,
            part_terms=sides or None,
        )

    @property
    def z(self) -> float | None:
        """Standard deviations of the null reference that the value lies above its mean."""
        return None if self.value is None or self.null is None else self.null.z(self.value)
