"""Samples that have parts: images with boxes or points, texts as words, pairs of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout.data.samples import CheckedSamples, pick
from hubscout.data.task import Samples

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Regions:
    """An image and the boxes in it.

    Parameters
    ----------
    image : PIL.Image.Image
        In mode RGB.
    boxes : ndarray of shape (k, 4), float64
        Left, top, right, bottom as shares of the image's width and height, within [0, 1], none empty.
    """

    image: Image.Image
    boxes: FloatArray

    def __len__(self) -> int:
        """Count the boxes."""
        return len(self.boxes)


@dataclass(frozen=True)
class Points:
    """An image and points in it.

    Parameters
    ----------
    image : PIL.Image.Image
        In mode RGB.
    points : ndarray of shape (k, 2), float64
        Horizontal and vertical position as shares of the image's width and height, within [0, 1].
    """

    image: Image.Image
    points: FloatArray

    def __len__(self) -> int:
        """Count the points."""
        return len(self.points)


@dataclass(frozen=True)
class Words:
    """A text that came divided into words.

    Parameters
    ----------
    words : tuple of str
        At least one; none empty.
    kept : tuple of int, optional
        Positions of the words that give a row of features, ascending; all words by default. Words without a label
        give none and are context alone.
    """

    words: tuple[str, ...]
    kept: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Keep all words where nothing was said."""
        if not self.kept:
            object.__setattr__(self, "kept", tuple(range(len(self.words))))

    def __len__(self) -> int:
        """Count the words that give a row."""
        return len(self.kept)


@dataclass(frozen=True)
class TextPair:
    """Two texts that are judged together.

    Parameters
    ----------
    first, second : str
        Neither empty.
    """

    first: str
    second: str


@dataclass(frozen=True)
class PlacedImages:
    """Images with boxes or points in each of them.

    Parameters
    ----------
    images : Samples
        n images.
    places : tuple of ndarray
        For each image boxes of shape (k, 4) or points of shape (k, 2), as shares of its width and height.
    """

    images: Samples
    places: tuple[FloatArray, ...]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Regions | Points:
        """Decode one image."""
        places = self.places[index]
        return (Regions if places.shape[1] == 4 else Points)(self.images[index], places)

    def content(self, index: int) -> bytes:
        """Return the bytes of the image and of its places: the features hang on both."""
        return _joined(self.images.content(index), self.places[index])

    def check(self, index: int) -> bytes:
        """Return the content of an image that decodes."""
        if isinstance(self.images, CheckedSamples):
            return _joined(self.images.check(index), self.places[index])
        self.images[index]
        return self.content(index)

    def name(self, index: int) -> str:
        """Say where one image stands."""
        return self.images.name(index)

    def subset(self, rows: IntArray) -> PlacedImages:
        """Keep the given positions, in the given order."""
        return PlacedImages(self.images.subset(rows), pick(self.places, rows))


@dataclass(frozen=True)
class WordLists:
    """Texts divided into words, in memory.

    Parameters
    ----------
    texts : tuple of tuple of str
        The words of each text.
    rows : tuple of int
        Where each stands in its source, from 1.
    kept : tuple of tuple of int, optional
        For each text the positions of the words that give a row; all words of all texts by default.
    """

    texts: tuple[tuple[str, ...], ...]
    rows: tuple[int, ...]
    kept: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        """Count the texts."""
        return len(self.texts)

    def __getitem__(self, index: int) -> Words:
        """Return one text."""
        return Words(self.texts[index], self.kept[index] if self.kept else ())

    def content(self, index: int) -> bytes:
        """Return the words in UTF-8, each ended by a NUL, which no word holds, and which of them are kept if not all.

        The positions come behind one NUL more: no word is empty, so that nothing else looks like them.
        """
        text = self[index]
        all_words = "".join(f"{word}\0" for word in text.words)
        is_whole = len(text.kept) == len(text.words)
        return (all_words if is_whole else f"{all_words}\0{','.join(map(str, text.kept))}").encode()

    def name(self, index: int) -> str:
        """Return ``text 17``."""
        return f"text {self.rows[index]}"

    def subset(self, rows: IntArray) -> WordLists:
        """Keep the given positions, in the given order."""
        return WordLists(pick(self.texts, rows), pick(self.rows, rows), pick(self.kept, rows) if self.kept else ())


@dataclass(frozen=True)
class TextPairs:
    """Pairs of texts, in memory.

    Parameters
    ----------
    pairs : tuple of (str, str)
        Neither text empty.
    rows : tuple of int
        The row of each in its source, from 1.
    """

    pairs: tuple[tuple[str, str], ...]
    rows: tuple[int, ...]

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> TextPair:
        """Return one pair."""
        return TextPair(*self.pairs[index])

    def content(self, index: int) -> bytes:
        """Return both texts in UTF-8, parted by a NUL, which no text holds."""
        return "\0".join(self.pairs[index]).encode()

    def name(self, index: int) -> str:
        """Return ``row 17``."""
        return f"row {self.rows[index]}"

    def subset(self, rows: IntArray) -> TextPairs:
        """Keep the given positions, in the given order."""
        return TextPairs(pick(self.pairs, rows), pick(self.rows, rows))


def _joined(content: bytes, places: FloatArray) -> bytes:
    return content + np.ascontiguousarray(places, dtype="<f8").tobytes()
