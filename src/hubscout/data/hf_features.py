"""What the columns of a Hugging Face data set are, by their types: classes, texts, lists, images, boxes, masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubscout._typing import TaskKind
from hubscout.data.column_facts import ColumnFacts, Content
from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_tokens import has_tokens

OBJECTS_NAME = "objects"
BOX_NAME = "bbox"
MASK_NAMES = ("mask", "masks", "label", "labels", "annotation", "annotations", "segmentation", "segmentation_mask")
_KINDS_OF_PARTS: tuple[TaskKind, ...] = ("detection", "segmentation", "token_classification")


def column_facts(features: Mapping[str, Any]) -> list[ColumnFacts]:
    """Describe all columns by their types.

    Parameters
    ----------
    features : mapping
        ``dataset.features``.

    Returns
    -------
    list of ColumnFacts
        In their order, without ``split``: splits are not columns in this library, so that guessing leaves it alone.
    """
    return [ColumnFacts(str(name), _content(feature)) for name, feature in features.items() if str(name) != "split"]


def class_names(feature: Any) -> list[str] | None:
    """Return the classes of a column typed as a class or as a list of classes.

    Parameters
    ----------
    feature : datasets feature
        The type of the column.

    Returns
    -------
    list of str or None
        None for all other types.
    """
    names = getattr(feature if _type(feature) == "ClassLabel" else _item(feature), "names", None)
    return None if names is None else [str(name) for name in names]


def kind_of_parts(features: Mapping[str, Any], request: ColumnRequest, kind: TaskKind | None) -> TaskKind | None:
    """Tell whether the labels are of parts of samples: boxes, points or words.

    Parameters
    ----------
    features : mapping
        ``dataset.features``.
    request : ColumnRequest
        The columns the user named.
    kind : str or None
        The kind the user named.

    Returns
    -------
    {"detection", "segmentation", "token_classification"} or None
        `kind` where it is one of these, and None where it is another one. Otherwise ``detection`` with a column
        ``objects`` that holds ``bbox``, ``segmentation`` with an image beside the image, ``token_classification`` with
        a list of tags beside a list of words, unless a column was named that does not belong to these.
    """
    if kind is not None:
        return kind if kind in _KINDS_OF_PARTS else None
    if request.label in (None, OBJECTS_NAME) and has_boxes(features):
        return "detection"
    if (request.label is None or _type(features.get(request.label)) == "Image") and has_masks(features):
        return "segmentation"
    named = [name for name in (request.text, request.label) if name is not None]
    if all(_item(features.get(name)) is not None for name in named) and has_tokens(features):
        return "token_classification"
    return None


def has_boxes(features: Mapping[str, Any]) -> bool:
    """Tell whether a column ``objects`` holds ``bbox``.

    Parameters
    ----------
    features : mapping
        ``dataset.features``.

    Returns
    -------
    bool
        Whatever else the column holds, and whether it is a structure of lists or a list of structures.
    """
    objects = features.get(OBJECTS_NAME)
    fields = objects if isinstance(objects, Mapping) else _item(objects)
    return isinstance(fields, Mapping) and BOX_NAME in fields


def has_masks(features: Mapping[str, Any]) -> bool:
    """Tell whether one column of images is named like masks, and another one is not.

    Parameters
    ----------
    features : mapping
        ``dataset.features``.

    Returns
    -------
    bool
        False with a single column of images, however it is named.
    """
    images = [str(name).lower() for name, feature in features.items() if _type(feature) == "Image"]
    masks = [name for name in images if name in MASK_NAMES]
    return 0 < len(masks) < len(images)


def _content(feature: Any) -> Content:
    by_type: dict[str, Content] = {"Image": "image", "ClassLabel": "label"}
    if (known := by_type.get(_type(feature))) is not None:
        return known
    if (item := _item(feature)) is not None:
        content = _content(item)
        return "label" if content == "label" else "list" if content in ("text", "number") else "other"
    dtype = str(getattr(feature, "dtype", "")) if _type(feature) == "Value" else ""
    if dtype in ("string", "large_string"):
        return "text"
    return "number" if dtype.startswith(("int", "uint", "float", "bool")) else "other"


def _type(feature: Any) -> str:
    # By name, so that reading a table never imports the library, and renamed classes of its releases are all known.
    return type(feature).__name__


def _item(feature: Any) -> Any:
    """Return the type of the items of a list, None for other types; releases write [item], Sequence or List."""
    if isinstance(feature, list):
        return feature[0] if feature else None
    return getattr(feature, "feature", None) if _type(feature) in ("List", "LargeList", "Sequence") else None
