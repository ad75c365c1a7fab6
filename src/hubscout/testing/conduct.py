"""How a score behaves beside its value: what it must leave alone."""

from __future__ import annotations

import contextlib
import inspect
import io
import random
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from hubscout.scores import ScoreSpec
from hubscout.testing.problem import Problem


def require(condition: bool, spec: ScoreSpec, complaint: str) -> None:
    """Raise an AssertionError that names the score, unless a condition holds."""
    if not condition:
        msg = f"score {spec.name!r} {complaint}"
        raise AssertionError(msg)


def check_signature(spec: ScoreSpec) -> None:
    """Check that the public function takes the arrays that are needed, and the options of the estimate."""
    parameters = inspect.signature(spec.function).parameters
    first = "features" if "features" in spec.needs else "source_probs"
    names = list(parameters)
    require(names[:1] == [first], spec, f"takes {names[:1]} first, not {first!r}")
    options = {name for name, value in parameters.items() if value.kind is inspect.Parameter.KEYWORD_ONLY} - {"task"}
    require(options == set(spec.options), spec, f"has options {sorted(options)}, its estimate {sorted(spec.options)}")
    # A score that reads no labels has no use for the kind that they are of.
    is_mixed = len(spec.tasks) > 1 and "labels" in spec.needs
    require(("task" in parameters) == is_mixed, spec, "must take task just when it is defined for several")


def check_conduct(spec: ScoreSpec, problem: Problem, options: dict[str, Any]) -> None:
    """Check that a score changes nothing, says nothing, and repeats itself."""
    copies = replace(
        problem,
        features=problem.features.copy(),
        labels=problem.labels.copy(),
        source_probs=problem.source_probs.copy(),
    )
    before = np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    with _attention(spec):
        estimate = problem.estimate(spec, **options)
        if estimate.terms is not None:
            estimate.terms()
    after = np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    require(before == after, spec, "draws from the global random state; take a seed as option")
    for name in ("features", "labels", "source_probs"):
        is_same = np.array_equal(getattr(problem, name), getattr(copies, name))
        require(is_same, spec, f"writes to its {name}")
    _check_read_only(spec, copies, options)
    if spec.is_deterministic:
        again = problem.estimate(spec, **options).value
        require(again == estimate.value, spec, f"gives {estimate.value!r}, then {again!r} on the same input")
    if problem.task not in spec.tasks and "task" not in inspect.signature(spec.function).parameters:
        return  # its function takes one kind of task; others are reached by `evaluate`
    value = public_value(spec, problem, options)
    require(value == estimate.value, spec, f"gives {value!r} as a function and {estimate.value!r} as an estimate")
    require(type(value) is float, spec, f"returns a {type(value).__name__}, not a float")


def public_value(spec: ScoreSpec, problem: Problem, options: dict[str, Any]) -> float:
    """Call a score's public function on a problem."""
    first = problem.features if "features" in spec.needs else problem.source_probs
    options = problem.options(spec, options)
    if {"features", "source_probs"} <= spec.needs or "labels" not in spec.needs or problem.groups is not None:
        return spec.function(problem.statistics(), **options)
    task = {"task": problem.task} if "task" in inspect.signature(spec.function).parameters else {}
    return spec.function(first, problem.labels, **task, **options)


def _check_read_only(spec: ScoreSpec, problem: Problem, options: dict[str, Any]) -> None:
    for array in (problem.features, problem.labels, problem.source_probs):
        array.setflags(write=False)
    try:
        problem.estimate(spec, **options)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        msg = f"score {spec.name!r} writes to its input: {error}"
        raise AssertionError(msg) from error


@contextlib.contextmanager
def _attention(spec: ScoreSpec) -> Iterator[None]:
    """Raise an AssertionError for whatever is printed or warned of."""
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        yield
    require(not said.getvalue(), spec, f"prints {said.getvalue()[:60]!r}")
    require(not warned, spec, f"warns {str(warned[0].message)!r}" if warned else "")
