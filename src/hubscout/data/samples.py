"""Collections of inputs that hold paths or texts, never pixels, and travel to other processes."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from hubscout._typing import IntArray
from hubscout.data.images import check_image, decode_image
from hubscout.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

MAX_FILE_BYTES = 512 * 1024 * 1024


@runtime_checkable
class CheckedSamples(Protocol):
    """Samples that can be checked for less than the cost of decoding them."""

    def check(self, index: int) -> bytes:
        """Return `content` of a sample that decodes; raise DataError with one phrase otherwise."""
        ...


class EncodedImages:
    """Samples that are whole image files, wherever a subclass reads their bytes."""

    def __getitem__(self, index: int) -> Image.Image:
        """Decode one image to RGB."""
        try:
            return decode_image(self._read(index))
        except DataError as error:
            raise named_error(self.name(index), error) from None

    def content(self, index: int) -> bytes:
        """Return the bytes of one file."""
        try:
            return self._read(index)
        except DataError as error:
            raise named_error(self.name(index), error) from None

    def check(self, index: int) -> bytes:
        """Return the bytes of one file that decodes."""
        content = self._read(index)
        check_image(content)
        return content

    def name(self, index: int) -> str:
        """Say where one image stands."""
        raise NotImplementedError

    def _read(self, index: int) -> bytes:
        raise NotImplementedError


@dataclass(frozen=True)
class ImageFiles(EncodedImages):
    """Image files below one folder.

    Parameters
    ----------
    root : Path
        The folder; nothing outside of it is ever read, whatever links or dots the paths hold.
    paths : tuple of str
        Relative to `root`.
    """

    root: Path
    paths: tuple[str, ...]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.paths)

    def name(self, index: int) -> str:
        """Return the path relative to the root."""
        return self.paths[index]

    def subset(self, rows: IntArray) -> ImageFiles:
        """Keep the given positions, in the given order."""
        return ImageFiles(self.root, pick(self.paths, rows))

    def _read(self, index: int) -> bytes:
        return read_below(self.root, self.paths[index])


@dataclass(frozen=True)
class Texts:
    """Texts in memory.

    Parameters
    ----------
    texts : tuple of str
        None of them empty.
    rows : tuple of int
        The row of each in its source, from 1.
    """

    texts: tuple[str, ...]
    rows: tuple[int, ...]

    def __len__(self) -> int:
        """Count the texts."""
        return len(self.texts)

    def __getitem__(self, index: int) -> str:
        """Return one text."""
        return self.texts[index]

    def content(self, index: int) -> bytes:
        """Return one text in UTF-8."""
        return self.texts[index].encode()

    def name(self, index: int) -> str:
        """Return ``row 17``."""
        return f"row {self.rows[index]}"

    def subset(self, rows: IntArray) -> Texts:
        """Keep the given positions, in the given order."""
        return Texts(pick(self.texts, rows), pick(self.rows, rows))


@dataclass(frozen=True)
class RowNumbers:
    """Positions only: the samples of a target whose candidates bring their own features.

    ``samples[i]`` is the position, from 0, of the sample's row in the arrays that the user has; it differs
    from ``i`` where rows without a label were left out.

    Parameters
    ----------
    positions : tuple of int
        Position in the source's arrays, from 0.
    """

    positions: tuple[int, ...]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.positions)

    def __getitem__(self, index: int) -> int:
        """Return one position."""
        return self.positions[index]

    def content(self, index: int) -> bytes:
        """Return one position as eight bytes."""
        return self.positions[index].to_bytes(8, "little")

    def name(self, index: int) -> str:
        """Return ``row 17``, counted from 1."""
        return f"row {self.positions[index] + 1}"

    def subset(self, rows: IntArray) -> RowNumbers:
        """Keep the given positions, in the given order."""
        return RowNumbers(pick(self.positions, rows))


def pick(items: Sequence[Any], rows: IntArray) -> tuple[Any, ...]:
    """Take the items at the given positions, in the given order."""
    return tuple(items[row] for row in np.asarray(rows).tolist())


def named_error(name: str, error: DataError) -> DataError:
    """Turn the phrase of a fault into the sentence that says which sample has it."""
    return DataError(f"sample {name!r} cannot be used: {error}")


def text_problem(value: object) -> str | None:
    """Say why a value cannot be used as a text, or None when it can.

    Parameters
    ----------
    value : object
        What the source holds.

    Returns
    -------
    str or None
        One phrase.

    Examples
    --------
    >>> text_problem("  "), text_problem(3.5), text_problem("fine")
    ('text is empty', 'text is of type float, not a string', None)
    """
    if value is None or (isinstance(value, float) and value != value):
        return "text is missing"
    if not isinstance(value, str):
        return f"text is of type {type(value).__name__}, not a string"
    if not value.strip():
        return "text is empty"
    if "\0" in value:
        return "text holds a NUL character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "text holds half of a surrogate pair"
    return None


def read_below(root: Path, relative: str) -> bytes:
    """Read a file that must lie below a folder when all links are followed.

    Parameters
    ----------
    root : Path
        The folder.
    relative : str
        The path below it. Untrusted.

    Returns
    -------
    bytes
        The whole file.

    Raises
    ------
    DataError
        With one phrase: the file is absent, unreadable, outside of the folder, not a regular file, or too
        large.
    """
    try:
        real_root = os.path.realpath(root)
        real = os.path.realpath(f"{real_root}{os.sep}{relative}")
        if os.path.commonpath([real, real_root]) != real_root:
            msg = "path leads out of the folder"
            raise DataError(msg)
        return _read_regular(real)
    except OSError as error:
        absent = isinstance(error, FileNotFoundError)
        msg = "file does not exist" if absent else f"file cannot be read ({error.strerror})"
        raise DataError(msg) from None
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        msg = "path is not valid"
        raise DataError(msg) from None


def _read_regular(path: str) -> bytes:
    # Non-blocking, so that a named pipe that lies among the images is refused instead of waited for.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            msg = "not a regular file"
            raise DataError(msg)
        if facts.st_size > MAX_FILE_BYTES:
            msg = f"file is larger than {MAX_FILE_BYTES // 1024**2} MB"
            raise DataError(msg)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)
