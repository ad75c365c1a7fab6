"""The train and validation part of a source as one target, as the published benchmarks score it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hubscout._typing import IntArray, TaskKind
from hubscout.data.task import Samples, Target
from hubscout.errors import DataError, UsageError


class JoinedSamples:
    """Samples of one split behind those of another.

    Parameters
    ----------
    first, second : Samples
    """

    def __init__(self, first: Samples, second: Samples) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        """Count all samples."""
        return len(self._first) + len(self._second)

    def __getitem__(self, index: int) -> Any:
        """Decode one sample."""
        samples, place = self._place(index)
        return samples[place]

    def content(self, index: int) -> bytes:
        """Return the raw bytes of one sample."""
        samples, place = self._place(index)
        return samples.content(place)

    def name(self, index: int) -> str:
        """Say where one sample stands."""
        samples, place = self._place(index)
        return samples.name(place)

    def subset(self, rows: IntArray) -> Samples:
        """Keep the given positions, in the given order."""
        return _Chosen(self, np.asarray(rows, dtype=np.intp))

    def _place(self, index: int) -> tuple[Samples, int]:
        n = len(self._first)
        return (self._first, index) if index < n else (self._second, index - n)


class _Chosen:
    """Some positions of joined samples."""

    def __init__(self, samples: JoinedSamples, rows: IntArray) -> None:
        self._samples, self._rows = samples, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Any:
        return self._samples[int(self._rows[index])]

    def content(self, index: int) -> bytes:
        return self._samples.content(int(self._rows[index]))

    def name(self, index: int) -> str:
        return self._samples.name(int(self._rows[index]))

    def subset(self, rows: IntArray) -> Samples:
        return _Chosen(self._samples, self._rows[np.asarray(rows, dtype=np.intp)])


def train_and_val(source: str | Path, *, name: str, kind: TaskKind = "classification") -> Target:
    """Read train and validation part of a source as one target.

    Parameters
    ----------
    source : str or Path
        As `hubscout.load_target` takes it.
    name : str
        Of the task.
    kind : {"classification", "detection"}
        Several labels a sample become the first of them where one class is wanted, as the authors' programs do with
        VOC2007.

    Returns
    -------
    Target
        Of the train split alone where there is no validation split, or in a detection task.

    Raises
    ------
    UsageError, DataError
        As `hubscout.load_target`.
    """
    from hubscout.data import load_target

    wanted = kind if kind == "detection" else None
    train = load_target(source, name=name, kind=wanted)
    if kind == "detection":
        return train
    train = _one_label(train)
    if train.task.kind != "classification":
        msg = f"the data set {name!r} must have classes, got {train.task.kind}; name another source"
        raise DataError(msg)
    try:
        validation = _one_label(load_target(source, name=name, split="val"))
    except UsageError:
        return train
    return _joined(train, validation) if validation.task.kind == "classification" else train


def _one_label(target: Target) -> Target:
    if target.task.kind != "multilabel":
        return target
    task = replace(target.task, kind="classification")
    return replace(target, task=task, labels=np.asarray(target.labels).argmax(axis=1))


def _joined(first: Target, second: Target) -> Target:
    """Join two splits; classes are matched by their names."""
    names = tuple(sorted({*first.task.label_names, *second.task.label_names}))
    codes = {label: code for code, label in enumerate(names)}

    def recoded(target: Target) -> IntArray:
        found: IntArray = np.array([codes[label] for label in target.task.label_names], dtype=np.intp)[target.labels]
        return found

    return Target(
        task=replace(first.task, label_names=names),
        samples=JoinedSamples(first.samples, second.samples),
        labels=np.concatenate([recoded(first), recoded(second)]),
        split="train+val",
        problems=(*first.problems, *second.problems),
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
    )
