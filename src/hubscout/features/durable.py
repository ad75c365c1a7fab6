"""Writes that survive a crash: whole or not at all, and every failure one sentence.

All writing system calls of the store go through this file, so that tests can make any one of them fail.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubscout.errors import StoreError

_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_BINARY = getattr(os, "O_BINARY", 0)


class ReadOnlyStoreError(StoreError):
    """The store may be read but not written."""


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn operating system errors inside the block into one sentence about ``path``.

    Parameters
    ----------
    path : Path
        The file or folder that is worked on.

    Raises
    ------
    ReadOnlyStoreError
        When permission is denied or the file system is read-only.
    StoreError
        For every other operating system error.
    """
    try:
        yield
    except StoreError:
        raise
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else type(exc).__name__
        if exc.errno in _FULL:
            msg = (
                f"the disk of the feature store is full at {str(path)!r} ({reason}); free space, prune with "
                "`hubscout cache`, or set HUBSCOUT_HOME to a folder on another disk, and run again to resume"
            )
            raise StoreError(msg) from exc
        if exc.errno in _DENIED:
            msg = (
                f"the feature store cannot be written at {str(path)!r} ({reason}); set HUBSCOUT_HOME to a "
                "folder of yours"
            )
            raise ReadOnlyStoreError(msg) from exc
        msg = (
            f"the feature store failed at {str(path)!r} ({reason}); check that folder, or set HUBSCOUT_HOME "
            "to another one, and run again to resume"
        )
        raise StoreError(msg) from exc


def make_private_directory(path: Path) -> None:
    """Create a folder and its missing parents, each readable by its owner alone.

    Parameters
    ----------
    path : Path
        The folder; one that exists keeps its permissions.
    """
    with store_errors(path):
        missing = [p for p in (path, *path.parents) if not p.is_dir()]
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)  # noqa: PTH102 - one module-level name to fail in tests
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def open_for_writing(path: Path) -> int:
    """Open a file for reading and writing, creating it private to its owner.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    int
        The file descriptor; the caller closes it.
    """
    with store_errors(path):
        return os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)


def write_at(fd: int, data: bytes | memoryview, offset: int, path: Path) -> None:
    """Write all of ``data`` at ``offset``.

    Parameters
    ----------
    fd : int
        From `open_for_writing`.
    data : bytes or memoryview
        What to write.
    offset : int
        Byte position in the file.
    path : Path
        Named in errors.
    """
    view = memoryview(data).cast("B")
    with store_errors(path):
        os.lseek(fd, offset, os.SEEK_SET)
        while view:
            # A nearly full disk takes part of the data before it says ENOSPC.
            view = view[os.write(fd, view) :]


def truncate(fd: int, size: int, path: Path) -> None:
    """Cut or extend an open file to ``size`` bytes."""
    with store_errors(path):
        os.ftruncate(fd, size)


def sync(fd: int, path: Path) -> None:
    """Wait until an open file is on the disk."""
    with store_errors(path):
        os.fsync(fd)


def rename(source: Path, destination: Path) -> None:
    """Rename a file over another one, atomically."""
    with store_errors(destination):
        os.replace(source, destination)  # noqa: PTH105


def remove(path: Path) -> None:
    """Delete a file that may be missing."""
    with store_errors(path), contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108


def sync_directory(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where the platform can."""
    with contextlib.suppress(PermissionError, NotImplementedError):  # Windows opens no folder
        fd = os.open(path, os.O_RDONLY)
        try:
            with store_errors(path):
                os.fsync(fd)
        finally:
            os.close(fd)


def canonical_json(value: Any) -> str:
    """Write plain JSON values in the one form that is hashed.

    Parameters
    ----------
    value : object
        Dictionaries with string keys, lists, strings, finite numbers, booleans, None.

    Returns
    -------
    str
        ASCII, sorted keys, no spaces.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [True, None]})
    '{"a":[true,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def write_record(path: Path, value: dict[str, Any]) -> None:
    """Replace a JSON record as a whole; a crash leaves the old one or the new one.

    Parameters
    ----------
    path : Path
        The record.
    value : dict
        Plain JSON values; a checksum is added.
    """
    sealed = {**value, "checksum": hashlib.sha256(canonical_json(value).encode()).hexdigest()}
    temporary = path.with_name(f"{path.name}.tmp")
    fd = open_for_writing(temporary)
    try:
        truncate(fd, 0, temporary)
        write_at(fd, canonical_json(sealed).encode(), 0, temporary)
        sync(fd, temporary)
    finally:
        os.close(fd)
    rename(temporary, path)


def read_record(path: Path) -> dict[str, Any] | None:
    """Read a JSON record.

    Parameters
    ----------
    path : Path
        Written by `write_record`, perhaps damaged since.

    Returns
    -------
    dict or None
        The values; ``{}`` when it is there but cannot be trusted, None when there is none. A record whose
        ``format`` is newer than ours is returned unchecked, as only its writer knows how it is sealed.
    """
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return {}
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    checksum = value.pop("checksum", None)
    try:
        is_whole = checksum == hashlib.sha256(canonical_json(value).encode()).hexdigest()
    except (ValueError, RecursionError):
        is_whole = False
    return value if is_whole or is_newer(value) else {}


STORE_FORMAT = 1


def is_newer(record: dict[str, Any]) -> bool:
    """Tell whether a record was written in a later format than this version reads."""
    version = record.get("format")
    return isinstance(version, int) and version > STORE_FORMAT
