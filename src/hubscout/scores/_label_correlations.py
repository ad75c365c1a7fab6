"""H-scores of several labels a sample: squared correlations of features with the matrix of labels, or with each."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hubscout._typing import FloatArray
from hubscout.scores._averages import target_weights
from hubscout.scores._estimate import Estimate
from hubscout.stats import Statistics
from hubscout.stats.label_orders import CentredSums
from hubscout.stats.namespace import to_numpy

HAverage = Literal["joint", "macro", "weighted"]
# Below this share of the largest, an eigenvalue of the labels' covariance is rounding: labels that follow from others.
_DEPENDENT = 1e-10


class LabelBasis:
    """Columns that the labels, centred, span: orthonormal ones, or each label alone with the root of its weight.

    Parameters
    ----------
    statistics : Statistics
        Of a multilabel task.
    average : {"joint", "macro", "weighted"}
    """

    def __init__(self, statistics: Statistics, average: HAverage) -> None:
        self.centred: FloatArray = statistics.targets - statistics.label_frequencies
        gram = self.centred.T @ self.centred
        self.weights: FloatArray | None = None
        if average == "joint":
            values, vectors = np.linalg.eigh(gram)
            kept = values > _DEPENDENT * values[-1]
            self.matrix: FloatArray = vectors[:, kept] / np.sqrt(values[kept])
        else:
            self.weights = target_weights(statistics, average)
            self.matrix = np.diag(np.sqrt(self.weights / np.diag(gram)))
        self.gram: FloatArray = self.matrix.T @ gram @ self.matrix

    @property
    def trace(self) -> float:
        """What the labels give when features explain all of them."""
        return float(np.trace(self.gram))

    def sums(self) -> CentredSums:
        """Return what the null reference needs of the labels."""
        diagonal = ((self.centred @ self.matrix) ** 2).sum(axis=1)
        return CentredSums(len(diagonal), self.trace, float((self.gram**2).sum()), float(diagonal @ diagonal))


def label_correlation(statistics: Statistics, average: HAverage, weights: FloatArray) -> Estimate:
    """Return the weighed sum of squared correlations of the features' components with the labels' basis.

    Parameters
    ----------
    statistics : Statistics
        Of a multilabel task.
    average : {"joint", "macro", "weighted"}
    weights : ndarray of shape (n_components,)
        Of the whitened components.
    """
    basis, spectrum = LabelBasis(statistics, average), statistics.spectrum()
    cross = statistics.target_coordinates(spectrum) @ basis.matrix  # (n_components, basis)
    value = float((cross**2).sum(axis=1) @ weights)

    def terms() -> FloatArray:
        # First-order effect of one sample's weight, through the covariances of features, of labels, and across.
        n = statistics.n_samples
        directions = cross * (weights * np.sqrt(n) / spectrum.singular_values)[:, None]
        placed = np.sqrt(n) * basis.centred @ basis.matrix
        own = (cross.T * weights) @ cross
        if basis.weights is None:
            within = ((placed @ own) * placed).sum(axis=1)
        else:  # each label is alone with its variance
            within = placed**2 @ (np.diag(own) / basis.weights)
        found = np.empty(n)
        for rows, projected in statistics.coordinates(spectrum, directions, width=cross.shape[1]):
            host = to_numpy(projected)
            found[rows] = (2 * host * placed[rows] - host**2).sum(axis=1)
        centred: FloatArray = found - within - (found - within).mean() + value
        return centred

    return Estimate(value, terms)
