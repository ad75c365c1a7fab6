"""Which list column of a table holds the words and which their tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubscout.data.column_guesses import listed
from hubscout.data.columns import ColumnRequest
from hubscout.errors import UsageError

WORD_NAMES = ("tokens", "words")
TAG_NAMES = ("tags", "labels", "ner_tags", "pos_tags", "chunk_tags", "upos", "xpos", "ner", "pos", "label")


@dataclass(frozen=True)
class TokenColumns:
    """The chosen columns.

    Parameters
    ----------
    words, tags : str
        Their names.
    notes : tuple of str
        What was guessed.
    """

    words: str
    tags: str
    notes: tuple[str, ...] = ()


def has_token_columns(lists: Sequence[str]) -> bool:
    """Tell whether columns of lists look like words with tags, so that the kind can be inferred.

    Parameters
    ----------
    lists : sequence of str
        The names of all columns that hold lists.

    Returns
    -------
    bool
        Whether one of them is named like words and another one like tags.

    Examples
    --------
    >>> has_token_columns(["tokens", "ner_tags"]), has_token_columns(["labels"])
    (True, False)
    """
    lowered = [name.lower() for name in lists]
    return any(name in WORD_NAMES for name in lowered) and any(name in TAG_NAMES for name in lowered)


def choose_token_columns(
    lists: Sequence[str], request: ColumnRequest, source: str, *, typed: Sequence[str] = ()
) -> TokenColumns:
    """Choose the column of words and the column of tags.

    Parameters
    ----------
    lists : sequence of str
        The names of all columns that hold lists.
    request : ColumnRequest
        What the user named: the words as text, the tags as label.
    source : str
        How the source is called in messages.
    typed : sequence of str
        Those of `lists` whose items are typed as classes.

    Returns
    -------
    TokenColumns
        The choice, with a note for what was guessed.

    Raises
    ------
    UsageError
        When a named column holds no lists, or more or less than one column fits.

    Examples
    --------
    >>> choose_token_columns(["tokens", "ner_tags"], ColumnRequest(), "'x.jsonl'").notes
    ("columns guessed: text 'tokens', label 'ner_tags'",)
    """
    if request.image is not None:
        msg = (
            f"image_column (--image-column) does not fit the words of {source}, got {request.image!r}; name the words "
            "with text_column (--text-column)"
        )
        raise UsageError(msg)
    if request.pair is not None:
        msg = f"pair_column (--pair-column) does not fit the words of {source}, got {request.pair!r}; leave it out"
        raise UsageError(msg)
    for option, name in (("text", request.text), ("label", request.label)):
        if name is not None and name not in lists:
            msg = (
                f"{option}_column (--{option}-column) must name a column of lists of {source}, got {name!r}; its "
                f"columns of lists are {listed(lists)}"
            )
            raise UsageError(msg)
    if request.label is not None and request.label == request.text:
        msg = f"the words and the tags of {source} must be different columns, got {request.label!r} for both"
        raise UsageError(msg)
    free = [name for name in lists if name not in (request.text, request.label)]
    untagged = [name for name in free if name not in typed and name.lower() not in TAG_NAMES]
    words = request.text or _only(untagged, WORD_NAMES, (), f"the words of {source}", "text")
    free = [name for name in free if name != words]
    tags = request.label or _only(free, TAG_NAMES, typed, f"the tags of {source}", "label")
    guesses = [
        f"{option} {name!r}"
        for option, name, given in (("text", words, request.text), ("label", tags, request.label))
        if given is None
    ]
    return TokenColumns(words, tags, (f"columns guessed: {', '.join(guesses)}",) if guesses else ())


def _only(free: Sequence[str], names: Sequence[str], typed: Sequence[str], what: str, option: str) -> str:
    """Choose the only column that is typed, else the only one of a usual name, else the only one."""
    fitting: list[str] = []
    for fitting in (
        [name for name in free if name in typed],
        [name for name in free if name.lower() in names],
        list(free),
    ):
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            break
    fit = f"{listed(fitting)} fit" if fitting else "none fits"
    msg = (
        f"the column with {what} must be the only column of lists that fits, but {fit}; "
        f"name it with {option}_column (--{option}-column)"
    )
    raise UsageError(msg)
