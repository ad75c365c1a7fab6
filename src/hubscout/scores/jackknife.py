"""Standard errors of scores that are no plain mean over samples: what they say of parts of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray, TaskKind
from hubscout._validation import check_positive_int
from hubscout.errors import DataError
from hubscout.scores._spec import ScoreSpec, get_spec
from hubscout.stats import Statistics
from hubscout.stats.folds import fold_codes

N_FOLDS = 10
N_HALVES = 10
# Classes of fewer samples are dealt out evenly; all others by chance, as they came into the sample.
_RARE = 10


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
    Samples are dealt out to folds at random, for the shares of the classes are chance too, but those of classes with
    fewer than ten samples evenly, so that no class of two is lost. What is not smooth in the samples, as the vote of
    neighbours, looks less sure than it is; see `half_samples`.

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
    spec, settings = _with_settings(score, seed, options)
    _require(statistics, 2 * n_folds, f"a jackknife of {n_folds} folds")
    folds = _deal(statistics, n_folds, seed)
    value = _value(spec, statistics, settings, "of all samples")
    without = np.array(
        [_value(spec, _rows(statistics, folds != fold), settings, "without one fold") for fold in range(n_folds)]
    )
    return Jackknife(value, n_folds * value - (n_folds - 1) * without)


def half_samples(
    features: Any,
    labels: Any = None,
    score: str = "knn",
    *,
    n_halves: int = N_HALVES,
    source_probs: Any = None,
    task: TaskKind = "classification",
    groups: Any = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> FloatArray:
    r"""Split the samples in two halves several times, and return half of the gaps between the values of the two.

    Two halves are two independent looks of half the size. With :math:`g_b = (\theta_b - \theta'_b) / 2` of split b, the
    variance of the value of all samples is :math:`\frac{1}{B}\sum_b g_b^2`, if it falls as one over their
    number. It holds what is due to fitting too, which the terms of a cross-fitted score do not know of, and asks for no
    smoothness.

    Parameters
    ----------
    features, labels, score, source_probs, task, groups, seed, options
        As for `jackknife`.
    n_halves : int, default=10
        Splits B; each costs two computations on half of the samples.

    Returns
    -------
    ndarray of shape (n_halves,)
        About B degrees of freedom; splits are the same for every candidate on the same samples.

    Raises
    ------
    DataError
        When there are fewer than 20 samples or groups, or the score has no finite value of one of the halves.
    UsageError
        As for `jackknife`.

    References
    ----------
    D. N. Politis, J. P. Romano, "Large sample confidence regions based on subsamples under minimal assumptions",
    Annals of Statistics 22(4), 1994, doi:10.1214/aos/1176325770.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores.jackknife import half_samples
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> gaps = half_samples(rng.standard_normal((100, 3)) + labels[:, None], labels, "knn")
    >>> gaps.shape, bool(np.sqrt(np.mean(gaps**2)) < 0.1)
    ((10,), True)
    """
    check_positive_int("n_halves", n_halves)
    statistics = Statistics.of(features, labels, task=task, source_probs=source_probs, groups=groups)
    spec, settings = _with_settings(score, seed, options)
    _require(statistics, 20, "half-sampling")
    gaps = np.empty(n_halves)
    for place in range(n_halves):
        # Far from the seeds of folds inside of scores, which must not be dealt the same way.
        is_left = _deal(statistics, 2, seed + 7919 * (place + 1)) == 0
        left, right = (_value(spec, _rows(statistics, rows), settings, "of a half") for rows in (is_left, ~is_left))
        gaps[place] = (left - right) / 2
    return gaps


def _with_settings(score: str, seed: int, options: Mapping[str, Any] | None) -> tuple[ScoreSpec, dict[str, Any]]:
    spec = get_spec(score)
    return spec, {**({"seed": seed} if "seed" in spec.options else {}), **(options or {})}


def _require(statistics: Statistics, least: int, what: str) -> None:
    n_units = statistics.n_samples if statistics.groups is None else int(statistics.groups.max()) + 1
    if n_units < least:
        msg = f"{what} needs at least {least} samples or groups, got {n_units}; draw more"
        raise DataError(msg)


def _deal(statistics: Statistics, n_folds: int, seed: int) -> IntArray:
    strata = None
    if statistics.has_classes and statistics.n_targets:
        codes, counts = statistics.codes, statistics.counts
        strata = np.where(counts[codes] < _RARE, codes + 1, 0)
    return fold_codes(strata, statistics.n_samples, n_folds, seed, statistics.groups)


def _value(spec: ScoreSpec, statistics: Statistics, settings: Mapping[str, Any], of: str) -> float:
    value = float(spec.estimate(statistics, **settings).value)
    if not np.isfinite(value):
        msg = f"the value of {spec.name!r} must be finite for its jackknife, got {value} {of}"
        raise DataError(msg)
    return value


def _rows(statistics: Statistics, is_taken: npt.NDArray[np.bool_]) -> Statistics:
    """Return the statistics of some samples, with what a source head says of them, where it is known."""
    rows = np.flatnonzero(is_taken)
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
