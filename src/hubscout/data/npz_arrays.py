"""Single arrays of an ``.npz`` file, read without running anything that it holds."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray
from hubscout.data.splits import choose_split, require_no_split
from hubscout.errors import DataError, UnsafeFileError


def read_shapes(path: Path, source: str) -> dict[str, tuple[int, ...]]:
    """Read names and shapes alone, so that features of many gigabytes stay on disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): _shape(archive, name) for name in members}
    except Exception as error:
        raise _unreadable(source, error) from None


def _shape(archive: zipfile.ZipFile, member: str) -> tuple[int, ...]:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return tuple(int(side) for side in read(file)[0])


def read_vector(path: Path, key: str, source: str) -> npt.NDArray[Any]:
    """Read an array of shape (n,) or (n, 1), its bytes as text."""
    return as_vector(read_array(path, key, source), key, source)


def as_vector(array: npt.NDArray[Any], key: str, source: str) -> npt.NDArray[Any]:
    """Return an array of shape (n,) or (n, 1) as one of (n,), its bytes as text."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        msg = f"{key} of {source} must have shape (n,), got {array.shape}; give one value a sample"
        raise DataError(msg)
    return as_text(array)


def as_text(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Decode bytes; other arrays stay as they are."""
    return np.char.decode(array, "utf-8", "backslashreplace") if array.dtype.kind == "S" else array


def read_array(path: Path, key: str, source: str) -> npt.NDArray[Any]:
    """Read one array, and refuse pickled objects."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            array: Any = archive[key]
    except ValueError as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            msg = (
                f"{key} of {source} holds pickled objects, which could run code, and was refused; "
                "save it as an array of numbers or of strings"
            )
            raise UnsafeFileError(msg) from None
        raise _unreadable(source, error) from None
    except Exception as error:
        # A forged header reaches Python's parser and NumPy's, which raise what they like.
        raise _unreadable(source, error) from None
    if not isinstance(array, np.ndarray):
        # NumPy hands out the bytes of a member that is no array.
        raise _unreadable(source, TypeError(f"no array under the name {key}"))
    found: npt.NDArray[Any] = array
    return found


def _unreadable(source: str, error: Exception) -> DataError:
    reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
    return DataError(f"{source} must be an .npz file that can be read, got {reason!r}; save it again with numpy.savez")


def split_positions(
    path: Path, shapes: Mapping[str, tuple[int, ...]], n: int, split: str, source: str
) -> tuple[IntArray, str]:
    """Give the positions of the asked split, and its name; all of them where the file has no splits."""
    if "split" not in shapes:
        return np.arange(n, dtype=np.intp), require_no_split(split, source)
    splits = [str(value) for value in read_vector(path, "split", source)]
    if len(splits) != n:
        msg = f"split of {source} must have one entry a label ({n}), got {len(splits)}"
        raise DataError(msg)
    chosen = choose_split(set(splits), split, source)
    return np.asarray([i for i, value in enumerate(splits) if value in chosen], dtype=np.intp), split
