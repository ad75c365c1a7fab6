"""A table of named records with a helpful answer to an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Generic, TypeVar

from hubscout.errors import UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named records, in the order they were registered; a name is given once.

    Parameters
    ----------
    noun : str
        What an entry is called in messages, such as ``score``.

    Examples
    --------
    >>> from hubscout._registry import Registry
    >>> fruit = Registry[int]("fruit")
    >>> fruit.add("apple", 1)
    >>> fruit["aple"]
    Traceback (most recent call last):
    ...
    hubscout.errors.UsageError: unknown fruit 'aple'; did you mean 'apple'? Known: apple
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> None:
        """Register an entry.

        Raises
        ------
        UsageError
            When the name is taken.
        """
        if name in self._entries:
            msg = f"{self._noun} {name!r} is registered already; choose another name"
            raise UsageError(msg)
        self._entries[name] = entry

    def remove(self, name: str) -> None:
        """Take an entry out again, as a test of a plugin does."""
        del self._entries[name]

    def __getitem__(self, name: str) -> T:
        if name in self._entries:
            return self._entries[name]
        close = difflib.get_close_matches(str(name), self._entries, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        msg = f"unknown {self._noun} {name!r}; {hint}Known: {', '.join(self._entries)}"
        raise UsageError(msg)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)
