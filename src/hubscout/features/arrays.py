"""Features that the user already has: ``features:FILE`` candidates and the file of ``hubscout score``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray
from hubscout.data.task import Probe
from hubscout.errors import DataError
from hubscout.features.feature_set import FeatureSet
from hubscout.features.npy_reader import read_arrays, scratch_array
from hubscout.models.card import ModelCard

_NAMES = {
    "features": ("features", "X", "feats", "embeddings"),
    "labels": ("labels", "y", "targets"),
    "source_logits": ("source_logits",),
    "source_probs": ("source_probs",),
    "label_embeddings": ("label_embeddings",),
}
_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class FeatureFile:
    """The arrays of one file, mapped and read-only.

    Parameters
    ----------
    path : Path
        The file.
    features : ndarray of shape (n_samples, n_features)
        Real numbers in the file's own precision; not yet searched for NaN.
    labels : ndarray of shape (n_samples,) or None
        Numbers, booleans or strings.
    source_logits, source_probs : ndarray of shape (n_samples, source_classes) or None
        Output of the source head before or after the softmax.
    label_embeddings : ndarray of shape (n_classes, d) or (n_encoders, n_classes, d), or None
        Vectors of the classes, in the order of their sorted labels.
    """

    path: Path
    features: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None = None
    source_logits: npt.NDArray[Any] | None = None
    source_probs: npt.NDArray[Any] | None = None
    label_embeddings: npt.NDArray[Any] | None = None


def load_feature_file(path: Path | str, *, labels: Path | str | None = None) -> FeatureFile:
    """Open a file of features without reading it whole.

    Parameters
    ----------
    path : Path or str
        A ``.npz`` file with ``features`` (or ``X``, ``feats``, ``embeddings``), and where there are any
        ``labels`` (or ``y``, ``targets``), ``source_logits``, ``source_probs`` and ``label_embeddings``; or a
        ``.npy`` of features.
    labels : Path or str, optional
        A ``.npy`` file of labels, instead of those in ``path``.

    Returns
    -------
    FeatureFile

    Raises
    ------
    DataError
        When a file cannot be read, an array is missing or of the wrong form, or their lengths differ.
    UnsafeFileError
        When a file could execute code when it is loaded.
    """
    path = Path(path)
    arrays = read_arrays(path, lambda names: _found(path, names).values())
    found = _found(path, list(arrays))
    by_role = {role: arrays[name] for role, name in found.items()}
    features = _matrix(path, found["features"], by_role["features"])
    given = by_role.get("labels")
    if labels is not None:
        given = _only_array(Path(labels))
    for role in ("source_logits", "source_probs"):
        if role in by_role:
            _matrix(path, role, by_role[role])
            _same_length(path, role, by_role[role], features)
    if given is not None:
        given = _vector(Path(labels or path), given)
        _same_length(Path(labels or path), "labels", given, features)
    others = {role: by_role.get(role) for role in ("source_logits", "source_probs", "label_embeddings")}
    return FeatureFile(path, features, given, **others)


def feature_file_set(name: str, probe: Probe) -> FeatureSet:
    """Take the rows of a probe from a file of features.

    Parameters
    ----------
    name : str
        The file, which is what follows ``features:`` in the address.
    probe : Probe
        Drawn from the target. The file must have one row for each usable sample of the target, in the
        target's order, of which the probe's rows are taken; or one row for each sample of the probe, in its
        order; or, for a target of labels alone, one row for each of its rows, usable or not.

    Returns
    -------
    FeatureSet
        With the probe's labels. The features keep the file's precision; all rows in order stay mapped from
        the file. Source probabilities are turned into logits by their logarithm.

    Raises
    ------
    DataError
        When the number of rows fits neither, or a value is NaN or infinite.
    UnsafeFileError
        When the file could execute code when it is loaded.
    """
    file = load_feature_file(name)
    n_rows = len(file.features)
    rows = _probe_rows(name, n_rows, probe)
    features = _selected(name, "features", file.features, rows)
    logits = None
    if file.source_logits is not None:
        logits = _selected(name, "source_logits", file.source_logits, rows)
    elif file.source_probs is not None:
        logits = scratch_array(_log_chunks(name, file.source_probs, rows))
    with file.path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    card = ModelCard(
        address=f"features:{name}",
        identity=f"sha256:{digest}",
        modality="features",
        transform={},
        feature_dim=int(features.shape[1]),
        source_classes=None if logits is None else int(logits.shape[1]),
        loader=f"numpy {np.__version__}",
    )
    provenance: dict[str, Any] = {
        "card": card.to_dict(),
        "key": None,
        "probe_fingerprint": probe.fingerprint,
        "seconds": 0.0,
        "samples_per_second": None,
        "rows_cached": len(rows),
        "rows_computed": 0,
        "rows_repaired": 0,
        "device": card.device,
        "batch_size": None,
        "notes": [],
    }
    return FeatureSet(features, probe.labels, logits, provenance)


def _found(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Match the arrays of a file with their roles."""
    if list(names) == [""]:
        return {"features": ""}
    found = {}
    for role, aliases in _NAMES.items():
        present = [alias for alias in aliases if alias in names]
        if len(present) > 1:
            msg = f"the file {str(path)!r} must hold one array of {role}, got {present}; keep one of them"
            raise DataError(msg)
        if present:
            found[role] = present[0]
    if "features" not in found:
        msg = (
            f"the file {str(path)!r} must hold an array named 'features' (or 'X', 'feats', 'embeddings'), "
            "got "
            f"{sorted(names)}; save it with numpy.savez(path, features=..., labels=...)"
        )
        raise DataError(msg)
    return found


def _only_array(path: Path) -> npt.NDArray[Any]:
    arrays = read_arrays(path, lambda names: names)
    if len(arrays) != 1:
        msg = f"the file of labels {str(path)!r} must hold one array, got {sorted(arrays)}; save it with numpy.save"
        raise DataError(msg)
    return next(iter(arrays.values()))


def _matrix(path: Path, name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.ndim != 2 or array.dtype.kind not in "fiu" or 0 in array.shape:
        what = f"the array {name!r}" if name else "the array"
        msg = (
            f"{what} of {str(path)!r} must hold real numbers in shape (n_samples, width), got dtype "
            f"{array.dtype} "
            f"and shape {array.shape}; save one row a sample"
        )
        raise DataError(msg)
    return array


def _vector(path: Path, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iufbUS":
        msg = (
            f"the labels of {str(path)!r} must be numbers or strings in shape (n_samples,), got dtype "
            f"{array.dtype} "
            f"and shape {array.shape}; save one label a sample"
        )
        raise DataError(msg)
    return array


def _same_length(path: Path, name: str, array: npt.NDArray[Any], features: npt.NDArray[Any]) -> None:
    if len(array) != len(features):
        msg = (
            f"the array of {name} of {str(path)!r} must have one row for each of the {len(features)} rows of "
            "features, "
            f"got {len(array)}; save both for the same samples"
        )
        raise DataError(msg)


def _probe_rows(name: str, n_rows: int, probe: Probe) -> IntArray:
    if n_rows == probe.n_target and int(probe.rows.max(initial=-1)) < n_rows:
        return probe.rows
    if n_rows == len(probe):
        return np.arange(n_rows)
    if probe.task.modality == "features":
        # Rows without a label, or of another split, are no samples, but they stand in the user's arrays.
        positions = np.array([probe.samples[index] for index in range(len(probe))], dtype=np.intp)
        if int(positions.max(initial=-1)) < n_rows > probe.n_target:
            return positions
    msg = (
        f"the file {name!r} must have one row for each of the {probe.n_target} usable samples of "
        f"{probe.task.name!r}, "
        f"or for each of the {len(probe)} of the probe, got {n_rows}; extract the features from the same "
        "samples"
    )
    raise DataError(msg)


def _chunks(name: str, what: str, array: npt.NDArray[Any], rows: IntArray) -> Iterator[npt.NDArray[Any]]:
    """Read rows bit by bit, refusing values that are not finite."""
    size = max(1, _CHUNK_BYTES // (array.shape[1] * array.dtype.itemsize))
    for begin in range(0, len(rows), size):
        chunk = array[rows[begin : begin + size]]
        bad = np.argwhere(~np.isfinite(chunk))
        if len(bad):
            i, j = bad[0]
            msg = (
                f"the {what} of {name!r} must be finite, got {chunk[i, j]} in row {rows[begin + i]}, column "
                f"{j}; mend "
                "or remove that sample"
            )
            raise DataError(msg)
        yield chunk


def _selected(name: str, what: str, array: npt.NDArray[Any], rows: IntArray) -> npt.NDArray[Any]:
    chunks = _chunks(name, what, array, rows)
    if len(rows) == len(array) and np.array_equal(rows, np.arange(len(array))):
        for _ in chunks:
            pass
        return array
    return scratch_array(chunks)


def _log_chunks(name: str, probs: npt.NDArray[Any], rows: IntArray) -> Iterator[npt.NDArray[Any]]:
    done = 0
    for chunk in _chunks(name, "source_probs", probs, rows):
        values = chunk.astype(np.float64)
        bad = np.flatnonzero((values.min(axis=1) < 0) | (np.abs(values.sum(axis=1) - 1) > 1e-2))
        if len(bad):
            msg = (
                f"the source_probs of {name!r} must be probabilities that sum to 1, got a sum of "
                f"{values[bad[0]].sum():.6g} in row {rows[done + bad[0]]}; save the softmax, or source_logits"
            )
            raise DataError(msg)
        done += len(chunk)
        yield np.log(np.maximum(values, np.finfo(np.float32).tiny)).astype(np.float32)
