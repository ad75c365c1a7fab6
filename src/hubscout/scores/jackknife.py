"""Standard errors of scores that are no mean over samples: what changes when a tenth of the samples is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubscout._typing import FloatArray, IntArray, TaskKind
from hubscout._validation import check_positive_int
from hubscout.errors import DataError
from hubscout.scores._spec import ScoreSpec, get_spec
from hubscout.stats import Statistics
from hubscout.stats.folds import fold_codes

N_FOLDS = 10


@dataclass(frozen=True)
class Jackknife:
    """A score's value, and what each fold of the samples contributes to it.

    Parameters
    ----------
    value : float
        Of all samples.
    pseudo_values : ndarray of shape (n_folds,)
        Their spread tells that of the value; folds are the same for every candidate on the same samples.
    """

    value: float
    pseudo_values: FloatArray

    @property
    def standard_error(self) -> float:
        """Standard deviation of the pseudo-values over the root of their number."""
        return float(np.std(self.pseudo_values, ddof=1) / np.sqrt(len(self.pseudo_values)))


def jackknife(
    features: Any,
    labels: Any = None,
    score: str = "gbc",
    *,
    n_folds: int = N_FOLDS,
    source_probs: Any = None,
    task: TaskKind = "classification",
    groups: Any = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Jackknife:
    r"""Leave one fold of the samples out at a time, and compute the score of the others.

    With K folds of equal size, :math:`p_k = K\,\theta - (K - 1)\,\theta_{(-k)}` is what fold k contributes to the value
    :math:`\theta`, and the standard error is that of the mean of the :math:`p_k`. It has K - 1 degrees of freedom, so
    that an interval takes its width from Student's t.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Of NumPy or any array-API library.
    labels : array-like, or None
        As `hubscout.scores.evaluate` takes them.
    score : str
        Name of any score.
    n_folds : int, default=10
        At least 2; each costs one computation of the score and one copy of the samples.
    source_probs, task, groups
        As for `hubscout.scores.evaluate`; groups stay whole.
    seed : int, default=0
        Of the folds, and of scores that draw.
    options : mapping, optional
        Of the score.

    Returns
    -------
    Jackknife

    Raises
    ------
    DataError
        When there are too few samples or groups, or the score has no finite value without one of the folds.
    UsageError
        When the score does not exist, or does not take the arrays or options.

    Notes
    -----
    Each fold holds its share of every class, so that no class of two samples is lost. A change of the value that is
    not smooth in the samples, as that of a median is, is told badly.

    References
    ----------
    J. Shao, C. F. J. Wu, "A general theory for jackknife variance estimation", Annals of Statistics 17(3), 1989,
    doi:10.1214/aos/1176347263.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores.jackknife import jackknife
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> found = jackknife(rng.standard_normal((100, 3)) + labels[:, None], labels, "gbc")
    >>> found.pseudo_values.shape, 0 < found.standard_error < 0.1
    ((10,), True)
    """
    check_positive_int("n_folds", n_folds, minimum=2)
    statistics = Statistics.of(features, labels, task=task, source_probs=source_probs, groups=groups)
    spec = get_spec(score)
    settings = {**({"seed": seed} if "seed" in spec.options else {}), **(options or {})}
    n_units = statistics.n_samples if statistics.groups is None else int(statistics.groups.max()) + 1
    if n_units < 2 * n_folds:
        msg = f"a jackknife of {n_folds} folds needs at least {2 * n_folds} samples or groups, got {n_units}; draw more"
        raise DataError(msg)
    codes = statistics.codes if statistics.has_classes and statistics.n_targets else None
    folds = fold_codes(codes, statistics.n_samples, n_folds, seed, statistics.groups)
    value = _value(spec, statistics, settings, "of all samples")
    without = np.array(
        [
            _value(spec, _rows(statistics, np.flatnonzero(folds != fold)), settings, f"without fold {fold + 1}")
            for fold in range(n_folds)
        ]
    )
    return Jackknife(value, n_folds * value - (n_folds - 1) * without)


def _value(spec: ScoreSpec, statistics: Statistics, settings: Mapping[str, Any], of: str) -> float:
    value = float(spec.estimate(statistics, **settings).value)
    if not np.isfinite(value):
        msg = f"the value of {spec.name!r} must be finite for its jackknife, got {value} {of}"
        raise DataError(msg)
    return value


def _rows(statistics: Statistics, rows: IntArray) -> Statistics:
    """Return the statistics of some samples, with what a source head says of them, where it is known."""
    probs = None if statistics.source_probs is None else statistics.source_probs[rows]
    if statistics.n_targets or statistics.features is None:
        chosen = _labelled(statistics, rows)
    else:
        chosen = Statistics(statistics.features[rows], task=statistics.task)
    chosen.source_probs = probs
    return chosen


def _labelled(statistics: Statistics, rows: IntArray) -> Statistics:
    if statistics.features is not None:
        return statistics.take(rows)
    targets = statistics.targets[rows]
    labels = statistics.classes[targets] if targets.ndim == 1 else targets
    return Statistics(None, labels, task=statistics.task, source_probs=statistics.source_probs[rows])
