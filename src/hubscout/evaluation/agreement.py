"""How well the order that a score gives agrees with the order of fine-tuned accuracies."""

from __future__ import annotations

from dataclasses import dataclass

from hubscout.evaluation.correlations import Convention as Convention
from hubscout.evaluation.correlations import kendall as kendall
from hubscout.evaluation.correlations import pearson as pearson
from hubscout.evaluation.correlations import spearman as spearman
from hubscout.evaluation.correlations import weighted_tau as weighted_tau
from hubscout.evaluation.paired_values import Values as Values
from hubscout.evaluation.paired_values import complete_pairs, why_incomparable
from hubscout.evaluation.shortlists import recall_at_k as recall_at_k
from hubscout.evaluation.shortlists import regret_at_k as regret_at_k
from hubscout.evaluation.shortlists import rel_at_k as rel_at_k
from hubscout.evaluation.shortlists import top1_hit as top1_hit

_SHORTLIST = 3


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
    pearson : float or None
        Correlation of the values.
    rel : float or None
        `rel_at_k` with k = 1.
    recall : float or None
        `recall_at_k` with k = 3.
    reason : str or None
        Why the correlations have no value.
    """

    n: int
    n_dropped: int
    weighted_tau: float | None
    weighted_tau_truth: float | None
    kendall: float | None
    spearman: float | None
    regret: float | None
    top1_hit: bool | None
    pearson: float | None = None
    rel: float | None = None
    recall: float | None = None
    reason: str | None = None


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

    Raises
    ------
    UsageError
        When the lengths differ.

    Notes
    -----
    Missing values: a candidate without one of its two values is left out and counted, never filled with 0. With fewer
    than three candidates left, or with all values equal on one side, correlations are None and ``reason`` says why.
    Ties: a pair that is equal on one side counts for neither order; of candidates with equal scores, shortlists take
    the one with the lowest truth first.

    Examples
    --------
    >>> result = agreement([0.1, 0.3, None, 0.2], [0.5, 0.9, 0.7, 0.6])
    >>> result.n, result.n_dropped, result.weighted_tau, result.regret
    (3, 1, 1.0, 0.0)
    >>> agreement([0.1, 0.3, None], [0.5, 0.9, 0.7]).reason
    'only 2 candidates have both values; at least 3 are needed'
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
        pearson=pearson(scores, truth),
        rel=rel_at_k(scores, truth),
        recall=recall_at_k(scores, truth, k=_SHORTLIST),
        reason=why_incomparable(scores, truth),
    )
