"""LFC: how well the Gram matrix of the features lines up with that of the labels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from hubscout._typing import FloatArray
from hubscout._validation import check_choice
from hubscout.scores._spec import Estimate, NullReference, score
from hubscout.stats import Moments, Statistics
from hubscout.stats.label_orders import PairSums, pair_product_moments
from hubscout.stats.moments import centred_target_sums
from hubscout.stats.namespace import like, namespace, to_numpy


def _estimate(statistics: Statistics, *, compat: Literal["authors"] | None = None) -> Estimate:
    norm = _norm(statistics, compat)
    if norm == 0:
        return Estimate(0.0)
    moments = _moments(statistics)
    sums = centred_target_sums(moments)
    xp = namespace(sums)
    total = float(xp.sum(sums**2))
    if compat == "authors":
        total += 2 * float(to_numpy(xp.matmul(sums, moments.mean)) @ statistics.counts)
        return Estimate(total / norm)
    return Estimate(total / norm, lambda: _influence(statistics, total / norm, norm))


def _null(statistics: Statistics, *, compat: Literal["authors"] | None = None) -> NullReference:
    norm = _norm(statistics, compat)
    if norm == 0:
        return NullReference(0.0, 0.0, "analytic")
    n, squares = statistics.n_samples, statistics.square_norms()
    # Up to a constant, which no order of the labels can tell, x_i . x_j + g_i + g_j stands for f_i . f_j.
    offsets = _mean_products(statistics) if compat == "authors" else np.zeros(n)
    diagonal = squares + 2 * offsets
    rows = (n - 2) * offsets - squares
    off_diagonal = _kernel_square(statistics, compat) - float(diagonal @ diagonal)
    pairs = PairSums(n, -float(squares.sum()), off_diagonal, float(rows @ rows))
    mean, deviation = pair_product_moments(pairs, PairSums.of_same_class(statistics.counts))
    return NullReference((mean + float(squares.sum())) / norm, deviation / norm, "analytic")


def _norm(statistics: Statistics, compat: Literal["authors"] | None) -> float:
    """Return half the product of the norms of both matrices, each less its mean; zero for constant features."""
    check_choice("compat", compat, (None, "authors"))
    same = float((statistics.counts**2).sum())
    kernel = _kernel_square(statistics, compat)
    return float(np.sqrt(same * (1 - same / statistics.n_samples**2)) * np.sqrt(kernel))


def _moments(statistics: Statistics) -> Moments:
    if statistics.n_samples < statistics.n_features:
        return statistics.moments(with_scatter=False)
    moments = statistics.moments(single=statistics.is_large)
    return moments if statistics.is_large else statistics.moments()  # only now known to leave the range of float32


def _kernel_square(statistics: Statistics, compat: Literal["authors"] | None) -> float:
    """Return the sum of the squared entries of the features' Gram matrix less its mean."""
    moments = _moments(statistics)
    xp = namespace(moments.mean)
    if moments.scatter is not None:
        found = float(xp.sum(moments.scatter**2))
        across = float(xp.vecdot(moments.mean, xp.matmul(moments.scatter, moments.mean)))
    else:
        spectrum = statistics.spectrum()
        values = spectrum.singular_values
        found = float((values**4).sum())
        across = float(values**2 @ to_numpy(xp.matmul(moments.mean, spectrum.right_vectors)) ** 2)
    return found + 2 * statistics.n_samples * across if compat == "authors" else found


def _mean_products(statistics: Statistics) -> FloatArray:
    """Return each sample's product with the mean of all, less the mean of these products, (n_samples,)."""

    def compute() -> FloatArray:
        mean = _moments(statistics).mean
        products = np.empty(statistics.n_samples)
        for rows, chunk in statistics.chunks():
            products[rows] = to_numpy(namespace(chunk).matmul(chunk - mean[None, :], mean))
        return products

    return statistics.remember("lfc_mean_products", compute)


def _spread_products(statistics: Statistics) -> FloatArray:
    """Return x_i^T S x_i for each centred sample, with S the covariance, (n_samples,)."""

    def compute() -> FloatArray:
        n, moments = statistics.n_samples, _moments(statistics)
        found = np.empty(n)
        if moments.scatter is None:
            spectrum = statistics.spectrum()
            for rows, coordinates in statistics.coordinates(spectrum):
                found[rows] = to_numpy(coordinates) ** 2 @ (spectrum.singular_values**2 / n)
            return found
        for rows, chunk in statistics.chunks(width=2 * statistics.n_features):
            xp = namespace(chunk)
            centred = chunk - moments.mean[None, :]
            found[rows] = to_numpy(xp.sum(xp.matmul(centred, moments.scatter) * centred, axis=1)) / n
        return found

    return statistics.remember("lfc_spread_products", compute)


def _influence(statistics: Statistics, value: float, norm: float) -> FloatArray:
    """First-order effect of each sample's weight, through class sums, covariance and class sizes."""
    n, priors, codes = statistics.n_samples, statistics.priors, statistics.codes
    moments = _moments(statistics)
    xp = namespace(moments.mean)
    sums = centred_target_sums(moments) / n
    common = xp.matmul(like(priors, sums), sums)
    products = np.empty(n)
    for rows, chunk in statistics.chunks(width=statistics.n_features):
        own = xp.take(sums, like(codes[rows].astype(np.int64), sums), axis=0)
        products[rows] = to_numpy(xp.sum((chunk - moments.mean[None, :]) * (own - common[None, :]), axis=1))
    same, kernel = float(priors @ priors), _kernel_square(statistics, None) / n**2
    of_sums = 2 * (products - float(xp.sum(sums**2))) * n**2 / norm
    of_kernel = _spread_products(statistics) / kernel - 1
    of_sizes = (1 - 2 * same) / (1 - same) * (priors[codes] / same - 1)
    found = of_sums - value * (of_kernel + of_sizes)
    terms: FloatArray = found - found.mean() + value
    return terms


@score(
    estimate=_estimate,
    null=_null,
    title="LFC",
    summary="Cosine between the Gram matrix of the features and that of the labels: label-feature correlation.",
    formula="cosine of K = Fc Fc^T and L, L_ij = 1 if y_i = y_j and -1 otherwise, each less its mean",
    invariances=(
        "sample_order",
        "label_names",
        "rotation",
        "scale",
        "translation",
        "constant_columns",
        "duplication",
    ),
    range="[0, 1]",
    cost="N D^2",
    spectrum="none",
    reference="Deshpande, Achille, Ravichandran, Li, Zancato, Fowlkes, Bhotika, Soatto, Perona, 2021, arXiv:2102.00084",
    deviations="The mean is taken from the features first, since the Gram matrix of features off the origin is "
    "mostly that of their mean (compat='authors' leaves it in).",
    degenerate="Constant features give 0.",
)
def lfc(features: Any, labels: Any = None, *, compat: Literal["authors"] | None = None) -> float:
    """Score features by how well their Gram matrix lines up with the labels.

    With K_ij = f_i . f_j for centred features and L_ij = 1 for samples of one class, -1 for others, both less their
    mean over all pairs, the value is the cosine of K and L as vectors of N^2 entries.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    compat : {"authors"}, optional
        Leave the mean in the features, as published.

    Returns
    -------
    float
        Higher is better; in [0, 1], in [-1, 1] with ``compat="authors"``.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option is out of range.

    Notes
    -----
    Differs from the authors' code, which does not centre the features: then the products of all samples with the
    mean fill the Gram matrix, say nothing of the classes, and press the value down by as much as the features are
    off the origin. No N x N matrix is built: all sums over pairs follow from the covariance and the class sums.

    A sample's product with itself counts as one of its class, so that values of small samples are above zero
    without any signal; how far is known exactly, for all orders of the labels.

    References
    ----------
    A. Deshpande et al., "A linearized framework and a new benchmark for model selection for fine-tuning", 2021,
    arXiv:2102.00084.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import lfc
    >>> round(lfc(np.array([[0.0], [0.0], [1.0], [1.0]]), ["a", "a", "b", "b"]), 6)
    1.0
    """
    return _estimate(Statistics.of(features, labels), compat=compat).value
