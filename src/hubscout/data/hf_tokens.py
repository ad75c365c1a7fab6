"""Words and their tags in a data set of the Hugging Face ``datasets`` library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubscout.data.columns import ColumnRequest
from hubscout.data.task import Target
from hubscout.data.token_columns import choose_token_columns, has_token_columns
from hubscout.data.word_labels import token_target


def has_tokens(features: Mapping[str, Any]) -> bool:
    """Tell whether the columns of a data set look like words with tags.

    Parameters
    ----------
    features : mapping
        ``dataset.features``.

    Returns
    -------
    bool
        Whether a list of strings is named like words, and another list like tags.
    """
    items = _items(features)
    return has_token_columns([name for name, item in items.items() if _is_plain(item)])


def hub_tokens_target(
    dataset: Any, *, name: str, source: str, split: str, request: ColumnRequest | None = None
) -> Target:
    """Make a token classification target of one split.

    Parameters
    ----------
    dataset : datasets.Dataset
        With a column of lists of words, and one of lists of tags: strings, whole numbers, or `datasets.ClassLabel`,
        whose names are then the classes.
    name : str
        Name of the task.
    source : str
        How the source is called in messages.
    split : str
        The split that was read.
    request : ColumnRequest, optional
        The columns the user named; the others are guessed.

    Returns
    -------
    Target
        As `hubscout.data.word_labels.token_target`; texts are counted from 1.

    Raises
    ------
    UsageError
        When no choice of columns is clear.
    DataError
        When nothing is left, or the tags are no classes.
    """
    items = {column: item for column, item in _items(dataset.features).items() if _is_plain(item)}
    typed = [column for column, item in items.items() if type(item).__name__ == "ClassLabel"]
    columns = choose_token_columns(list(items), request or ColumnRequest(), source, typed=typed)
    names = getattr(items[columns.tags], "names", None)
    values = dataset.with_format(None).select_columns([columns.words, columns.tags])[:]
    texts = values[columns.words]
    return token_target(
        texts,
        values[columns.tags],
        name=name,
        source=source,
        split=split,
        rows=range(1, len(texts) + 1),
        class_names=None if names is None else [str(class_name) for class_name in names],
        notes=columns.notes,
    )


def _items(features: Mapping[str, Any]) -> dict[str, Any]:
    """Give what each list column holds: older releases write a list as [item], newer ones as List(item)."""
    found = {}
    for name, feature in features.items():
        item = feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", None)
        if item is not None:
            found[str(name)] = item
    return found


def _is_plain(item: Any) -> bool:
    """Tell whether the items of a list are single values, and not lists, structures or images."""
    dtype = str(getattr(item, "dtype", ""))
    return dtype in ("string", "large_string") or dtype.startswith(("int", "uint", "bool", "float"))
