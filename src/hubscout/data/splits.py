"""Names of splits: which folders or values are splits, and which of them was asked for."""

from __future__ import annotations

from collections.abc import Iterable

from hubscout.errors import UsageError

WITHOUT_SPLITS = "all"
TEST_NOTE = (
    "the samples come from the test split: a model chosen on it looks better there than it is, "
    "so do not report its accuracy on the same split"
)

_ALIASES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def canonical_split(name: str) -> str:
    """Map the usual spellings of a split to one.

    Parameters
    ----------
    name : str
        Such as ``Val`` or ``training``.

    Returns
    -------
    str
        ``train``, ``validation`` or ``test`` for their usual spellings, otherwise the name itself.

    Examples
    --------
    >>> canonical_split("Dev"), canonical_split("fold1")
    ('validation', 'fold1')
    """
    stripped = name.strip()
    return _ALIASES.get(stripped.lower(), stripped)


def is_split_name(name: str) -> bool:
    """Tell whether a folder of this name is read as a split."""
    return name.strip().lower() in _ALIASES


def choose_split(available: Iterable[str], asked: str, source: str) -> tuple[str, ...]:
    """Pick the splits of a source that answer to the asked name.

    Parameters
    ----------
    available : iterable of str
        The names of splits the source has.
    asked : str
        The name the user gave.
    source : str
        How the source is called in messages.

    Returns
    -------
    tuple of str
        Those of `available` with the asked name but for case, or else with the asked canonical name, sorted.

    Raises
    ------
    UsageError
        When there is none.
    """
    names = sorted(available)
    same = tuple(name for name in names if name.strip().lower() == asked.strip().lower())
    chosen = same or tuple(name for name in names if canonical_split(name) == canonical_split(asked))
    if not chosen:
        listed = ", ".join(repr(name) for name in names)
        msg = f"{source} has no split {asked!r}; name one of its splits ({listed}) with split (--split)"
        raise UsageError(msg)
    return chosen


def require_no_split(asked: str, source: str) -> str:
    """Accept the default split for a source without splits.

    Parameters
    ----------
    asked : str
        The name the user gave; ``train`` is the default.
    source : str
        How the source is called in messages.

    Returns
    -------
    str
        ``all``.

    Raises
    ------
    UsageError
        When another split than ``train`` or ``all`` was asked for.
    """
    if canonical_split(asked) not in ("train", WITHOUT_SPLITS):
        msg = f"{source} has no splits, but split={asked!r} was asked for; leave split (--split) out to use all of it"
        raise UsageError(msg)
    return WITHOUT_SPLITS


def split_notes(split: str) -> tuple[str, ...]:
    """Return the sentence that a result on a test split must carry, or nothing."""
    return (TEST_NOTE,) if canonical_split(split) == "test" else ()
