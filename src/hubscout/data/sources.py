"""Recognise what a user's data is, and have it read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hubscout._typing import TaskKind
from hubscout.data.arrays import array_target
from hubscout.data.coco import coco_multilabel_target
from hubscout.data.columns import ColumnRequest
from hubscout.data.conll import conll_target, looks_like_conll
from hubscout.data.detection_forms import detection_target_of, looks_like_detection
from hubscout.data.hf_datasets import hub_target, is_saved_dataset, saved_target
from hubscout.data.image_folder import image_folder_target
from hubscout.data.mask_folder import looks_like_masks, mask_folder_target
from hubscout.data.table_files import TABLE_SUFFIXES
from hubscout.data.tables import table_target
from hubscout.data.task import Target
from hubscout.data.token_tables import LIST_SUFFIXES, looks_like_token_table, token_table_target
from hubscout.errors import UsageError

BUNDLED_DIGITS = "bundled:digits"
_FORMS = (
    f"a folder of images, a table ({', '.join(TABLE_SUFFIXES)}), an .npz file, boxes in the form of COCO, Pascal VOC "
    f"or YOLO, images and masks, a CoNLL file, a folder saved by datasets, hf:org/name, or {BUNDLED_DIGITS}"
)


def load_target(
    source: str | Path | Target,
    *,
    kind: TaskKind | None = None,
    text_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    pair_column: str | None = None,
    split: str = "train",
    name: str | None = None,
) -> Target:
    """Read the labelled data that models are to be ranked on.

    Parameters
    ----------
    source : str, Path or Target
        A folder of images (``class/name.jpg``, with ``train/``, ``val/`` and ``test/`` on top or not, or with
        a ``metadata.csv``); a CSV, TSV, JSON Lines or Parquet file of texts or image paths; an ``.npz`` file;
        boxes in the form of COCO, Pascal VOC or YOLO; a folder of images and masks; a CoNLL file or a folder of them;
        a folder saved by ``datasets``; ``hf:org/name@revision?config=name`` on the hub; ``bundled:digits``;
        or a `Target`, which is returned as it is.
    kind : str, optional
        What the labels are: ``classification``, ``multilabel``, ``regression``, ``detection``,
        ``token_classification`` or ``segmentation``; inferred by default.
    text_column, image_column, label_column : str, optional
        Columns of a table. Guessed, with a note, where one column alone fits. Several label columns are separated by
        commas. In a CoNLL file the label column is a number from 1, or a name such as UPOS.
    pair_column : str, optional
        Column of the second text, where samples are pairs of texts.
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
    request = ColumnRequest(text_column, image_column, label_column, pair_column)
    text = str(source)
    if text == BUNDLED_DIGITS:
        _refuse_columns(request, text)
        return _digits(split, kind)
    if text.startswith("hf:"):
        return hub_target(text.removeprefix("hf:"), name=name, request=request, kind=kind, split=split)
    path = _existing(text)
    task_name = name or (path.resolve().name if path.is_dir() else path.stem)
    if path.is_dir() and is_saved_dataset(path):
        return saved_target(path, name=task_name, request=request, kind=kind, split=split)
    reader = _reader_of_parts(path, kind)
    if reader is not None:
        return reader(path, name=task_name, request=request, split=split)
    return _whole_samples(path, text, name=task_name, request=request, kind=kind, split=split)


def _whole_samples(
    path: Path, source: str, *, name: str, request: ColumnRequest, kind: TaskKind | None, split: str
) -> Target:
    if path.is_dir():
        return image_folder_target(path, name=name, request=request, kind=kind, split=split)
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return table_target(path, name=name, request=request, kind=kind, split=split)
    if suffix == ".npz":
        _refuse_columns(request, source)
        return array_target(path, name=name, kind=kind, split=split)
    msg = f"target must be {_FORMS}, got {source!r}"
    raise UsageError(msg)


def _reader_of_parts(path: Path, kind: TaskKind | None) -> Callable[..., Target] | None:
    """Choose a reader of boxes, words or masks: by the kind asked for, or by what lies there."""
    if kind == "multilabel" and looks_like_detection(path) and path.suffix.lower() != ".npz":
        return _categories
    if kind == "detection" or (kind is None and looks_like_detection(path)):
        return _boxes
    is_list_table = path.suffix.lower() in LIST_SUFFIXES
    if (kind == "token_classification" and is_list_table) or (kind is None and looks_like_token_table(path)):
        return token_table_target
    if kind == "token_classification" or (kind is None and looks_like_conll(path)):
        return _words
    if kind == "segmentation" or (kind is None and looks_like_masks(path)):
        return _masks
    return None


def _boxes(path: Path, *, name: str, request: ColumnRequest, split: str) -> Target:
    _refuse_columns(request, str(path))
    return detection_target_of(path, name=name, split=split)


def _categories(path: Path, *, name: str, request: ColumnRequest, split: str) -> Target:
    _refuse_columns(request, str(path))
    return coco_multilabel_target(path, name=name, split=split)


def _words(path: Path, *, name: str, request: ColumnRequest, split: str) -> Target:
    if request.text or request.image or request.pair:
        msg = f"text_column, image_column and pair_column need a table, got {str(path)!r}; leave them out"
        raise UsageError(msg)
    return conll_target(path, name=name, split=split, column=request.label)


def _masks(path: Path, *, name: str, request: ColumnRequest, split: str) -> Target:
    _refuse_columns(request, str(path))
    return mask_folder_target(path, name=name, split=split)


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
        msg = f"options that name columns (--label-column and others) need a table, got {source!r}; leave them out"
        raise UsageError(msg)


def _digits(split: str, kind: TaskKind | None) -> Target:
    from hubscout.data.digits import digits_target

    if kind not in (None, "classification"):
        msg = f"kind (--task) must be 'classification' for {BUNDLED_DIGITS!r}, got {kind!r}"
        raise UsageError(msg)
    return digits_target(split=split)
