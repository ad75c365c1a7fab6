"""What every score keeps to, as one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hubscout._typing import TaskKind
from hubscout.errors import HubscoutError, UsageError
from hubscout.scores import FEATURE_INVARIANCES, Estimate, ScoreSpec, get_spec
from hubscout.testing import conduct, inputs
from hubscout.testing.conduct import require
from hubscout.testing.problem import Problem, draw_problem
from hubscout.testing.transforms import transform

# What the checks run on, beside the plain problem: few samples, features without any value, many classes.
_SHAPES: tuple[dict[str, int], ...] = (
    {},
    {"n_samples": 30, "n_features": 45},
    {"n_dead": 3},
    {"n_samples": 80, "n_classes": 12},
)
# Kinds that differ from classification in what the samples are, and in nothing that a score could see.
_LIKE_CLASSIFICATION: tuple[TaskKind, ...] = ("token_classification", "segmentation")


def check_score(
    score: str | ScoreSpec | Callable[..., float],
    *,
    options: Mapping[str, Any] | None = None,
    seeds: tuple[int, ...] = (0, 1),
    tolerance: float = 1e-6,
) -> None:
    """Check that a score, of hubscout or of a plugin, keeps to the contract of all scores.

    On drawn problems (few and many samples, dead features, small classes, duplicates) of each kind of task that it
    applies to: every declared invariance holds; the value is a finite number, the same from the public function, and
    higher with a signal than without (lower for a score that does not reward it); labels may be of any kind and
    features of any precision and memory order; inputs, the global random state, the standard streams and warnings
    stay as they are; the terms behind the standard error have the value as mean.

    Parameters
    ----------
    score : str, ScoreSpec or callable
        A registered score: its name, its facts, or its public function.
    options : mapping, optional
        Options to check it under; the declared invariances must hold under them. Kinds of task beside its first that
        refuse them are left out.
    seeds : tuple of int, default=(0, 1)
        Of the problems.
    tolerance : float, default=1e-6
        Relative difference that counts as none.

    Raises
    ------
    AssertionError
        In one sentence, what the score does that it should not.
    UsageError
        When there is no such score.

    Examples
    --------
    >>> from hubscout.testing import check_score
    >>> check_score("nce")
    """
    spec = _spec_of(score)
    chosen = dict(options or {})
    conduct.check_signature(spec)
    for task in spec.kinds:
        if task != "classification" and "classification" in spec.tasks and _sees_no_difference(spec, task):
            _check_same_as_classes(spec, task, seeds[0], chosen, tolerance)
            continue
        for seed in seeds:
            plain = draw_problem(seed, task=task)
            if chosen and task != spec.tasks[0] and _refuses(spec, plain, chosen):
                break  # options of another kind of task, with a stated outcome
            conduct.check_conduct(spec, plain, chosen)
            inputs.check_inputs(spec, plain, chosen, tolerance)
            _check_signal(spec, draw_problem(seed, n_samples=90, signal=4.0, task=task), chosen)
            for shape in _SHAPES:
                problem = draw_problem(seed, task=task, **shape)
                _check_value(spec, problem, chosen, tolerance)
                for invariance in sorted(spec.invariances):
                    check_invariance(spec, problem, invariance, seed=seed, options=chosen, tolerance=tolerance)
            for name, problem in _degenerate(plain):
                _check_outcome(spec, name, problem, chosen)


def check_invariance(
    score: str | ScoreSpec | Callable[..., float],
    problem: Problem,
    invariance: str,
    *,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    tolerance: float = 1e-6,
) -> None:
    """Check that one change of a problem leaves a score as it is.

    Parameters
    ----------
    score : str, ScoreSpec or callable
        A registered score.
    problem : Problem
        What it is computed on.
    invariance : str
        A key of `hubscout.scores.INVARIANCES`; one of features alone says nothing of a score that reads none.
    seed : int, default=0
        Of the change.
    options : mapping, optional
        Of the score.
    tolerance : float, default=1e-6
        Relative difference that counts as none.

    Raises
    ------
    AssertionError
        When the value changes.
    UsageError
        When there is no such score or invariance.

    Examples
    --------
    >>> from hubscout.testing import check_invariance, draw_problem
    >>> check_invariance("h_score", draw_problem(), "rotation")
    """
    spec = _spec_of(score)
    changed = transform(problem, invariance, seed)
    if invariance in FEATURE_INVARIANCES and "features" not in spec.needs:
        return
    before, after = (
        _promised(spec, case.estimate(spec, **dict(options or {})), invariance) for case in (problem, changed)
    )
    for part, value in before.items():
        require(
            bool(np.isclose(value, after[part], rtol=tolerance, atol=tolerance)),
            spec,
            f"does not ignore {invariance}, on {problem.features.shape[0]} samples of {problem.features.shape[1]} "
            f"features{part and f', in its {part}'}: {value!r} becomes {after[part]!r}",
        )


def _promised(spec: ScoreSpec, estimate: Estimate, invariance: Any) -> dict[str, float]:
    """Return the value, or those of its parts that are to keep an invariance; scores that joined keep their own."""
    if estimate.parts is None:
        return {"": estimate.value}
    own = {part: value for part, value in estimate.parts.items() if part not in spec.joined}
    joined = {name: estimate.parts[name] for name in spec.joined if invariance in get_spec(name).invariances}
    return {**own, **joined}


def _spec_of(score: str | ScoreSpec | Callable[..., float]) -> ScoreSpec:
    if isinstance(score, ScoreSpec):
        return score
    return get_spec(score if isinstance(score, str) else score.__name__)


def _check_value(spec: ScoreSpec, problem: Problem, options: dict[str, Any], tolerance: float) -> None:
    estimate = problem.estimate(spec, **options)
    require(isinstance(estimate.value, float), spec, f"gives a {type(estimate.value).__name__}, not a float")
    require(bool(np.isfinite(estimate.value)), spec, f"gives {estimate.value}, not a finite number")
    if estimate.terms is None:
        return
    terms = estimate.terms()
    n_samples = len(problem.labels)
    require(np.shape(terms) == (n_samples,), spec, f"has terms of shape {np.shape(terms)}, not ({n_samples},)")
    require(
        bool(np.isclose(np.mean(terms), estimate.value, rtol=tolerance, atol=tolerance)),
        spec,
        f"has terms of mean {float(np.mean(terms))!r} and the value {estimate.value!r}",
    )


def _check_signal(spec: ScoreSpec, problem: Problem, options: dict[str, Any]) -> None:
    if "labels" not in spec.needs:
        return
    with_signal, without = (case.estimate(spec, **options).value for case in (problem, problem.shuffled()))
    if spec.rewards_signal:
        require(with_signal > without, spec, f"is not higher with a signal, {with_signal!r}, than without, {without!r}")
    else:
        require(with_signal < without, spec, f"is not lower with a signal, {with_signal!r}, than without, {without!r}")


def _degenerate(problem: Problem) -> Iterator[tuple[str, Problem]]:
    whole = np.arange(len(problem.labels))
    yield "duplicated samples", problem.rows(np.concatenate([whole[:10], whole, whole[:10]]))
    zeros = np.zeros_like(problem.features)
    for name, features in (("constant features", zeros + 0.1), ("all-zero features", zeros)):
        yield name, replace(problem, features=features)
    if problem.task == "multilabel":
        labels = problem.labels.copy()
        labels[:, 0] = whole == 0
        yield "a label that one sample has", replace(problem, labels=labels)
    if problem.task == "detection":
        table = problem.labels.copy()
        table[:, 0] = 1.0
        yield "boxes of one class", replace(problem, labels=table)
        yield (
            "equal boxes",
            replace(problem, labels=np.c_[problem.labels[:, 0], np.tile(table[0, 1:], (len(table), 1))]),
        )


def _refuses(spec: ScoreSpec, problem: Problem, options: dict[str, Any]) -> bool:
    try:
        problem.estimate(spec, **options)
    except UsageError:
        return True
    return False


def _sees_no_difference(spec: ScoreSpec, task: TaskKind) -> bool:
    return task in _LIKE_CLASSIFICATION or "labels" not in spec.needs


def _check_same_as_classes(
    spec: ScoreSpec, task: TaskKind, seed: int, options: dict[str, Any], tolerance: float
) -> None:
    problem = draw_problem(seed, task=task)
    _check_value(spec, problem, options, tolerance)
    # The same seed gives the same features and classes.
    cases = replace(problem, groups=None), draw_problem(seed)
    found, expected = (case.estimate(spec, **options).value for case in cases)
    require(found == expected, spec, f"gives {found!r} for {task} and {expected!r} for classification of the same rows")


def _check_outcome(spec: ScoreSpec, name: str, problem: Problem, options: dict[str, Any]) -> None:
    try:
        value = problem.estimate(spec, **options).value
    except HubscoutError:
        return  # a stated outcome
    require(bool(np.isfinite(value)), spec, f"gives {value} on {name}, neither a number nor an error that says why")
