"""What a score is: its facts in one record, and the decorator that registers it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from hubscout._registry import Registry
from hubscout._typing import TaskKind
from hubscout.scores._estimate import Estimate as Estimate
from hubscout.scores._estimate import NullReference as NullReference
from hubscout.scores._sides import Estimates, null_of_classes, of_all_sides

Need = Literal["features", "labels", "source_probs"]
Invariance = Literal[
    "sample_order", "label_names", "rotation", "scale", "translation", "constant_columns", "duplication"
]

# What each invariance promises; the property tests check every declared one, and `hubscout scores` prints them.
INVARIANCES: dict[Invariance, str] = {
    "sample_order": "the order of the samples",
    "label_names": "the names of the classes, or the order of several labels a sample",
    "rotation": "an orthogonal map of the features",
    "scale": "all features times one positive number",
    "translation": "one vector added to all samples",
    "constant_columns": "further columns of zeros",
    "duplication": "every sample given twice",
}
# Changes of the features alone: without meaning for a score that does not read them.
FEATURE_INVARIANCES: frozenset[Invariance] = frozenset({"rotation", "scale", "translation", "constant_columns"})


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
        Kinds of task it is defined for by itself; `kinds` has those that follow too.
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
    joined : tuple of str
        Scores without labels that are added to its parts in detection.
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
    joined: tuple[str, ...] = ()

    def applies_to(self, kind: TaskKind) -> bool:
        """Tell whether it has a value for a kind of task.

        What is defined for classification takes the classes of words, points and boxes too, unless it reads the
        probabilities of a source head, which has an answer for whole samples only.
        """
        follows = "classification" in self.tasks and "source_probs" not in self.needs
        return kind in self.tasks or (follows and kind in ("detection", "token_classification", "segmentation"))

    @property
    def kinds(self) -> tuple[TaskKind, ...]:
        """All kinds of task that it applies to."""
        return tuple(kind for kind in get_args(TaskKind) if self.applies_to(kind))

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
    estimate: Estimates,
    needs: tuple[Need, ...] = ("features", "labels"),
    tasks: tuple[TaskKind, ...] = ("classification",),
    invariances: tuple[Invariance, ...],
    null: Callable[..., NullReference | None] | None = None,
    joined: tuple[str, ...] = (),
    **facts: Any,
) -> Callable[[F], F]:
    """Register a public score function under its own name.

    Parameters
    ----------
    estimate : callable
        ``estimate(statistics, **options) -> Estimate``; takes the same options as the decorated function. Detection
        is made of what it says of the other kinds of task.
    needs, tasks, invariances, null, joined
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
    reads_numbers = "regression" in tasks
    whole, reference = estimate, null
    if "labels" in needs:
        whole = of_all_sides(estimate, reads_numbers=reads_numbers, joined=lambda: _joined(joined))
        reference = None if null is None else null_of_classes(null, is_sum=reads_numbers or bool(joined))

    def register(function: F) -> F:
        spec = ScoreSpec(
            name=function.__name__,
            estimate=whole,
            function=function,
            needs=frozenset(needs),
            tasks=tasks,
            invariances=frozenset(invariances),
            null=reference,
            joined=joined,
            **facts,
        )
        REGISTRY.add(spec.name, spec)
        return function

    return register


def _joined(names: tuple[str, ...]) -> dict[str, Estimates]:
    """Return the estimates of some scores, each taking those of the options that it knows."""

    def estimate(spec: ScoreSpec) -> Estimates:
        return lambda statistics, **options: spec.estimate(
            statistics, **{name: value for name, value in options.items() if name in spec.options}
        )

    return {name: estimate(REGISTRY[name]) for name in names}


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
    """Return the names of all scores, or of those that apply to one kind of task.

    Parameters
    ----------
    task : str, optional
        A kind of task, such as ``regression``.

    Examples
    --------
    >>> from hubscout.scores import list_scores
    >>> "logme" in list_scores("regression"), "nce" in list_scores("regression")
    (True, False)
    """
    return [name for name in REGISTRY if task is None or REGISTRY[name].applies_to(task)]
