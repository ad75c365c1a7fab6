"""Which columns hold the samples and which the labels: given by name, or guessed when only one choice fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hubscout.data.column_facts import ColumnFacts
from hubscout.data.column_guesses import guess_first, guess_label, guess_pair, guess_sample, listed, looks_like_image
from hubscout.errors import UsageError

_SPLIT_NAME = "split"


@dataclass(frozen=True)
class Columns:
    """The chosen columns.

    Parameters
    ----------
    sample, label : str
        Their names; of several label columns the first.
    modality : {"image", "text"}
        What the sample column holds.
    split : str or None
        The column that names the split of each row.
    notes : tuple of str
        What was guessed.
    pair : str or None
        The column of the second texts, where samples are pairs.
    other_labels : tuple of str
        The label columns after the first.
    """

    sample: str
    label: str
    modality: Literal["image", "text"]
    split: str | None = None
    notes: tuple[str, ...] = ()
    pair: str | None = None
    other_labels: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """All label columns."""
        return self.label, *self.other_labels

    @property
    def samples(self) -> tuple[str, ...]:
        """The column of the samples, or both of pairs."""
        return (self.sample,) if self.pair is None else (self.sample, self.pair)

    @property
    def wanted(self) -> list[str]:
        """The columns that have to be read."""
        return [*self.samples, *self.labels, *(() if self.split is None else (self.split,))]


@dataclass(frozen=True)
class ColumnRequest:
    """The columns the user named; None for those to be guessed.

    Parameters
    ----------
    text, image, label : str or None
        Names of columns; that of the labels may be several names, separated by commas.
    pair : str or None
        The column of the second texts, where samples are pairs.
    """

    text: str | None = None
    image: str | None = None
    label: str | None = None
    pair: str | None = None

    def is_empty(self) -> bool:
        """Tell whether nothing was named."""
        return self.text is None and self.image is None and self.label is None and self.pair is None


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

    Notes
    -----
    A pair of texts is guessed when both columns of a known pair, such as ``premise`` and ``hypothesis``, are there and
    no column of samples was named.
    """
    labels = _named_labels(facts, request, source)
    _check_request(request, labels, [fact.name for fact in facts], source)
    named = [name for name in (request.text, request.image, request.pair, *labels) if name is not None]
    splits = [fact.name for fact in facts if fact.name.lower() == _SPLIT_NAME and fact.name not in named]
    free = [fact for fact in facts if fact.name not in named and fact.name not in splits]
    sample, pair, modality, guesses = _samples(free, request, source)
    if not labels:
        labels = (guess_label([fact for fact in free if fact.name not in (sample, pair)], source),)
        guesses.append(f"label {labels[0]!r}")
    notes = [f"columns guessed: {', '.join(guesses)}"] if guesses else []
    if splits:
        notes.append(f"the column {splits[0]!r} names the split of each row")
    return Columns(sample, labels[0], modality, splits[0] if splits else None, tuple(notes), pair, labels[1:])


def split_names(given: str, names: Sequence[str]) -> tuple[str, ...]:
    """Part names of columns that are separated by commas.

    Parameters
    ----------
    given : str
        What the user wrote.
    names : sequence of str
        The columns there are. A name that holds a comma itself is recognised: the longest one that fits is taken.

    Returns
    -------
    tuple of str
        The parts, without blanks around them; a part that is no column as it stands up to the next comma.

    Examples
    --------
    >>> split_names("x, y,z", ["x", "y,z"])
    ('x', 'y,z')
    """
    if given in names:
        return (given,)
    parts, rest = [], given
    while rest:
        rest = rest.strip()
        known = [name for name in names if name and rest.startswith(name)]
        fitting = [name for name in known if rest[len(name) :].lstrip()[:1] in ("", ",")]
        part = max(fitting, key=len) if fitting else rest.partition(",")[0]
        parts.append(part.strip())
        rest = rest[len(part) :].lstrip().removeprefix(",")
    return tuple(parts)


def _named_labels(facts: Sequence[ColumnFacts], request: ColumnRequest, source: str) -> tuple[str, ...]:
    if request.label is None:
        return ()
    labels = split_names(request.label, [fact.name for fact in facts]) or (request.label,)
    repeated = [name for name in labels if labels.count(name) > 1]
    if repeated:
        msg = f"label_column (--label-column) must name each column of {source} once, got {repeated[0]!r} twice"
        raise UsageError(msg)
    return labels


def _check_request(request: ColumnRequest, labels: tuple[str, ...], names: Sequence[str], source: str) -> None:
    if request.image is not None and (request.text is not None or request.pair is not None):
        other, name = ("text", request.text) if request.text is not None else ("pair", request.pair)
        msg = (
            f"give one of {other}_column (--{other}-column) and image_column (--image-column), "
            f"got both {name!r} and {request.image!r}"
        )
        raise UsageError(msg)
    given = [("text", request.text), ("pair", request.pair), ("image", request.image)]
    for option, name in (*given, *(("label", label) for label in labels)):
        if name is not None and name not in names:
            msg = (
                f"{option}_column (--{option}-column) must name a column of {source}, got {name!r}; "
                f"its columns are {listed(names)}"
            )
            raise UsageError(msg)
    if request.pair is not None and request.pair == request.text:
        msg = f"the two texts of {source} must be different columns, got {request.pair!r} for both"
        raise UsageError(msg)
    both = [name for name in labels if name in (request.text, request.image, request.pair)]
    if both:
        msg = f"the samples and the labels of {source} must be different columns, got {both[0]!r} for both"
        raise UsageError(msg)


def _samples(
    free: Sequence[ColumnFacts], request: ColumnRequest, source: str
) -> tuple[str, str | None, Literal["image", "text"], list[str]]:
    """Give the columns of the samples, what they hold, and which of them were guessed."""
    has_label = request.label is not None
    if request.text is not None:
        return request.text, request.pair, "text", []
    if request.image is not None:
        return request.image, None, "image", []
    if request.pair is not None:
        first = guess_first(free, request.pair, has_label, source)
        return first, request.pair, "text", [f"text {first!r}"]
    pair = guess_pair(free, source)
    if pair is not None:
        return *pair, "text", [f"pair {pair[0]!r} and {pair[1]!r}"]
    chosen = guess_sample(free, has_label, source)
    modality: Literal["image", "text"] = "image" if looks_like_image(chosen) else "text"
    return chosen.name, None, modality, [f"{modality} {chosen.name!r}"]
