"""Files that lie below one folder, whatever an annotation file says about where they lie."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hubscout.data.ordering import natural_key
from hubscout.data.samples import text_problem
from hubscout.errors import DataError

# What file managers and archivers leave behind; nobody's data.
_LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")


@contextmanager
def open_below(root: Path, relative: str) -> Iterator[IO[bytes]]:
    """Open a file that must lie below a folder when all links are followed.

    Parameters
    ----------
    root : Path
        The folder.
    relative : str
        The path below it. Untrusted.

    Yields
    ------
    file
        Open for reading, so that a header can be read without the rest.

    Raises
    ------
    DataError
        With one phrase: the file is absent, unreadable, outside of the folder, or not a regular file.
    """
    try:
        real_root = os.path.realpath(root)
        real = os.path.realpath(f"{real_root}{os.sep}{relative}")
        if os.path.commonpath([real, real_root]) != real_root:
            msg = "path leads out of the folder"
            raise DataError(msg)
        # Non-blocking, so that a named pipe among the files is refused instead of waited for.
        descriptor = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        absent = isinstance(error, FileNotFoundError)
        msg = "file does not exist" if absent else f"file cannot be read ({error.strerror})"
        raise DataError(msg) from None
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        msg = "path is not valid"
        raise DataError(msg) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            msg = "not a regular file"
            raise DataError(msg)
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def bytes_below(root: Path, relative: str, limit: int) -> bytes:
    """Read a file below a folder that may have at most `limit` bytes.

    Parameters
    ----------
    root : Path
        The folder.
    relative : str
        The path below it. Untrusted.
    limit : int
        The most bytes it may have.

    Returns
    -------
    bytes
        The whole file.

    Raises
    ------
    DataError
        With one phrase.
    """
    with open_below(root, relative) as file:
        try:
            content = file.read(limit + 1)
        except OSError as error:
            msg = f"file cannot be read ({error.strerror})"
            raise DataError(msg) from None
    if len(content) > limit:
        msg = f"file is larger than {limit // 1024**2} MB"
        raise DataError(msg)
    return content


def text_below(root: Path, relative: str, limit: int) -> str:
    """Read a UTF-8 text below a folder, with or without a byte order mark.

    Parameters
    ----------
    root, relative, limit
        As in `bytes_below`.

    Returns
    -------
    str
        The whole text.

    Raises
    ------
    DataError
        With one phrase.
    """
    try:
        return bytes_below(root, relative, limit).decode("utf-8-sig")
    except UnicodeDecodeError:
        msg = "file is not UTF-8 text"
        raise DataError(msg) from None


def relative_path(value: object) -> str:
    r"""Settle the dots of a path that an annotation file names.

    Parameters
    ----------
    value : object
        What the file holds. Untrusted.

    Returns
    -------
    str
        A path with forward slashes; links in it are followed, and judged, when it is opened.

    Raises
    ------
    DataError
        With one phrase.

    Examples
    --------
    >>> relative_path("./train/../photos/a.jpg"), relative_path(r"photos\a.jpg")
    ('photos/a.jpg', 'photos/a.jpg')
    """
    if (reason := text_problem(value)) is not None:
        raise DataError(f"file name {reason.removeprefix('text ')}")
    # Backslashes are how programs under Windows write the same path.
    path = posixpath.normpath(str(value).strip().replace("\\", "/"))
    if path.startswith("/") or path.split("/", 1)[0] in ("..", "."):
        msg = "file name leads out of the folder"
        raise DataError(msg)
    return path


def files_below(root: Path, folder: str, suffixes: tuple[str, ...], *, deep: bool = True) -> list[str]:
    """List the files of a folder by their suffixes.

    Parameters
    ----------
    root : Path
        The folder that paths are relative to.
    folder : str
        The folder below it that is listed; nothing where it does not exist, or leads out by a link.
    suffixes : tuple of str
        In lower case, with their dots.
    deep : bool
        Whether folders in it are listed too. Links to folders are never followed: they can lead in circles.

    Returns
    -------
    list of str
        Paths relative to `root`, with forward slashes, in natural order.

    Raises
    ------
    DataError
        When a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            msg = f"the folder {folder!r} must be readable, got {error.strerror!r}; change its permissions"
            raise DataError(msg)

    found: list[str] = []
    top = str(root / folder)
    if not Path(os.path.realpath(top)).is_relative_to(os.path.realpath(root)):
        return found
    for place, inner, names in os.walk(top, onerror=refuse):
        inner[:] = [name for name in inner if deep and is_seen(name)]
        start = Path(os.path.relpath(place, root)).as_posix()
        prefix = "" if start == "." else f"{start}/"
        found += [f"{prefix}{name}" for name in names if is_seen(name) and name.lower().endswith(suffixes)]
    return sorted(found, key=natural_key)


def holds_file(root: Path, folder: str, suffixes: tuple[str, ...]) -> bool:
    """Tell whether a folder itself holds a file of one of the suffixes; False where it cannot be read."""
    try:
        with os.scandir(root / folder) as entries:
            return any(is_seen(entry.name) and entry.name.lower().endswith(suffixes) for entry in entries)
    except OSError:
        return False


def folders_below(root: Path, folder: str = "") -> list[str]:
    """List the names of the folders in a folder, in natural order; none where it cannot be read."""
    try:
        with os.scandir(root / folder) as entries:
            names = [entry.name for entry in entries if is_seen(entry.name) and entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(names, key=natural_key)


def is_seen(name: str) -> bool:
    """Tell whether a file or folder of this name is looked at: neither hidden nor litter."""
    return not name.startswith(".") and name not in _LITTER
