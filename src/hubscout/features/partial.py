"""A store entry while it is written: rows are appended in order and committed now and then."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy.typing as npt

from hubscout.features import durable
from hubscout.features.keys import EntryKey
from hubscout.features.layout import (
    BLOCK_ROWS,
    ArrayLayout,
    damaged_blocks,
    extend_checksums,
    header_is_whole,
)
from hubscout.features.records import ARRAY_NAMES, META, PROGRESS, EntryRecord, RunFacts, read_entry_record


class PartialEntry:
    """The writing side of one store entry.

    Opening it resumes: rows that an earlier run committed and that still have their checksums are kept, the
    rest is cut off. Files only ever grow by written rows, so a crash never leaves zeros that look like rows.

    Parameters
    ----------
    directory : Path
        Folder of the entry; the caller holds its lock.
    key : EntryKey
        Of the entry.

    Attributes
    ----------
    committed : int
        Rows that a crash would leave.
    lost_rows : int
        Committed rows that turned out damaged and must be computed again.
    layouts : dict of str to ArrayLayout
        Of the arrays; empty before the first rows.
    facts : RunFacts
        Of all runs so far.

    Raises
    ------
    StoreError
        When the folder cannot be read or written.
    """

    def __init__(self, directory: Path, key: EntryKey) -> None:
        self.directory = directory
        self.key = key
        self.layouts: dict[str, ArrayLayout] = {}
        self.facts = RunFacts()
        self.lost_rows = 0
        self.committed = 0
        # Rows and checksums change together, in one assignment, so that Ctrl-C cannot part them.
        self._state: tuple[int, dict[str, tuple[int, ...]]] = (0, {})
        self._files: dict[str, int] = {}
        try:
            self._resume()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> PartialEntry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def rows(self) -> int:
        """Rows appended so far, including the resumed ones."""
        return self._state[0]

    def append(self, features: npt.NDArray[Any], logits: npt.NDArray[Any] | None) -> None:
        """Write the next rows.

        Parameters
        ----------
        features : ndarray of shape (b, n_features)
            In the entry's precision.
        logits : ndarray of shape (b, source_classes), float32, or None
            Of the same width, or None, at every call.
        """
        arrays = {"features": features} if logits is None else {"features": features, "logits": logits}
        if not self._files:
            self.layouts = {
                name: ArrayLayout(name, self._dtype(name), self.key.n_rows, int(array.shape[1]))
                for name, array in arrays.items()
            }
            self._open_files()
        rows, checksums = self._state
        extended = dict(checksums)
        for name, array in arrays.items():
            layout = self.layouts[name]
            data = layout.pack(array)
            durable.write_at(self._files[name], data, layout.offset(rows), self.directory / layout.part_name)
            extended[name] = extend_checksums(checksums.get(name, ()), rows, data, layout)
        self._state = (rows + len(features), extended)

    def commit(self) -> None:
        """Make all appended rows survive a crash."""
        if not self._files:
            return
        rows, checksums = self._state
        for name, fd in self._files.items():
            durable.sync(fd, self.directory / self.layouts[name].part_name)
        record = EntryRecord(rows, self.layouts, checksums, self.facts)
        record.write(self.directory / PROGRESS, self.key)
        self.committed = rows

    def finish(self, card: Mapping[str, Any]) -> None:
        """Turn the entry, all of whose rows are written, into a complete one.

        Parameters
        ----------
        card : dict
            The candidate's card, as plain JSON values.
        """
        self.commit()
        self.close()
        for layout in self.layouts.values():
            durable.rename(self.directory / layout.part_name, self.directory / layout.file_name)
        rows, checksums = self._state
        # This record is written last: without it the entry counts as unfinished.
        record = EntryRecord(rows, self.layouts, checksums, self.facts, dict(card))
        record.write(self.directory / META, self.key)
        durable.sync_directory(self.directory)

    def abandon(self) -> None:
        """Give back the space of uncommitted rows after a failed write, as far as the disk lets us."""
        for name, fd in self._files.items():
            with contextlib.suppress(OSError):
                durable.truncate(fd, self.layouts[name].offset(self.committed), self.directory)
        for name in (PROGRESS, META):
            with contextlib.suppress(OSError):
                durable.remove(self.directory / f"{name}.tmp")

    def close(self) -> None:
        """Close the files; what is committed stays."""
        files, self._files = self._files, {}
        for fd in files.values():
            os.close(fd)

    def _dtype(self, name: str) -> str:
        return self.key.dtype if name == "features" else "float32"

    def _resume(self) -> None:
        record = read_entry_record(self.directory / PROGRESS, self.key)
        if record is None:
            self._start_over()
            return
        self.layouts, self.facts = record.layouts, record.facts
        # A crash between the renames of `finish` leaves some arrays under their final names.
        for layout in self.layouts.values():
            final, part = self.directory / layout.file_name, self.directory / layout.part_name
            if final.exists() and not part.exists():
                durable.rename(final, part)
        kept, checksums = self._whole_rows(record), record.checksums
        self.lost_rows = record.rows - kept
        if self.lost_rows:
            checksums = {name: blocks[: kept // BLOCK_ROWS] for name, blocks in checksums.items()}
        self._state = (kept, checksums)
        self.committed = kept
        self._open_files()

    def _whole_rows(self, record: EntryRecord) -> int:
        kept = record.rows
        for name, layout in self.layouts.items():
            path = self.directory / layout.part_name
            for block in damaged_blocks(path, layout, record.checksums[name], record.rows):
                kept = min(kept, layout.block(block)[0])
        return kept

    def _open_files(self) -> None:
        for name, layout in self.layouts.items():
            path = self.directory / layout.part_name
            self._files[name] = fd = durable.open_for_writing(path)
            durable.truncate(fd, layout.offset(self.rows), path)
            if not header_is_whole(path, layout):
                durable.write_at(fd, layout.header, 0, path)

    def _start_over(self) -> None:
        for name in (META, PROGRESS):
            durable.remove(self.directory / name)
        for name in ARRAY_NAMES:
            durable.remove(self.directory / f"{name}.npy")
            durable.remove(self.directory / f"{name}.npy.part")
