"""Made-up labels of every kind of task, and what they are called."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray, TaskKind

# Kinds whose rows are parts of images or texts, several to one.
PART_KINDS: tuple[TaskKind, ...] = ("detection", "token_classification", "segmentation")


def draw_labels(
    rng: np.random.Generator, task: TaskKind, codes: IntArray, slopes_of: FloatArray, signal: float, n_labels: int
) -> npt.NDArray[Any]:
    """Return labels that follow the classes and, linearly, the features.

    Parameters
    ----------
    rng : Generator
    task : str
    codes : ndarray of shape (n_samples,), int
        Class of each sample.
    slopes_of : ndarray of shape (n_samples, n_features)
        Features in units of the largest spread.
    signal : float
        Share of the features in numbers to predict, relative to noise.
    n_labels : int
        Of a multilabel task.
    """
    if task == "regression":
        return _responses(rng, slopes_of, signal, 2) + 3.0
    if task == "multilabel":
        return _indicators(_responses(rng, slopes_of, signal, n_labels))
    if task == "detection":
        shares = 1 / (1 + np.exp(-_responses(rng, slopes_of, signal, 4)))
        corner, size = 0.5 * shares[:, :2], 0.05 + 0.45 * shares[:, 2:]
        return np.concatenate([codes[:, None].astype(np.float64), corner, corner + size], axis=1)
    return codes


def draw_groups(rng: np.random.Generator, n_samples: int) -> IntArray:
    """Return which of some images or texts each sample is from, one to four samples of each."""
    sizes = rng.integers(1, 5, n_samples)
    groups: IntArray = rng.permutation(np.repeat(np.arange(n_samples), sizes)[:n_samples])
    return groups


def class_labels(labels: Any, task: TaskKind) -> npt.NDArray[Any]:
    """Return the class of each sample, (n_samples,), of a task that has one."""
    if task != "detection":
        return np.asarray(labels)
    return np.asarray(labels[0]) if isinstance(labels, tuple) else np.asarray(labels)[:, 0]


def _responses(rng: np.random.Generator, slopes_of: FloatArray, signal: float, n_targets: int) -> FloatArray:
    slopes = rng.standard_normal((slopes_of.shape[1], n_targets))
    found: FloatArray = signal * (slopes_of @ slopes) + rng.standard_normal((len(slopes_of), n_targets))
    return found


def _indicators(responses: FloatArray) -> FloatArray:
    """Return 0 and 1: the first label for half of the samples, each further one for fewer, none for none."""
    n_samples, n_labels = responses.shape
    shares = 0.5 * 0.6 ** np.minimum(np.arange(n_labels), 4)
    counts = np.clip(np.round(shares * n_samples), 1, n_samples - 1).astype(int)
    ranks = np.argsort(np.argsort(-responses, axis=0), axis=0)
    found: FloatArray = (ranks < counts).astype(np.float64)
    return found
