"""The embedded target: handwritten digits that scikit-learn, a core dependency, ships with itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray
from hubscout.data.task import Target, Task
from hubscout.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

TARGET_DIGITS = (4, 5, 6, 7, 8, 9)
TRAIN_PER_CLASS = 40
_SPLITS = ("train", "test")


@dataclass(frozen=True, eq=False)
class DigitSamples:
    """Grey 8 x 8 digits, given out as RGB images.

    Parameters
    ----------
    pixels : ndarray of shape (n, 8, 8), uint8
        Brightness, ink is bright.
    rows : ndarray of shape (n,), int
        Position of each image in scikit-learn's data set, by which it is named.
    """

    pixels: npt.NDArray[np.uint8]
    rows: IntArray

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.rows)

    def __getitem__(self, index: int) -> Image.Image:
        """Give one sample as an RGB image of 8 x 8 pixels."""
        from PIL import Image

        return Image.fromarray(self.pixels[index]).convert("RGB")

    def content(self, index: int) -> bytes:
        """Return the pixels of one sample, row by row."""
        return bytes(self.pixels[index].tobytes())

    def name(self, index: int) -> str:
        """Name one sample by its position in scikit-learn's data set."""
        return f"digit {self.rows[index]}"

    def subset(self, rows: IntArray) -> DigitSamples:
        """Keep the given positions, in the given order."""
        return DigitSamples(self.pixels[rows], self.rows[rows])


def load_digit_pixels() -> tuple[npt.NDArray[np.uint8], IntArray]:
    """Read all of scikit-learn's digits.

    Returns
    -------
    pixels : ndarray of shape (1797, 8, 8), uint8
        The 17 grey levels spread over 0 to 255.
    digits : ndarray of shape (1797,), int
        Which digit each image shows, 0 to 9.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.rint(np.asarray(bunch.images) * (255 / 16)).astype(np.uint8)
    return pixels, np.asarray(bunch.target, dtype=np.intp)


def digits_target(split: str = "train") -> Target:
    """Give the embedded target: tell the digits 4 to 9 apart from 40 images of each.

    Parameters
    ----------
    split : {"train", "test"}, default "train"
        ``train`` holds 40 images a class, ``test`` all others of these classes.

    Returns
    -------
    Target
        An image classification target with six classes.

    Raises
    ------
    UsageError
        When there is no such split.

    Notes
    -----
    The digits 0 to 3 are left out because one of the bundled encoders learned from them. The training images of a
    class are spread evenly over its images in file order, so the split depends on no random generator; as in every
    split of this data set, a writer can have images on both sides.

    Examples
    --------
    >>> target = digits_target()
    >>> target.task.name, len(target.samples), target.task.label_names
    ('digits 4-9', 240, ('4', '5', '6', '7', '8', '9'))
    """
    if split not in _SPLITS:
        msg = f"split must be one of {', '.join(_SPLITS)} for the embedded digits, got {split!r}: choose one of these."
        raise UsageError(msg)
    pixels, digits = load_digit_pixels()
    train = np.concatenate([_spread(np.flatnonzero(digits == digit)) for digit in TARGET_DIGITS])
    is_kept = np.isin(np.arange(len(digits)), train)
    if split == "test":
        is_kept = np.isin(digits, TARGET_DIGITS) & ~is_kept
    rows = np.flatnonzero(is_kept).astype(np.intp)
    names = tuple(str(digit) for digit in TARGET_DIGITS)
    return Target(
        task=Task(f"digits {names[0]}-{names[-1]}", "classification", "image", names),
        samples=DigitSamples(pixels[rows], rows),
        labels=np.searchsorted(TARGET_DIGITS, digits[rows]).astype(np.intp),
        split=split,
    )


def _spread(rows: IntArray) -> IntArray:
    """Pick ``TRAIN_PER_CLASS`` of the rows at even distances."""
    places = (np.arange(TRAIN_PER_CLASS) + 0.5) * len(rows) / TRAIN_PER_CLASS
    return rows[places.astype(np.intp)]
