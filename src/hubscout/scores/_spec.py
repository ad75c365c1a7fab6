"""What a score is: its facts in one record, its estimate, and the decorator that registers it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from hubscout._registry import Registry
from hubscout._typing import FloatArray, TaskKind

Need = Literal["features", "labels", "source_probs"]
Invariance = Literal[
    "sample_order", "label_names", "rotation", "scale", "translation", "constant_columns", "duplication"
]

# What each invariance promises; the property tests check every declared one, and `hubscout scores` prints them.
INVARIANCES: dict[Invariance, str] = {
    "sample_order": "the order of the samples",
    "label_names": "the names of the classes",
    "rotation": "an orthogonal map of the features",
    "scale": "all features times one positive number",
    "translation": "one vector added to all samples",
    "constant_columns": "further columns of zeros",
    "duplication": "every sample given twice",
}
# Changes of the features alone: without meaning for a score that does not read them.
FEATURE_INVARIANCES: frozenset[Invariance] = frozenset({"rotation", "scale", "translation", "constant_columns"})


@dataclass(frozen=True)
class Estimate:
    """A score's value with what its uncertainty needs.

    Parameters
    ----------
    value : float
        Higher is better.
    terms : callable, optional
        Gives one number a sample, (n_samples,), whose mean is the value (to first order, where the score is not a
        plain mean): their spread gives the standard error, and differences between two candidates on the same
        samples are paired. Called only when uncertainty is asked for.
    """

    value: float
    terms: Callable[[], FloatArray] | None = None

    def standard_error(self) -> float | None:
        """Return the standard deviation of the terms over the root of their number; None without terms."""
        if self.terms is None:
            return None
        terms = self.terms()
        return float(np.std(terms, ddof=1) / np.sqrt(len(terms)))


@dataclass(frozen=True)
class NullReference:
    """What a score says when labels have nothing to do with features: its values under labels in random order.

    Parameters
    ----------
    mean, standard_deviation : float
        Of the score over all orders of the labels.
    method : {"analytic", "permutation"}
        Whether they follow from a formula, or from seeded draws.
    """

    mean: float
    standard_deviation: float
    method: Literal["analytic", "permutation"]

    def z(self, value: float) -> float | None:
        """Return how many standard deviations a value lies above the mean.

        Zero where every order of the labels gives the value itself; None where they all give one other value.
        """
        distance = value - self.mean
        rounding = 1e-9 * max(abs(value), abs(self.mean), 1e-300)
        if self.standard_deviation > rounding:
            return distance / self.standard_deviation
        return 0.0 if abs(distance) <= 10 * rounding else None


@dataclass(frozen=True)
class ScoreSpec:
    """All facts of one score; documentation, command line, report and tests read them here.

    Parameters
    ----------
    name : str
        As users give it.
    title : str
        As papers write it.
    summary : str
        One sentence: what it measures.
    formula : str
        In plain text.
    range : str
        The values it can take.
    tasks : tuple of str
        Kinds of task it is defined for.
    needs : frozenset of str
        Among ``features``, ``labels``, ``source_probs``.
    invariances : frozenset of str
        Changes of the input that leave the value as it is, with default options. Keys of `INVARIANCES`.
    cost : str
        Leading term of the number of operations.
    spectrum : {"whole", "leading", "none"}
        How much of the decomposition it reads.
    reference : str
        Paper with DOI or arXiv number.
    deviations : str
        How it differs from the authors' code.
    degenerate : str
        The outcome on features that carry nothing.
    is_baseline : bool
        Whether it is a simple method that a score must beat to be worth its name.
    is_deterministic : bool
        Whether the same input always gives the same value.
    rewards_signal : bool
        Whether labels that fit the features raise it; false where the paper's claim is the opposite.
    null : callable, optional
        ``null(statistics, **options) -> NullReference or None``: mean and spread under labels in random order where
        a formula gives them; None, or no function, where they have to be drawn.
    estimate : callable
        ``estimate(statistics, **options) -> Estimate``.
    function : callable
        The public function, ``function(features, labels, **options) -> float``.
    """

    name: str
    title: str
    summary: str
    formula: str
    range: str
    tasks: tuple[TaskKind, ...]
    needs: frozenset[Need]
    invariances: frozenset[Invariance]
    cost: str
    spectrum: Literal["whole", "leading", "none"]
    reference: str
    deviations: str
    degenerate: str
    estimate: Callable[..., Estimate]
    function: Callable[..., float]
    is_baseline: bool = False
    is_deterministic: bool = True
    rewards_signal: bool = True
    null: Callable[..., NullReference | None] | None = None

    @property
    def null_method(self) -> str:
        """How its values without signal are found, in words."""
        if "labels" not in self.needs:
            return "none: it reads no labels"
        return "labels in random order" if self.null is None else "a formula, or labels in random order where it fails"

    @property
    def required_options(self) -> tuple[str, ...]:
        """Names of the options without a default: what the score needs beyond features and labels."""
        parameters = inspect.signature(self.estimate).parameters
        return tuple(name for name in self.options if parameters[name].default is inspect.Parameter.empty)

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that the estimate takes."""
        return tuple(inspect.signature(self.estimate).parameters)[1:]


REGISTRY: Registry[ScoreSpec] = Registry("score")

F = TypeVar("F", bound=Callable[..., float])


def score(
    *,
    estimate: Callable[..., Estimate],
    needs: tuple[Need, ...] = ("features", "labels"),
    tasks: tuple[TaskKind, ...] = ("classification",),
    invariances: tuple[Invariance, ...],
    **facts: Any,
) -> Callable[[F], F]:
    """Register a public score function under its own name.

    Parameters
    ----------
    estimate : callable
        ``estimate(statistics, **options) -> Estimate``; takes the same options as the decorated function.
    needs, tasks, invariances : tuple of str
        As in `ScoreSpec`.
    **facts
        The other fields of `ScoreSpec`.

    Returns
    -------
    callable
        The decorator; it returns the function unchanged.

    Raises
    ------
    UsageError
        When a score of that name exists.
    """

    def register(function: F) -> F:
        spec = ScoreSpec(
            name=function.__name__,
            estimate=estimate,
            function=function,
            needs=frozenset(needs),
            tasks=tasks,
            invariances=frozenset(invariances),
            **facts,
        )
        REGISTRY.add(spec.name, spec)
        return function

    return register


def get_spec(name: str) -> ScoreSpec:
    """Return the facts of a score.

    Raises
    ------
    UsageError
        When no score has that name; the message offers the nearest one.

    Examples
    --------
    >>> from hubscout.scores import get_spec
    >>> get_spec("nce").title
    'NCE'
    """
    return REGISTRY[name]


def list_scores(task: TaskKind | None = None) -> list[str]:
    """Return the names of all scores, or of those defined for one kind of task.

    Parameters
    ----------
    task : str, optional
        A kind of task, such as ``regression``.

    Examples
    --------
    >>> from hubscout.scores import list_scores
    >>> list_scores("regression")
    ['disco', 'etran', 'energy', 'logme', 'knn', 'linear_probe', 'rankme', 'alpha_req', 'stable_rank']
    """
    return [name for name in REGISTRY if task is None or task in REGISTRY[name].tasks]
