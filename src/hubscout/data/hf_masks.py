"""Images with masks in a data set of the Hugging Face ``datasets`` library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from hubscout.data.column_guesses import listed
from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_features import MASK_NAMES
from hubscout.data.hf_images import DatasetImages, dataset_images
from hubscout.data.mask_images import decode_mask
from hubscout.data.masks import masks_target
from hubscout.data.task import Target
from hubscout.errors import DataError, UsageError


def hub_masks_target(
    dataset: Any, *, name: str, source: str, split: str, request: ColumnRequest | None = None
) -> Target:
    """Make a segmentation target of one split.

    Parameters
    ----------
    dataset : datasets.Dataset
        With a column of images, and one of masks: both of the type `datasets.Image`.
    name : str
        Name of the task.
    source : str
        How the source is called in messages.
    split : str
        The split that was read.
    request : ColumnRequest, optional
        The columns the user named, the masks as label; the others are guessed.

    Returns
    -------
    Target
        As `hubscout.data.masks.masks_target`.

    Raises
    ------
    UsageError
        When no choice of columns is clear.
    DataError
        When nothing can be ranked on.
    """
    image, mask, notes = _choose(dataset.features, request or ColumnRequest(), source)
    return masks_target(
        dataset_images(dataset, image, source),
        DatasetMasks(dataset_images(dataset, mask, source)),
        name=name,
        source=source,
        split=split,
        notes=notes,
    )


class DatasetMasks:
    """The masks of a data set, read when they are asked for.

    Parameters
    ----------
    files : DatasetImages
        The column of masks.
    """

    def __init__(self, files: DatasetImages) -> None:
        self._files = files

    def __call__(self, index: int) -> npt.NDArray[Any]:
        """Read one mask."""
        try:
            content = self._files.content(index)
        except DataError as error:
            # The column names itself like the images; what is wrong is behind that.
            reason = str(error).removeprefix(f"sample {self._files.name(index)!r} cannot be used: ")
            raise DataError(f"mask {reason.removeprefix('image ')}") from None
        return decode_mask(content)


def _choose(features: Mapping[str, Any], request: ColumnRequest, source: str) -> tuple[str, str, tuple[str, ...]]:
    """Choose the columns of images and masks, and note what was guessed."""
    images = [str(name) for name, feature in features.items() if type(feature).__name__ == "Image"]
    for option, given in (("text", request.text), ("pair", request.pair)):
        if given is not None:
            msg = f"{option}_column (--{option}-column) does not fit the masks of {source}, got {given!r}; leave it out"
            raise UsageError(msg)
    for option, given in (("image", request.image), ("label", request.label)):
        if given is not None and given not in images:
            msg = (
                f"{option}_column (--{option}-column) must name a column of {source} with the type datasets.Image, got "
                f"{given!r}; its columns of that type are {listed(images)}"
            )
            raise UsageError(msg)
    if request.label is not None and request.label == request.image:
        msg = f"the images and the masks of {source} must be different columns, got {request.label!r} for both"
        raise UsageError(msg)
    free = [name for name in images if name not in (request.image, request.label)]
    mask = request.label or _only([n for n in free if n.lower() in MASK_NAMES], free, "masks", "label", source)
    free = [name for name in free if name != mask]
    image = request.image or _only([n for n in free if n.lower() not in MASK_NAMES], free, "images", "image", source)
    guessed = [("image", image)] * (request.image is None) + [("label", mask)] * (request.label is None)
    shown = ", ".join(f"{option} {column!r}" for option, column in guessed)
    return image, mask, (f"columns guessed: {shown}",) if guessed else ()


def _only(fitting: list[str], free: list[str], what: str, option: str, source: str) -> str:
    if len(fitting or free) == 1:
        return (fitting or free)[0]
    fit = f"{listed(fitting or free)} fit" if free else "none fits"
    msg = (
        f"the column with the {what} of {source} must be the only one of the type datasets.Image that fits, but {fit}; "
        f"name it with {option}_column (--{option}-column)"
    )
    raise UsageError(msg)
