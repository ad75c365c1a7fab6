"""Which boxes can be used: each has one state, and the others are named or counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray
from hubscout.data.ordering import natural_key
from hubscout.data.task import RowProblem, Samples

Corners: TypeAlias = tuple[float, float, float, float]

# Coordinates are rounded to hundredths of a pixel, so that one pixel is 100.
GRID = 100
MOST_LISTED = 1000
_REASONS_SHOWN = 5
_NAMES_SHOWN = 5
_KEPT, _IGNORED, _SIZELESS, _REPEATED = 0, 1, 2, 3
_FAULTS = {
    4: "box is not made of finite numbers",
    5: "box has a negative width or height",
    6: "box is less than one pixel wide or high",
    7: "box lies outside of the image",
    8: "box is less than one pixel wide or high inside the image",
}


@dataclass
class BoxRecords:
    """Boxes as a reader finds them, in the order of its source.

    Parameters
    ----------
    in_shares : bool
        Whether corners are shares of the image's width and height, and not pixels.
    images : list of int
        Position of each box's image among the images.
    class_names : list of str
        The class of each box. Untrusted text.
    corners : list of tuple of float
        Left, top, right, bottom of each box, counted from the image's left and top edge; whatever the source held.
    ignored : list of bool
        Whether the source marks a box as a crowd, or too difficult to be judged on.
    """

    in_shares: bool = False
    images: list[int] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    corners: list[Corners] = field(default_factory=list)
    ignored: list[bool] = field(default_factory=list)

    def __len__(self) -> int:
        """Count the boxes."""
        return len(self.images)

    def add(self, image: int, class_name: str, corners: Corners, *, is_ignored: bool = False) -> None:
        """Append one box."""
        self.images.append(image)
        self.class_names.append(class_name)
        self.corners.append(corners)
        self.ignored.append(is_ignored)


@dataclass(frozen=True)
class CleanBoxes:
    """The state of each of m boxes.

    Parameters
    ----------
    rows : ndarray of shape (m,), intp
        The image of each box.
    state : ndarray of shape (m,), int8
        0 for a box that can be used.
    inside : ndarray of shape (m, 4), float64
        Corners clipped to the image, in hundredths of a pixel.
    frames : ndarray of shape (m, 4), float64
        Width, height, width, height of each box's image, in hundredths of a pixel.
    reaches_out : ndarray of shape (m,), bool
        Whether clipping changed the box.
    """

    rows: IntArray
    state: npt.NDArray[np.int8]
    inside: FloatArray
    frames: FloatArray
    reaches_out: npt.NDArray[np.bool_]

    @property
    def kept(self) -> IntArray:
        """Positions of the usable boxes, image after image."""
        usable = np.flatnonzero(self.state == _KEPT)
        return usable[np.argsort(self.rows[usable], kind="stable")]

    @property
    def n_faulty(self) -> int:
        """Number of boxes that are problems."""
        return int((self.state > _REPEATED).sum())

    def problems(self, images: Samples) -> list[RowProblem]:
        """Name the first faulty boxes by their image, and their number in it from 1."""
        order = np.argsort(self.rows, kind="stable")
        counts = np.bincount(self.rows, minlength=len(images))
        numbers = np.empty(len(order), dtype=np.intp)
        numbers[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        faulty = order[self.state[order] > _REPEATED][:MOST_LISTED].tolist()
        return [
            RowProblem(f"{images.name(int(self.rows[box]))}, box {numbers[box]}", _FAULTS[int(self.state[box])])
            for box in faulty
        ]

    def notes(self) -> list[str]:
        """Count boxes that are left out without being faulty, and those that were clipped."""
        n_ignored, n_repeated = int((self.state == _IGNORED).sum()), int((self.state == _REPEATED).sum())
        usable = self.state == _KEPT
        n_clipped = int((self.reaches_out & usable).sum())
        notes = []
        if n_ignored:
            notes.append(f"{_boxes(n_ignored)} marked as crowd, difficult or ignored {are(n_ignored)} left out")
        if n_repeated:
            verb = "repeats" if n_repeated == 1 else "repeat"
            notes.append(f"{_boxes(n_repeated)} {verb} another of the same image and class, left out")
        if n_clipped:
            verbs = ("reaches", "was") if n_clipped == 1 else ("reach", "were")
            notes.append(
                f"{n_clipped} of {_boxes(int(usable.sum()))} {verbs[0]} out of the image and {verbs[1]} clipped to it"
            )
        return notes

    def overflow_notes(self, found: Sequence[RowProblem]) -> list[str]:
        """Count all problems by their reasons where there are too many to list."""
        total = len(found) + self.n_faulty
        if total <= MOST_LISTED:
            return []
        reasons = Counter(problem.reason for problem in found)
        reasons.update({text: int((self.state == code).sum()) for code, text in _FAULTS.items()})
        shown = "; ".join(f"{n} times {reason!r}" for reason, n in reasons.most_common(_REASONS_SHOWN) if n)
        return [f"{total} boxes and images have problems, of which the first {MOST_LISTED} are listed: {shown}"]


def clean_boxes(boxes: BoxRecords, sizes: FloatArray, codes: IntArray) -> CleanBoxes:
    """Round boxes to hundredths of a pixel, clip them to their images, and find the state of each.

    Parameters
    ----------
    boxes : BoxRecords
        m boxes.
    sizes : ndarray of shape (n, 2)
        Width and height of each image in pixels; zero where nobody knows.
    codes : ndarray of shape (m,), int
        The class of each box.

    Returns
    -------
    CleanBoxes
        The state of each box.
    """
    rows = np.asarray(boxes.images, dtype=np.intp)
    frames = np.tile(sizes[rows] * GRID, (1, 2))
    given = np.asarray(boxes.corners, dtype=np.float64).reshape(-1, 4)
    with np.errstate(over="ignore", invalid="ignore"):
        corners = np.rint(given * (frames if boxes.in_shares else GRID))
        # Adding zero turns the minus zero that rounding leaves into the zero that other forms hold.
        inside = np.clip(corners, 0, frames) + 0.0
        sides = corners[:, 2:] - corners[:, :2]
        conditions = [
            np.asarray(boxes.ignored, dtype=bool),
            frames[:, 0] == 0,
            ~np.isfinite(corners).all(axis=1),
            (sides < 0).any(axis=1),
            (sides < GRID).any(axis=1),
            ((corners[:, 2:] <= 0) | (corners[:, :2] >= frames[:, :2])).any(axis=1),
            (inside[:, 2:] - inside[:, :2] < GRID).any(axis=1),
        ]
    state = np.select(conditions, [_IGNORED, _SIZELESS, *_FAULTS], _KEPT).astype(np.int8)
    usable = np.flatnonzero(state == _KEPT)
    state[usable[_repeats(np.column_stack([inside[usable], codes[usable], rows[usable]]))]] = _REPEATED
    return CleanBoxes(rows, state, inside, frames, (inside != corners).any(axis=1))


def _repeats(keys: FloatArray) -> IntArray:
    """Find the rows that are the same as an earlier one; the sort is stable, so that the first of them stays."""
    order = np.lexsort(keys.T)
    same = (keys[order[1:]] == keys[order[:-1]]).all(axis=1)
    return np.asarray(order[1:][same], dtype=np.intp)


def class_notes(unused: Iterable[str]) -> list[str]:
    """Say which declared classes have no box that can be used."""
    names = sorted(unused, key=natural_key)
    shown = ", ".join(repr(name) for name in names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    if not names:
        return []
    classes, have = ("class", "has") if len(names) == 1 else ("classes", "have")
    return [f"the {classes} {shown}{more} {have} no box that can be used"]


def _boxes(count: int) -> str:
    return f"{count} {'box' if count == 1 else 'boxes'}"


def are(count: int) -> str:
    """Return the verb of a count."""
    return "is" if count == 1 else "are"
