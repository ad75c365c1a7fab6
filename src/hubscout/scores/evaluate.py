"""Several scores on one set of statistics."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from hubscout._typing import TaskKind
from hubscout._validation import check_positive_int
from hubscout.errors import HubscoutError, UsageError
from hubscout.scores._spec import ScoreSpec, get_spec, list_scores
from hubscout.scores._value import ScoreValue
from hubscout.scores.null import null_references
from hubscout.stats import Statistics

# Sound for any width and scale of features, and the best at hand in mean agreement with measured accuracies, of
# 17 image encoders on three data sets and 8 or 9 audio encoders on four tasks: docs/evidence.md.
RECOMMENDED_SCORE = "consensus"


def evaluate(
    features: Any,
    labels: Any = None,
    scores: Iterable[str] | Literal["all"] = (RECOMMENDED_SCORE,),
    *,
    source_probs: Any = None,
    task: TaskKind = "classification",
    groups: Any = None,
    seed: int = 0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    standard_errors: bool = True,
    null_draws: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, ScoreValue]:
    """Compute several scores, each with its standard error; one that fails does not stop the others.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like
        Labels of any kind, as `hubscout.stats.Statistics` takes them for the task.
    scores : iterable of str, or "all"
        Names of scores; "all" for those that the task and the given arrays and options allow.
    source_probs : array of shape (n_samples, n_source_classes), optional
        Probabilities of the source model's own head.
    task : {"classification", "multilabel", "regression", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default.
    groups : array-like of shape (n_samples,), optional
        Which image or text each sample is from. Standard errors are then those of groups, cross-fitting keeps groups
        whole, and k-NN takes neighbours from other groups. Null references put labels in random order sample by
        sample all the same: their spread is that of independent samples.
    seed : int, default=0
        For scores that draw, and for the null references.
    options : mapping of str to mapping, optional
        Options by score, such as ``{"disco": {"covariance": "identity"}}``.
    standard_errors : bool, default=True
        Whether to compute each score's terms; they can cost one more pass over the features.
    null_draws : int, default=0
        Random orders of the labels for null references, at least 2; none are computed when it is 0.
    progress : callable, optional
        Called with the number of draws done and that of all.

    Returns
    -------
    dict of str to ScoreValue
        In the order of ``scores``.

    Raises
    ------
    UsageError
        When a score or one of its options does not exist.
    DataError
        When features or labels cannot be used by any score.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import evaluate
    >>> rng = np.random.default_rng(0)
    >>> found = evaluate(rng.standard_normal((40, 3)), [0, 1] * 20, ["h_score", "leep"])
    >>> found["leep"].reason
    'source_probs must be given: this score compares the source head with the labels'
    """
    check_positive_int("seed", seed, minimum=0)
    statistics = Statistics.of(features, labels, task=task, source_probs=source_probs, groups=groups)
    check_positive_int("null_draws", null_draws, minimum=0)
    if null_draws == 1:
        msg = "null_draws must be 0 or at least 2, got 1; one draw has no spread"
        raise UsageError(msg)
    given = {name: dict(own) for name, own in (options or {}).items()}
    for name, own in given.items():
        _check_options(get_spec(name), own)
    specs = _chosen(scores, statistics, given)
    settings = {spec.name: _settings(spec, seed, given.get(spec.name, {})) for spec in specs}
    if statistics.features is not None and any("features" in spec.needs for spec in specs):
        # One decomposition for all that read the whole of it; one score alone knows best what it needs.
        if sum(spec.spectrum == "whole" for spec in specs) > 1:
            statistics.spectrum()
        else:
            statistics.check_values()
    results = {spec.name: _one(spec, statistics, settings[spec.name], standard_errors) for spec in specs}
    if null_draws:
        valued = [spec for spec in specs if results[spec.name].value is not None]
        nulls = null_references(statistics, valued, n_draws=null_draws, seed=seed, options=settings, progress=progress)
        results.update({name: replace(results[name], null=null) for name, null in nulls.items()})
    return results


def score(
    features: Any,
    labels: Any = None,
    scores: Iterable[str] | Literal["all"] = (RECOMMENDED_SCORE, "disco"),
    source_probs: Any = None,
    task: TaskKind = "classification",
    *,
    seed: int = 0,
    groups: Any = None,
) -> dict[str, float]:
    """Compute several scores on shared statistics.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like
        Labels of any kind, as `hubscout.stats.Statistics` takes them for the task.
    scores : iterable of str, or "all"
        Names of scores; "all" for those that the task and the given arrays allow.
    source_probs : array of shape (n_samples, n_source_classes), optional
        Probabilities of the source model's own head.
    task : {"classification", "multilabel", "regression", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default.
    seed : int, default=0
        For scores that draw.
    groups : array-like of shape (n_samples,), optional
        Which image or text each sample is from, as for `hubscout.scores.evaluate`.

    Returns
    -------
    dict of str to float
        Higher is better, for every score. Of "all", those without a value are left out, each with a warning.

    Raises
    ------
    UsageError
        When a score does not exist, or, asked for by name, does not fit the task or the arrays.
    DataError
        When features or labels cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> import hubscout
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> features = rng.standard_normal((100, 8)) + labels[:, None]
    >>> sorted(hubscout.score(features, labels, scores=["disco", "knn"]))
    ['disco', 'knn']
    """
    given: dict[str, Any] = {"source_probs": source_probs, "task": task, "groups": groups}
    found = evaluate(features, labels, scores, **given, seed=seed, standard_errors=False)
    for name, result in found.items():
        if result.value is None and isinstance(scores, str) and scores == "all":
            msg = f"score {name!r} has no value and is left out: {result.reason}"
            warnings.warn(msg, stacklevel=2)
        elif result.value is None:
            msg = f"score {name!r} has no value: {result.reason}"
            raise UsageError(msg)
    return {name: float(result.value) for name, result in found.items() if result.value is not None}


def _chosen(
    scores: Iterable[str] | Literal["all"], statistics: Statistics, settings: Mapping[str, Mapping[str, Any]]
) -> list[ScoreSpec]:
    if isinstance(scores, str) and scores != "all":
        scores = (scores,)
    if scores == "all":
        specs = [get_spec(name) for name in list_scores(statistics.task)]
        given = {"features": statistics.features, "labels": statistics.n_targets or None}
        given["source_probs"] = statistics.source_probs
        possible = [
            spec
            for spec in specs
            if all(given[need] is not None for need in spec.needs)
            and set(spec.required_options) <= set(settings.get(spec.name, {}))
        ]
        if not possible:
            msg = "scores='all' found no score that works on these arrays alone; give labels too"
            raise UsageError(msg)
        return possible
    return [get_spec(name) for name in dict.fromkeys(scores)]


def _settings(spec: ScoreSpec, seed: int, given: Mapping[str, Any]) -> dict[str, Any]:
    return {**({"seed": seed} if "seed" in spec.options else {}), **given}


def _check_options(spec: ScoreSpec, given: Mapping[str, Any]) -> None:
    for option in given:
        if option not in spec.options:
            listed = ", ".join(spec.options) or "none"
            msg = f"score {spec.name!r} has no option {option!r}; its options: {listed}"
            raise UsageError(msg)


def _one(spec: ScoreSpec, statistics: Statistics, options: dict[str, Any], standard_errors: bool) -> ScoreValue:
    start = time.perf_counter()
    try:
        if not spec.applies_to(statistics.task):
            msg = f"it is defined for {' and '.join(spec.tasks)}, not for {statistics.task}"
            raise UsageError(msg)
        for need, array in (("source_probs", statistics.source_probs), ("features", statistics.features)):
            if need in spec.needs and array is None:
                msg = f"{need} must be given: this score compares {_COMPARED[need]} with the labels"
                raise UsageError(msg)
        for option in spec.required_options:
            if option not in options:
                msg = (
                    f"{option} must be given: this score has no default for it; pass it as an option of the score, "
                    "or as an array of that name in a file of features"
                )
                raise UsageError(msg)
        estimate = spec.estimate(statistics, **options)
        if not np.isfinite(estimate.value):
            reason = f"the value is {estimate.value}: numbers too large or too small for this formula"
            return ScoreValue(None, reason=reason, seconds=time.perf_counter() - start)
        found = ScoreValue.of(estimate, statistics.groups) if standard_errors else ScoreValue.bare(estimate)
    except HubscoutError as error:
        return ScoreValue(None, reason=str(error), seconds=time.perf_counter() - start)
    return replace(found, seconds=time.perf_counter() - start)


_COMPARED = {"source_probs": "the source head", "features": "features"}
