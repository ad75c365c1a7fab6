"""How well the order that a score gives agrees with the order of fine-tuned accuracies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hubscout.errors import UsageError

Convention = Literal["scipy", "truth-weighted"]
# None and NaN both mean that a value is missing.
Values: TypeAlias = Sequence[float | None] | npt.NDArray[np.floating]

_CONVENTIONS = ("scipy", "truth-weighted")


@dataclass(frozen=True)
class Agreement:
    """All measures of one score against one ground truth.

    Parameters
    ----------
    n : int
        Candidates with both values.
    n_dropped : int
        Candidates left out because one of the two was missing.
    weighted_tau, weighted_tau_truth : float or None
        In the conventions ``scipy`` and ``truth-weighted``.
    kendall, spearman : float or None
        Unweighted rank correlations.
    regret : float or None
        `regret_at_k` with k = 1.
    top1_hit : bool or None
        Whether the score's first candidate is the truth's best.
    """

    n: int
    n_dropped: int
    weighted_tau: float | None
    weighted_tau_truth: float | None
    kendall: float | None
    spearman: float | None
    regret: float | None
    top1_hit: bool | None


def agreement(scores: Values, truth: Values) -> Agreement:
    """Compute all measures at once.

    Parameters
    ----------
    scores : sequence of shape (n_candidates,)
        Higher is better; None or NaN where there is no value.
    truth : sequence of shape (n_candidates,)
        Accuracy after fine-tuning, of the same candidates in the same order.

    Returns
    -------
    Agreement

    Examples
    --------
    >>> result = agreement([0.1, 0.3, None, 0.2], [0.5, 0.9, 0.7, 0.6])
    >>> result.n, result.n_dropped, result.weighted_tau, result.regret
    (3, 1, 1.0, 0.0)
    """
    x, _ = complete_pairs(scores, truth)
    return Agreement(
        n=len(x),
        n_dropped=len(scores) - len(x),
        weighted_tau=weighted_tau(scores, truth),
        weighted_tau_truth=weighted_tau(scores, truth, convention="truth-weighted"),
        kendall=kendall(scores, truth),
        spearman=spearman(scores, truth),
        regret=regret_at_k(scores, truth),
        top1_hit=top1_hit(scores, truth),
    )


def weighted_tau(scores: Values, truth: Values, *, convention: Convention = "scipy") -> float | None:
    r"""Weighted Kendall's tau: exchanges among the best candidates weigh more.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `agreement`.
    convention : {"scipy", "truth-weighted"}
        Whose ranks give the hyperbolic weights :math:`1/(r+1)`. ``scipy``: the mean of the index weighted by
        the ranks of the scores and the one weighted by the ranks of the truth. ``truth-weighted``: the truth
        alone.

    Returns
    -------
    float or None
        In [-1, 1]; None with fewer than two complete pairs, or when one side is constant.

    Raises
    ------
    UsageError
        When the lengths differ or the convention is unknown.

    Notes
    -----
    LogME, SFDA and ETran report the first convention, Model Spider the second; on the same eleven models they
    differ by up to 0.3, so a figure without its convention says little. Pairs with a missing value are
    dropped, never counted as zero.

    References
    ----------
    .. [1] S. Vigna, "A weighted correlation index for rankings with ties", WWW 2015, arXiv:1404.3325.

    Examples
    --------
    >>> weighted_tau([1, 2, 3], [1, 2, 3])
    1.0
    >>> round(weighted_tau([4, 1, 2, 3], [1, 2, 3, 4]), 3)
    -0.067
    >>> round(weighted_tau([4, 1, 2, 3], [1, 2, 3, 4], convention="truth-weighted"), 3)
    0.173
    """
    from scipy.stats import weightedtau

    if convention not in _CONVENTIONS:
        msg = f"convention must be one of {', '.join(_CONVENTIONS)}, got {convention!r}"
        raise UsageError(msg)
    x, y = complete_pairs(scores, truth)
    if not _is_comparable(x, y):
        return None
    if convention == "scipy":
        return _number(weightedtau(x, y).statistic)
    return _number(weightedtau(y, x, rank=None).statistic)


def kendall(scores: Values, truth: Values) -> float | None:
    """Kendall's tau-b; None where `weighted_tau` is None.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `agreement`.

    Returns
    -------
    float or None
        In [-1, 1].

    Examples
    --------
    >>> kendall([1, 2, 3], [3, 2, 1])
    -1.0
    """
    from scipy.stats import kendalltau

    x, y = complete_pairs(scores, truth)
    return _number(kendalltau(x, y).statistic) if _is_comparable(x, y) else None


def spearman(scores: Values, truth: Values) -> float | None:
    """Spearman's rank correlation; None where `weighted_tau` is None.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `agreement`.

    Returns
    -------
    float or None
        In [-1, 1].

    Examples
    --------
    >>> round(spearman([1, 2, 3, 4], [1, 3, 2, 4]), 3)
    0.8
    """
    from scipy.stats import spearmanr

    x, y = complete_pairs(scores, truth)
    return _number(spearmanr(x, y).statistic) if _is_comparable(x, y) else None


def regret_at_k(scores: Values, truth: Values, *, k: int = 1) -> float | None:
    """Accuracy lost by fine-tuning only the k candidates that the score puts first.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `agreement`.
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
    if k < 1:
        msg = f"k must be at least 1, got {k!r}"
        raise UsageError(msg)
    x, y = complete_pairs(scores, truth)
    if not len(x):
        return None
    shortlist = np.lexsort((y, -x))[:k]
    return float(y.max() - y[shortlist].max())


def top1_hit(scores: Values, truth: Values) -> bool | None:
    """Whether the score's first candidate is the best after fine-tuning; None when there is no complete pair.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `agreement`.

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


def complete_pairs(scores: Values, truth: Values) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Keep the candidates that have both values.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `agreement`.

    Returns
    -------
    tuple of two ndarrays of shape (n,), float64

    Raises
    ------
    UsageError
        When the lengths differ.
    """
    if len(scores) != len(truth):
        msg = f"scores and truth must be of the same length, got {len(scores)} and {len(truth)}"
        raise UsageError(msg)
    x = np.array([np.nan if value is None else value for value in scores], dtype=np.float64)
    y = np.array([np.nan if value is None else value for value in truth], dtype=np.float64)
    both = ~(np.isnan(x) | np.isnan(y))
    return x[both], y[both]


def _is_comparable(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> bool:
    """Order needs two different values on each side; scipy would answer NaN."""
    return len(x) >= 2 and bool(np.ptp(x) > 0) and bool(np.ptp(y) > 0)


def _number(value: float) -> float | None:
    # Rounding in scipy's sums can leave 0.9999999999999999 for identical orders.
    return float(np.round(value, 12)) if np.isfinite(value) else None
