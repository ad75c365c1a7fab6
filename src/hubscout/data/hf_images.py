"""The images of a Hugging Face data set, left on disk until they are asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubscout._typing import IntArray
from hubscout.data.samples import EncodedImages, read_below
from hubscout.errors import DataError


@dataclass(frozen=True, eq=False)
class DatasetImages(EncodedImages):
    """The images of a memory-mapped ``datasets.Dataset``, decoded by hubscout and not by the library.

    Parameters
    ----------
    dataset : datasets.Dataset
        Its only column holds images that are not decoded: bytes, or a path.
    column : str
        The name of that column.
    rows : tuple of int
        Row of each sample in the data set as it was read, from 1.
    """

    dataset: Any
    column: str
    rows: tuple[int, ...]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.rows)

    def name(self, index: int) -> str:
        """Return ``row 17``."""
        return f"row {self.rows[index]}"

    def subset(self, rows: IntArray) -> DatasetImages:
        """Keep the given positions, in the given order."""
        chosen = np.asarray(rows).tolist()
        return DatasetImages(self.dataset.select(chosen), self.column, tuple(self.rows[row] for row in chosen))

    def _read(self, index: int) -> bytes:
        value = self.dataset[int(index)][self.column]
        if not isinstance(value, Mapping) or (value.get("bytes") is None and value.get("path") is None):
            msg = "image is missing"
            raise DataError(msg)
        if value.get("bytes") is not None:
            return bytes(value["bytes"])
        # The hub's cache is made of links, so that the folder of the file is only known behind them.
        path = Path(os.path.realpath(str(value["path"])))
        return read_below(path.parent, path.name)


def dataset_images(dataset: Any, column: str, source: str) -> DatasetImages:
    """Give the images of one column of a data set.

    Parameters
    ----------
    dataset : datasets.Dataset
        One split.
    column : str
        A column of the type `datasets.Image`.
    source : str
        How the source is called in messages.

    Returns
    -------
    DatasetImages
        One sample a row, not yet read.

    Raises
    ------
    DataError
        When the column has another type.
    """
    import datasets

    if type(dataset.features[column]).__name__ != "Image":
        msg = (
            f"the column {column!r} of {source} must have the type datasets.Image, got "
            f"{dataset.features[column]!r}; use cast_column before saving"
        )
        raise DataError(msg)
    images = dataset.with_format(None).select_columns([column]).cast_column(column, datasets.Image(decode=False))
    return DatasetImages(images, column, tuple(range(1, len(images) + 1)))
