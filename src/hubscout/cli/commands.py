"""What our commands add to typer's: options that take several values at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from typer.core import TyperCommand


class ManyValuesCommand(TyperCommand):
    """A command in which ``--models a b c`` means ``--models a --models b --models c``."""

    many: ClassVar[tuple[str, ...]] = ("--models", "-m")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each further value, then parse as ever."""
        return super().parse_args(ctx, repeat_option(args, self.many))


def repeat_option(args: Sequence[str], options: Sequence[str]) -> list[str]:
    """Write out options that are followed by several values.

    Parameters
    ----------
    args : sequence of str
        The words of the command line.
    options : sequence of str
        Options that take all words up to the next option.

    Returns
    -------
    list of str

    Examples
    --------
    >>> repeat_option(["data", "--models", "a", "b", "--seed", "1"], ["--models"])
    ['data', '--models', 'a', '--models', 'b', '--seed', '1']
    """
    result: list[str] = []
    option: str | None = None
    n_values = 0
    for place, word in enumerate(args):
        if word == "--":
            return [*result, *args[place:]]
        if word in options:
            option, n_values = word, 0
            result.append(word)
        elif word.startswith("-") and word != "-":
            option = None
            result.append(word)
        else:
            if option is not None and n_values > 0:
                result.append(option)
            n_values += 1
            result.append(word)
    return result
