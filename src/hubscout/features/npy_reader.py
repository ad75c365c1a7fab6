"""Arrays of ``.npy`` and ``.npz`` files, mapped instead of read, and never unpickled."""

from __future__ import annotations

import math
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import DataError, StoreError, UnsafeFileError

_CHUNK_BYTES = 1 << 22
_BROKEN = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


def read_arrays(path: Path, wanted: Callable[[list[str]], Iterable[str]]) -> dict[str, npt.NDArray[Any]]:
    """Map arrays of a file into memory, read-only.

    Parameters
    ----------
    path : Path
        A ``.npy`` file, whose one array is called ``""``, or a ``.npz`` file.
    wanted : callable
        Receives the names of all arrays and gives those to read.

    Returns
    -------
    dict of str to ndarray
        The wanted arrays. Members of an uncompressed ``.npz`` are mapped where they lie, compressed ones are
        unpacked into an unnamed temporary file; neither is held in memory.

    Raises
    ------
    DataError
        When the file is missing, damaged or not of this format.
    UnsafeFileError
        When it is a pickle, or holds Python objects, which only unpickling could read.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(6)
    except FileNotFoundError as exc:
        msg = f"the feature file {str(path)!r} does not exist; check the path, which is relative to the current folder"
        raise DataError(msg) from exc
    except OSError as exc:
        msg = f"the feature file {str(path)!r} cannot be read ({exc.strerror}); give a .npz or .npy file"
        raise DataError(msg) from exc
    if magic == b"\x93NUMPY":
        return {name: _map_npy(path) for name in wanted([""])}
    if magic[:2] == b"PK":
        return _map_npz(path, wanted)
    if magic[:1] == b"\x80":
        msg = (
            f"the feature file {str(path)!r} is a pickle, which could run code when it is loaded; save the "
            "arrays "
            "with numpy.savez"
        )
        raise UnsafeFileError(msg)
    msg = f"the feature file {str(path)!r} must be a .npz or .npy file, and is neither; save it with numpy.savez"
    raise DataError(msg)


def scratch_array(chunks: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Collect rows in an unnamed temporary file, and map it.

    Parameters
    ----------
    chunks : iterable of ndarray of shape (b, width)
        At least one, all of one type and width.

    Returns
    -------
    ndarray of shape (n, width)
        Read-only; the file goes with it.

    Raises
    ------
    StoreError
        When the temporary folder cannot take it.
    """
    n_rows = 0
    with _scratch_file() as file:
        for chunk in chunks:
            _write(file, np.ascontiguousarray(chunk).data.cast("B"))
            n_rows += len(chunk)
            width, dtype = chunk.shape[1], chunk.dtype
        file.flush()
        return np.asarray(np.memmap(file, dtype, "r", 0, (n_rows, width)))


def _map_npy(path: Path) -> npt.NDArray[Any]:
    try:
        with path.open("rb") as file:
            shape, order, dtype = _read_header(file, path, "")
            offset = file.tell()
            size = path.stat().st_size
    except _BROKEN as exc:
        raise _damaged(path, exc) from exc
    if size < offset + math.prod(shape) * dtype.itemsize:
        msg = f"the feature file {str(path)!r} ends before its array does; write it again"
        raise DataError(msg)
    return _map(path, dtype, offset, shape, order)


def _map_npz(path: Path, wanted: Callable[[list[str]], Iterable[str]]) -> dict[str, npt.NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any(name.endswith((".pkl", ".pickle")) for name in names):
                msg = (
                    f"the feature file {str(path)!r} holds a pickle, which could run code when it is loaded; "
                    "save "
                    "the arrays with numpy.savez"
                )
                raise UnsafeFileError(msg)
            arrays = [name.removesuffix(".npy") for name in names if name.endswith(".npy")]
            return {name: _map_member(path, archive, name) for name in wanted(arrays)}
    except _BROKEN as exc:
        if isinstance(exc, (DataError, UnsafeFileError, StoreError)):
            raise
        raise _damaged(path, exc) from exc


def _map_member(path: Path, archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        shape, order, dtype = _read_header(member, path, name)
        skipped = member.tell()
        size = math.prod(shape) * dtype.itemsize
        if info.file_size != skipped + size:
            msg = f"the array {name!r} of {str(path)!r} is not as long as its shape; write the file again"
            raise DataError(msg)
        if info.compress_type != zipfile.ZIP_STORED:
            return _unpack(member, dtype, size, shape, order)
        # Reading to the end makes zipfile verify the checksum, which a map of the file would bypass.
        while member.read(_CHUNK_BYTES):
            pass
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)
        lengths = file.read(4)
    start = info.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    return _map(path, dtype, start + skipped, shape, order)


def _unpack(member: IO[bytes], dtype: np.dtype[Any], size: int, shape: tuple[int, ...], order: str) -> npt.NDArray[Any]:
    with _scratch_file() as file:
        left = size
        while left and (piece := member.read(min(left, _CHUNK_BYTES))):
            _write(file, piece)
            left -= len(piece)
        # Asking beyond the end makes zipfile verify the checksum.
        member.read(1)
        file.flush()
        return _map(file, dtype, 0, shape, order)


def _map(
    file: Path | IO[bytes], dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], order: str
) -> npt.NDArray[Any]:
    if math.prod(shape) * dtype.itemsize == 0:
        empty = np.empty(shape, dtype)
        empty.flags.writeable = False
        return empty
    mapped = np.memmap(file, dtype, "r", offset, shape, order)  # type: ignore[call-overload]
    return np.asarray(mapped)


def _read_header(stream: IO[bytes], path: Path, name: str) -> tuple[tuple[int, ...], str, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        msg = f"version {version} of the .npy format"
        raise NotImplementedError(msg)
    shape, is_fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        what = f"array {name!r} of {str(path)!r}" if name else f"array of {str(path)!r}"
        msg = (
            f"the {what} holds Python objects, which could run code when they are loaded; save numbers or "
            "strings "
            "instead"
        )
        raise UnsafeFileError(msg)
    return shape, "F" if is_fortran else "C", dtype


def _damaged(path: Path, exc: Exception) -> DataError:
    return DataError(f"the feature file {str(path)!r} is damaged ({type(exc).__name__}); write it again")


def _scratch_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(prefix="hubscout-")
    except OSError as exc:
        msg = f"no temporary file can be made ({type(exc).__name__}); set TMPDIR to a folder of yours"
        raise StoreError(msg) from exc


def _write(file: IO[bytes], data: bytes | memoryview) -> None:
    try:
        file.write(data)
    except OSError as exc:
        msg = f"the temporary folder cannot take the features ({type(exc).__name__}); set TMPDIR to a larger disk"
        raise StoreError(msg) from exc
