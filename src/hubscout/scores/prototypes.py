"""A baseline that every score must beat: the nearest class mean, left one out."""

from __future__ import annotations

from typing import Any

import numpy as np

from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics
from hubscout.stats.moments import class_means
from hubscout.stats.namespace import like, namespace, to_numpy


def _estimate_centroid(statistics: Statistics) -> Estimate:
    codes, counts = statistics.codes, statistics.counts
    moments = statistics.moments(with_scatter=False)
    means = class_means(moments)
    offsets = (means**2).sum(axis=1)
    hits = np.empty(statistics.n_samples)
    for rows, chunk in statistics.chunks(width=2 * statistics.n_targets, single=statistics.is_large):
        xp = namespace(chunk)
        centred = chunk - xp.astype(moments.mean, chunk.dtype)[None, :]
        distances = offsets - 2 * to_numpy(xp.matmul(centred, like(means.T, centred)))
        distances += to_numpy(xp.sum(centred**2, axis=1))[:, None]
        own, index = codes[rows], np.arange(len(codes[rows]))
        size = counts[own]
        # Without sample i its class mean moves away by n / (n - 1); a class of one sample has none left.
        with np.errstate(divide="ignore", invalid="ignore"):
            without = np.where(size > 1, (size / (size - 1)) ** 2 * distances[index, own], np.inf)
        distances[index, own] = np.inf
        hits[rows] = without < distances.min(axis=1)
    return Estimate(float(hits.mean()), lambda: hits)


@score(
    estimate=_estimate_centroid,
    title="Nearest centroid",
    summary="Leave-one-out accuracy of the nearest class mean.",
    formula="mean_i [argmin_c |f_i - m_c| = y_i], with m_{y_i} computed without sample i",
    range="[0, 1]",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N C D",
    spectrum="none",
    reference="Tibshirani, Hastie, Narasimhan, Chu, PNAS 99(10), 2002, doi:10.1073/pnas.082099299 (without shrinkage)",
    degenerate="Constant features give 0: no mean is nearer than another.",
    is_baseline=True,
    deviations="A plain method, not a published score.",
)
def nearest_centroid(features: Any, labels: Any = None) -> float:
    """Score features by the accuracy of the nearest class mean.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.

    Returns
    -------
    float
        Higher is better: leave-one-out accuracy in [0, 1].

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.

    Notes
    -----
    Each sample is left out of its own class mean, in closed form. A class of one sample is never right, and a
    sample as near to another mean as to its own counts as wrong.

    References
    ----------
    R. Tibshirani, T. Hastie, B. Narasimhan, G. Chu, "Diagnosis of multiple cancer types by shrunken centroids of gene
    expression", PNAS 99(10), 2002, doi:10.1073/pnas.082099299.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import nearest_centroid
    >>> nearest_centroid(np.array([[0.0], [0.1], [5.0], [5.1]]), ["a", "a", "b", "b"])
    1.0
    """
    return _estimate_centroid(Statistics.of(features, labels)).value
