"""What both H-scores say of labels in random order, by formula, and the weights that tell them apart."""

from __future__ import annotations

import numpy as np

from hubscout._typing import FloatArray
from hubscout.scores._estimate import NullReference
from hubscout.scores._label_correlations import HAverage, LabelBasis
from hubscout.stats import Spectrum, Statistics
from hubscout.stats.gaussian import ledoit_wolf_shrinkage
from hubscout.stats.label_orders import CentredSums, trace_product_moments
from hubscout.stats.namespace import like, namespace, to_numpy


def shrunk_weights(statistics: Statistics, spectrum: Spectrum) -> FloatArray:
    """Return what each whitened component counts for under the shrunk covariance, (n_components,)."""
    variances = spectrum.singular_values**2 / statistics.n_samples
    amount = ledoit_wolf_shrinkage(
        statistics.square_norms(),
        float((variances**2).sum()),
        float(variances.sum()),
        statistics.n_samples,
        statistics.n_features,
    )
    shrunk = (1 - amount) * variances + amount * variances.sum() / statistics.n_features
    weights: FloatArray = (1 - amount) * (statistics.n_samples / (statistics.n_samples - 1)) * variances / shrunk
    return weights


def null(statistics: Statistics, *, average: HAverage = "joint") -> NullReference:
    """Return mean and spread of the H-score over all orders of the labels."""
    spectrum, labels = statistics.spectrum(), _label_sums(statistics, average)
    if spectrum.n_components == statistics.n_samples - 1:
        return NullReference(labels.trace, 0.0, "analytic")  # any labels whatever are fitted
    return _over_all_orders(statistics, labels, np.ones(spectrum.n_components), 0)


def null_shrunk(statistics: Statistics, *, average: HAverage = "joint") -> NullReference:
    """Return mean and spread of the shrunk H-score over all orders of the labels."""
    labels = _label_sums(statistics, average)
    return _over_all_orders(statistics, labels, shrunk_weights(statistics, statistics.spectrum()), 1)


def _label_sums(statistics: Statistics, average: HAverage) -> CentredSums:
    if statistics.task == "multilabel":
        return LabelBasis(statistics, average).sums()
    return CentredSums.of_class_means(statistics.counts)


def _over_all_orders(statistics: Statistics, labels: CentredSums, weights: FloatArray, which: int) -> NullReference:
    """Mean and spread of tr(U diag(w) U^T B), which both scores are, with B the projection on the labels."""
    if len(weights) == 0:
        return NullReference(0.0, 0.0, "analytic")
    squares = statistics.remember("h_score_leverages", lambda: _leverage_squares(statistics))[which]
    features = CentredSums(statistics.n_samples, float(weights.sum()), float(weights @ weights), float(squares))
    mean, deviation = trace_product_moments(features, labels)
    return NullReference(mean, deviation, "analytic")


def _leverage_squares(statistics: Statistics) -> FloatArray:
    """Sum the squares of sum_k w_k u_ik^2 over the samples, with the weights of both scores in one pass, (2,)."""
    spectrum = statistics.spectrum()
    weights = np.stack([np.ones(spectrum.n_components), shrunk_weights(statistics, spectrum)], axis=1)
    whitening = np.diag(1 / spectrum.singular_values)
    found = np.zeros(2)
    for _, left in statistics.coordinates(spectrum, whitening, width=2 * spectrum.n_components):
        found += (to_numpy(namespace(left).matmul(left**2, like(weights, left))).astype(np.float64) ** 2).sum(axis=0)
    return found
