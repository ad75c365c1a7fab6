"""Scores beside truths: which candidates have both, and whether the two can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hubscout.errors import UsageError

# None and NaN both mean that a value is missing.
Values: TypeAlias = Sequence[float | None] | npt.NDArray[np.floating]

# Two candidates are ordered rightly by half of all coins.
FEWEST = 3


def complete_pairs(scores: Values, truth: Values) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Keep the candidates that have both values.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        Of the same candidates in the same order; None or NaN where there is no value.

    Returns
    -------
    tuple of two ndarrays of shape (n,), float64

    Raises
    ------
    UsageError
        When the lengths differ.

    Examples
    --------
    >>> complete_pairs([1, None, 3], [0.5, 0.6, 0.7])
    (array([1., 3.]), array([0.5, 0.7]))
    """
    if len(scores) != len(truth):
        msg = f"scores and truth must be of the same length, got {len(scores)} and {len(truth)}"
        raise UsageError(msg)
    x = np.array([np.nan if value is None else value for value in scores], dtype=np.float64)
    y = np.array([np.nan if value is None else value for value in truth], dtype=np.float64)
    both = ~(np.isnan(x) | np.isnan(y))
    return x[both], y[both]


def why_incomparable(scores: Values, truth: Values) -> str | None:
    """Say why the orders of scores and truth cannot be compared, or None when they can.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `complete_pairs`.

    Returns
    -------
    str or None

    Examples
    --------
    >>> why_incomparable([1, 2, None], [0.5, 0.6, 0.7])
    'only 2 candidates have both values; at least 3 are needed'
    >>> why_incomparable([1, 1, 1], [0.5, 0.6, 0.7])
    'the score gives all candidates the same value'
    """
    x, y = complete_pairs(scores, truth)
    if len(x) < FEWEST:
        return f"only {len(x)} candidates have both values; at least {FEWEST} are needed"
    if x.min() == x.max():
        return "the score gives all candidates the same value"
    if y.min() == y.max():
        return "all candidates have the same truth"
    return None
