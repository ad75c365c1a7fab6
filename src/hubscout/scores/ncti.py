"""NCTI: how near the features are to neural collapse on the target classes."""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np

from hubscout._typing import FloatArray
from hubscout._validation import check_choice, check_positive_int
from hubscout.scores._leading_coordinates import LeadingCoordinates, leading_coordinates
from hubscout.scores._ncti_model import Discriminant, collapse, fold_models, whole_training
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics
from hubscout.stats.folds import check_folds
from hubscout.stats.namespace import to_numpy

# The authors' shrinkage is exp(-t), t the sum of this many variances, and at least that.
_AUTHORS_VARIANCES, _AUTHORS_LEAST = 32, 1e-10


class NctiTerms(NamedTuple):
    """The three terms of NCTI; its value is ``seli + ncc - vc``.

    Parameters
    ----------
    seli : float
        How much of the labels' simplex encoding the features interpolate.
    ncc : float
        Confidence of the nearest class centre.
    vc : float
        Variability within the classes.
    """

    seli: float
    ncc: float
    vc: float

    @property
    def value(self) -> float:
        """The score of these terms."""
        return self.seli + self.ncc - self.vc


def _terms(
    statistics: Statistics,
    n_components: int | None,
    compat: Literal["authors"] | None,
    cross_fit: int | None,
    seed: int,
) -> NctiTerms:
    check_choice("compat", compat, (None, "authors"))
    if n_components is not None:
        check_positive_int("n_components", n_components)
    check_positive_int("seed", seed, minimum=0)
    n_folds = check_folds(cross_fit, statistics.n_samples, compat=compat)
    codes, priors = statistics.codes, statistics.priors
    leading = leading_coordinates(statistics, n_components)
    if compat == "authors":
        return _authors_terms(statistics, leading)
    if leading.spectrum.n_components == 0:
        # Features without any spread leave the prior as the posterior of all samples.
        chance = float(priors @ priors)
        return NctiTerms(0.0, chance, 1 - chance)
    models, folds = [], np.zeros_like(codes)
    if n_folds is None:
        models.append(Discriminant.fit(whole_training(statistics, leading)))
    else:
        models, folds = fold_models(statistics, leading, n_folds, seed)
    found = collapse(statistics, leading, models, folds)
    # Held-out samples can lie beyond the classes they are held against: no labels are more than fully interpolated.
    seli = float(np.clip(found.interpolation.mean(), -1.0, 1.0))
    return NctiTerms(seli, float(found.confidence.mean()), found.variability)


def _authors_terms(statistics: Statistics, leading: LeadingCoordinates) -> NctiTerms:
    codes, counts = statistics.codes, statistics.counts
    if leading.spectrum.n_components == 0:
        seli, posteriors = 0.0, np.tile(statistics.priors, (len(codes), 1))
    else:
        blocks = [to_numpy(block).astype(np.float64) for _, block in leading.walk(width=0)]
        seli, posteriors = _authors_discriminant(np.concatenate(blocks), codes)
    order, stops = np.argsort(codes, kind="stable"), np.cumsum(counts).astype(int)
    norms = [np.linalg.norm(posteriors[rows], "nuc") for rows in np.split(order, stops[:-1])]
    confidence = float(posteriors[np.arange(len(codes)), codes].mean())
    return NctiTerms(seli, confidence, float(np.log(np.sum(norms))))


def _authors_discriminant(coordinates: FloatArray, codes: Any) -> tuple[float, FloatArray]:
    """Return the nuclear norm of the discriminant coordinates, and the posteriors, of scikit-learn's discriminant."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    variances = coordinates.var(axis=0, ddof=1)
    shrinkage = max(float(np.exp(-variances[:_AUTHORS_VARIANCES].sum())), _AUTHORS_LEAST)
    if shrinkage == _AUTHORS_LEAST:
        model = LinearDiscriminantAnalysis(solver="svd")
    else:
        model = LinearDiscriminantAnalysis(solver="eigen", shrinkage=shrinkage)
    with warnings.catch_warnings():
        # Of a class of one sample, whose covariance it takes as zero, and of collinear components.
        warnings.simplefilter("ignore", UserWarning)
        placed = model.fit(coordinates, codes).transform(coordinates)
    return float(np.linalg.norm(placed - placed.mean(axis=0), "nuc")), model.predict_proba(coordinates)


def _estimate(
    statistics: Statistics,
    *,
    n_components: int | None = 64,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
) -> Estimate:
    return Estimate(_terms(statistics, n_components, compat, cross_fit, seed).value)


def ncti_terms(
    features: Any,
    labels: Any = None,
    *,
    n_components: int | None = 64,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
) -> NctiTerms:
    """Return the three terms that `ncti` is made of.

    Parameters
    ----------
    features, labels, n_components, compat, cross_fit, seed
        As in `ncti`.

    Returns
    -------
    NctiTerms
        Named tuple of ``seli``, ``ncc`` and ``vc``.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores.ncti import ncti_terms
    >>> labels = np.repeat([0, 1, 2], 10)
    >>> seli, ncc, vc = ncti_terms(np.eye(3)[labels], labels)
    >>> round(seli, 6), round(ncc, 6), round(vc, 6)
    (1.0, 1.0, 0.0)
    """
    return _terms(Statistics.of(features, labels), n_components, compat, cross_fit, seed)


@score(
    estimate=_estimate,
    title="NCTI",
    summary="Nearness to neural collapse: labels interpolated, classes confident, and no variability within them, "
    "by a linear discriminant in the leading components.",
    formula="seli + ncc - vc, seli = |A|_* / (C - 1) with A the class means of totally whitened samples times "
    "sqrt(pi_c), ncc = mean_i p(y_i | f_i), vc = 1 - sum_c pi_c |mean of p over class c|^2",
    range="[-1, 2]; [-2, 2] when cross-fitted",
    invariances=(
        "sample_order",
        "label_names",
        "rotation",
        "scale",
        "translation",
        "constant_columns",
        "duplication",
    ),
    cost="N D^2 + N k (D + C)",
    spectrum="leading",
    reference="Wang, Luo, Zheng, Huang, Baktashmotlagh, ICCV 2023, doi:10.1109/ICCV51070.2023.00511",
    deviations="Each term lies in [0, 1], so that they add up without extremes over all candidates; shrinkage is "
    "relative to the spread within classes; class variability is not rewarded for posteriors that are all alike "
    "(compat='authors' gives the published terms).",
    degenerate="Constant features give 2 p - 1, with p the sum of the squared class priors.",
)
def ncti(
    features: Any,
    labels: Any = None,
    *,
    n_components: int | None = 64,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
) -> float:
    r"""Score features by how near they are to neural collapse.

    A linear discriminant is fitted in the leading principal components. The value is seli + ncc - vc: the nuclear
    norm of the labels' simplex encoding as the features interpolate it, relative to that of the encoding itself; the
    mean posterior of the true class; and the variability of posteriors within classes,
    :math:`1 - \sum_c \pi_c |\bar p_c|^2`, with :math:`\bar p_c` the mean posterior of class c, which is 0 only where
    all samples of each class have one and the same certain posterior.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    n_components : int or None, default=64
        Leading components that the discriminant sees; None for the whole spectrum.
    compat : {"authors"}, optional
        The authors' terms of this one model, S_ncc + S_seli - S_vc: nuclear norms that grow with the number of
        samples, and shrinkage that depends on the scale of the features.
    cross_fit : int, optional
        Number of folds: discriminants are fitted to all folds but one, and that one is scored. Without it they are
        fitted to what they score, which flatters few samples.
    seed : int, default=0
        Of the folds.

    Returns
    -------
    float
        Higher is better; in [-1, 2], and with ``cross_fit`` in [-2, 2].

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option is out of range.

    Notes
    -----
    Without signal the cross-fitted value is about 2 p - 1, with p the sum of the squared class priors.

    Differs from the authors' code: (1) There, each term is scaled by its extremes over all candidates, so that each
    further candidate changes every value; here each term lies in [0, 1] by itself. (2) Their shrinkage is exp(-t), t
    the sum of the 32 largest variances, another one at each scale of the features; here it is a tenth of the mean
    variance within classes. (3) Their S_seli is the nuclear norm of the discriminant coordinates, which grows with
    the root of the number of samples; here it is the sum of the canonical correlations of features and classes over
    C - 1. (4) Their S_vc is the logarithm of the sum over classes of the nuclear norms of posteriors. It is smallest
    where all posteriors are the same, whatever they say, and takes a decomposition of a matrix of C x C for each
    class. (5) Principal components are exact. `ncti_terms` gives the three terms.

    The components know no labels, so they are those of all samples in every fold.

    References
    ----------
    Z. Wang, Y. Luo, L. Zheng, Z. Huang, M. Baktashmotlagh, "How Far Pre-trained Models Are from Neural Collapse on
    the Target Dataset Informs their Transferability", ICCV 2023, doi:10.1109/ICCV51070.2023.00511.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import ncti
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> apart = rng.standard_normal((100, 8)) + 3 * labels[:, None]
    >>> mixed = rng.standard_normal((100, 8))
    >>> ncti(apart, labels) > 1.9 > 0.5 > ncti(mixed, labels)
    True
    """
    return _estimate(
        Statistics.of(features, labels), n_components=n_components, compat=compat, cross_fit=cross_fit, seed=seed
    ).value
