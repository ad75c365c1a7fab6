"""How an array lies in its file: a fixed .npy header, rows in order, checksums by block of rows."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK_ROWS = 1024
# numpy.save grows its header with the library's version; ours is fixed, so that offsets never move.
HEADER_BYTES = 128
_READ_BYTES = 1 << 22
_DTYPES = {"float32": "<f4", "float16": "<f2"}


@dataclass(frozen=True)
class ArrayLayout:
    """The shape of one stored array.

    Parameters
    ----------
    name : str
        ``features`` or ``logits``.
    dtype : {"float32", "float16"}
        Stored little-endian on every machine.
    n_rows : int
        Rows when finished.
    width : int
        Columns.

    Examples
    --------
    >>> layout = ArrayLayout("features", "float32", n_rows=2000, width=3)
    >>> layout.n_blocks, layout.block(1), layout.size_bytes
    (2, (1024, 2000), 24128)
    """

    name: str
    dtype: str
    n_rows: int
    width: int

    @property
    def file_name(self) -> str:
        """Name of the finished file."""
        return f"{self.name}.npy"

    @property
    def part_name(self) -> str:
        """Name of the file while it is written."""
        return f"{self.name}.npy.part"

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """The element type on disk."""
        return np.dtype(_DTYPES[self.dtype])

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.width * self.stored_dtype.itemsize

    @property
    def size_bytes(self) -> int:
        """Bytes of the finished file."""
        return self.offset(self.n_rows)

    @property
    def n_blocks(self) -> int:
        """Number of blocks when finished."""
        return -(-self.n_rows // BLOCK_ROWS)

    @property
    def header(self) -> bytes:
        """The .npy header, version 1.0."""
        shape = f"({self.n_rows}, {self.width})"
        text = f"{{'descr': '{_DTYPES[self.dtype]}', 'fortran_order': False, 'shape': {shape}, }}"
        body = text.encode().ljust(HEADER_BYTES - 11) + b"\n"
        return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body

    def offset(self, row: int) -> int:
        """Byte position of a row in the file."""
        return HEADER_BYTES + row * self.row_bytes

    def block(self, index: int) -> tuple[int, int]:
        """First row of a block, and the row after its last."""
        return index * BLOCK_ROWS, min((index + 1) * BLOCK_ROWS, self.n_rows)

    def pack(self, rows: npt.NDArray[Any]) -> memoryview:
        """Turn rows into the bytes that are stored."""
        return np.ascontiguousarray(rows, dtype=self.stored_dtype).data.cast("B")


def extend_checksums(checksums: Sequence[int], n_rows: int, data: memoryview, layout: ArrayLayout) -> tuple[int, ...]:
    """Add appended rows to the checksums of an array.

    Parameters
    ----------
    checksums : sequence of int
        CRC-32 of each block so far; the last block may be unfinished.
    n_rows : int
        Rows so far.
    data : memoryview
        The appended rows, from `ArrayLayout.pack`.
    layout : ArrayLayout
        Of the array.

    Returns
    -------
    tuple of int
        Checksums of all blocks including the new rows.
    """
    result = list(checksums)
    while data:
        room = (BLOCK_ROWS - n_rows % BLOCK_ROWS) * layout.row_bytes
        piece = data[:room]
        if n_rows % BLOCK_ROWS:
            result[-1] = zlib.crc32(piece, result[-1])
        else:
            result.append(zlib.crc32(piece))
        n_rows += len(piece) // layout.row_bytes
        data = data[room:]
    return tuple(result)


def block_checksum(path: Path, layout: ArrayLayout, begin: int, end: int) -> int | None:
    """Compute the CRC-32 of rows ``begin`` to ``end`` as they are in the file.

    Parameters
    ----------
    path : Path
        The array's file.
    layout : ArrayLayout
        Of the array.
    begin, end : int
        Row bounds.

    Returns
    -------
    int or None
        The checksum; None when the file ends before ``end`` or cannot be read.
    """
    left = (end - begin) * layout.row_bytes
    checksum = 0
    try:
        with path.open("rb") as file:
            file.seek(layout.offset(begin))
            while left and (piece := file.read(min(left, _READ_BYTES))):
                checksum = zlib.crc32(piece, checksum)
                left -= len(piece)
    except OSError:
        return None
    return None if left else checksum


def damaged_blocks(path: Path, layout: ArrayLayout, checksums: Sequence[int], n_rows: int) -> tuple[int, ...]:
    """Find the blocks among the first ``n_rows`` rows that are not what was written.

    Parameters
    ----------
    path : Path
        The array's file.
    layout : ArrayLayout
        Of the array.
    checksums : sequence of int
        CRC-32 of each block; the last one over the rows up to ``n_rows``.
    n_rows : int
        Rows to verify.

    Returns
    -------
    tuple of int
        Positions of damaged or missing blocks.
    """
    bounds = [(begin, min(begin + BLOCK_ROWS, n_rows)) for begin in range(0, n_rows, BLOCK_ROWS)]
    if len(checksums) != len(bounds):
        return tuple(range(len(bounds)))
    return tuple(i for i, (begin, end) in enumerate(bounds) if block_checksum(path, layout, begin, end) != checksums[i])


def header_is_whole(path: Path, layout: ArrayLayout) -> bool:
    """Tell whether a file begins with the header its layout asks for."""
    try:
        with path.open("rb") as file:
            return file.read(HEADER_BYTES) == layout.header
    except OSError:
        return False


def file_size(path: Path) -> int:
    """Count the bytes of a file, -1 when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
