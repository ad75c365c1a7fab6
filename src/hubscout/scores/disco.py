"""DISCO: how well each group of spectral components serves the task, weighed by its share of the spectrum."""

from __future__ import annotations

from typing import Any, Literal

from hubscout._typing import TaskKind
from hubscout._validation import check_choice, check_flag, check_number, check_positive_int
from hubscout.errors import UsageError
from hubscout.scores._averages import Average, check_average, with_scaled_targets
from hubscout.scores._disco_estimate import Settings, decomposed
from hubscout.scores._disco_models import Covariance
from hubscout.scores._hard_examples import hard_examples
from hubscout.scores._spec import Estimate, get_spec, score
from hubscout.stats import Statistics
from hubscout.stats.folds import check_folds

DEFAULT_RIDGE = {"shared": 1e-6, "class": 1e-2, "identity": 0.0}


def _estimate(
    statistics: Statistics,
    *,
    n_components: int | None = 128,
    n_groups: int = 8,
    covariance: Covariance = "shared",
    ridge: float | None = None,
    center: bool = True,
    log_determinant: bool = False,
    hard_fraction: float | None = None,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
    average: Average = "macro",
    scale_targets: bool = False,
) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    covariance = "identity" if compat == "authors" else covariance
    check_choice("covariance", covariance, ("shared", "identity", "class"))
    check_positive_int("n_groups", n_groups)
    if n_components is not None:
        check_positive_int("n_components", n_components)
    check_flag("center", center)
    check_flag("log_determinant", log_determinant)
    ridge = DEFAULT_RIDGE[covariance] if ridge is None else check_number("ridge", ridge, above=0, inclusive=True)
    check_positive_int("seed", seed, minimum=0)
    check_folds(cross_fit, statistics.n_samples)
    if cross_fit is not None and not center:
        msg = "center must be True with cross_fit, got False; leave one of them out"
        raise UsageError(msg)
    check_average(statistics, average)
    if statistics.task == "multilabel":
        _check_several_labels(covariance, center=center)
    statistics = with_scaled_targets(statistics, scale_targets)
    settings = Settings(n_components, n_groups, covariance, ridge, center, log_determinant, cross_fit, seed, average)
    if hard_fraction is not None:
        # Samples that were chosen for their labels are no sample of the task: their value has no standard error.
        chosen = statistics.take(hard_examples(statistics, hard_fraction, n_components))
        return Estimate(decomposed(chosen, settings).value)
    return decomposed(statistics, settings)


def _check_several_labels(covariance: Covariance, *, center: bool) -> None:
    if covariance == "class":
        msg = "covariance must be 'shared' or 'identity' for multilabel, got 'class'"
        raise UsageError(msg)
    if not center:
        msg = "center must be True for multilabel, got False"
        raise UsageError(msg)


@score(
    estimate=_estimate,
    tasks=("classification", "multilabel", "regression"),
    title="DISCO",
    summary="Class confidence, or least-squares fit, in each group of spectral components, weighed by the group's "
    "share of the singular values.",
    formula="sum_g ratio_g * mean_i p_g(y_i | f_i), the mean over labels of it for several a sample; for regression "
    "-sum_g ratio_g * (|B|^2 - |U_g^T B|^2) / (N t)",
    range="[0, 1] for classes and labels; at most 0 for regression, in squared units of the targets",
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
    reference="Zhang, Shu, Chen, Long, Guo, Yang, AAAI 2025, arXiv:2412.19085",
    deviations="Exact principal components instead of randomised ones; pooled within-class covariance instead of "
    "none (compat='authors' gives theirs), so that the value does not depend on the scale of the features.",
    degenerate="Constant features give the sum of the squared class priors; for regression minus the variance.",
)
def disco(
    features: Any,
    labels: Any = None,
    *,
    n_components: int | None = 128,
    n_groups: int = 8,
    covariance: Covariance = "shared",
    ridge: float | None = None,
    task: TaskKind = "classification",
    center: bool = True,
    log_determinant: bool = False,
    hard_fraction: float | None = None,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
    average: Average = "macro",
    scale_targets: bool = False,
) -> float:
    r"""Score features by the distribution of their spectral components.

    With the singular value decomposition F = U S V^T of the (centred) features, cut into groups g of consecutive
    components, the score is :math:`\sum_g \mathrm{ratio}_g\, \mathrm{task}_g`. The ratio is the group's share of the
    sum of the kept singular values. For classification, task_g is the mean posterior of the true class,
    softmax over c of -1/2 (t - m_c)^T Lambda^{-1} (t - m_c) + ln pi_c in the group's coordinates t. For regression
    it is minus the mean squared error of least squares on the group, -(\|B\|^2 - \|U_g^T B\|^2) / (N t). For several
    labels a sample it is the mean posterior of whether each label is there, by two such Gaussians for each label,
    averaged over the labels. For detection the value is the sum of two parts, those of box classes and of boxes.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind; for detection a pair of classes and boxes (n_boxes, 4).
    n_components : int or None, default=128
        Leading components that take part; None for the whole spectrum.
    n_groups : int, default=8
        Number of groups; sizes differ by at most one.
    covariance : {"shared", "identity", "class"}, default="shared"
        Lambda: pooled within-class covariance of the group, none (as the authors' code has it), or one of each
        class (as the paper prints it).
    ridge : float, optional
        Times trace / s, added to the diagonal of each covariance; 1e-6 when shared, 1e-2 for class covariances.
    task : {"classification", "multilabel", "regression", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default.
    center : bool, default=True
        Whether the mean is taken from features (and regression targets).
    log_determinant : bool, default=False
        Whether class covariances also enter by -1/2 ln det.
    hard_fraction : float, optional
        Score only this share of each class: the samples that a linear discriminant finds hardest.
    compat : {"authors"}, optional
        Identity covariance, as in the authors' program.
    cross_fit : int, optional
        Number of folds: class means, covariances and least squares are fitted to all folds but one, and that one is
        scored. Without it they are fitted to what they score, which flatters few samples.
    seed : int, default=0
        Of the folds.
    average : {"macro", "weighted"}, default="macro"
        Of several labels a sample: all alike, or by their frequency.
    scale_targets : bool, default=False
        Whether regression targets are given mean 0 and variance 1 first, so that their units do not matter.

    Returns
    -------
    float
        Higher is better. In [0, 1] for classification, at most 0 for regression.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option is out of range.

    Notes
    -----
    Differs from the authors' code: principal components are exact, not randomised; the pooled covariance is the
    default, because with none the value depends on the scale of the features and ranks architectures by their
    norms; labels need not be 0..C-1; regression, detection and hard examples were not released, so they follow the
    paper's text. Values with different ``n_components`` or ``n_groups`` are not comparable. Class covariances are
    fitted on the samples they score and need more samples a class than components a group; ``cross_fit`` is the cure.
    The components themselves know no labels, so they are those of all samples in every fold.

    Standard errors count, to first order, how each sample moves class sizes, means, the pooled covariance and the
    ratios; with class covariances only the spread of the posteriors, about half of it.

    Regression targets count by their units, as in the paper: one of large numbers decides alone, unless
    ``scale_targets``. Boxes are taken as they come, as shares of the image's width and height, all of one unit. The
    paper's detection score joins both parts after min-max scaling over the candidates; a ranking does that, and this
    is their plain sum. The paper has no multilabel form: a label is to its absence what a class is to another, under
    the pooled covariance S_t - pi (1 - pi) d d^T of the samples with and without it, so that a single label gives the
    value of two classes. A label of frequency pi has chance level pi^2 + (1 - pi)^2.

    References
    ----------
    T. Zhang, Y. Shu, X. Chen, Y. Long, C. Guo, B. Yang, "Assessing Pre-trained Models for Transfer Learning through
    Distribution of Spectral Components", AAAI 2025, arXiv:2412.19085.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import disco
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> apart = rng.standard_normal((100, 8)) + 3 * labels[:, None]
    >>> mixed = rng.standard_normal((100, 8))
    >>> disco(apart, labels) > disco(mixed, labels)
    True
    """
    statistics = Statistics.of(features, labels, task=task)
    return (
        get_spec("disco")
        .estimate(
            statistics,
            n_components=n_components,
            n_groups=n_groups,
            covariance=covariance,
            ridge=ridge,
            center=center,
            log_determinant=log_determinant,
            hard_fraction=hard_fraction,
            compat=compat,
            cross_fit=cross_fit,
            seed=seed,
            average=average,
            scale_targets=scale_targets,
        )
        .value
    )
