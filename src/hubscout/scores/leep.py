"""LEEP and NCE: how well the source model's own classes predict the target's."""

from __future__ import annotations

from typing import Any

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout.errors import UsageError
from hubscout.scores._leep_null import null_of_answers, null_of_probs
from hubscout.scores._spec import Estimate, NullReference, score
from hubscout.stats import Statistics
from hubscout.stats.namespace import like, namespace, to_numpy
from hubscout.stats.target_sums import segment_sums

_BLOCK_ROWS = 16_384


def _source_probs(statistics: Statistics) -> Any:
    if statistics.source_probs is None:
        msg = "source_probs must be given: this score compares the source head's classes with the labels"
        raise UsageError(msg)
    return statistics.source_probs


def _estimate_leep(statistics: Statistics) -> Estimate:
    probs = _source_probs(statistics)
    xp = namespace(probs)
    codes, n = statistics.codes, statistics.n_samples
    blocks = [slice(start, min(start + _BLOCK_ROWS, n)) for start in range(0, n, _BLOCK_ROWS)]
    joint = np.zeros((statistics.n_targets, probs.shape[1]))
    for rows in blocks:
        block = xp.astype(probs[rows, :], xp.float64, copy=False)
        joint += to_numpy(segment_sums(block, codes[rows], statistics.n_targets)) / n
    marginal = joint.sum(axis=0)
    # A source class that no sample has any probability of predicts nothing and takes no part.
    conditional = np.divide(joint, marginal, out=np.zeros_like(joint), where=marginal > 0)
    terms = np.empty(n)
    for rows in blocks:
        block = xp.astype(probs[rows, :], xp.float64, copy=False)
        chosen = conditional[codes[rows]]
        terms[rows] = to_numpy(xp.sum(block * like(chosen, block), axis=1))
    terms = np.log(terms)
    return Estimate(float(terms.mean()), lambda: terms)


def _estimate_nce(statistics: Statistics) -> Estimate:
    probs = _source_probs(statistics)
    top = _answers(probs)
    codes = statistics.codes
    joint = np.zeros((statistics.n_targets, probs.shape[1]))
    np.add.at(joint, (codes, top), 1.0)
    terms: FloatArray = np.log(joint[codes, top] / joint.sum(axis=0)[top])
    return Estimate(float(terms.mean()), lambda: terms)


def _answers(probs: Any) -> IntArray:
    """Return the source class of highest probability of each sample, (n_samples,)."""
    return to_numpy(namespace(probs).argmax(probs, axis=1)).astype(np.intp)


def _null_leep(statistics: Statistics) -> NullReference | None:
    return null_of_probs(statistics, _source_probs(statistics))


def _null_nce(statistics: Statistics) -> NullReference | None:
    return null_of_answers(statistics, _answers(_source_probs(statistics)))


_COMMON: dict[str, Any] = {
    "needs": ("labels", "source_probs"),
    "invariances": ("sample_order", "label_names", "duplication"),
    "range": "at most 0; without signal about minus the entropy of the labels",
    "spectrum": "none",
}


@score(
    estimate=_estimate_leep,
    null=_null_leep,
    title="LEEP",
    summary="Mean log-likelihood of the labels under the source head's classes as a mixture.",
    formula="mean_i ln sum_z P(y_i | z) P_iz, with P(y | z) from the average joint of labels and source classes",
    cost="N S",
    reference="Nguyen, Hassner, Seeger, Archambeau, ICML 2020, arXiv:2002.12462",
    deviations="A source class of zero probability everywhere is left out instead of giving NaN; the logarithm that "
    "several copies drop is kept.",
    degenerate="A source head that always answers the same gives minus the entropy of the labels.",
    **_COMMON,
)
def leep(source_probs: Any, labels: Any = None) -> float:
    """Score a source head by the log-likelihood of the target labels under it.

    With J(y, z) the mean of P_iz over samples of label y divided by N, P(y | z) = J(y, z) / sum_y J(y, z), the value
    is the mean over samples of ln sum_z P(y_i | z) P_iz.

    Parameters
    ----------
    source_probs : array of shape (n_samples, n_source_classes), or Statistics
        Softmax probabilities of the source model's own head.
    labels : array-like of shape (n_samples,)
        Target class labels of any kind.

    Returns
    -------
    float
        Higher is better; at most 0, in nats.

    Raises
    ------
    DataError
        When rows of ``source_probs`` are not distributions, or labels cannot be used.

    Notes
    -----
    The estimate is fitted and scored on the same samples, so many source classes on few samples look better than
    they are. Same value as the authors' code where that is finite.

    References
    ----------
    C. Nguyen, T. Hassner, M. Seeger, C. Archambeau, "LEEP: A New Measure to Evaluate Transferability of Learned
    Representations", ICML 2020, arXiv:2002.12462.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import leep
    >>> probs = np.array([[1.0, 0.0], [0.0, 1.0]] * 5)
    >>> leep(probs, ["cat", "dog"] * 5)
    0.0
    """
    return _estimate_leep(_statistics(source_probs, labels)).value


@score(
    estimate=_estimate_nce,
    null=_null_nce,
    title="NCE",
    summary="Negative conditional entropy of the labels given the source head's most likely class.",
    formula="sum_{y,z} J(y, z) ln(J(y, z) / J(z)), with z the source class of highest probability",
    cost="N S",
    reference="Tran, Nguyen, Hassner, ICCV 2019, arXiv:1908.08142",
    deviations="None in value.",
    degenerate="A source head that always answers the same gives minus the entropy of the labels.",
    **_COMMON,
)
def nce(source_probs: Any, labels: Any = None) -> float:
    """Score a source head by the conditional entropy of the target labels given its answer.

    Parameters
    ----------
    source_probs : array of shape (n_samples, n_source_classes), or Statistics
        Softmax probabilities of the source model's own head; only each row's largest one counts.
    labels : array-like of shape (n_samples,)
        Target class labels of any kind.

    Returns
    -------
    float
        Higher is better; minus the conditional entropy H(y | z), in nats, at most 0.

    Raises
    ------
    DataError
        When rows of ``source_probs`` are not distributions, or labels cannot be used.

    Notes
    -----
    Biased upwards when source classes are many and samples few: each source class seen once predicts its label
    perfectly.

    References
    ----------
    A. Tran, C. Nguyen, T. Hassner, "Transferability and Hardness of Supervised Classification Tasks", ICCV 2019,
    arXiv:1908.08142.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import nce
    >>> round(nce(np.array([[0.9, 0.1]] * 4), [0, 0, 1, 1]), 6)
    -0.693147
    """
    return _estimate_nce(_statistics(source_probs, labels)).value


def _statistics(source_probs: Any, labels: Any) -> Statistics:
    if isinstance(source_probs, Statistics):
        return Statistics.of(source_probs, labels)
    return Statistics(None, labels, source_probs=source_probs)
