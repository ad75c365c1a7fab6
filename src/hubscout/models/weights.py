"""Files of weights: their digest, and reading them without running anything."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hubscout.errors import CandidateError, UnsafeFileError

# A header is a table of contents. The format allows 100 MB of it, which costs minutes and gigabytes to parse.
MAX_HEADER_BYTES = 25_000_000
MAX_TENSORS = 50_000
SAFETENSORS = ".safetensors"
PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt", ".tar")


def file_digest(paths: Iterable[Path]) -> str:
    """Digest files by their contents.

    Parameters
    ----------
    paths : iterable of Path
        Order does not matter; names do not either, so that a copy has the same identity.

    Returns
    -------
    str
        ``sha256:`` and 64 hexadecimal digits. For one file this is the file's own SHA-256.
    """
    digests = []
    for path in paths:
        with path.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256"))
    if len(digests) == 1:
        return f"sha256:{digests[0].hexdigest()}"
    return f"sha256:{hashlib.sha256(b''.join(sorted(d.digest() for d in digests))).hexdigest()}"


def settings_digest(folder: Path) -> str:
    """Digest the small files of a model's folder, which decide its features as much as the weights do.

    Parameters
    ----------
    folder : Path
        With configuration, tokenizer and processor.

    Returns
    -------
    str
        ``sha256:`` and 64 hexadecimal digits over names and contents.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".json", ".txt", ".model", ".jinja", ".py") and file.is_file():
            name = file.relative_to(folder).as_posix()
            digest.update(f"{name}\0{file_digest([file])}\0".encode(errors="surrogateescape"))
    return f"sha256:{digest.hexdigest()}"


def check_safetensors(path: Path) -> None:
    """Refuse a safetensors file whose header is broken or far too large.

    Raises
    ------
    CandidateError
        One sentence on what is wrong with the file.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        prefix = stream.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
        if length > MAX_HEADER_BYTES:
            msg = f"weights {str(path)!r} have a header of {length} bytes, more than the {MAX_HEADER_BYTES} allowed"
            raise CandidateError(msg)
        if not 0 < length <= size - 8:
            msg = f"weights {str(path)!r} are not a whole safetensors file ({size} bytes); fetch them again"
            raise CandidateError(msg)
        try:
            header = json.loads(stream.read(length))
            n_tensors = len(header)
        except (ValueError, TypeError, RecursionError):
            msg = f"weights {str(path)!r} have a damaged safetensors header; fetch them again"
            raise CandidateError(msg) from None
    if n_tensors > MAX_TENSORS:
        msg = f"weights {str(path)!r} list {n_tensors} tensors, more than the {MAX_TENSORS} allowed"
        raise CandidateError(msg)


def check_weights(path: Path) -> None:
    """Look at a weight file without reading its numbers, before a library opens it.

    Raises
    ------
    CandidateError
        When it is damaged.
    UnsafeFileError
        When it is a pickle that holds more than tensors.
    """
    if path.suffix == SAFETENSORS:
        check_safetensors(path)
    else:
        _unpickle(path, "meta")


def read_state_dict(path: Path) -> dict[str, Any]:
    """Read a state dict for torch, without running anything the file may hold.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or a pickled one that holds nothing but tensors.

    Returns
    -------
    dict of str to Tensor
        Half precision is widened to float32.

    Raises
    ------
    CandidateError
        When the file is missing, damaged, or holds no state dict.
    UnsafeFileError
        When the file would run code.
    """
    if not path.is_file():
        msg = f"weights {str(path)!r} do not exist; check the path, which is relative to the current folder"
        raise CandidateError(msg)
    if path.suffix == SAFETENSORS:
        state: Any = _read_safetensors(path)
    elif path.suffix in PICKLED:
        state = _read_pickled(path)
    else:
        msg = f"weights {str(path)!r} must be a .safetensors file, or one of {', '.join(PICKLED)}"
        raise CandidateError(msg)
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_safetensors(path)
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        msg = f"weights {str(path)!r} are damaged ({_first_line(error)}); fetch them again"
        raise CandidateError(msg) from error


def _unpickle(path: Path, device: str) -> Any:
    import pickle

    import torch

    try:
        return torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        msg = (
            f"weights {str(path)!r} hold more than tensors and could run code when they are loaded; "
            "convert them to safetensors in a place you trust"
        )
        raise UnsafeFileError(msg) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        msg = f"weights {str(path)!r} are damaged ({_first_line(error)}); fetch them again"
        raise CandidateError(msg) from error


def _read_pickled(path: Path) -> Any:
    import torch

    state = _unpickle(path, "cpu")
    for key in ("state_dict", "model"):  # training checkpoints keep the weights under one of these
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        msg = f"weights {str(path)!r} must hold a state dict of tensors, got {type(state).__name__}"
        raise CandidateError(msg)
    return state


def _first_line(error: BaseException) -> str:
    return repr(str(error).strip().splitlines()[0][:200]) if str(error).strip() else type(error).__name__
