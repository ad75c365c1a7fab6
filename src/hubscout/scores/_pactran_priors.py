"""PACTran with a Dirichlet or a Gamma prior on a source head's classes, by mean-field updates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.errors import UsageError
from hubscout.stats import Statistics
from hubscout.stats.chunks import row_slices
from hubscout.stats.namespace import like, namespace, to_numpy
from hubscout.stats.target_sums import segment_sums

Prior = Literal["dirichlet", "gamma"]

_N_UPDATES = 10
# Keeps logarithms of source classes without probability finite, as in the authors' program.
_TINY = 1e-10


def source_cost(statistics: Statistics, prior: Prior, concentration: float) -> float:
    """Return the cost of a source head's classes, lower is better.

    Each sample's source class z is hidden, with posterior q_iz; counts A_cz of labels and hidden classes are the
    posterior's parameters. Posterior and counts are updated ten times, from q = source_probs.

    Parameters
    ----------
    statistics : Statistics
        With source probabilities.
    prior : {"dirichlet", "gamma"}
        Of each source class's distribution over labels, or of its unnormalised rates.
    concentration : float
        Of the prior, spread over the labels by their shares.

    Raises
    ------
    UsageError
        When the statistics hold no source probabilities.
    """
    from scipy.special import gammaln

    if statistics.source_probs is None:
        msg = f"source_probs must be given: prior={prior!r} compares the source head's classes with the labels"
        raise UsageError(msg)
    start = concentration * statistics.priors[:, None] + _TINY
    counts = start + _label_counts(statistics, None)
    for _ in range(_N_UPDATES - 1):
        counts = start + _label_counts(statistics, _expected_logs(counts, prior))
    totals = counts.sum(axis=0)
    divergence, log_rates = _divergence(statistics, _expected_logs(counts, prior), totals)
    cost = len(totals) * gammaln(start).sum() - gammaln(counts).sum() + divergence
    if prior == "dirichlet":
        cost += gammaln(totals).sum() - len(totals) * gammaln(start.sum())
        return float(cost / (statistics.n_samples * statistics.n_targets))
    cost += log_rates - statistics.n_samples
    return float(cost / (statistics.n_samples * statistics.n_targets)) + 1.0


def _expected_logs(counts: FloatArray, prior: Prior) -> FloatArray:
    """Return the posterior mean of each label's log-probability (or log-rate) in each source class."""
    from scipy.special import digamma

    logs: FloatArray = digamma(counts)
    return logs - digamma(counts.sum(axis=0)) if prior == "dirichlet" else logs


def _label_counts(statistics: Statistics, expected: FloatArray | None) -> FloatArray:
    """Sum the posteriors of the hidden classes over the samples of each label, (n_classes, n_source_classes)."""
    counts = np.zeros((statistics.n_targets, statistics.source_probs.shape[1]))
    for rows, probs in _blocks(statistics):
        xp = namespace(probs)
        shares = probs if expected is None else xp.exp(_log_posteriors(probs, expected, statistics.codes[rows]))
        counts += to_numpy(segment_sums(shares, statistics.codes[rows], statistics.n_targets))
    return counts


def _divergence(statistics: Statistics, expected: FloatArray, totals: FloatArray) -> tuple[float, float]:
    """Return the sums over samples of KL(q_i || s_i), and of the logarithm of each sample's mean rate."""
    divergence = log_rates = 0.0
    for rows, probs in _blocks(statistics):
        xp = namespace(probs)
        logs = _log_posteriors(probs, expected, statistics.codes[rows])
        divergence += float(xp.sum(xp.exp(logs) * (logs - xp.log(probs + _TINY))))
        log_rates += float(xp.sum(xp.log(xp.matmul(probs, like(totals[:, None], probs)))))
    return divergence, log_rates


def _log_posteriors(probs: Array, expected: FloatArray, codes: IntArray) -> Array:
    """Return ln q_iz of some samples."""
    xp = namespace(probs)
    own = xp.take(like(expected, probs), like(codes.astype(np.int64), probs), axis=0)
    logits = xp.log(probs + _TINY) + own
    logits -= xp.max(logits, axis=1, keepdims=True)
    with np.errstate(under="ignore"):
        return logits - xp.log(xp.sum(xp.exp(logits), axis=1, keepdims=True))


def _blocks(statistics: Statistics) -> Iterator[tuple[slice, Array]]:
    """Walk over the source probabilities in float64."""
    probs = statistics.source_probs
    xp = namespace(probs)
    for rows in row_slices(statistics.n_samples, 64 * probs.shape[1]):
        yield rows, xp.astype(probs[rows, :], xp.float64, copy=False)
