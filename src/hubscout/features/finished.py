"""A complete store entry: verified on every read, mended in place, memory-mapped."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import StoreError
from hubscout.features import durable
from hubscout.features.keys import EntryKey
from hubscout.features.layout import HEADER_BYTES, block_checksum, damaged_blocks, file_size, header_is_whole
from hubscout.features.records import META, EntryRecord, read_entry_record


@dataclass(frozen=True)
class Damage:
    """What is wrong with the files of a complete entry.

    Parameters
    ----------
    blocks : tuple of int
        Blocks of rows that are not what was written, in any array.
    frame : bool
        Whether a header is damaged or a file has the wrong length.
    """

    blocks: tuple[int, ...] = ()
    frame: bool = False

    def __bool__(self) -> bool:
        return bool(self.blocks) or self.frame


class FinishedEntry:
    """The reading side of one store entry.

    Parameters
    ----------
    directory : Path
        Folder of the entry.
    key : EntryKey
        Of the entry.
    record : EntryRecord
        From its ``meta.json``.
    """

    def __init__(self, directory: Path, key: EntryKey, record: EntryRecord) -> None:
        self.directory = directory
        self.key = key
        self.record = record

    @classmethod
    def load(cls, directory: Path, key: EntryKey) -> FinishedEntry | None:
        """Open an entry; None when it is missing, unfinished, or its record is damaged.

        Parameters
        ----------
        directory : Path
            Folder of the entry.
        key : EntryKey
            Of the entry.

        Returns
        -------
        FinishedEntry or None

        Raises
        ------
        StoreError
            When a newer hubscout wrote the entry.
        """
        record = read_entry_record(directory / META, key)
        return None if record is None else cls(directory, key, record)

    def damage(self) -> Damage:
        """Read all files once and compare them with their checksums.

        Returns
        -------
        Damage
            False in a condition when the entry is whole.
        """
        blocks: set[int] = set()
        frame = not self.has_right_sizes()
        for name, layout in self.record.layouts.items():
            path = self.directory / layout.file_name
            blocks.update(damaged_blocks(path, layout, self.record.checksums[name], self.key.n_rows))
            frame |= not header_is_whole(path, layout)
        return Damage(tuple(sorted(blocks)), frame)

    def has_right_sizes(self) -> bool:
        """Tell, without reading them, whether the files are as long as they should be."""
        return all(
            file_size(self.directory / layout.file_name) == layout.size_bytes for layout in self.record.layouts.values()
        )

    def rows_of(self, blocks: Sequence[int]) -> list[tuple[int, int]]:
        """Give the row bounds of blocks."""
        layout = self.record.layouts["features"]
        return [layout.block(block) for block in blocks]

    def mend_frame(self) -> None:
        """Rewrite the headers and give the files their lengths; what is missing still fails its checksum."""
        for layout in self.record.layouts.values():
            path = self.directory / layout.file_name
            fd = durable.open_for_writing(path)
            try:
                durable.truncate(fd, layout.size_bytes, path)
                durable.write_at(fd, layout.header, 0, path)
                durable.sync(fd, path)
            finally:
                os.close(fd)

    def overwrite(self, begin: int, features: npt.NDArray[Any], logits: npt.NDArray[Any] | None) -> None:
        """Write rows over damaged ones.

        Parameters
        ----------
        begin : int
            First row.
        features : ndarray of shape (b, n_features)
            Computed again.
        logits : ndarray of shape (b, source_classes) or None
            Computed again.
        """
        for name, array in (("features", features), ("logits", logits)):
            if array is None or name not in self.record.layouts:
                continue
            layout = self.record.layouts[name]
            path = self.directory / layout.file_name
            fd = durable.open_for_writing(path)
            try:
                durable.write_at(fd, layout.pack(array), layout.offset(begin), path)
                durable.sync(fd, path)
            finally:
                os.close(fd)

    def accept(self, blocks: Collection[int], card: Mapping[str, Any]) -> None:
        """Take the rows that `overwrite` wrote into the entry's record.

        A crash before this leaves the old checksums, so that the blocks are found damaged once more.

        Parameters
        ----------
        blocks : collection of int
            Blocks all of whose rows were written again.
        card : dict
            The candidate's card.
        """
        checksums = {}
        for name, layout in self.record.layouts.items():
            mended = list(self.record.checksums[name])
            for block in blocks:
                checksum = block_checksum(self.directory / layout.file_name, layout, *layout.block(block))
                if checksum is None:
                    msg = (
                        f"rows written to {str(self.directory)!r} could not be read back; check that disk, "
                        "or set HUBSCOUT_HOME to a folder on another one"
                    )
                    raise StoreError(msg)
                mended[block] = checksum
            checksums[name] = tuple(mended)
        self.record = replace(self.record, checksums=checksums, card=dict(card))
        self.record.write(self.directory / META, self.key)
        durable.sync_directory(self.directory)

    def arrays(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        """Map the arrays into memory, read-only.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features)
            Backed by the file.
        logits : ndarray of shape (n_samples, source_classes) or None
            Backed by the file.
        """
        mapped = {}
        for name, layout in self.record.layouts.items():
            path = self.directory / layout.file_name
            with durable.store_errors(path):
                mapped[name] = np.asarray(
                    np.memmap(path, layout.stored_dtype, "r", HEADER_BYTES, (layout.n_rows, layout.width))
                )
        # The time of last use, by which `hubscout cache` prunes; a read-only store keeps none.
        with contextlib.suppress(OSError):
            os.utime(self.directory / META)
        return mapped["features"], mapped.get("logits")
