"""What a column holds, judged by some of its values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hubscout.data.images import IMAGE_SUFFIXES

Content: TypeAlias = Literal["text", "path", "image", "label", "number", "list", "other"]

_SINGLE = (str, bool, int, float)


@dataclass(frozen=True)
class ColumnFacts:
    """What is known of one column before all of it is read.

    Parameters
    ----------
    name : str
        Its name. Untrusted text.
    content : {"text", "path", "image", "label", "number", "list", "other"}
        ``path`` for strings that end like image files, ``image`` for columns typed as images, ``label`` for
        columns typed as classes or lists of classes, ``list`` for other lists of single values, ``other`` for
        structures, lists of them, and bytes.
    """

    name: str
    content: Content


def describe_column(name: str, values: Iterable[Any]) -> ColumnFacts:
    """Describe a column by some of its values.

    Parameters
    ----------
    name : str
        Its name.
    values : iterable
        The values of the first rows.

    Returns
    -------
    ColumnFacts
        The description.
    """
    known = [value for value in values if value is not None and value != ""]
    if all(isinstance(value, (bool, int, float)) for value in known):
        return ColumnFacts(name, "number")
    if not all(isinstance(value, _SINGLE) for value in known):
        return ColumnFacts(name, "list" if all(map(_is_list, known)) else "other")
    texts = [str(value).strip() for value in known]
    if all(_reads_as_number(text) for text in texts):
        return ColumnFacts(name, "number")
    n_paths = sum(text.lower().endswith(IMAGE_SUFFIXES) for text in texts)
    return ColumnFacts(name, "path" if 2 * n_paths > len(texts) else "text")


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(item is None or isinstance(item, _SINGLE) for item in value)


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
