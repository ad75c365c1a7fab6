"""What a linear model makes of samples that it has not seen: the mean of a discriminant and a ridge probe."""

from __future__ import annotations

from typing import Any

import numpy as np

from hubscout._typing import FloatArray, IntArray, TaskKind
from hubscout.errors import DataError
from hubscout.scores._averages import Average, check_average
from hubscout.scores._left_out_discriminant import left_out_posteriors
from hubscout.scores._ridge import ridge_strengths
from hubscout.scores._ridge_residuals import left_out_residuals
from hubscout.scores._spec import Estimate, get_spec, score
from hubscout.stats import Statistics
from hubscout.stats.namespace import one_hot


def _estimate(statistics: Statistics, *, average: Average = "macro") -> Estimate:
    statistics.require_labels()
    if statistics.groups is not None and not statistics.groups.any():
        msg = "groups must be at least 2 for this score, got 1, which leaves no other to learn from; leave groups out"
        raise DataError(msg)
    if not statistics.has_classes:
        return get_spec("linear_probe").estimate(statistics, average=average)
    check_average(statistics, average)
    terms = 0.5 * (_probe_hits(statistics) + left_out_posteriors(statistics))
    return Estimate(float(terms.mean()), lambda: terms)


def _probe_hits(statistics: Statistics) -> FloatArray:
    """Return whether the ridge fit without each sample, or its group, is right about its class, (n_samples,)."""
    codes, counts, spectrum = statistics.codes, statistics.counts, statistics.spectrum()
    if spectrum.n_components == 0:
        return np.asarray(codes == counts.argmax(), dtype=np.float64)
    projected = statistics.target_coordinates(spectrum)
    strengths = ridge_strengths(spectrum.singular_values**2, projected, statistics)
    hits = np.empty(statistics.n_samples)
    for rows, errors in left_out_residuals(statistics, projected, strengths):
        own = codes[rows]
        predicted = np.subtract(one_hot(own, len(counts)), errors, out=errors)
        # A class is rarer without its own sample: on balanced noise that alone would make nearly all fits wrong.
        predicted += counts / statistics.n_samples - _shares_of_others(statistics, rows)
        hits[rows] = predicted.argmax(axis=1) == own
    return hits


def _shares_of_others(statistics: Statistics, rows: Any) -> FloatArray:
    """Return the class shares outside of each sample or its group, all of which is in the rows: (rows, n_classes)."""
    codes, n_classes = statistics.codes[rows], statistics.n_targets
    if statistics.groups is None:
        own, size = one_hot(codes, n_classes), np.ones((len(codes), 1))
    else:
        groups: IntArray = np.unique(statistics.groups[rows], return_inverse=True)[1]
        table = np.bincount(groups * n_classes + codes, minlength=(int(groups.max()) + 1) * n_classes)
        own = table.reshape(-1, n_classes)[groups].astype(np.float64)
        size = own.sum(axis=1, keepdims=True)
    shares: FloatArray = (statistics.counts - own) / (statistics.n_samples - size)
    return shares


@score(
    estimate=_estimate,
    tasks=("classification", "multilabel", "regression"),
    title="Held-out",
    summary="How well linear models do on samples that they are fitted without: mean of the true class's posterior "
    "under a shrunk discriminant and of the accuracy of a ridge probe.",
    formula="1/2 mean_i p_-i(y_i | f_i) + 1/2 mean_i [argmax_c of the ridge fit without sample i = y_i], with p_-i the "
    "posterior of LDA fitted without sample i; for numbers the probe's R^2, for several labels its average precision",
    range="[0, 1], without signal about the share of a class; R^2, at most 1, for regression; several labels have "
    "their frequency as chance level",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N D^2 + D^3 + N C D",
    spectrum="whole",
    reference="McLachlan, Discriminant Analysis and Statistical Pattern Recognition, Wiley, 1992, "
    "doi:10.1002/0471725293; Allen, Technometrics 16(1), 1974, doi:10.1080/00401706.1974.10489157",
    deviations="Two plain methods in equal parts, not a published score.",
    degenerate="Constant features give the mean of the largest class's share and of sum_c n_c (n_c - 1) / (N (N - 1)); "
    "R^2 of 0; the frequency of each label.",
)
def held_out(
    features: Any, labels: Any = None, *, task: TaskKind = "classification", average: Average = "macro"
) -> float:
    r"""Score features by what linear models make of samples that they have not seen.

    .. math:: \frac{1}{2N} \sum_i p_{-i}(y_i \mid f_i) + \frac{1}{2N} \sum_i [\hat{y}_{-i}(f_i) = y_i]

    with :math:`p_{-i}` the posterior of `lda`, and :math:`\hat{y}_{-i}` the class of a ridge probe, both fitted
    without sample i. All N fits of either follow exactly from one decomposition of the features.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind; for detection a pair of classes and boxes.
    task : {"classification", "multilabel", "regression", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default. In detection the value is the sum of two parts, that of the
        box classes and the R^2 of box coordinates.
    average : {"macro", "weighted"}, default="macro"
        Of several labels a sample: all alike, or by their frequency.

    Returns
    -------
    float
        Higher is better: in [0, 1] for classes; mean R^2 over the targets for regression, at most 1; mean average
        precision over several labels a sample, in [0, 1], each with its frequency as chance level.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only; or when all samples are of one group.
    UsageError
        When an option does not exist for the task.

    Notes
    -----
    The two halves judge different things: the discriminant how sure it is, and the probe whether it is right. Neither
    has seen what it judges, so the value is not flattered by many features, and no folds are drawn: the same samples
    in another order give the same value.

    The discriminant has Gaussian classes with one covariance, A = (1 - a) W / N + ridge I, with W the scatter about
    the class means and a the amount of Ledoit and Wolf on all samples. Without sample i, with residual d from the mean
    of its class of n samples, that is N / (N - 1) (A - kappa d d^T) with kappa = (1 - a) n / (N (n - 1)). The ridge is
    scaled along, and a is held fixed; class mean and priors are those of the others. The only sample of a class
    has the posterior 0, for the others know nothing of that class. The floor of 1e-9 of the mean variance is that of
    `lda`.

    The probe is `linear_probe` but for its intercept, which is the share of each class among all samples. Among the
    others its own class is always a little rarer, and where features say nothing, that alone would make a fit to
    balanced classes wrong on nearly every sample: 0.00 to 0.03 instead of 0.1 on 600 samples of 10 classes.

    With groups, such as boxes of one image, each sample is judged by the fits without its whole group, as exactly.
    Numbers to predict and several labels a sample have no discriminant: their value is that of `linear_probe`.

    The terms are what each sample adds, judged by the others, and their spread gives the standard error. The value
    depends on N: duplicating all samples changes it, and lets each be judged by a fit to its own copy, so remove exact
    duplicates first.

    References
    ----------
    G. J. McLachlan, "Discriminant Analysis and Statistical Pattern Recognition", Wiley, 1992, doi:10.1002/0471725293.

    D. Allen, "The relationship between variable selection and data augmentation and a method for prediction",
    Technometrics 16(1), 1974, doi:10.1080/00401706.1974.10489157.

    J. H. Friedman, "Regularized discriminant analysis", Journal of the American Statistical Association 84(405), 1989,
    doi:10.1080/01621459.1989.10478752.

    O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88(2), 2004, doi:10.1016/S0047-259X(03)00096-4.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import lda
    >>> from hubscout.scores.held_out import held_out
    >>> rng = np.random.default_rng(0)
    >>> noise, labels = rng.standard_normal((100, 200)), np.arange(100) % 2
    >>> abs(held_out(noise, labels) - 0.5) < 0.1
    True
    >>> lda(noise, labels) > 0.8  # has seen the samples
    True
    """
    return get_spec("held_out").estimate(Statistics.of(features, labels, task=task), average=average).value
