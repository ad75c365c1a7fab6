"""PARC: whether samples that are alike in their features are alike in their labels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from hubscout._typing import Array, FloatArray
from hubscout._validation import check_choice, check_positive_int
from hubscout.scores._pair_ranks import PairRanks
from hubscout.scores._spec import Estimate, NullReference, score
from hubscout.stats import Spectrum, Statistics
from hubscout.stats.label_orders import PairSums, pair_product_moments
from hubscout.stats.namespace import namespace, to_numpy


def _estimate(statistics: Statistics, *, n_components: int = 32, compat: Literal["authors"] | None = None) -> Estimate:
    ranks, scale = _ranks(statistics, n_components, compat)
    return Estimate(0.0 if ranks is None else scale * ranks.same_class_sum(statistics.codes))


def _null(statistics: Statistics, *, n_components: int = 32, compat: Literal["authors"] | None = None) -> NullReference:
    ranks, scale = _ranks(statistics, n_components, compat)
    if ranks is None:
        return NullReference(0.0, 0.0, "analytic")
    row_sums = statistics.remember(("parc_row_sums", n_components, compat), ranks.row_sums)
    pairs = PairSums(statistics.n_samples, 0.0, ranks.squares, float(row_sums @ row_sums))
    _, deviation = pair_product_moments(pairs, PairSums.of_same_class(statistics.counts))
    return NullReference(0.0, scale * deviation, "analytic")


def _ranks(
    statistics: Statistics, n_components: int, compat: Literal["authors"] | None
) -> tuple[PairRanks | None, float]:
    """Return the ranks, or None where all are the same, and what turns a sum of them into the value."""
    check_positive_int("n_components", n_components)
    check_choice("compat", compat, (None, "authors"))
    same = PairSums.of_same_class(statistics.counts).total
    spectrum = statistics.spectrum(n_components)
    n = statistics.n_samples
    # With whitened components as many as they can be, all samples are equally far from each other.
    if spectrum.n_components == 0 or (compat is None and spectrum.n_components >= n - 1):
        return None, 0.0
    ranks = statistics.remember(
        ("parc_ranks", n_components, compat), lambda: PairRanks(_unit_rows(statistics, spectrum, compat))
    )
    if ranks.squares <= 1e-12:
        return None, 0.0
    # A rank correlation with labels that only say "same" or "different" is a difference of mean ranks.
    n_pairs = n * (n - 1)
    return ranks, 100 / float(np.sqrt(ranks.squares * same * (1 - same / n_pairs)))


def _unit_rows(statistics: Statistics, spectrum: Spectrum, compat: Literal["authors"] | None) -> Array:
    """Return the samples in standardised components, each divided by its length; zero where that is zero."""
    scaling = np.sqrt(statistics.n_samples) / spectrum.singular_values
    if compat == "authors":
        scaling = scaling * _signs(spectrum)
    rows = []
    for _, coordinates in statistics.coordinates(spectrum, np.diag(scaling), width=2 * spectrum.n_components):
        xp = namespace(coordinates)
        if compat == "authors":
            coordinates = coordinates - xp.mean(coordinates, axis=1, keepdims=True)
        lengths = xp.sqrt(xp.sum(coordinates**2, axis=1, keepdims=True))
        is_zero = lengths <= float(xp.finfo(lengths.dtype).eps) ** 0.5
        rows.append(xp.where(is_zero, 0 * coordinates, coordinates / xp.where(is_zero, lengths * 0 + 1, lengths)))
    return xp.concat(rows, axis=0)


def _signs(spectrum: Spectrum) -> FloatArray:
    """Return the signs that make the largest loading of each component positive, as scikit-learn has them."""
    vectors = spectrum.right_vectors
    xp = namespace(vectors)
    largest = to_numpy(xp.max(vectors, axis=0)) >= -to_numpy(xp.min(vectors, axis=0))
    signs: FloatArray = np.where(largest, 1.0, -1.0)
    return signs


@score(
    estimate=_estimate,
    null=_null,
    title="PARC",
    summary="Rank correlation, over all pairs of samples, of their similarity in the features and the sameness of "
    "their labels.",
    formula="100 * Spearman over i < j of cos(t_i, t_j) and [y_i = y_j], with t the leading components, standardised",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    range="[-100, 100]; without signal 0 on average",
    cost="N D^2 + N^2 k",
    spectrum="leading",
    reference="Bolya, Mittapalli, Hoffman, NeurIPS 2021, arXiv:2111.06977",
    deviations="Similarity is the cosine instead of the Pearson correlation across components, which depends on "
    "their arbitrary signs (compat='authors' gives theirs); principal components are exact instead of randomised; "
    "the number of the network's layers plays no part.",
    degenerate="Constant features give 0, and so do samples that are no more than the components plus one.",
)
def parc(
    features: Any,
    labels: Any = None,
    *,
    n_components: int = 32,
    compat: Literal["authors"] | None = None,
) -> float:
    """Score features by whether samples that are alike in them are of the same class.

    The value is 100 times Spearman's correlation, over all pairs of samples, of two similarities: the cosine
    between the samples in their leading principal components, each divided by its standard deviation, and 1 or 0
    for labels that are the same or not.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    n_components : int, default=32
        Leading components that take part, or as many as there are.
    compat : {"authors"}, optional
        Pearson's correlation across components instead of the cosine, as in the authors' program.

    Returns
    -------
    float
        Higher is better; in [-100, 100], and 0 on average without signal.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option is out of range.

    Notes
    -----
    Differs from the authors' code: it correlates two samples across components about their mean over the
    components. Principal components have no natural sign, and that mean changes with each one's: the same features
    under another rotation score up to several points more or less. The cosine takes no mean and depends on no sign.
    With ``compat="authors"`` it is as they have it, with the signs of scikit-learn's exact decomposition; their
    randomised one is only near it. The paper's correction for the capacity of a network, its number of layers, is
    no property of features and is left out.

    A sample at the mean of all is equally unlike any other: its similarities are 0. Where samples are at most one
    more than the components, such as 33 with wide features, all pairs are equally similar and the value is 0. In
    the ranks, similarities that differ by rounding alone are ties; above 1 024 samples they are counted in fine bins,
    which moves the value by less than 1e-6 of itself. Copies of a sample count as pairs of their own and raise it.

    The labels of a pair are the same or not, so that the value is a difference of mean ranks (a scaled area under
    the curve), and its mean and spread over all orders of the labels are known exactly.

    References
    ----------
    D. Bolya, R. Mittapalli, J. Hoffman, "Scalable Diverse Model Selection for Accessible Transfer Learning",
    NeurIPS 2021, arXiv:2111.06977.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import parc
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> apart = rng.standard_normal((100, 8)) + 3 * labels[:, None]
    >>> parc(apart, labels) > parc(rng.standard_normal((100, 8)), labels)
    True
    """
    return _estimate(Statistics.of(features, labels), n_components=n_components, compat=compat).value
