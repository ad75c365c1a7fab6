"""GBC: overlap of Gaussian classes, by the Bhattacharyya coefficient of each pair."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from hubscout._validation import check_choice, check_positive_int
from hubscout.errors import UsageError
from hubscout.scores._gbc_moments import Covariance, authors_moments, class_moments, fold_moments
from hubscout.scores._gbc_pairs import affinity, full_affinity
from hubscout.scores._leading_coordinates import leading_coordinates
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics
from hubscout.stats.folds import check_folds, fold_codes


def _estimate(
    statistics: Statistics,
    *,
    n_components: int | None = 64,
    covariance: Covariance = "diagonal",
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    check_choice("covariance", covariance, ("diagonal", "spherical", "full"))
    if n_components is not None:
        check_positive_int("n_components", n_components)
    check_positive_int("seed", seed, minimum=0)
    n_folds = check_folds(cross_fit, statistics.n_samples)
    codes = statistics.codes
    if compat == "authors":
        _check_compat(covariance, cross_fit)
        return Estimate(0.0 - 2 * affinity(authors_moments(statistics, covariance)))
    leading = leading_coordinates(statistics, n_components)
    if leading.spectrum.n_components == 0:
        # Features without any spread put all classes in one place.
        return Estimate(-float(statistics.n_targets * (statistics.n_targets - 1)))
    folds = np.zeros_like(codes)
    if n_folds is not None:
        folds = fold_codes(codes, len(codes), n_folds, seed, statistics.groups)
    sums = fold_moments(statistics, leading, covariance, folds, n_folds or 1)
    classes = class_moments(statistics, leading, covariance, sums)
    total = (full_affinity if covariance == "full" else affinity)(classes, None if n_folds is None else sums)
    return Estimate(0.0 - 2 * total)


def _check_compat(covariance: Covariance, cross_fit: int | None) -> None:
    if covariance == "full":
        msg = "covariance must be 'diagonal' or 'spherical' with compat='authors', got 'full'; leave one of them out"
        raise UsageError(msg)
    if cross_fit is not None:
        msg = f"cross_fit must be None with compat='authors', got {cross_fit}; leave one of them out"
        raise UsageError(msg)


@score(
    estimate=_estimate,
    title="GBC",
    summary="Overlap of the classes as Gaussians in the leading components: minus the sum of the Bhattacharyya "
    "coefficients of all pairs.",
    formula="-sum_{c != c'} exp(-1/8 d^T S^{-1} d - 1/2 ln(|S| / sqrt(|S_c| |S_c'|))), d = m_c - m_c', "
    "S = (S_c + S_c') / 2",
    range="[-C (C - 1), 0]",
    invariances=(
        "sample_order",
        "label_names",
        "rotation",
        "scale",
        "translation",
        "constant_columns",
        "duplication",
    ),
    cost="N D^2 + N k D + C^2 k",
    spectrum="leading",
    reference="Pandy, Agostinelli, Uijlings, Ferrari, Mensink, CVPR 2022, arXiv:2111.12780",
    deviations="The least variance is relative to that within all classes, not 1e-4, so that the scale of the "
    "features does not matter; principal components are exact; the determinant of spherical classes counts all "
    "dimensions (compat='authors' gives the published function).",
    degenerate="Constant features give -C (C - 1): all classes in one place. A class of one sample takes the "
    "covariance of the others.",
)
def gbc(
    features: Any,
    labels: Any = None,
    *,
    n_components: int | None = 64,
    covariance: Covariance = "diagonal",
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
) -> float:
    r"""Score features by how little their classes overlap.

    Each class is a Gaussian in the leading principal components. The value is minus the sum over all ordered pairs
    of classes of exp(-D), with the Bhattacharyya distance
    :math:`D = \frac18 d^\top S^{-1} d + \frac12 \ln(|S| / \sqrt{|S_c| |S_{c'}|})`, d the difference of the means
    and S the mean of both covariances.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    n_components : int or None, default=64
        Leading components that take part; None for the whole spectrum.
    covariance : {"diagonal", "spherical", "full"}, default="diagonal"
        Of each class, in the components: one variance for each of them, one for all, or all covariances.
    compat : {"authors"}, optional
        The published function, as its authors' program has it: it takes features as they are, so that
        ``n_components`` is not looked at, raises each variance to at least 1e-4, and with
        ``covariance="spherical"`` counts the logarithm of one dimension.
    cross_fit : int, optional
        Number of folds: of each distance only that counts which is found in a fold and again in all others.
        Without it classes seem apart that differ by chance alone.
    seed : int, default=0
        Of the folds.

    Returns
    -------
    float
        Higher is better; in [-C (C - 1), 0]. Values of tasks with different numbers of classes are not comparable.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option is out of range.

    Notes
    -----
    Differs from the authors' code: principal components are part of the score, and exact; each covariance is 99 %
    that of the class and 1 % that within all classes, where theirs is raised to an absolute 1e-4, which ranks
    architectures by their scale; ln \|S\| of spherical classes is that of all dimensions. A class of one sample, or
    of copies of one, has the covariance within the other classes. ``covariance="full"`` needs more samples a class
    than components, and holds C k^2 numbers, with ``cross_fit`` as many for each fold.

    With ``cross_fit`` the square of a difference of means is the product of what it is in a fold and in all others,
    averaged over folds, whose expectation is that of the true means squared; the logarithm is multiplied by the
    share of the squared differences of covariances that is found again. Where the distance comes out below 0, the
    overlap is taken as far above 1 as it would be below, so that chance leaves the sum over pairs at C (C - 1), its
    bound. A class of one sample is never both in a fold and outside of it, and so at no distance from any other; nor
    are two classes that no fold holds both of, as where folds are nearly as many as samples. The components know no
    labels; they are those of all samples.

    References
    ----------
    M. Pandy, A. Agostinelli, J. Uijlings, V. Ferrari, T. Mensink, "Transferability Estimation using Bhattacharyya
    Class Separability", CVPR 2022, arXiv:2111.12780. J. Diedrichsen, S. Provost, H. Zareamoghaddam, "On the
    distribution of cross-validated Mahalanobis distances", arXiv:1607.01371.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import gbc
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> apart = rng.standard_normal((100, 8)) + 3 * labels[:, None]
    >>> mixed = rng.standard_normal((100, 8))
    >>> gbc(apart, labels) > -0.01 > gbc(mixed, labels) > -2
    True
    """
    return _estimate(
        Statistics.of(features, labels),
        n_components=n_components,
        covariance=covariance,
        compat=compat,
        cross_fit=cross_fit,
        seed=seed,
    ).value
