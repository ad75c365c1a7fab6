"""One split of a Hugging Face data set becomes a target: whole samples here, parts of samples by their own readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hubscout._typing import TaskKind
from hubscout.data.assembly import assemble_target
from hubscout.data.columns import ColumnRequest, Columns, choose_columns
from hubscout.data.hf_features import class_names, column_facts, kind_of_parts
from hubscout.data.hf_images import dataset_images
from hubscout.data.parts import TextPairs
from hubscout.data.samples import Texts, text_problem
from hubscout.data.task import RowProblem, Samples, Target


def dataset_target(
    dataset: Any,
    *,
    name: str,
    source: str,
    split: str,
    request: ColumnRequest | None = None,
    kind: TaskKind | None = None,
) -> Target:
    """Make a target of one split.

    Parameters
    ----------
    dataset : datasets.Dataset
        The split.
    name : str
        Name of the task.
    source : str
        How the source is called in messages.
    split : str
        The split that was read.
    request : ColumnRequest, optional
        The columns the user named; the others are guessed.
    kind : str, optional
        What the labels are; inferred by default.

    Returns
    -------
    Target
        Images stay on disk until they are asked for.

    Raises
    ------
    DataError, UsageError
        When no choice of columns is clear, or nothing is left.
    """
    request = request or ColumnRequest()
    dataset = dataset.with_format(None)
    reader = _reader_of_parts(kind_of_parts(dataset.features, request, kind))
    if reader is not None:
        return reader(dataset, name=name, source=source, split=split, request=request)
    columns = choose_columns(column_facts(dataset.features), request, source)
    samples, kept, problems = _samples(dataset, columns, source)
    labels = _labels(dataset, columns)
    return assemble_target(
        samples,
        [labels[row] for row in kept],
        name=name,
        source=source,
        modality=columns.modality,
        split=split,
        kind=kind,
        class_names=None if columns.other_labels else class_names(dataset.features[columns.label]),
        label_columns=columns.labels if columns.other_labels else (),
        problems=problems,
        notes=columns.notes,
    )


def _reader_of_parts(kind: TaskKind | None) -> Callable[..., Target] | None:
    # Each is imported where it is needed: most data sets are of whole samples.
    if kind == "detection":
        from hubscout.data.hf_boxes import hub_boxes_target

        return hub_boxes_target
    if kind == "segmentation":
        from hubscout.data.hf_masks import hub_masks_target

        return hub_masks_target
    if kind == "token_classification":
        from hubscout.data.hf_tokens import hub_tokens_target

        return hub_tokens_target
    return None


def _labels(dataset: Any, columns: Columns) -> Sequence[Any]:
    values = dataset.select_columns(list(columns.labels))[:]
    if not columns.other_labels:
        return list(values[columns.label])
    return list(zip(*(values[name] for name in columns.labels), strict=True))


def _samples(dataset: Any, columns: Columns, source: str) -> tuple[Samples, Sequence[int], list[RowProblem]]:
    """Give the usable samples, their rows, and the problems of the others; images are judged when they are drawn."""
    if columns.modality == "image":
        images = dataset_images(dataset, columns.sample, source)
        return images, range(len(images)), []
    values = dataset.select_columns(list(columns.samples))[:]
    kept: list[int] = []
    problems: list[RowProblem] = []
    for row, texts in enumerate(zip(*(values[name] for name in columns.samples), strict=True)):
        reason = _text_reason(texts, columns)
        if reason is None:
            kept.append(row)
        else:
            problems.append(RowProblem(f"row {row + 1}", reason))
    numbers = tuple(row + 1 for row in kept)
    first = values[columns.sample]
    if columns.pair is None:
        return Texts(tuple(first[row] for row in kept), numbers), kept, problems
    second = values[columns.pair]
    return TextPairs(tuple((first[row], second[row]) for row in kept), numbers), kept, problems


def _text_reason(texts: Sequence[object], columns: Columns) -> str | None:
    for column, text in zip(columns.samples, texts, strict=True):
        if (reason := text_problem(text)) is not None:
            return reason if columns.pair is None else f"{reason} in {column!r}"
    return None
