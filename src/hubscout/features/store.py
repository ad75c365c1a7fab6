"""The feature store: a folder of entries, each named by what its features were made from."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from hubscout.errors import StoreError
from hubscout.features.durable import ReadOnlyStoreError, make_private_directory, store_errors
from hubscout.features.finished import FinishedEntry
from hubscout.features.keys import EntryKey

_KEY = re.compile(r"[0-9a-f]{64}")


class EntryBusyError(StoreError):
    """Another process holds the lock of an entry."""


class FeatureStore:
    """Features on disk, content-addressed, crash-safe, shared by processes.

    Parameters
    ----------
    root : Path or str, optional
        Folder of the store. By default ``$HUBSCOUT_HOME/features``, or the user's cache folder when that
        variable is not set. It is created, private to its owner, when it is first written.

    Notes
    -----
    One folder an entry, ``root/<2 digits>/<key>/``: the arrays as raw ``.npy`` files, ``progress.json`` with
    a CRC-32 for each 1024 rows, and ``meta.json``, which is written last and makes the entry count. A lock
    beside each folder, kept by the operating system for living processes only, lets one process write.

    Examples
    --------
    >>> FeatureStore("some/folder").directory("ab" * 32).as_posix()
    'some/folder/ab/abab...ab'
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = default_root() if root is None else Path(root)

    def directory(self, key: str) -> Path:
        """Give the folder of an entry, whether it exists or not.

        Parameters
        ----------
        key : str
            Digest of the entry's key.

        Returns
        -------
        Path
        """
        return self.root / key[:2] / key

    def entry_keys(self) -> list[str]:
        """List the keys of all entries, complete or not, in order."""
        if not self.root.is_dir():
            return []
        with store_errors(self.root):
            folders = [folder for shelf in self.root.iterdir() if shelf.is_dir() for folder in shelf.iterdir()]
        return sorted(
            folder.name
            for folder in folders
            if _KEY.fullmatch(folder.name)
            and folder.parent.name == folder.name[:2]
            and folder.is_dir()
            and not folder.is_symlink()
        )

    def read(self, key: EntryKey) -> FinishedEntry | None:
        """Open a complete entry after verifying all its bytes.

        Parameters
        ----------
        key : EntryKey
            Of the entry.

        Returns
        -------
        FinishedEntry or None
            None when it is missing, unfinished or damaged; the next writer resumes or mends it.

        Raises
        ------
        StoreError
            When a newer hubscout wrote the entry.
        """
        entry = FinishedEntry.load(self.directory(key.digest), key)
        return None if entry is None or entry.damage() else entry

    @contextlib.contextmanager
    def lock(self, key: str, *, wait: bool = True, on_wait: Callable[[], None] | None = None) -> Iterator[Path]:
        """Hold the right to write one entry.

        Parameters
        ----------
        key : str
            Digest of the entry's key.
        wait : bool
            Whether to wait for another process that writes it.
        on_wait : callable, optional
            Called once when there is something to wait for.

        Yields
        ------
        Path
            The entry's folder, which exists.

        Raises
        ------
        ReadOnlyStoreError
            When the store cannot be written.
        EntryBusyError
            When another process writes the entry and ``wait`` is false.
        StoreError
            When the store fails otherwise.
        """
        from filelock import FileLock, Timeout

        directory = self.directory(key)
        make_private_directory(directory.parent)
        lock = FileLock(directory.with_name(f"{key}.lock"), mode=0o600)
        with contextlib.ExitStack() as stack:
            with store_errors(directory.parent):
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    if not wait:
                        msg = f"another process writes the entry {key}; wait for it to end and try again"
                        raise EntryBusyError(msg) from None
                    if on_wait is not None:
                        on_wait()
                    lock.acquire(poll_interval=0.1)
            stack.callback(lock.release)
            make_private_directory(directory)
            if not os.access(directory, os.W_OK | os.X_OK):
                msg = (
                    f"the feature store cannot be written at {str(directory)!r}; set HUBSCOUT_HOME to a folder of yours"
                )
                raise ReadOnlyStoreError(msg)
            yield directory


def default_root() -> Path:
    """Give the store's folder that the environment asks for.

    Returns
    -------
    Path
        ``$HUBSCOUT_HOME/features``, or ``features`` in the user's cache folder.
    """
    home = os.environ.get("HUBSCOUT_HOME")
    if home:
        return Path(home).expanduser() / "features"
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("hubscout")) / "features"


@contextlib.contextmanager
def temporary_store() -> Iterator[FeatureStore]:
    """Lend a store that is deleted on leaving; arrays mapped from it stay readable.

    Yields
    ------
    FeatureStore
        In the system's folder for temporary files.

    Raises
    ------
    StoreError
        When there is no such folder that can be written.
    """
    try:
        root = tempfile.mkdtemp(prefix="hubscout-")
    except OSError as exc:
        msg = (
            f"neither the feature store nor a temporary folder can be written ({type(exc).__name__}); set "
            "HUBSCOUT_HOME to a folder of yours"
        )
        raise StoreError(msg) from exc
    try:
        yield FeatureStore(Path(root) / "features")
    finally:
        shutil.rmtree(root, ignore_errors=True)
