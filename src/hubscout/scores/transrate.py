"""TransRate: how much fewer bits code each class than all samples together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout._validation import check_choice, check_number
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics, chunks
from hubscout.stats.namespace import float_dtype, like, namespace, to_numpy

# Rounding beside the identity from which on determinants are taken from eigenvalues.
_LOST = 1e-3


def _estimate(statistics: Statistics, *, eps: float = 1e-4, compat: Literal["authors"] | None = None) -> Estimate:
    check_number("eps", eps, above=0, inclusive=False)
    check_choice("compat", compat, (None, "authors"))
    priors = statistics.priors
    squares = statistics.spectrum().singular_values ** 2
    if len(squares) == 0:
        return Estimate(0.0)
    n_samples = statistics.n_samples
    distortion = eps if compat == "authors" else eps * float(squares.sum()) / n_samples
    whole = 0.5 * float(np.log1p(squares / (n_samples * distortion)).sum())
    # Without a scale of their own, features can be so large that float32 products lose what the identity adds.
    rates = _class_rates(statistics, distortion, single=compat is None and statistics.is_large)
    weights = np.full(len(priors), 1 / len(priors)) if compat == "authors" else priors
    return Estimate(whole - float(weights @ rates))


def _class_rates(statistics: Statistics, distortion: float, *, single: bool) -> FloatArray:
    """Return 1/2 ln det(I + Z_c^T Z_c / (n_c distortion)) for each class, Z_c its samples about the global mean."""
    counts = statistics.counts.astype(np.intp)
    order, ends = np.argsort(statistics.codes, kind="stable"), np.cumsum(counts)
    rates = np.empty(len(counts))
    for classes in _batches(counts, statistics.n_features):
        size = counts[classes].max()
        # Classes become equally long by samples of weight zero, which leave the determinant as it is.
        position = np.arange(size)
        own = np.minimum(position[None, :], counts[classes, None] - 1) + (ends - counts)[classes, None]
        weights = (position[None, :] < counts[classes, None]) / np.sqrt(counts[classes] * distortion)[:, None]
        rows = order[own.ravel()]
        if len(classes) == 1:
            gram = _gram_by_chunks(statistics, rows, single=single) * float(weights[0, 0] ** 2)
            rates[classes] = _half_log_determinants(gram[None, :, :])
        else:
            rates[classes] = _half_log_determinants(_grams(statistics, rows, weights, single=single))
    return rates


def _batches(counts: IntArray, n_features: int) -> Iterator[IntArray]:
    """Cut the classes into sets of about equal sizes whose samples fit into memory at once."""
    octaves = np.ceil(np.log2(counts))
    for octave in np.unique(octaves):
        classes = np.flatnonzero(octaves == octave)
        size = int(counts[classes].max())
        # Two copies of the samples, and the products of each class.
        bytes_a_class = 8 * size * (2 * n_features + 3 * min(size, n_features))
        step = max(1, chunks.CHUNK_BYTES // bytes_a_class)
        for start in range(0, len(classes), step):
            yield classes[start : start + step]


def _grams(statistics: Statistics, rows: IntArray, weights: FloatArray, *, single: bool) -> Array:
    """Return the Gram matrix of each class on its smaller side, (n_classes, s, s), float64."""
    mean = statistics.spectrum().mean
    _, chunk = next(statistics.chunks(rows=rows, single=single))
    xp = namespace(chunk)
    centred = (chunk - xp.astype(mean, chunk.dtype)[None, :]) * like(weights.reshape(-1, 1), chunk)
    stack = xp.reshape(centred, (*weights.shape, statistics.n_features))
    flipped = xp.permute_dims(stack, (0, 2, 1))
    gram = xp.matmul(stack, flipped) if weights.shape[1] <= statistics.n_features else xp.matmul(flipped, stack)
    return xp.astype(gram, float_dtype(xp, single=False), copy=False)


def _gram_by_chunks(statistics: Statistics, rows: IntArray, *, single: bool) -> Array:
    """Return the Gram matrix of one class of any size on its smaller side, (s, s), float64."""
    mean = statistics.spectrum().mean
    parts: list[Array] = []
    total: Array = None
    for _, chunk in statistics.chunks(rows=rows, single=single):
        xp = namespace(chunk)
        double = float_dtype(xp, single=False)
        centred = chunk - xp.astype(mean, chunk.dtype)[None, :]
        if len(rows) > statistics.n_features:
            product = xp.astype(xp.matmul(centred.T, centred), double, copy=False)
            total = product if total is None else total + product
            continue
        across = [
            xp.matmul(centred, (other - xp.astype(mean, other.dtype)[None, :]).T)
            for _, other in statistics.chunks(rows=rows, single=single)
        ]
        parts.append(xp.astype(xp.concat(across, axis=1), double, copy=False))
    return namespace(parts[0]).concat(parts, axis=0) if parts else total


def _half_log_determinants(grams: Array) -> FloatArray:
    """Return 1/2 ln det(I + G) of each matrix, (n,)."""
    xp = namespace(grams)
    identity = xp.eye(grams.shape[-1], dtype=grams.dtype, device=grams.device)
    logarithms = xp.linalg.slogdet(grams + identity[None, :, :])[1]
    half: FloatArray = 0.5 * to_numpy(logarithms)
    # Beside very large products nothing is left of the identity, and dependent rows would have a determinant of
    # rounding: then only eigenvalues above it count, as in the spectrum of all samples.
    rounding = grams.shape[-1] * np.finfo(np.float64).eps
    largest = to_numpy(xp.max(xp.linalg.diagonal(grams), axis=-1))
    lost = np.flatnonzero(largest * rounding > _LOST)
    if len(lost):
        values = to_numpy(xp.linalg.eigvalsh(xp.take(grams, like(lost.astype(np.int64), grams), axis=0)))
        values = np.where(values > rounding * values[:, -1:], values, 0.0)
        half[lost] = 0.5 * np.log1p(values).sum(axis=1)
    return half


@score(
    estimate=_estimate,
    title="TransRate",
    summary="Coding rate of all samples less the mean coding rate within the classes.",
    formula="R(Fc) - sum_c pi_c R(Fc_c), R(A) = 1/2 ln det(I + A^T A / (n_A eps v)), v the total variance, eps = 1e-4",
    invariances=(
        "sample_order",
        "label_names",
        "rotation",
        "scale",
        "translation",
        "constant_columns",
        "duplication",
    ),
    range="at least 0; without signal above 0, the more so the fewer samples a class has",
    cost="N D^2 + D^3 + sum_c n_c D min(n_c, D)",
    spectrum="whole",
    reference="Huang, Huang, Rong, Yang, Wei, ICML 2022, arXiv:2106.09362",
    deviations="The distortion eps is a share of the total variance instead of an absolute number, which makes the "
    "published value grow with the scale of the features; classes weigh by their samples, which keeps it from being "
    "negative.",
    degenerate="Constant features give 0.",
)
def transrate(
    features: Any, labels: Any = None, *, eps: float = 1e-4, compat: Literal["authors"] | None = None
) -> float:
    """Score features by the information between them and the classes, as a difference of coding rates.

    With Fc the centred features, v the trace of their covariance and R(A) = 1/2 ln det(I + A^T A / (n eps v)) for
    the n rows of A, the value is R(Fc) - sum_c pi_c R(Fc_c), Fc_c the rows of class c, not centred again.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    eps : float, default=1e-4
        Distortion that is allowed, as a share of the total variance: directions of less than that hardly count.
    compat : {"authors"} or None, default=None
        ``authors`` reproduces the published number: ``eps`` as it stands, and all classes of the same weight.

    Returns
    -------
    float
        Higher is better; at least 0, in nats.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.

    Notes
    -----
    A class of n samples fills at most n directions, so classes of fewer samples than directions make the value large
    whatever the labels say: read it against the value under labels in random order. Differs from the authors' code:
    scale-free through v (the published value grows without limit with the scale of the features); classes weigh
    n_c / N, for which concavity of the log-determinant gives the lower bound 0; each determinant is taken on the
    smaller side of its matrix.

    References
    ----------
    L.-K. Huang, J. Huang, Y. Rong, Q. Yang, Y. Wei, "Frustratingly Easy Transferability Estimation", ICML 2022,
    arXiv:2106.09362.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import transrate
    >>> features = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(transrate(features, [0, 0, 1, 1]), 6), round(transrate(features, [0, 1, 1, 0]), 6)
    (3.912173, 0.0)
    """
    return _estimate(Statistics.of(features, labels), eps=eps, compat=compat).value
