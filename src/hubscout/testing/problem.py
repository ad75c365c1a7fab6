"""Small problems with a known signal, for tests of scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray, TaskKind
from hubscout._validation import check_choice, check_number, check_positive_int
from hubscout.scores import Estimate, ScoreSpec
from hubscout.stats import Statistics
from hubscout.testing.labels import PART_KINDS, class_labels, draw_groups, draw_labels


@dataclass(frozen=True)
class Problem:
    """Labelled features, with probabilities of a source head beside them.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
    labels : ndarray
        By the task: (n_samples,) classes, (n_samples, n_targets) numbers, (n_samples, n_labels) of 0 and 1, or
        (n_samples, 5) class and coordinates of boxes.
    source_probs : ndarray of shape (n_samples, n_source_classes)
    task : str, default="classification"
        Kind of task.
    groups : ndarray of shape (n_samples,), int, or None
        Which image or text each sample is from, where samples are parts of one.
    """

    features: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    source_probs: FloatArray
    task: TaskKind = "classification"
    groups: IntArray | None = None

    def rows(self, rows: npt.NDArray[Any]) -> Problem:
        """Return the problem of some samples, in the order given; a sample may come twice."""
        return replace(
            self,
            features=self.features[rows],
            labels=self.labels[rows],
            source_probs=self.source_probs[rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    def statistics(self) -> Statistics:
        """Return fresh statistics of these arrays."""
        arrays: dict[str, Any] = {"source_probs": self.source_probs, "groups": self.groups}
        return Statistics(self.features, self.labels, task=self.task, **arrays)

    @property
    def label_embeddings(self) -> FloatArray:
        """One vector a class, in the order of the sorted labels, (n_classes, n_source_classes)."""
        _, codes = np.unique(class_labels(self.labels, self.task), return_inverse=True)
        codes = codes.ravel()
        sums = np.zeros((codes.max() + 1, self.source_probs.shape[1]))
        np.add.at(sums, codes, self.source_probs)
        means: FloatArray = sums / np.bincount(codes)[:, None]
        return means

    def options(self, spec: ScoreSpec, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return options with those that a score requires and that a problem can make up, `label_embeddings`."""
        made_up = {name: getattr(self, name) for name in spec.required_options if name == "label_embeddings"}
        return {**made_up, **given}

    def estimate(self, spec: ScoreSpec, **options: Any) -> Estimate:
        """Return what a score says of this problem; it gets the `options` that it requires."""
        return spec.estimate(self.statistics(), **self.options(spec, options))

    def shuffled(self, seed: int = 0) -> Problem:
        """Return the problem with labels that know nothing of the features."""
        order = np.random.default_rng(seed).permutation(len(self.labels))
        return replace(self, labels=self.labels[order])


def draw_problem(
    seed: int = 0,
    *,
    n_samples: int = 60,
    n_features: int = 8,
    n_classes: int = 3,
    n_source_classes: int = 6,
    signal: float = 1.0,
    n_dead: int = 0,
    task: TaskKind = "classification",
) -> Problem:
    """Draw a problem whose features and source head carry a signal of a given strength.

    Classes are of unequal size, features of unequal variance, correlated, and off the origin, so that a score which
    forgets to centre, weigh or whiten is found out.

    Parameters
    ----------
    seed : int, default=0
        The same seed gives the same problem.
    n_samples, n_features, n_classes, n_source_classes : int
        Shapes; every class has at least one sample, and the first at least two. In a multilabel task there are as many
        labels as classes otherwise.
    signal : float, default=1.0
        Distance of class means in units of the spread within classes; 0 for none.
    n_dead : int, default=0
        How many of the features are zero everywhere.
    task : str, default="classification"
        Kind of task. For regression the labels are two linear functions of the features, with noise; labels of a
        multilabel task are whether such functions are large, and boxes follow four of them. Samples that are parts,
        such as boxes, come in groups.

    Returns
    -------
    Problem

    Raises
    ------
    UsageError
        When a number is out of range.

    Examples
    --------
    >>> from hubscout.testing import draw_problem
    >>> problem = draw_problem(n_samples=40, n_features=5)
    >>> problem.features.shape, problem.source_probs.shape
    ((40, 5), (40, 6))
    """
    check_choice("task", task, get_args(TaskKind))
    check_positive_int("n_samples", n_samples, minimum=3)
    check_positive_int("n_features", n_features)
    check_positive_int("n_source_classes", n_source_classes)
    check_positive_int("n_dead", n_dead, minimum=0)
    check_positive_int("n_classes", n_classes, minimum=2)
    check_number("signal", signal, above=0, inclusive=True)
    rng = np.random.default_rng(seed)
    n_classes = min(n_classes, n_samples - 1)
    # One sample of each class first, then shares that fall by half from class to class.
    shares = 0.5 ** np.minimum(np.arange(n_classes), 4)
    rest = rng.choice(n_classes, n_samples - n_classes - 1, p=shares / shares.sum())
    codes = rng.permutation(np.concatenate([np.arange(n_classes), [0], rest]))
    spreads = 2.0 ** rng.uniform(-2, 2, n_features)
    mixing = np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    noise = rng.standard_normal((n_samples, n_features))
    means = rng.standard_normal((n_classes, n_features))
    features = ((signal * means[codes] + noise) * spreads) @ mixing + rng.standard_normal(n_features)
    if n_dead:
        features[:, rng.permutation(n_features)[:n_dead]] = 0.0
    logits = 2 * signal * rng.standard_normal((n_classes, n_source_classes))[codes]
    logits += rng.standard_normal(logits.shape)
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    labels = draw_labels(rng, task, codes, features / spreads.max(), signal, n_classes)
    groups = draw_groups(rng, n_samples) if task in PART_KINDS else None
    return Problem(features, labels, probs / probs.sum(axis=1, keepdims=True), task, groups)
