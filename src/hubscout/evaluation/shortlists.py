"""What the first few candidates of a score are worth."""

from __future__ import annotations

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout.errors import UsageError
from hubscout.evaluation.paired_values import Values, complete_pairs


def regret_at_k(scores: Values, truth: Values, *, k: int = 1) -> float | None:
    """Accuracy lost by fine-tuning only the k candidates that the score puts first.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `hubscout.evaluation.agreement`.
    k : int
        Size of the shortlist.

    Returns
    -------
    float or None
        Best truth of all minus best truth in the shortlist, in the units of the truth; 0 when the best is in
        it. None when there is no complete pair.

    Raises
    ------
    UsageError
        When k is below 1.

    Notes
    -----
    Candidates that tie at the end of the shortlist are an equal choice, so their expected outcome would be
    random; the worst case is taken: among equals, the one with the lowest truth is picked first.

    Examples
    --------
    >>> round(regret_at_k([3, 2, 1], [0.7, 0.9, 0.8]), 3)
    0.2
    >>> regret_at_k([3, 2, 1], [0.7, 0.9, 0.8], k=2)
    0.0
    """
    _check_k(k)
    x, y = complete_pairs(scores, truth)
    return float(y.max() - y[_shortlist(x, y, k)].max()) if len(x) else None


def rel_at_k(scores: Values, truth: Values, *, k: int = 1) -> float | None:
    """Best truth in the shortlist as a share of the best truth of all.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `hubscout.evaluation.agreement`.
    k : int
        Size of the shortlist, drawn as in `regret_at_k`.

    Returns
    -------
    float or None
        At most 1, which means that the best candidate is in the shortlist. None when there is no complete pair, or
        when the best truth is not above 0, as with negated errors: a share of such a number has no meaning.

    Raises
    ------
    UsageError
        When k is below 1.

    Examples
    --------
    >>> round(rel_at_k([3, 2, 1], [0.72, 0.9, 0.8]), 3)
    0.8
    """
    _check_k(k)
    x, y = complete_pairs(scores, truth)
    if not len(x) or y.max() <= 0:
        return None
    return float(y[_shortlist(x, y, k)].max() / y.max())


def recall_at_k(scores: Values, truth: Values, *, k: int = 1) -> float | None:
    """Share of the k truly best candidates that stand among the score's first k.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `hubscout.evaluation.agreement`.
    k : int
        Size of both lists; that of all candidates where there are fewer.

    Returns
    -------
    float or None
        In [0, 1]; None when there is no complete pair.

    Raises
    ------
    UsageError
        When k is below 1.

    Notes
    -----
    A candidate whose truth equals that of the k-th best counts as one of the best; equal scores are taken in the worst
    order, as in `regret_at_k`.

    Examples
    --------
    >>> recall_at_k([4, 3, 2, 1], [0.9, 0.5, 0.8, 0.1], k=2)
    0.5
    """
    _check_k(k)
    x, y = complete_pairs(scores, truth)
    if not len(x):
        return None
    k = min(k, len(x))
    return float((y[_shortlist(x, y, k)] >= np.sort(y)[-k]).sum() / k)


def top1_hit(scores: Values, truth: Values) -> bool | None:
    """Whether the score's first candidate is the best after fine-tuning; None when there is no complete pair.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `hubscout.evaluation.agreement`.

    Returns
    -------
    bool or None

    Examples
    --------
    >>> top1_hit([3, 2, 1], [0.7, 0.9, 0.8])
    False
    """
    regret = regret_at_k(scores, truth)
    return None if regret is None else regret == 0.0


def _shortlist(x: FloatArray, y: FloatArray, k: int) -> IntArray:
    return np.lexsort((y, -x))[:k]


def _check_k(k: int) -> None:
    if k < 1:
        msg = f"k must be at least 1, got {k!r}"
        raise UsageError(msg)
