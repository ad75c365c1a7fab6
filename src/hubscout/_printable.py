"""Text that came from outside, made harmless for a terminal."""

from __future__ import annotations


def printable(text: object) -> str:
    r"""Show control and format characters as escapes, so that names cannot drive a terminal.

    Parameters
    ----------
    text : object
        Anything; its ``str()`` is shown.

    Returns
    -------
    str
        One line. Every character that Python does not call printable (ANSI escapes, line breaks,
        text-direction overrides, lone surrogates) is written as its escape.

    Examples
    --------
    >>> printable("evil\x1b[2J\nname")
    'evil\\x1b[2J\\nname'
    >>> printable("Übermut")
    'Übermut'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )
