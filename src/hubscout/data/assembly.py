"""The last step of every reader: samples and raw labels become a Target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy.typing as npt

from hubscout._typing import Modality, TaskKind
from hubscout.data.label_forms import encode_any_labels
from hubscout.data.parts import TextPairs
from hubscout.data.splits import split_notes
from hubscout.data.task import RowProblem, Samples, Target, Task
from hubscout.errors import DataError


def assemble_target(
    samples: Samples,
    labels: Sequence[Any] | npt.NDArray[Any],
    *,
    name: str,
    source: str,
    modality: Modality,
    split: str,
    kind: TaskKind | None = None,
    class_names: Sequence[str] | None = None,
    label_columns: Sequence[str] = (),
    problems: Iterable[RowProblem] = (),
    notes: Iterable[str] = (),
) -> Target:
    """Encode the labels, leave out samples without one, and name the task.

    Parameters
    ----------
    samples : Samples
        n inputs; `TextPairs` make a task of pairs.
    labels : sequence of length n, or ndarray of shape (n, k)
        Raw labels.
    name : str
        Name of the task.
    source : str
        How the source is called in messages.
    modality : {"image", "text", "features"}
        What the samples are.
    split : str
        The split that was read.
    kind : {"classification", "multilabel", "regression"}, optional
        What the labels are; inferred by default.
    class_names : sequence of str, optional
        The classes that integer labels are codes of.
    label_columns : sequence of str, length k, optional
        Names of the columns, where each sample has k labels or targets.
    problems : iterable of RowProblem
        Rows that were left out already.
    notes : iterable of str
        Sentences that were collected already.

    Returns
    -------
    Target
        All samples with a usable label.

    Raises
    ------
    DataError, UsageError
        As `hubscout.data.label_forms.encode_any_labels`.
    """
    found = tuple(problems)
    if not len(samples):
        cause = f"the first of {len(found)} problems is {found[0].row!r}: {found[0].reason}" if found else ""
        msg = f"{source} must hold samples that can be used, got none; {cause or 'check that it is the right one'}"
        raise DataError(msg)
    encoded = encode_any_labels(labels, source=source, kind=kind, names=class_names, columns=label_columns)
    unlabelled = tuple(RowProblem(samples.name(position), reason) for position, reason in encoded.problems)
    complete = len(encoded.kept) == len(samples)
    return Target(
        task=Task(name, encoded.kind, modality, encoded.names, encoded.target_names, isinstance(samples, TextPairs)),
        samples=samples if complete else samples.subset(encoded.kept),
        labels=encoded.values,
        split=split,
        problems=found + unlabelled,
        notes=(*notes, *encoded.notes, *split_notes(split)),
    )
