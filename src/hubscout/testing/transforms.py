"""What each invariance means, as a change of a problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hubscout._validation import check_choice
from hubscout.scores import INVARIANCES
from hubscout.testing.labels import class_labels
from hubscout.testing.problem import Problem


def transform(problem: Problem, invariance: str, seed: int = 0) -> Problem:
    """Change a problem in the way that one invariance speaks of.

    Parameters
    ----------
    problem : Problem
    invariance : str
        A key of `hubscout.scores.INVARIANCES`.
    seed : int, default=0
        For the order, names, map, factor, vector or number of columns that is drawn.

    Returns
    -------
    Problem

    Raises
    ------
    UsageError
        When there is no such invariance.

    Examples
    --------
    >>> from hubscout.testing import draw_problem, transform
    >>> transform(draw_problem(), "duplication").features.shape
    (120, 8)
    """
    check_choice("invariance", invariance, list(INVARIANCES))
    return _CHANGES[invariance](problem, np.random.default_rng(seed))


def _sample_order(problem: Problem, rng: np.random.Generator) -> Problem:
    return problem.rows(rng.permutation(len(problem.labels)))


def _duplication(problem: Problem, rng: np.random.Generator) -> Problem:  # noqa: ARG001 - one signature for all
    return problem.rows(np.tile(np.arange(len(problem.labels)), 2))


def _label_names(problem: Problem, rng: np.random.Generator) -> Problem:
    if problem.task == "regression":
        return problem
    if problem.task == "multilabel":
        return replace(problem, labels=problem.labels[:, rng.permutation(problem.labels.shape[1])])
    classes, codes = np.unique(class_labels(problem.labels, problem.task), return_inverse=True)
    order = rng.permutation(len(classes))
    if problem.task == "detection":  # a table of numbers has numbers for classes
        return replace(problem, labels=np.concatenate([7.0 * order[codes][:, None], problem.labels[:, 1:]], axis=1))
    names = np.array([f"class {number}" for number in order])
    return replace(problem, labels=names[codes])


def _rotation(problem: Problem, rng: np.random.Generator) -> Problem:
    width = problem.features.shape[1]
    return replace(problem, features=problem.features @ np.linalg.qr(rng.standard_normal((width, width)))[0])


def _scale(problem: Problem, rng: np.random.Generator) -> Problem:
    return replace(problem, features=problem.features * 10.0 ** rng.choice([-6, -2, 2, 6]))


def _translation(problem: Problem, rng: np.random.Generator) -> Problem:
    spread = float(np.abs(problem.features).max())
    return replace(problem, features=problem.features + 3 * spread * rng.standard_normal(problem.features.shape[1]))


def _constant_columns(problem: Problem, rng: np.random.Generator) -> Problem:
    zeros = np.zeros((len(problem.features), int(rng.integers(1, 2 * problem.features.shape[1] + 2))))
    return replace(problem, features=np.concatenate([problem.features, zeros], axis=1))


_CHANGES: dict[str, Callable[[Problem, np.random.Generator], Problem]] = {
    "sample_order": _sample_order,
    "label_names": _label_names,
    "rotation": _rotation,
    "scale": _scale,
    "translation": _translation,
    "constant_columns": _constant_columns,
    "duplication": _duplication,
}
