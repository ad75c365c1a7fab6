"""Recognise what a user's data is, and have it read."""

from __future__ import annotations

from pathlib import Path

from hubscout._typing import TaskKind
from hubscout.data.arrays import array_target
from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_datasets import hub_target, is_saved_dataset, saved_target
from hubscout.data.image_folder import image_folder_target
from hubscout.data.table_files import TABLE_SUFFIXES
from hubscout.data.tables import table_target
from hubscout.data.task import Target
from hubscout.errors import UsageError

BUNDLED_DIGITS = "bundled:digits"
_FORMS = (
    "a folder of images, a table "
    f"({', '.join(TABLE_SUFFIXES)}), an .npz file, a folder saved by datasets, hf:org/name, or "
    f"{BUNDLED_DIGITS}"
)


def load_target(
    source: str | Path | Target,
    *,
    kind: TaskKind | None = None,
    text_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    split: str = "train",
    name: str | None = None,
) -> Target:
    """Read the labelled data that models are to be ranked on.

    Parameters
    ----------
    source : str, Path or Target
        A folder of images (``class/name.jpg``, with ``train/``, ``val/`` and ``test/`` on top or not, or with
        a ``metadata.csv``); a CSV, TSV, JSON Lines or Parquet file of texts or image paths; an ``.npz`` file;
        a folder saved by ``datasets``; ``hf:org/name@revision?config=name`` on the hub; ``bundled:digits``;
        or a `Target`, which is returned as it is.
    kind : {"classification", "regression"}, optional
        What the labels are; inferred by default.
    text_column, image_column, label_column : str, optional
        Columns of a table. Guessed, with a note, where one column alone fits.
    split : str, default="train"
        Which split to read. A source without splits is read whole, as split ``all``.
    name : str, optional
        Name of the task; that of the folder or file by default.

    Returns
    -------
    Target
        The samples that can be used, not yet decoded, with the problems of all others.

    Raises
    ------
    UsageError
        When the source does not exist or has another form, or an option does not fit it.
    DataError
        When the data cannot be read, or cannot be ranked on.
    MissingExtraError
        When reading it needs a library that is not installed.

    Examples
    --------
    >>> load_target("no/such/file.csv")
    Traceback (most recent call last):
    ...
    hubscout.errors.UsageError: target must be an existing file or folder, got 'no/such/file.csv'; check the
    path, or write hf:org/name for a data set of the hub
    """
    if isinstance(source, Target):
        return source
    request = ColumnRequest(text_column, image_column, label_column)
    text = str(source)
    if text == BUNDLED_DIGITS:
        _refuse_columns(request, text)
        return _digits(split, kind)
    if text.startswith("hf:"):
        return hub_target(text.removeprefix("hf:"), name=name, request=request, kind=kind, split=split)
    path = _existing(text)
    task_name = name or (path.resolve().name if path.is_dir() else path.stem)
    if path.is_dir():
        if is_saved_dataset(path):
            return saved_target(path, name=task_name, request=request, kind=kind, split=split)
        return image_folder_target(path, name=task_name, request=request, kind=kind, split=split)
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return table_target(path, name=task_name, request=request, kind=kind, split=split)
    if suffix == ".npz":
        _refuse_columns(request, text)
        return array_target(path, name=task_name, kind=kind, split=split)
    msg = f"target must be {_FORMS}, got {text!r}"
    raise UsageError(msg)


def _existing(text: str) -> Path:
    try:
        path = Path(text).expanduser()
        exists = path.exists()
    except (OSError, ValueError, RuntimeError):
        # A name too long, a NUL inside, or a home folder that nobody has: no such file in any case.
        exists = False
    if not text or not exists:
        msg = (
            f"target must be an existing file or folder, got {text!r}; check the path, or write hf:org/name "
            "for a data set of the hub"
        )
        raise UsageError(msg)
    return path


def _refuse_columns(request: ColumnRequest, source: str) -> None:
    if not request.is_empty():
        msg = f"text_column, image_column and label_column need a table, got {source!r}; leave them out"
        raise UsageError(msg)


def _digits(split: str, kind: TaskKind | None) -> Target:
    from hubscout.data.digits import digits_target

    if kind not in (None, "classification"):
        msg = f"kind (--task) must be 'classification' for {BUNDLED_DIGITS!r}, got {kind!r}"
        raise UsageError(msg)
    return digits_target(split=split)
