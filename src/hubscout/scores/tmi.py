"""TMI: the entropy of the features within classes, from distances to the nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout._validation import check_choice, check_positive_int
from hubscout.errors import DataError
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics, chunks
from hubscout.stats.namespace import is_numpy, namespace, to_numpy

# A distance below this share of the features' spread counts as this much: copies of a sample have no entropy.
_NEAREST = 1e-6
# The least distance of the published program, in the units of the features.
_AUTHORS_NEAREST = 1.0


def _estimate(statistics: Statistics, *, k: int = 3, compat: Literal["authors"] | None = None) -> Estimate:
    check_positive_int("k", k)
    check_choice("compat", compat, (None, "authors"))
    counts = statistics.counts.astype(np.intp)
    if compat == "authors":
        return Estimate(_published(statistics, counts, k))
    n_varying, spread = statistics.remember("feature_spread", lambda: _feature_spread(statistics))
    if n_varying == 0:
        return Estimate(float(np.log(2 * _NEAREST)))
    neighbours = np.minimum(min(k, statistics.n_samples), counts - 1)
    distances = _neighbour_distances(statistics, neighbours)
    kept = counts > 1
    offsets = np.zeros(len(counts))
    offsets[kept] = _offsets(counts[kept], neighbours[kept]) / n_varying
    own = np.log(2 * np.maximum(distances / spread, _NEAREST)) + offsets[statistics.codes]
    # A class of one sample is left out; the others make up for it.
    own = np.where(kept[statistics.codes], own, 0.0) * (statistics.n_samples / counts[kept].sum())

    def terms() -> FloatArray:
        # A sample far from the mean makes the unit of all distances longer.
        squares = statistics.square_norms()
        found: FloatArray = own - 0.5 * (squares / squares.mean() - 1.0)
        return found

    return Estimate(float(own.mean()), terms)


def _published(statistics: Statistics, counts: IntArray, k: int) -> float:
    statistics.moments(with_scatter=False)  # this pass checks the values
    # The published program leaves out a class whose k-th neighbour does not exist, but for one of a single sample.
    measured, kept = counts > k, (counts > k) | (counts == 1)
    if not kept.any():
        msg = f"labels must give some class more than k={k} samples, got at most {counts.max()}; lower k"
        raise DataError(msg)
    distances = _neighbour_distances(statistics, np.where(measured, k, 0))
    means = _class_means(statistics, np.log(2 * np.maximum(distances, _AUTHORS_NEAREST)))
    entropies = np.zeros(len(counts))
    sizes = counts[measured]
    entropies[measured] = statistics.n_features * means[measured] + _offsets(sizes, np.full(len(sizes), k))
    return float((statistics.priors * entropies)[kept].mean())


def _offsets(counts: IntArray, neighbours: IntArray) -> FloatArray:
    """Return psi(n) - psi(k), which makes the entropy of n samples unbiased."""
    from scipy.special import digamma

    offsets: FloatArray = digamma(counts) - digamma(neighbours)
    return offsets


def _class_means(statistics: Statistics, values: FloatArray) -> FloatArray:
    means: FloatArray = np.bincount(statistics.codes, values, statistics.n_targets) / statistics.counts
    return means


def _feature_spread(statistics: Statistics) -> tuple[int, float]:
    """Return how many features are not constant, and the root of their mean variance."""
    mean = statistics.moments(with_scatter=False).mean
    squares: Array = 0.0
    for _, chunk in statistics.chunks():
        squares = squares + namespace(chunk).sum((chunk - mean[None, :]) ** 2, axis=0)
    host, centre = to_numpy(squares), to_numpy(mean)
    # Taking a mean away leaves its rounding error in each sample.
    varying = host > statistics.n_samples * (8 * np.finfo(np.float64).eps * centre) ** 2
    n_varying = int(np.count_nonzero(varying))
    return n_varying, float(np.sqrt(host[varying].sum() / (statistics.n_samples * max(n_varying, 1))))


def _neighbour_distances(statistics: Statistics, neighbours: IntArray) -> FloatArray:
    """Return each sample's distance to a neighbour of its class in the maximum norm, (n_samples,).

    Parameters
    ----------
    statistics : Statistics
    neighbours : ndarray of shape (n_classes,), int
        Which neighbour, below the class's number of samples; 0 where none is wanted.
    """
    order = np.argsort(statistics.codes, kind="stable")
    found = np.zeros(statistics.n_samples)
    wanted = np.flatnonzero(neighbours > 0)
    ends = np.cumsum(statistics.counts).astype(np.intp)
    members = [order[end - size : end] for end, size in zip(ends, statistics.counts.astype(np.intp), strict=True)]
    for run in _runs(statistics.counts[wanted], chunks.CHUNK_BYTES // (8 * statistics.n_features)):
        classes = wanted[run]
        if len(classes) == 1:
            rows, k = members[classes[0]], int(neighbours[classes[0]])
            found[rows] = _distances_by_chunks(statistics, rows, k)
            continue
        rows = np.concatenate([members[number] for number in classes])
        _, chunk = next(statistics.chunks(rows=rows))
        start = 0
        for number in classes:
            own = chunk[start : start + len(members[number]), :]
            found[members[number]] = _kth_nearest(own, [own], int(neighbours[number]))
            start += len(members[number])
    return found


def _runs(sizes: FloatArray, limit: int) -> Iterator[slice]:
    """Cut classes into consecutive runs of at most ``limit`` samples, or of one class."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        stop = max(start + 1, int(np.searchsorted(ends, ends[start] - sizes[start] + limit, side="right")))
        yield slice(start, stop)
        start = stop


def _distances_by_chunks(statistics: Statistics, members: IntArray, k: int) -> FloatArray:
    """Return each member's distance to its k-th nearest other member, for a class of any size."""
    found: list[FloatArray] = []
    step = max(1, chunks.CHUNK_BYTES // (16 * len(members)))
    for _, queries in statistics.chunks(rows=members):
        for start in range(0, queries.shape[0], step):
            block = queries[start : min(start + step, queries.shape[0]), :]
            found.append(_kth_nearest(block, (others for _, others in statistics.chunks(rows=members)), k))
    return np.concatenate(found)


def _kth_nearest(queries: Array, members: Iterable[Array], k: int) -> FloatArray:
    """Return the distance of each query to the k-th nearest of all other members, itself one of them."""
    nearest: FloatArray = np.empty((queries.shape[0], 0))
    for others in members:
        nearest = np.concatenate([nearest, _maximum_distances(queries, others)], axis=1)
        # Each query is its own nearest one, so the k-th other stands at position k.
        nearest = np.partition(nearest, min(k, nearest.shape[1] - 1), axis=1)[:, : k + 1]
    return nearest[:, k]


def _maximum_distances(queries: Array, others: Array) -> FloatArray:
    """Return max_d |q_d - o_d| for all pairs, (n_queries, n_others)."""
    if is_numpy(queries):
        from scipy.spatial.distance import cdist

        distances: FloatArray = cdist(queries, others, "chebyshev")
        return distances
    xp = namespace(queries)
    n_pairs = queries.shape[0] * others.shape[0]
    step = max(1, chunks.CHUNK_BYTES // (16 * n_pairs))
    largest: Array = None
    for start in range(0, queries.shape[1], step):
        columns = slice(start, min(start + step, queries.shape[1]))
        own = xp.max(xp.abs(queries[:, None, columns] - others[None, :, columns]), axis=2)
        largest = own if largest is None else xp.maximum(largest, own)
    return to_numpy(largest)


@score(
    estimate=_estimate,
    title="TMI",
    summary="Entropy of the features within the classes, for a feature: it rewards spread inside classes.",
    formula="sum_c n_c h_c / sum_c n_c, h_c = (psi(n_c) - psi(k)) / D + mean_i ln(2 e_i / s), e_i the maximum-norm "
    "distance to the k-th neighbour of the class, s the root of the mean variance, k = 3",
    invariances=("sample_order", "label_names", "scale", "translation", "constant_columns"),
    range="at least about -13; without signal that of all samples together",
    cost="sum_c n_c^2 D",
    spectrum="none",
    reference="Xu, Kang, ICCV 2023, arXiv:2308.05986",
    deviations="Distances in units of the features' spread instead of clipped at 1, which makes the published value "
    "constant for small features; entropies for a feature instead of summed over all; classes weigh by their samples "
    "without a further division by the number of classes; small classes use the neighbours that they have.",
    degenerate="Constant features give ln(2e-6) = -13.12, the least of all.",
    rewards_signal=False,
)
def tmi(features: Any, labels: Any = None, *, k: int = 3, compat: Literal["authors"] | None = None) -> float:
    """Score features by their entropy within the classes.

    With e_i the distance of sample i to its k-th nearest neighbour in its class, in the maximum norm and in units of
    the root of the features' mean variance, the entropy of a class is (psi(n_c) - psi(k)) / D + mean_i ln(2 e_i) for
    each of D features. The value is the mean over classes, weighed by their samples.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    k : int, default=3
        Which neighbour; a class of fewer samples uses its farthest one, a class of one sample is left out.
    compat : {"authors"} or None, default=None
        ``authors`` reproduces the published number.

    Returns
    -------
    float
        Higher is better, as published; in nats for a feature.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only; with ``compat="authors"`` also when no
        class has more than ``k`` samples.

    Notes
    -----
    Its authors hold that features which still vary within the classes adapt better, so labels that fit the features
    lower it: it measures the opposite of what the other scores do. Differs from the authors' code: distances are
    relative to the spread of the features, and those below 1e-6 of it, as between copies, count as 1e-6, where the
    published program takes any distance below 1 for 1; divided by the number of features that are not constant, so
    that width does not decide; weights n_c / N over the classes that are kept, without the further division by their
    number. Not invariant to rotation, because of the maximum norm. Distances inside a large class cost the square of
    its size.

    References
    ----------
    H. Xu and U. Kang, "Fast and Accurate Transferability Measurement by Evaluating Intra-class Feature Variance",
    ICCV 2023, arXiv:2308.05986. The estimate of the entropy: A. Kraskov, H. Stoegbauer, P. Grassberger, "Estimating
    Mutual Information", Physical Review E 69, 2004, doi:10.1103/PhysRevE.69.066138.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import tmi
    >>> features, labels = np.arange(8.0)[:, None], [0, 0, 0, 0, 1, 1, 1, 1]
    >>> tmi(features, labels) < tmi(features, [0, 1, 0, 1, 0, 1, 0, 1])
    True
    """
    return _estimate(Statistics.of(features, labels), k=k, compat=compat).value
