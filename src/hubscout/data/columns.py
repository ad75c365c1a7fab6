"""Which column holds the samples and which the labels: given by name, or guessed when only one fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hubscout.data.images import IMAGE_SUFFIXES
from hubscout.errors import UsageError

Content: TypeAlias = Literal["text", "path", "image", "label", "number", "other"]

TEXT_NAMES = (
    "text",
    "sentence",
    "review",
    "content",
    "document",
    "comment",
    "tweet",
    "utterance",
    "question",
)
IMAGE_NAMES = (
    "image",
    "image_path",
    "img",
    "img_path",
    "file_name",
    "filename",
    "filepath",
    "file_path",
    "path",
    "file",
)
LABEL_NAMES = ("label", "labels", "target", "class", "class_name", "category", "y")
# Columns that number the rows; they are nobody's label unless named.
_INDEX_NAMES = ("", "unnamed: 0", "id", "idx", "index")
_SPLIT_NAME = "split"


@dataclass(frozen=True)
class ColumnFacts:
    """What is known of one column before all of it is read.

    Parameters
    ----------
    name : str
        Its name. Untrusted text.
    content : {"text", "path", "image", "label", "number", "other"}
        ``path`` for strings that end like image files, ``image`` for columns typed as images, ``label`` for
        columns typed as classes, ``other`` for lists, structures and bytes.
    """

    name: str
    content: Content


@dataclass(frozen=True)
class Columns:
    """The chosen columns.

    Parameters
    ----------
    sample, label : str
        Their names.
    modality : {"image", "text"}
        What the sample column holds.
    split : str or None
        The column that names the split of each row.
    notes : tuple of str
        What was guessed.
    """

    sample: str
    label: str
    modality: Literal["image", "text"]
    split: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[str]:
        """The columns that have to be read."""
        return [name for name in (self.sample, self.label, self.split) if name is not None]


@dataclass(frozen=True)
class ColumnRequest:
    """The columns the user named; None for those to be guessed.

    Parameters
    ----------
    text, image, label : str or None
        Names of columns.
    """

    text: str | None = None
    image: str | None = None
    label: str | None = None

    def is_empty(self) -> bool:
        """Tell whether nothing was named."""
        return self.text is None and self.image is None and self.label is None


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
    if not all(isinstance(value, (str, bool, int, float)) for value in known):
        return ColumnFacts(name, "other")
    texts = [str(value).strip() for value in known]
    if all(_reads_as_number(text) for text in texts):
        return ColumnFacts(name, "number")
    n_paths = sum(text.lower().endswith(IMAGE_SUFFIXES) for text in texts)
    return ColumnFacts(name, "path" if 2 * n_paths > len(texts) else "text")


def choose_columns(facts: Sequence[ColumnFacts], request: ColumnRequest, source: str) -> Columns:
    """Choose the sample, label and split columns.

    Parameters
    ----------
    facts : sequence of ColumnFacts
        All columns, in their order.
    request : ColumnRequest
        What the user named.
    source : str
        How the source is called in messages.

    Returns
    -------
    Columns
        The choice, with a note for what was guessed.

    Raises
    ------
    UsageError
        When a named column is absent, or more or less than one column fits.
    """
    _check_request(facts, request, source)
    given = request.text if request.text is not None else request.image
    named = [name for name in (given, request.label) if name is not None]
    splits = [fact.name for fact in facts if fact.name.lower() == _SPLIT_NAME and fact.name not in named]
    free = [fact for fact in facts if fact.name not in named and fact.name not in splits]
    guesses: list[str] = []
    if given is None:
        chosen = _guess_sample(free, request.label is not None, source)
        modality: Literal["image", "text"] = "image" if _looks_like_image(chosen) else "text"
        sample = chosen.name
        guesses.append(f"{modality} {sample!r}")
    else:
        sample, modality = given, "text" if request.text is not None else "image"
    if request.label is None:
        label = _guess_label([fact for fact in free if fact.name != sample], source)
        guesses.append(f"label {label!r}")
    else:
        label = request.label
    notes = [f"columns guessed: {', '.join(guesses)}"] if guesses else []
    if splits:
        notes.append(f"the column {splits[0]!r} names the split of each row")
    return Columns(sample, label, modality, splits[0] if splits else None, tuple(notes))


def _check_request(facts: Sequence[ColumnFacts], request: ColumnRequest, source: str) -> None:
    if request.text is not None and request.image is not None:
        msg = (
            "give one of text_column (--text-column) and image_column (--image-column), "
            f"got both {request.text!r} and {request.image!r}"
        )
        raise UsageError(msg)
    names = [fact.name for fact in facts]
    for option, name in (("text", request.text), ("image", request.image), ("label", request.label)):
        if name is not None and name not in names:
            msg = (
                f"{option}_column (--{option}-column) must name a column of {source}, got {name!r}; "
                f"its columns are {_listed(names)}"
            )
            raise UsageError(msg)
    if request.label is not None and request.label in (request.text, request.image):
        msg = f"the samples and the labels of {source} must be different columns, got {request.label!r} for both"
        raise UsageError(msg)


def _guess_sample(free: Sequence[ColumnFacts], has_label: bool, source: str) -> ColumnFacts:
    # The name that image folders with a metadata file agree on wins over all other names.
    agreed = [fact for fact in free if fact.name == "file_name" and fact.content == "path"]
    typed = [fact for fact in free if fact.content == "image"]
    named = [fact for fact in free if fact.name.lower() in TEXT_NAMES + IMAGE_NAMES and fact.content != "number"]
    labels = [] if has_label else [fact for fact in free if fact.name.lower() in LABEL_NAMES]
    strings = [fact for fact in free if fact.content in ("text", "path") and fact not in labels]
    for fitting in (agreed, typed, named, strings):
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            break
    fit = f"{_listed([fact.name for fact in fitting])} fit" if fitting else "none fits"
    listed = "" if fitting else f" of {_listed([fact.name for fact in free])}"
    msg = (
        f"the column with the samples of {source} must be the only one that fits, but {fit}{listed}; "
        "name it with text_column (--text-column) or image_column (--image-column)"
    )
    raise UsageError(msg)


def _guess_label(rest: Sequence[ColumnFacts], source: str) -> str:
    typed = [fact for fact in rest if fact.content == "label"]
    named = [fact for fact in rest if fact.name.lower() in LABEL_NAMES]
    others = [fact for fact in rest if fact.name.lower() not in _INDEX_NAMES and fact.content != "other"]
    for fitting in (typed, named, others):
        if len(fitting) == 1:
            return fitting[0].name
        if fitting:
            break
    fit = f"{_listed([fact.name for fact in fitting])} fit" if fitting else "none fits"
    msg = (
        f"the column with the labels of {source} must be the only one that fits, but {fit}; "
        "name it with label_column (--label-column)"
    )
    raise UsageError(msg)


def _looks_like_image(fact: ColumnFacts) -> bool:
    if fact.content in ("image", "path"):
        return True
    return fact.name.lower() in IMAGE_NAMES


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:10])
    more = len(names) - 10
    return f"{shown} and {more} more" if more > 0 else shown or "none"
