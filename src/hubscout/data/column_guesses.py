"""Guess which columns hold the samples and the labels; what is not clear is an error that lists the choices."""

from __future__ import annotations

from collections.abc import Sequence

from hubscout.data.column_facts import ColumnFacts
from hubscout.errors import UsageError

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
# First and second text of the pairs that public data sets are made of.
PAIR_NAMES = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"),
    ("question1", "question2"),
    ("question_1", "question_2"),
    ("text1", "text2"),
    ("text_1", "text_2"),
    ("text_a", "text_b"),
    ("question", "sentence"),
    ("question", "passage"),
    ("query", "passage"),
    ("query", "document"),
    ("claim", "evidence"),
)


def guess_pair(free: Sequence[ColumnFacts], source: str) -> tuple[str, str] | None:
    """Guess the two columns of a pair of texts by their names.

    Parameters
    ----------
    free : sequence of ColumnFacts
        The columns that the user did not name.
    source : str
        How the source is called in messages.

    Returns
    -------
    (str, str) or None
        None when no known pair is there, or images are the samples.

    Raises
    ------
    UsageError
        When another pair fits too, or a column that could be the samples alone.
    """
    if any(fact.content == "image" or (fact.name == "file_name" and fact.content == "path") for fact in free):
        return None
    texts = {fact.name.lower(): fact.name for fact in free if fact.content == "text"}
    pairs = [(texts[first], texts[second]) for first, second in PAIR_NAMES if first in texts and second in texts]
    if not pairs:
        return None
    paired = {name for pair in pairs for name in pair}
    rivals = [fact.name for fact in _named(free) if fact.name not in paired]
    if len(pairs) == 1 and not rivals:
        return pairs[0]
    fitting = [f"the pair {first!r} and {second!r}" for first, second in pairs] + [repr(name) for name in rivals]
    msg = (
        f"the columns with the samples of {source} must be the only ones that fit, but {', '.join(fitting)} fit; name "
        "them with text_column (--text-column) and, for pairs of texts, pair_column (--pair-column)"
    )
    raise UsageError(msg)


def guess_first(free: Sequence[ColumnFacts], second: str, has_label: bool, source: str) -> str:
    """Guess the column of the first texts of pairs whose second one was named.

    Parameters
    ----------
    free : sequence of ColumnFacts
        The columns that the user did not name.
    second : str
        The column that was named.
    has_label : bool
        Whether the label column was named.
    source : str
        How the source is called in messages.

    Returns
    -------
    str
        The known partner of `second`, or else the only column that fits.

    Raises
    ------
    UsageError
        When more or less than one column fits.
    """
    texts = {fact.name.lower(): fact.name for fact in free if fact.content == "text"}
    partners = [texts[one] for one, other in PAIR_NAMES if other == second.lower() and one in texts]
    if len(partners) == 1:
        return partners[0]
    return guess_sample([fact for fact in free if fact.content == "text"], has_label, source).name


def guess_sample(free: Sequence[ColumnFacts], has_label: bool, source: str) -> ColumnFacts:
    """Guess the column of the samples.

    Parameters
    ----------
    free : sequence of ColumnFacts
        The columns that the user did not name.
    has_label : bool
        Whether the label column was named.
    source : str
        How the source is called in messages.

    Returns
    -------
    ColumnFacts
        The only column that fits.

    Raises
    ------
    UsageError
        When more or less than one fits.
    """
    # The name that image folders with a metadata file agree on wins over all other names.
    agreed = [fact for fact in free if fact.name == "file_name" and fact.content == "path"]
    typed = [fact for fact in free if fact.content == "image"]
    labels = [] if has_label else [fact for fact in free if fact.name.lower() in LABEL_NAMES]
    strings = [fact for fact in free if fact.content in ("text", "path") and fact not in labels]
    for fitting in (agreed, typed, _named(free), strings):
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            break
    fit = f"{listed([fact.name for fact in fitting])} fit" if fitting else "none fits"
    of = "" if fitting else f" of {listed([fact.name for fact in free])}"
    msg = (
        f"the column with the samples of {source} must be the only one that fits, but {fit}{of}; "
        "name it with text_column (--text-column) or image_column (--image-column)"
    )
    raise UsageError(msg)


def guess_label(rest: Sequence[ColumnFacts], source: str) -> str:
    """Guess the column of the labels.

    Parameters
    ----------
    rest : sequence of ColumnFacts
        The columns that hold no samples.
    source : str
        How the source is called in messages.

    Returns
    -------
    str
        The name of the only column that fits.

    Raises
    ------
    UsageError
        When more or less than one fits.
    """
    typed = [fact for fact in rest if fact.content == "label"]
    named = [fact for fact in rest if fact.name.lower() in LABEL_NAMES]
    known = [fact for fact in rest if fact.name.lower() not in _INDEX_NAMES]
    others = [fact for fact in known if fact.content not in ("list", "other")]
    lists = [fact for fact in known if fact.content == "list"]
    for fitting in (typed, named, others, lists):
        if len(fitting) == 1:
            return fitting[0].name
        if fitting:
            break
    fit = f"{listed([fact.name for fact in fitting])} fit" if fitting else "none fits"
    msg = (
        f"the column with the labels of {source} must be the only one that fits, but {fit}; "
        "name it with label_column (--label-column)"
    )
    raise UsageError(msg)


def looks_like_image(fact: ColumnFacts) -> bool:
    """Tell whether a column holds images or their paths, by content or by name."""
    return fact.content in ("image", "path") or fact.name.lower() in IMAGE_NAMES


def listed(names: Sequence[str]) -> str:
    """List names of columns in a message, the first ten of them."""
    shown = ", ".join(repr(name) for name in names[:10])
    more = len(names) - 10
    return f"{shown} and {more} more" if more > 0 else shown or "none"


def _named(free: Sequence[ColumnFacts]) -> list[ColumnFacts]:
    usual = TEXT_NAMES + IMAGE_NAMES
    return [fact for fact in free if fact.name.lower() in usual and fact.content not in ("number", "list")]
