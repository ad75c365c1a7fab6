"""Width and height of images from their headers, and images that must have the shape their annotations state."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING, TypeAlias

import numpy as np

from hubscout._typing import IntArray
from hubscout.data.below import open_below
from hubscout.data.images import IMAGE_FORMATS
from hubscout.data.samples import CheckedSamples, ImageFiles, named_error, pick
from hubscout.data.task import Samples
from hubscout.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

# Width and height in pixels, upright; None where the annotations do not state them.
Size: TypeAlias = tuple[int, int] | None

LONGEST_SIDE = 1_000_000
_ORIENTATION_TAG = 0x0112
_TURNED = (5, 6, 7, 8)


def header_size(file: IO[bytes]) -> tuple[int, int]:
    """Read width and height of an image, upright as its EXIF says, without decoding a pixel.

    Parameters
    ----------
    file : binary file
        The image.

    Returns
    -------
    tuple of int
        Width and height in pixels.

    Raises
    ------
    DataError
        With one phrase.
    """
    from PIL import Image

    try:
        image = Image.open(file, formats=IMAGE_FORMATS)
        width, height = image.size
        if not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE):
            raise ValueError
        # The class's own method: that of PNG decodes all pixels to look for EXIF behind them.
        turned = Image.Image.getexif(image).get(_ORIENTATION_TAG, 1) in _TURNED
    except MemoryError:
        raise
    except Exception:
        # Hostile headers make the plugins raise anything.
        msg = "image header cannot be read"
        raise DataError(msg) from None
    return (height, width) if turned else (width, height)


def read_sizes(images: Samples, rows: Sequence[int]) -> dict[int, tuple[int, int] | str]:
    """Read the sizes of some images.

    Parameters
    ----------
    images : Samples
        The images.
    rows : sequence of int
        Which of them.

    Returns
    -------
    dict
        For each of `rows` width and height, or the phrase why they cannot be known.
    """
    with warnings.catch_warnings():
        # What an image library has to say about a large image is said when the probe refuses it.
        warnings.simplefilter("ignore")
        return {row: _size_or_reason(images, row) for row in rows}


def _size_or_reason(images: Samples, row: int) -> tuple[int, int] | str:
    try:
        if isinstance(images, ImageFiles):
            with open_below(images.root, images.paths[row]) as file:
                return header_size(file)
        return header_size(BytesIO(images.content(row)))
    except DataError as error:
        return str(error)


@dataclass(frozen=True)
class FramedImages:
    """Encoded images whose annotations state their sizes; one of another shape is refused when it is read.

    Boxes are stored as shares of the stated size, so that an image that was made smaller keeps its boxes, while one
    that was turned or cut has boxes that belong elsewhere.

    Parameters
    ----------
    images : Samples
        n images.
    sizes : tuple of (int, int) or None
        The stated width and height of each.
    """

    images: Samples
    sizes: tuple[Size, ...]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Image.Image:
        """Decode one image."""
        image: Image.Image = self.images[index]
        if (reason := _shape_problem(image.size, self.sizes[index])) is not None:
            raise named_error(self.name(index), DataError(reason))
        return image

    def content(self, index: int) -> bytes:
        """Return the bytes of one image."""
        return self.images.content(index)

    def check(self, index: int) -> bytes:
        """Return the bytes of an image that decodes and has the stated shape."""
        if isinstance(self.images, CheckedSamples):
            content = self.images.check(index)
        else:
            self.images[index]
            content = self.images.content(index)
        if (reason := _shape_problem(header_size(BytesIO(content)), self.sizes[index])) is not None:
            raise DataError(reason)
        return content

    def name(self, index: int) -> str:
        """Say where one image stands."""
        return self.images.name(index)

    def subset(self, rows: IntArray) -> FramedImages:
        """Keep the given positions, in the given order."""
        return FramedImages(self.images.subset(np.asarray(rows)), pick(self.sizes, rows))


def stated_size(width: object, height: object) -> Size:
    """Return width and height where both are whole numbers of pixels, and None where they must be read.

    Examples
    --------
    >>> stated_size(640, 480.0), stated_size(0, 0), stated_size("wide", None)
    ((640, 480), None, None)
    """
    sides = [side for side in (width, height) if isinstance(side, (int, float)) and not isinstance(side, bool)]
    if len(sides) == 2 and all(1 <= side <= LONGEST_SIDE and side == int(side) for side in sides):
        return int(sides[0]), int(sides[1])
    return None


def _shape_problem(found: tuple[int, int], stated: Size) -> str | None:
    """Compare the shapes; a resized image may be off by the rounding of its sides."""
    if stated is None:
        return None
    (width, height), (wide, high) = found, stated
    if abs(width * high - height * wide) <= wide + high:
        return None
    return f"image is {width} x {height} pixels, but its boxes are for {wide} x {high}"
