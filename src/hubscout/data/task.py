"""What we transfer to: a task, its labelled samples, and the probe drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray, Modality, TaskKind, Unit


@dataclass(frozen=True)
class Task:
    """The question that a candidate is judged by.

    Parameters
    ----------
    name : str
        Shown in tables; the folder or file name by default. Untrusted text.
    kind : {"classification", "regression", ...}
        What the labels are.
    modality : {"image", "text", "features"}
        What the samples are; ``features`` when only labels are known and candidates bring their own arrays.
    label_names : tuple of str
        The class of each label code; empty for regression. Untrusted text.
    target_names : tuple of str
        The columns of a regression with several targets; empty with a single one. Untrusted text.
    is_pair : bool
        Whether each sample is a pair of texts.
    """

    name: str
    kind: TaskKind
    modality: Modality
    label_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    is_pair: bool = False

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.label_names)

    @property
    def unit(self) -> Unit:
        """What one row of the features belongs to."""
        return _UNITS.get(self.kind, "pair" if self.is_pair else "sample")


_UNITS: dict[TaskKind, Unit] = {"detection": "box", "token_classification": "word", "segmentation": "point"}


@dataclass(frozen=True)
class RowProblem:
    """One sample that cannot be used, and why.

    Parameters
    ----------
    row : str
        Where the sample stands: a path relative to the source, or ``row 17``. Untrusted text.
    reason : str
        One phrase, such as ``image is truncated`` or ``text is empty``.
    """

    row: str
    reason: str


class Samples(Protocol):
    """An indexed, picklable collection of inputs that are decoded when they are asked for.

    ``samples[i]`` is a ``PIL.Image.Image`` in mode RGB for images and a ``str`` for text, or one of
    `hubscout.data.parts` where a sample has parts. Reading raises `hubscout.errors.DataError` with one sentence when
    the input is corrupt.
    """

    def __len__(self) -> int:
        """Count the samples."""
        ...

    def __getitem__(self, index: int) -> Any:
        """Decode one sample."""
        ...

    def content(self, index: int) -> bytes:
        """Return the raw bytes that identify one sample, for the probe's fingerprint."""
        ...

    def name(self, index: int) -> str:
        """Say where one sample stands: a relative path, or ``row 17``."""
        ...

    def subset(self, rows: IntArray) -> Samples:
        """Keep the given positions, in the given order."""
        ...


@dataclass(frozen=True)
class Target:
    """A task with all samples of the split that was read, before the probe is drawn.

    Parameters
    ----------
    task : Task
        What is asked.
    samples : Samples
        The inputs, n of them, not yet decoded.
    labels : ndarray of shape (n_units,) or (n_units, k)
        Codes into ``task.label_names`` for one class a unit; 0 and 1, (n, n_labels), for several labels a sample; the
        target values, (n,) or (n, n_targets), for regression.
    split : str
        Which split was read: ``train``, ``all`` (the source has no splits), or a name the user asked for.
    problems : tuple of RowProblem
        Samples left out while reading (missing label, empty text, ...).
    notes : tuple of str
        Sentences the user should see, such as which columns were guessed.
    unit_counts : ndarray of shape (n,), int, or None
        How many boxes, words or points each sample has, at least one; None where a sample is the unit. Units stand
        sample after sample.
    boxes : ndarray of shape (n_units, 4), float64, or None
        In a detection task: left, top, right, bottom as shares of the image's width and height.
    """

    task: Task
    samples: Samples
    labels: npt.NDArray[Any]
    split: str
    problems: tuple[RowProblem, ...] = ()
    notes: tuple[str, ...] = ()
    unit_counts: IntArray | None = None
    boxes: FloatArray | None = None


@dataclass(frozen=True)
class Probe:
    """The target sample that every candidate looks at.

    Parameters
    ----------
    task : Task
        What is asked; ``label_names`` as in the target, also for classes the probe does not hold.
    samples : Samples
        The inputs of the probe, n of them, all of which decode.
    labels : ndarray of shape (n_units,) or (n_units, k)
        As in `Target`.
    rows : ndarray of shape (n,), int
        Position of each sample in the target, ascending.
    fingerprint : str
        SHA-256, in hexadecimal, over the contents of the samples in their order. Labels are not part of it, so
        that features can be used again when labels are corrected.
    n_target : int
        Number of usable samples the probe was drawn from.
    seed : int
        Seed of the draw.
    split : str
        As in `Target`.
    problems : tuple of RowProblem
        All samples left out, while reading and while drawing.
    notes : tuple of str
        Sentences the user should see.
    unit_counts, boxes
        As in `Target`.
    """

    task: Task
    samples: Samples
    labels: npt.NDArray[Any]
    rows: IntArray
    fingerprint: str
    n_target: int
    seed: int
    split: str
    problems: tuple[RowProblem, ...] = ()
    notes: tuple[str, ...] = ()
    unit_counts: IntArray | None = None
    boxes: FloatArray | None = None

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.samples)

    @property
    def n_units(self) -> int:
        """Number of rows of the features."""
        return int(np.shape(self.labels)[0])

    @property
    def groups(self) -> IntArray | None:
        """The sample that each unit belongs to, (n_units,); None where each sample is its own unit."""
        return None if self.unit_counts is None else np.repeat(np.arange(len(self.unit_counts)), self.unit_counts)
