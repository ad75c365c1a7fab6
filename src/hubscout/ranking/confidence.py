"""How sure an order is: candidates compared on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from hubscout._typing import FloatArray
from hubscout.ranking.records import ScoreRecord
from hubscout.ranking.standing import Method, Standing

LEVEL = 0.9
N_DRAWS = 20_000
# Below this share of the values' size, two draws are one: what a score saturates at decides nothing.
_ROUNDING = 1e-9
# The root of a singular covariance is known to the root of the precision.
_FACTOR_ROUNDING = 1e-7
_DRAWN_AT_ONCE = 2_000


@dataclass(frozen=True)
class Difference:
    """How far one candidate lies below another.

    Parameters
    ----------
    difference, standard_error : float
        Of the two means.
    degrees : float
        Degrees of freedom of the standard error; infinite where it is taken as known.
    method : {"samples", "folds", "halves", "independent"}
        As in `hubscout.ranking.standing.Standing`.
    """

    difference: float
    standard_error: float
    degrees: float
    method: Method

    def is_clear(self, level: float = LEVEL) -> bool:
        """Whether the two-sided interval of this level lies above 0.

        Parameters
        ----------
        level : float
            Share of intervals that hold the true difference.
        """
        return self.difference > t_quantile((1 + level) / 2, self.degrees) * self.standard_error


def compare(first: ScoreRecord, other: ScoreRecord, score: str) -> Difference | None:
    """Hold one candidate against another, on the same samples where both say what their value rests on.

    Parameters
    ----------
    first, other : ScoreRecord
        Of one run.
    score : str
        The deciding score.

    Returns
    -------
    Difference or None
        None where one of them has no value or no error.
    """
    values = first.value(score), other.value(score)
    errors = _error(first, score), _error(other, score)
    if values[0] is None or values[1] is None or errors[0] is None or errors[1] is None:
        return None
    difference = values[0] - values[1]
    own, others = first.evidence, other.evidence
    if own is not None and others is not None and _is_paired(first, other):
        n = len(own.values)
        error = float(np.std(own.values - others.values, ddof=1) / np.sqrt(n))
        return Difference(difference, error, own.degrees, own.kind)
    return Difference(difference, float(np.hypot(errors[0], errors[1])), _degrees((first, other)), "independent")


def add_standings(records: Sequence[ScoreRecord], score: str, seed: int = 0) -> tuple[ScoreRecord, ...]:
    """Say of each ranked candidate how likely it is the best, and whether it ties with the first.

    Parameters
    ----------
    records : sequence of ScoreRecord
        In their order, from `hubscout.ranking.order.order_records`.
    score : str
        The deciding score.
    seed : int
        Of the draws.

    Returns
    -------
    tuple of ScoreRecord
        Ranked ones with a standing; the others as they are.

    Notes
    -----
    The means of all candidates are drawn 20 000 times about their values, from a normal with the covariance of their
    terms over samples, widened to Student's t, which matters where ten folds or halves are all there is. A
    candidate's probability is the share of draws in which it is highest; equal ones share a draw. This is the answer
    of Bayesians with flat priors, and it takes the errors for the whole of the uncertainty: it says what other
    samples of this task could change, not whether the score is right about fine-tuning.
    """
    ranked = [record for record in records if record.status == "ranked"]
    if not ranked:
        return tuple(records)
    first = ranked[0]
    without = [record for record in ranked if _error(record, score) is None]
    chances: list[float | None] = [None] * len(ranked)
    reason = None
    if len(ranked) == 1:
        chances = [1.0]
    elif without:
        reason = f"{score} has no standard error for {len(without)} of {len(ranked)} candidates"
    else:
        chances = [float(chance) for chance in _chances(ranked, score, seed)]
    standings = {
        id(record): _standing(first, record, score, chance, reason)
        for record, chance in zip(ranked, chances, strict=True)
    }
    return tuple(replace(record, standing=standings.get(id(record))) for record in records)


def _standing(
    first: ScoreRecord, record: ScoreRecord, score: str, chance: float | None, reason: str | None
) -> Standing:
    if record is first:
        return Standing(chance, 0.0, 0.0, is_tie=False, method=_own_method(first), reason=reason)
    found = compare(first, record, score)
    if found is None:
        difference = (first.value(score) or 0.0) - (record.value(score) or 0.0)
        return Standing(chance, difference, reason=reason)
    is_tie = record.rank == first.rank or not found.is_clear()
    return Standing(chance, found.difference, found.standard_error, is_tie=is_tie, method=found.method, reason=reason)


def _own_method(record: ScoreRecord) -> Method | None:
    return None if record.evidence is None else record.evidence.kind


def _chances(ranked: Sequence[ScoreRecord], score: str, seed: int) -> FloatArray:
    """Return the share of draws in which each is the highest."""
    values = np.array([record.value(score) for record in ranked])
    factor = _factor(_covariance(ranked, score))
    degrees = _degrees(ranked)
    rng = np.random.default_rng(seed)
    wins = np.zeros(len(values))
    rounding = _ROUNDING * np.abs(values).max() + _FACTOR_ROUNDING * np.abs(factor).max()
    for start in range(0, N_DRAWS, _DRAWN_AT_ONCE):  # a thousand candidates need no table of all draws
        n = min(_DRAWN_AT_ONCE, N_DRAWS - start)
        moves = rng.standard_normal((n, factor.shape[1])) @ factor.T
        if np.isfinite(degrees):
            moves *= np.sqrt(degrees / rng.chisquare(degrees, n))[:, None]
        drawn = values + moves
        is_highest = drawn >= drawn.max(axis=1, keepdims=True) - rounding
        wins += (is_highest / is_highest.sum(axis=1, keepdims=True)).sum(axis=0)
    chances: FloatArray = wins / N_DRAWS
    return chances


def _covariance(ranked: Sequence[ScoreRecord], score: str) -> FloatArray:
    """Return the covariance of the candidates' means; zero between those that share no units."""
    errors = np.array([_error(record, score) for record in ranked], dtype=np.float64)
    covariance = np.diag(errors**2)
    blocks: dict[tuple[str, int], list[int]] = {}
    for place, record in enumerate(ranked):
        if record.evidence is not None:
            blocks.setdefault((record.evidence.kind, len(record.evidence.values)), []).append(place)
    for (_, n), places in blocks.items():
        table = np.stack([each.values for each in (ranked[place].evidence for place in places) if each is not None])
        table = table - table.mean(axis=1, keepdims=True)
        covariance[np.ix_(places, places)] = table @ table.T / (n * (n - 1))
    return covariance


def _factor(covariance: FloatArray) -> FloatArray:
    """Return a root of a covariance that may be singular: candidates can be copies of each other."""
    values, vectors = np.linalg.eigh(covariance)
    factor: FloatArray = vectors * np.sqrt(np.maximum(values, 0.0))
    return factor


def _degrees(records: Sequence[ScoreRecord]) -> float:
    known = [record.evidence.degrees for record in records if record.evidence is not None]
    return float(min(known, default=np.inf))


def _is_paired(first: ScoreRecord, other: ScoreRecord) -> bool:
    own, others = first.evidence, other.evidence
    return own is not None and others is not None and (own.kind, len(own.values)) == (others.kind, len(others.values))


def _error(record: ScoreRecord, score: str) -> float | None:
    entry = record.scores.get(score)
    if entry is None or entry.value is None:
        return None
    return record.evidence.standard_error if record.evidence is not None else entry.standard_error


@lru_cache(maxsize=64)
def t_quantile(probability: float, degrees: float) -> float:
    """Return a quantile of Student's t; of the normal for infinite degrees of freedom.

    Parameters
    ----------
    probability : float
    degrees : float

    Returns
    -------
    float

    Examples
    --------
    >>> round(t_quantile(0.95, 9), 3), round(t_quantile(0.95, float("inf")), 3)
    (1.833, 1.645)
    """
    from scipy.special import ndtri, stdtrit

    return float(stdtrit(degrees, probability) if np.isfinite(degrees) else ndtri(probability))
