"""Data sets of the Hugging Face ``datasets`` library: a folder saved with it, or a name on the hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubscout._preflight import hub_is_reachable
from hubscout._typing import TaskKind
from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_targets import dataset_target
from hubscout.data.splits import choose_split, require_no_split
from hubscout.data.task import Target
from hubscout.errors import DataError, MissingExtraError, UnsafeFileError, UsageError

_HUB_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?(\?config=(?P<config>[\w.-]+))?", re.ASCII)
# Readers that only parse data. The library has others, and a hub folder chooses its own by its files'
# suffixes. "cache" reads what one of them wrote before, when the hub is offline.
_SAFE_BUILDERS = ("arrow", "cache", "csv", "imagefolder", "json", "parquet", "text")


def is_saved_dataset(folder: Path) -> bool:
    """Tell whether a folder was written by ``save_to_disk``."""
    single = (folder / "dataset_info.json").is_file() and (folder / "state.json").is_file()
    return single or (folder / "dataset_dict.json").is_file()


def saved_target(
    folder: Path,
    *,
    name: str,
    request: ColumnRequest | None = None,
    kind: TaskKind | None = None,
    split: str = "train",
) -> Target:
    """Read a data set that was saved with ``save_to_disk``.

    Parameters
    ----------
    folder : Path
        The folder.
    name : str
        Name of the task.
    request : ColumnRequest, optional
        The columns the user named; the others are guessed.
    kind : {"classification", "multilabel", "regression", "detection", ...}, optional
        What the labels are; inferred by default.
    split : str
        Which split to take, where there are splits.

    Returns
    -------
    Target
        Images stay on disk until they are asked for.

    Raises
    ------
    DataError, UsageError
        When it cannot be read, no choice of columns is clear, or nothing is left.
    MissingExtraError
        When ``datasets`` is not installed.
    """
    datasets = _library()
    source = f"the data set {name!r}"
    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:
        raise _unreadable(source, error) from None
    return _target(loaded, name=name, source=source, request=request, kind=kind, split=split)


def hub_target(
    address: str,
    *,
    name: str | None = None,
    request: ColumnRequest | None = None,
    kind: TaskKind | None = None,
    split: str = "train",
) -> Target:
    """Read a data set of the hub, or of the hub's cache when the hub cannot be reached or may not be asked.

    Parameters
    ----------
    address : str
        ``org/name``, ``org/name@revision`` or ``org/name@revision?config=name``.
    name, request, kind, split
        As in `saved_target`.

    Returns
    -------
    Target
        Images stay on disk until they are asked for.

    Raises
    ------
    UsageError
        When the address has another form.
    UnsafeFileError
        When the hub folder needs a reader that is not on the list of safe ones.
    DataError, MissingExtraError
        As in `saved_target`.

    Notes
    -----
    The name must hold a slash, so that it can never be one of the library's own readers, some of which can be
    made to run code, and must not be a folder here, which the library would read instead. Scripts are never
    run.
    """
    match = _HUB_NAME.fullmatch(address)
    if match is None or ".." in address:
        msg = f"a data set of the hub must be written hf:org/name@revision?config=name, got {'hf:' + address!r}"
        raise UsageError(msg)
    path, revision, config = match["name"], match["revision"], match["config"]
    if Path(path).exists():
        msg = (
            f"'hf:{path}' must name a data set of the hub, but a folder {path!r} lies here too; give "
            f"'./{path}' or move it"
        )
        raise UsageError(msg)
    is_online = hub_is_reachable()  # before the library is imported, which reads the offline mode only once
    datasets = _library()
    source = f"the data set {path!r}"
    try:
        builder = datasets.load_dataset_builder(path, name=config, revision=revision)
    except Exception as error:
        if not is_online and isinstance(error, ConnectionError | FileNotFoundError):
            msg = (
                f"{source} is not in the cache of the datasets library and the hub cannot be reached; connect once to "
                "fetch it, or give a folder that save_to_disk wrote"
            )
            raise DataError(msg) from None
        raise _unreadable(source, error) from None
    reader = type(builder).__module__.split(".")
    if reader[:2] != ["datasets", "packaged_modules"] or not set(reader[2:3]) & set(_SAFE_BUILDERS):
        msg = (
            f"{source} needs the reader {'.'.join(reader)!r}, which is none of {', '.join(_SAFE_BUILDERS)}, "
            "and was refused; save it as Parquet and give that file"
        )
        raise UnsafeFileError(msg)
    try:
        # The builder that was looked at is the one that runs: load_dataset would resolve the name anew.
        builder.download_and_prepare()
        loaded = builder.as_dataset()
    except Exception as error:
        raise _unreadable(source, error) from None
    return _target(loaded, name=name or path, source=source, request=request, kind=kind, split=split)


def _target(
    loaded: Any, *, name: str, source: str, request: ColumnRequest | None, kind: TaskKind | None, split: str
) -> Target:
    dataset, read_split = _choose_split(loaded, split, source)
    return dataset_target(dataset, name=name, source=source, split=read_split, request=request, kind=kind)


def _choose_split(loaded: Any, split: str, source: str) -> tuple[Any, str]:
    if not isinstance(loaded, Mapping):
        return loaded, require_no_split(split, source)
    chosen = choose_split([str(key) for key in loaded], split, source)
    if len(chosen) > 1:
        msg = f"split (--split) {split!r} must name one split of {source}, got {chosen!r}; name one of them exactly"
        raise UsageError(msg)
    return loaded[chosen[0]], split


def _library() -> Any:
    try:
        import datasets
    except ImportError:
        msg = "reading a Hugging Face data set needs datasets; install it with pip install 'hubscout[data]'"
        raise MissingExtraError(msg) from None
    return datasets


def _unreadable(source: str, error: Exception) -> DataError:
    reason = str(error).strip().partition("\n")[0][:300] or type(error).__name__
    return DataError(f"{source} must be one that the datasets library can read, got {reason!r}")
