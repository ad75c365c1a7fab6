"""Label-free scores of the spectrum: RankMe, alpha-ReQ and the stable rank."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from hubscout._typing import FloatArray
from hubscout._validation import check_choice
from hubscout.errors import DataError
from hubscout.scores._spec import Estimate, score
from hubscout.scores._uncentred import uncentred_squares
from hubscout.stats import Statistics

# What the authors of RankMe add to each share of the spectrum.
_AUTHORS_SHARE = 1e-7
# Eigenvalues that the authors of alpha-ReQ fit, counted from 1.
_FIRST, _LAST = 11, 100
# Decay from the only eigenvalue to one at its rounding error, 2**-52: what is left when there is no second one.
_STEEPEST = 52.0


def _estimate_rankme(statistics: Statistics, *, compat: Literal["authors"] | None = None) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    values = np.sqrt(uncentred_squares(statistics))
    values = values[values > 0]
    if len(values) == 0:
        return Estimate(0.0)
    shares = values / values.sum()
    if compat == "authors":
        smaller_side = min(statistics.n_samples, statistics.n_features)
        shares = np.append(shares, np.zeros(smaller_side - len(shares))) + _AUTHORS_SHARE
    return Estimate(float(np.exp(-(shares @ np.log(shares)))))


def _estimate_stable_rank(statistics: Statistics) -> Estimate:
    squares = uncentred_squares(statistics)
    total = float(squares.sum())
    return Estimate(total / float(squares[0]) if total > 0 else 0.0)


def _estimate_alpha(statistics: Statistics, *, compat: Literal["authors"] | None = None) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    eigenvalues = statistics.spectrum().singular_values ** 2
    rank = len(eigenvalues)
    if compat == "authors":
        if rank <= _FIRST:
            msg = (
                f"features must have at least {_FIRST + 1} components for compat='authors', got {rank}; "
                "give more samples, or leave compat out"
            )
            raise DataError(msg)
        return Estimate(_decay(eigenvalues, _FIRST))
    if rank < 2:
        return Estimate(1.0 - _STEEPEST)
    return Estimate(-abs(_decay(eigenvalues, min(_FIRST, (rank + 1) // 2)) - 1.0))


def _decay(eigenvalues: FloatArray, first: int) -> float:
    """Return alpha of j^-alpha, fitted to the logarithms from the ``first`` eigenvalue on, with weights 1 / j."""
    index = np.arange(first, min(_LAST, len(eigenvalues)) + 1)
    x, y, weights = -np.log(index), np.log(eigenvalues[index - 1]), 1.0 / index
    x, y = x - np.average(x, weights=weights), y - np.average(y, weights=weights)
    return float((weights * x) @ y / ((weights * x) @ x))


_COMMON: dict[str, Any] = {
    "needs": ("features",),
    "tasks": ("classification", "multilabel", "regression"),
    "cost": "N D^2 + D^3",
    "spectrum": "whole",
}
_UNCENTRED: tuple[Any, ...] = ("sample_order", "label_names", "rotation", "scale", "constant_columns", "duplication")


@score(
    estimate=_estimate_rankme,
    title="RankMe",
    summary="Effective rank of the features: the exponential of the entropy of their singular values.",
    formula="exp(-sum_k p_k ln p_k), p_k = sigma_k / sum_j sigma_j, of the features without centring",
    invariances=_UNCENTRED,
    range="[1, min(N, D)], or 0",
    reference="Garrido, Balestriero, Najman, LeCun, ICML 2023, arXiv:2210.02885",
    deviations="Without the 1e-7 that the authors add to each share, which makes columns of zeros count.",
    degenerate="Constant features give 1, features that are zero everywhere 0.",
    **_COMMON,
)
def rankme(features: Any, labels: Any = None, *, compat: Literal["authors"] | None = None) -> float:  # noqa: ARG001
    """Score features by their effective rank; no labels are needed.

    With sigma_k the singular values of the features, not centred, and p_k their shares of the sum, the value is
    exp(-sum_k p_k ln p_k).

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like, optional
        Not looked at.
    compat : {"authors"} or None, default=None
        ``authors`` adds 1e-7 to each of the min(N, D) shares, as published.

    Returns
    -------
    float
        Higher is better; between 1 and min(n_samples, n_features), or 0 for features that are zero everywhere.

    Raises
    ------
    DataError
        When features cannot be used: shapes, NaN.

    Notes
    -----
    Its authors advise it for choosing between runs of one method, as rank is not all that matters between
    architectures; wide models rank higher. The number of samples bounds it: compare candidates on the same ones.
    Differs from the authors' code: shares of zero add nothing, so that dead features do not change the value; found
    from the centred spectrum that other scores share, by a rank-one update.

    References
    ----------
    Q. Garrido, R. Balestriero, L. Najman, Y. LeCun, "RankMe: Assessing the Downstream Performance of Pretrained
    Self-Supervised Representations by Their Rank", ICML 2023, arXiv:2210.02885.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import rankme
    >>> round(rankme(np.eye(5)), 6)
    5.0
    """
    return _estimate_rankme(Statistics.of(features), compat=compat).value


@score(
    estimate=_estimate_alpha,
    title="alpha-ReQ",
    summary="How near the eigenvalues of the covariance come to decaying like 1 / j, where representations are said "
    "to generalise best.",
    formula="-|alpha - 1|, alpha the slope of ln lambda_j on -ln j over j = 11..100 with weights 1 / j",
    invariances=(*_UNCENTRED, "translation"),
    range="at most 0",
    reference="Ghosh, Mondal, Agrawal, Richards, arXiv:2202.05808; Agrawal, Mondal, Ghosh, Richards, NeurIPS 2022",
    deviations="The published number is alpha itself, which is best near 1; here its distance from 1, negated. Below "
    "21 components the fit starts before the 11th eigenvalue, so that it always has a tail.",
    degenerate="Features of one component or none give -51: a decay to rounding error, 2^-52, in one step.",
    **_COMMON,
)
def alpha_req(features: Any, labels: Any = None, *, compat: Literal["authors"] | None = None) -> float:  # noqa: ARG001
    r"""Score features by how near their eigenvalues decay like 1 / j; no labels are needed.

    With lambda_j the eigenvalues of the covariance, descending, alpha is the slope of a least-squares line of
    ln lambda_j on -ln j over j = 11..100, each weighed by 1 / j. The value is -\|alpha - 1\|.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like, optional
        Not looked at.
    compat : {"authors"} or None, default=None
        ``authors`` returns alpha itself, over j = 11..100 or to the rank. Alpha orders nothing by itself.

    Returns
    -------
    float
        Higher is better; at most 0. With ``compat="authors"`` alpha, of which values near 1 are better.

    Raises
    ------
    DataError
        When features cannot be used: shapes, NaN; with ``compat="authors"`` also when they have fewer than 12
        components.

    Notes
    -----
    The papers report that nearness of alpha to 1 goes with generalisation, a slower decay being as bad a sign as a
    faster one; so the score is the distance from 1. Few samples bend the tail of the spectrum: compare candidates
    on the same ones. Differs from the authors' code: the distance instead of alpha; with r < 21 components the fit
    starts at j = r / 2, rounded up, instead of 11, and with one component or none alpha counts as 52.

    References
    ----------
    A. Ghosh, A. K. Mondal, K. K. Agrawal, B. Richards, "Investigating Power Laws in Deep Representation Learning",
    2022, arXiv:2202.05808. K. K. Agrawal, A. K. Mondal, A. Ghosh, B. Richards, "alpha-ReQ: Assessing Representation
    Quality in Self-Supervised Learning by measuring eigenspectrum decay", NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import alpha_req
    >>> directions = np.linalg.qr(np.random.default_rng(0).standard_normal((90, 40)))[0]
    >>> features = (directions - directions.mean(axis=0)) / np.arange(1, 41)
    >>> round(alpha_req(features), 1)
    -1.0
    """
    return _estimate_alpha(Statistics.of(features), compat=compat).value


@score(
    estimate=_estimate_stable_rank,
    title="Stable rank",
    summary="Squared Frobenius norm of the features over their squared spectral norm.",
    formula="|F|_F^2 / |F|_2^2, of the features without centring",
    invariances=_UNCENTRED,
    range="[1, min(N, D)], or 0",
    reference="Rudelson, Vershynin, Journal of the ACM 54(4), 2007, doi:10.1145/1255443.1255449",
    deviations="None.",
    degenerate="Constant features give 1, features that are zero everywhere 0.",
    **_COMMON,
)
def stable_rank(features: Any, labels: Any = None) -> float:  # noqa: ARG001 - one signature for all scores
    """Score features by the number of directions that share their energy; no labels are needed.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like, optional
        Not looked at.

    Returns
    -------
    float
        Higher is better; between 1 and the rank, or 0 for features that are zero everywhere.

    Raises
    ------
    DataError
        When features cannot be used: shapes, NaN.

    Notes
    -----
    Features are not centred, so that a mean far from the origin, as after a ReLU, brings the value near 1. Same value
    as the authors' definition; found from the centred spectrum that other scores share.

    References
    ----------
    M. Rudelson and R. Vershynin, "Sampling from Large Matrices: An Approach through Geometric Functional Analysis",
    Journal of the ACM 54(4), 2007, doi:10.1145/1255443.1255449.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import stable_rank
    >>> round(stable_rank(np.diag([2.0, 1.0, 1.0, 0.0])), 6)
    1.5
    """
    return _estimate_stable_rank(Statistics.of(features)).value
