"""What the feature store holds, and how it is made smaller."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hubscout.errors import StoreError, UsageError
from hubscout.features.durable import is_newer, read_record, store_errors
from hubscout.features.finished import FinishedEntry
from hubscout.features.keys import EntryKey
from hubscout.features.records import META, PROGRESS
from hubscout.features.store import EntryBusyError, FeatureStore

EntryState = Literal["complete", "partial", "damaged", "newer"]


@dataclass(frozen=True)
class CacheEntry:
    """One line of the store's listing.

    Parameters
    ----------
    key : str
        Digest that names the entry.
    path : Path
        Its folder.
    address : str
        Address of the candidate; empty when no record can be read. Untrusted text.
    state : {"complete", "partial", "damaged", "newer"}
        ``partial`` is resumed and ``damaged`` is mended by the next run that needs it; ``newer`` was written
        by a later version of hubscout.
    rows : int
        Rows on the disk.
    n_rows : int
        Rows when complete.
    size_bytes : int
        Of all its files.
    age_seconds : float
        Since it was last written or used, never negative.
    """

    key: str
    path: Path
    address: str
    state: EntryState
    rows: int
    n_rows: int
    size_bytes: int
    age_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**vars(self), "path": str(self.path)}


@dataclass(frozen=True)
class PruneResult:
    """What pruning did.

    Parameters
    ----------
    removed : tuple of CacheEntry
        Entries that are gone.
    in_use : tuple of CacheEntry
        Entries that were to go, but that another process is writing.
    """

    removed: tuple[CacheEntry, ...]
    in_use: tuple[CacheEntry, ...]

    @property
    def freed_bytes(self) -> int:
        """Bytes of the removed entries."""
        return sum(entry.size_bytes for entry in self.removed)


def list_entries(store: FeatureStore, *, verify: bool = False) -> list[CacheEntry]:
    """List what a store holds, last used first.

    Parameters
    ----------
    store : FeatureStore
        The store.
    verify : bool
        Whether to read complete entries in full and hold them against their checksums; without it an entry
        counts as damaged by its records and file sizes alone.

    Returns
    -------
    list of CacheEntry

    Raises
    ------
    StoreError
        When the store cannot be read.

    Examples
    --------
    >>> list_entries(FeatureStore("no/such/folder"))
    []
    """
    now = time.time()
    entries = (_describe(store.directory(key), now, verify=verify) for key in store.entry_keys())
    return sorted((e for e in entries if e is not None), key=lambda e: (e.age_seconds, e.key))


def prune(
    store: FeatureStore,
    *,
    older_than_seconds: float | None = None,
    max_bytes: int | None = None,
    everything: bool = False,
) -> PruneResult:
    """Delete entries of a store.

    Parameters
    ----------
    store : FeatureStore
        The store.
    older_than_seconds : float, optional
        Delete entries that were neither written nor used for so long.
    max_bytes : int, optional
        Then delete those that were not used for longest until the rest fits.
    everything : bool
        Delete all.

    Returns
    -------
    PruneResult

    Raises
    ------
    UsageError
        When no rule is given, or a negative number.
    StoreError
        When an entry cannot be deleted.
    """
    if older_than_seconds is None and max_bytes is None and not everything:
        msg = "prune needs a rule, got none; give an age, a size, or everything=True"
        raise UsageError(msg)
    for name, value in (("older_than_seconds", older_than_seconds), ("max_bytes", max_bytes)):
        if value is not None and not value >= 0:
            msg = f"{name} must be at least 0, got {value}"
            raise UsageError(msg)
    entries = list_entries(store)
    removed, in_use = [], []
    for entry in _chosen(entries, older_than_seconds, max_bytes, everything=everything):
        try:
            _delete(store, entry)
        except EntryBusyError:
            in_use.append(entry)
        else:
            removed.append(entry)
    return PruneResult(tuple(removed), tuple(in_use))


def _chosen(
    entries: Sequence[CacheEntry], age: float | None, max_bytes: int | None, *, everything: bool
) -> list[CacheEntry]:
    if everything:
        return list(entries)
    chosen = [e for e in entries if age is not None and e.age_seconds >= age]
    if max_bytes is not None:
        kept = [e for e in entries if e not in chosen]
        size = sum(e.size_bytes for e in kept)
        while kept and size > max_bytes:
            last = kept.pop()
            size -= last.size_bytes
            chosen.append(last)
    return chosen


def _delete(store: FeatureStore, entry: CacheEntry) -> None:
    with store.lock(entry.key, wait=False) as directory, store_errors(directory):
        # Without its record the entry no longer counts, so a crash half-way leaves nothing that looks whole.
        (directory / META).unlink(missing_ok=True)
        shutil.rmtree(directory)


def _describe(directory: Path, now: float, *, verify: bool) -> CacheEntry | None:
    try:
        stats = [path.stat() for path in directory.iterdir()]
        changed = max([directory.stat().st_mtime, *(stat.st_mtime for stat in stats)])
    except FileNotFoundError:
        # Another process pruned it meanwhile.
        return None
    except OSError as exc:
        msg = f"the entry {str(directory)!r} cannot be read ({type(exc).__name__}); check its permissions"
        raise StoreError(msg) from exc
    meta, progress = read_record(directory / META), read_record(directory / PROGRESS)
    # The record that counts; progress.json stays beside meta.json and names the model if that is damaged.
    record = meta or progress or {}
    return CacheEntry(
        key=directory.name,
        path=directory,
        address=str(record.get("address", "")),
        state=_state(directory, meta, progress, verify=verify),
        rows=_count(record.get("rows")),
        n_rows=_count(record.get("n_rows")),
        size_bytes=sum(stat.st_size for stat in stats),
        age_seconds=max(0.0, now - changed),
    )


def _count(value: object) -> int:
    """Read a number from a record, which may be of a format we do not know."""
    return value if isinstance(value, int) else 0


def _state(
    directory: Path, meta: dict[str, Any] | None, progress: dict[str, Any] | None, *, verify: bool
) -> EntryState:
    if meta is None:
        return "damaged" if progress == {} else "partial"
    if is_newer(meta):
        return "newer"
    if not meta:
        return "damaged"
    facts = dict(meta.get("facts_of_key", {}))
    key = EntryKey(directory.name, facts, int(meta["n_rows"]), str(facts.get("dtype")))
    entry = FinishedEntry.load(directory, key)
    if entry is None or not entry.has_right_sizes() or (verify and entry.damage()):
        return "damaged"
    return "complete"
