"""Correlation of a score with fine-tuned accuracies: of the orders, and of the values."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hubscout.errors import UsageError
from hubscout.evaluation.paired_values import Values, complete_pairs, why_incomparable

Convention = Literal["scipy", "truth-weighted"]

CONVENTIONS: tuple[Convention, ...] = ("scipy", "truth-weighted")


def weighted_tau(scores: Values, truth: Values, *, convention: Convention = "scipy") -> float | None:
    r"""Weighted Kendall's tau: exchanges among the best candidates weigh more.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `hubscout.evaluation.agreement`.
    convention : {"scipy", "truth-weighted"}
        Whose ranks give the hyperbolic weights :math:`1/(r+1)`. ``scipy``: the mean of the index weighted by
        the ranks of the scores and the one weighted by the ranks of the truth. ``truth-weighted``: the truth
        alone.

    Returns
    -------
    float or None
        In [-1, 1]; None with fewer than three complete pairs, or when one side is constant.

    Raises
    ------
    UsageError
        When the lengths differ or the convention is unknown.

    Notes
    -----
    LogME, SFDA and ETran report the first convention, Model Spider the second; on the same eleven models they
    differ by up to 0.3, so a figure without its convention says little. Pairs with a missing value are
    dropped, never counted as zero; equal values count for neither order, as in Kendall's tau-b.

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

    check_convention(convention)
    if why_incomparable(scores, truth) is not None:
        return None
    x, y = complete_pairs(scores, truth)
    if convention == "scipy":
        return _number(weightedtau(x, y).statistic)
    return _number(weightedtau(y, x, rank=None).statistic)


def kendall(scores: Values, truth: Values) -> float | None:
    """Kendall's tau-b; None where `weighted_tau` is None.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `hubscout.evaluation.agreement`.

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
    return None if why_incomparable(scores, truth) else _number(kendalltau(x, y).statistic)


def spearman(scores: Values, truth: Values) -> float | None:
    """Spearman's rank correlation, equal values sharing the mean of their ranks; None where `weighted_tau` is None.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `hubscout.evaluation.agreement`.

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
    return None if why_incomparable(scores, truth) else _number(spearmanr(x, y).statistic)


def pearson(scores: Values, truth: Values) -> float | None:
    """Pearson's correlation of the values themselves; None where `weighted_tau` is None.

    Parameters
    ----------
    scores, truth : sequence of shape (n_candidates,)
        As in `hubscout.evaluation.agreement`.

    Returns
    -------
    float or None
        In [-1, 1]; None too when a value is infinite.

    Notes
    -----
    PARC reports it. One candidate far from all others decides it, which is why the orders are compared first.

    Examples
    --------
    >>> round(pearson([1, 2, 3], [1, 2, 4]), 3)
    0.982
    """
    x, y = complete_pairs(scores, truth)
    if why_incomparable(scores, truth) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    # Each side on its own scale first: squares of tiny or huge values leave the range of floats.
    x, y = (x - x.mean()) / np.ptp(x), (y - y.mean()) / np.ptp(y)
    return _number(float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1)))


def check_convention(convention: str) -> None:
    """Refuse a convention of the weighted tau that there is not.

    Raises
    ------
    UsageError
    """
    if convention not in CONVENTIONS:
        msg = f"convention must be one of {', '.join(CONVENTIONS)}, got {convention!r}"
        raise UsageError(msg)


def _number(value: float) -> float | None:
    # Rounding in scipy's sums can leave 0.9999999999999999 for identical orders.
    return float(np.round(value, 12)) if np.isfinite(value) else None
