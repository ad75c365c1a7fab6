"""Results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import typer
from rich.console import Console, RenderableType

from hubscout._printable import printable
from hubscout.errors import UsageError

# What a shell reports for a program that a closed pipe ended.
_BROKEN_PIPE = 141
_WIDTH_OF_FILES = 120


def prepare() -> None:
    """Let characters that the terminal cannot show be escaped instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def console(stream: TextIO) -> Console:
    """Return a console on which no text is read as markup.

    Colour and width follow the stream: no colour off a terminal or with ``NO_COLOR``; the width is that of the
    terminal, of ``COLUMNS``, or else wide enough for the whole table of a ranking.
    """
    plain = Console(file=stream, markup=False, highlight=False, emoji=False)
    if not plain.is_terminal and "COLUMNS" not in os.environ:
        plain.width = _WIDTH_OF_FILES
    return plain


def show(*parts: RenderableType) -> None:
    """Print a result on stdout."""
    out = console(sys.stdout)
    # Rich has a way of its own to end on a closed pipe: it only lays out here, and `write` writes.
    with out.capture() as captured:
        for part in parts:
            out.print(part)
    write(captured.get())


def write(text: str) -> None:
    """Write text to stdout exactly as it is."""
    with _quiet_pipe():
        sys.stdout.write(text)
        sys.stdout.flush()


def say(lines: str | Iterable[str], *, quiet: bool = False) -> None:
    """Print lines on stderr.

    Parameters
    ----------
    lines : str or iterable of str
        Untrusted text.
    quiet : bool
        Print nothing.
    """
    if quiet:
        return
    for line in [lines] if isinstance(lines, str) else lines:
        sys.stderr.write(printable(line) + "\n")
    sys.stderr.flush()


def check_outputs(**outputs: str | None) -> None:
    """Refuse outputs that could not be written after a long run.

    Parameters
    ----------
    **outputs : str or None
        Option name and its path, or ``-`` for stdout.

    Raises
    ------
    UsageError
        When two of them want stdout, or a folder is missing or not writable.
    """
    if sum(path == "-" for path in outputs.values()) > 1:
        msg = f"only one of {', '.join('--' + name for name in outputs)} may be '-'; give the other a file"
        raise UsageError(msg)
    for name, path in outputs.items():
        if path is None or path == "-":
            continue
        folder = Path(path).parent
        if not folder.is_dir():
            msg = f"--{name} must name a file in a folder that exists, got {path!r}; make the folder first"
            raise UsageError(msg)
        if Path(path).is_dir() or not os.access(folder, os.W_OK):
            msg = f"--{name} must name a file that can be written, got {path!r}"
            raise UsageError(msg)


def deliver(text: str, path: str) -> None:
    """Write a result to a file, or to stdout for ``-``."""
    from hubscout.ranking.serialise import write_text

    if path == "-":
        write(text)
        return
    try:
        write_text(Path(path), text)
    except OSError as error:
        msg = f"the result could not be written to {path!r}: {error.strerror}; name another file"
        raise UsageError(msg) from error


class _quiet_pipe:  # noqa: N801 - reads as a statement
    """End silently when whoever read our output has left."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, BrokenPipeError):
            # The interpreter flushes stdout once more on its way out.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_BROKEN_PIPE) from error
