"""Checkpoints that survive kill -9: whole, checked before they are used, replaced only by their successor."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from hubscout.features.durable import (
    make_private_directory,
    read_record,
    remove,
    rename,
    store_errors,
    sync,
    write_record,
)

_FORMAT = 1
_PROGRESS, _RESULT = "progress.json", "result.json"
_BLOCK = 1 << 20


class RunFolder:
    """The folder of one run: its newest checkpoint, or its result.

    Parameters
    ----------
    path : Path
        Made when it is first written.

    Notes
    -----
    ``progress.json`` names the newest checkpoint with its SHA-256, and is replaced as a whole once that file is on
    the disk; a crash between leaves the one before. ``result.json`` is written when the run is over, and the
    checkpoint is deleted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def result(self) -> dict[str, Any] | None:
        """Return the result of a run that is over, else None."""
        record = read_record(self.path / _RESULT)
        return record if record and record.get("format") == _FORMAT else None

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result, then delete the checkpoint."""
        make_private_directory(self.path)
        write_record(self.path / _RESULT, {"format": _FORMAT, **result})
        remove(self.path / _PROGRESS)
        self._remove_but(None)

    def save(self, state: dict[str, Any], facts: dict[str, Any]) -> None:
        """Replace the checkpoint.

        Parameters
        ----------
        state : dict
            Tensors and plain values.
        facts : dict
            Plain JSON values, kept readable.
        """
        import torch

        make_private_directory(self.path)
        temporary = self.path / "checkpoint.tmp"
        with store_errors(temporary), temporary.open("wb") as handle:
            hashing = _Hashing(handle)
            torch.save(state, hashing)
            handle.flush()
            sync(handle.fileno(), temporary)
        digest = hashing.digest.hexdigest()
        name = f"checkpoint-{digest[:16]}.pt"
        rename(temporary, self.path / name)
        write_record(self.path / _PROGRESS, {"format": _FORMAT, "file": name, "sha256": digest, **facts})
        self._remove_but(name)

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return state and facts of the newest checkpoint, or None when there is none that can be trusted."""
        import torch

        facts = read_record(self.path / _PROGRESS)
        if not facts or facts.get("format") != _FORMAT:
            return None
        path = self.path / Path(str(facts["file"])).name
        if _file_digest(path) != facts["sha256"]:
            return None
        try:
            # Tensors and plain values only: nothing in a file may run.
            return torch.load(path, map_location="cpu", weights_only=True), facts
        except pickle.UnpicklingError:
            return None

    def _remove_but(self, name: str | None) -> None:
        for path in [*self.path.glob("checkpoint-*.pt"), self.path / "checkpoint.tmp"]:
            if path.name != name:
                remove(path)


class _Hashing:
    """A file that digests what is written to it."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        """Write and digest."""
        self.digest.update(data)
        return self._handle.write(data)

    def flush(self) -> None:
        """Hand on what is buffered."""
        self._handle.flush()


def _file_digest(path: Path) -> str | None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the right to write one run, waiting for another process that does.

    Parameters
    ----------
    path : Path
        Folder of the run.
    """
    from filelock import FileLock

    make_private_directory(path.parent)
    lock = FileLock(path.with_name(f"{path.name}.lock"), mode=0o600)
    with store_errors(path):
        lock.acquire(poll_interval=0.1)
    try:
        yield
    finally:
        lock.release()


def default_home() -> Path:
    """Give the folder for fine-tuning that the environment asks for.

    Returns
    -------
    Path
        ``$HUBSCOUT_HOME``, or the user's cache folder of hubscout.
    """
    home = os.environ.get("HUBSCOUT_HOME")
    if home:
        return Path(home).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("hubscout"))
