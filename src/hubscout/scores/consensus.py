"""Two judges that err differently, added: held-out confidence and the evidence of a linear model."""

from __future__ import annotations

from typing import Any

import numpy as np

from hubscout._typing import FloatArray, TaskKind
from hubscout.scores._averages import Average
from hubscout.scores._spec import Estimate, get_spec, score
from hubscout.stats import Statistics


def _estimate(statistics: Statistics, *, average: Average = "macro") -> Estimate:
    held_out = get_spec("held_out").estimate(statistics, average=average)
    scaled = {"scale_targets": True} if statistics.task == "regression" else {}
    evidence = get_spec("logme").estimate(statistics, average=average, **scaled)
    value = held_out.value + evidence.value
    if held_out.terms is None or evidence.terms is None:
        return Estimate(value)
    first, second = held_out.terms, evidence.terms

    def terms() -> FloatArray:
        found: FloatArray = np.add(first(), second())
        return found

    return Estimate(value, terms)


@score(
    estimate=_estimate,
    tasks=("classification", "multilabel", "regression"),
    title="Consensus",
    summary="Held-out confidence and LogME's evidence, added: how often linear models are right about samples that "
    "they have not seen, and how much of the labels the features explain for what they cost.",
    formula="held_out + logme; targets of regression are scaled to unit variance first",
    range="any number; without signal about the share of a class and the evidence of an intercept",
    invariances=("sample_order", "label_names", "rotation", "scale", "constant_columns"),
    cost="N D^2 + D^3 + N C D",
    spectrum="whole",
    reference="McLachlan, Discriminant Analysis and Statistical Pattern Recognition, Wiley, 1992, "
    "doi:10.1002/0471725293; You, Liu, Wang, Long, ICML 2021, arXiv:2102.11005",
    deviations="The sum of two scores that are described on pages of their own, not a published score.",
    degenerate="Constant features give the sum of what the two give.",
)
def consensus(
    features: Any, labels: Any = None, *, task: TaskKind = "classification", average: Average = "macro"
) -> float:
    """Score features by held-out confidence and evidence together.

    The sum of `held_out` and `logme`. Both are means over samples on scales that do not depend on the features: a share
    of correct answers, and nats a sample.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression
        Labels of any kind; for detection a pair of classes and boxes.
    task : {"classification", "multilabel", "regression", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default. In detection the value is the sum of two parts, that of the
        box classes and that of box coordinates.
    average : {"macro", "weighted"}, default="macro"
        Of several labels a sample: all alike, or by their frequency.

    Returns
    -------
    float
        Higher is better; any number.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only; or when all samples are of one group.
    UsageError
        When an option does not exist for the task.

    Notes
    -----
    The two err differently. Held-out accuracy of a frozen representation tells apart models on tasks like those that
    they were trained on, and saturates; the evidence goes on to reward features from which the labels follow with less
    noise, and pays for their number. Added, they agree with measured accuracies better than either alone on the tasks
    at hand. Equal weights were not tuned.

    LogME's model goes through the origin but for one intercept a class that its prior draws to zero, so the sum is not
    invariant to translation. The terms are the sums of both scores' terms, so the standard error counts how they go
    together.

    References
    ----------
    G. J. McLachlan, "Discriminant Analysis and Statistical Pattern Recognition", Wiley, 1992, doi:10.1002/0471725293.

    K. You, Y. Liu, J. Wang, M. Long, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", ICML
    2021, arXiv:2102.11005.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import consensus, held_out, logme
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> features = rng.standard_normal((100, 8)) + labels[:, None]
    >>> consensus(features, labels) == held_out(features, labels) + logme(features, labels)
    True
    """
    return get_spec("consensus").estimate(Statistics.of(features, labels, task=task), average=average).value
