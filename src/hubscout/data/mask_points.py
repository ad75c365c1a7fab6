"""Draw points of a mask: many places, few neighbours, and rare classes too."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray
from hubscout.data.allocation import FLOOR, allocate

# Finer than the last feature map of most models, so that few points read the same place of it.
GRID = 32
_SEARCHED_PIXELS = 4096


@dataclass(frozen=True)
class DrawnPoints:
    """Points of one mask.

    Parameters
    ----------
    places : ndarray of shape (k, 2), float64
        Pixel centres, as shares of width and height.
    values : ndarray of shape (k,), int64
        What the mask holds there.
    """

    places: FloatArray
    values: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Count the points."""
        return len(self.values)

    def pick(self, chosen: Any) -> DrawnPoints:
        """Keep some of the points."""
        return DrawnPoints(self.places[chosen], self.values[chosen])


NO_POINTS = DrawnPoints(np.empty((0, 2)), np.empty(0, dtype=np.int64))


def draw_points(
    mask: npt.NDArray[Any],
    classes: Sequence[int],
    n_points: int,
    generator: np.random.Generator,
    satisfied: Collection[int] = (),
) -> tuple[DrawnPoints, DrawnPoints]:
    """Draw points of one mask, and spare ones of the classes that may need more.

    Parameters
    ----------
    mask : ndarray of shape (height, width), integer
        The mask.
    classes : sequence of int
        Values of the mask that are classes, each with a pixel at least.
    n_points : int
        How many to draw at most; fewer where the classes show in fewer cells.
    generator : numpy.random.Generator
        Source of all randomness.
    satisfied : collection of int
        Classes that need no spare points.

    Returns
    -------
    chosen : DrawnPoints
        Row by row.
    spare : DrawnPoints
        Up to `n_points` further points of each class that is not satisfied, in random order.

    Notes
    -----
    The mask is divided into 32 x 32 cells, fewer where it has fewer pixels. One random pixel of each cell stands for
    it, so that the cells of a class are in proportion to its area; among them the points are drawn, stratified by class
    with a floor (`hubscout.data.allocation.allocate`). A class with fewer cells than its floor is looked for in all
    pixels, at most one a cell. With more classes than points, some classes at random get one point each.
    """
    values = np.ascontiguousarray(mask).reshape(-1)
    shape = mask.shape[0], mask.shape[1]
    present = list(classes)
    if len(present) > n_points:
        present = sorted(generator.choice(np.asarray(present), n_points, replace=False).tolist())
    floor = max(1, min(FLOOR, n_points // len(present)))
    cells = generator.permutation(_one_a_cell(shape, generator))
    found = values[cells]
    candidates, counts = [], []
    for value in present:
        members = cells[found == value]
        count = len(members)
        wanted = floor if value in satisfied else n_points
        if count < wanted:
            members = _search(values, value, wanted, shape, generator)
        candidates.append(members)
        counts.append(max(count, min(len(members), floor)))
    taken = allocate(np.asarray(counts), min(n_points, sum(counts))).tolist()
    chosen = np.concatenate([members[:n] for members, n in zip(candidates, taken, strict=True)])
    spare = [
        members[n:][:n_points]
        for value, members, n in zip(present, candidates, taken, strict=True)
        if value not in satisfied
    ]
    return _points(np.sort(chosen), values, shape), _points(
        np.concatenate([*spare, np.empty(0, np.intp)]), values, shape
    )


def _one_a_cell(shape: tuple[int, int], generator: np.random.Generator) -> IntArray:
    """Take one random pixel of each cell, as positions in the flat mask."""
    rows, columns = (_edges(side) for side in shape)
    drawn = generator.random((2, len(rows) - 1, len(columns) - 1))
    y = rows[:-1, None] + (drawn[0] * np.diff(rows)[:, None]).astype(np.intp)
    x = columns[None, :-1] + (drawn[1] * np.diff(columns)[None, :]).astype(np.intp)
    return np.asarray((y * shape[1] + x).reshape(-1), dtype=np.intp)


def _edges(side: int) -> IntArray:
    n_cells = min(GRID, side)
    return np.asarray(-(-np.arange(n_cells + 1) * side // n_cells), dtype=np.intp)


def _search(
    values: npt.NDArray[Any], value: int, wanted: int, shape: tuple[int, int], generator: np.random.Generator
) -> IntArray:
    """Take up to the wanted number of random pixels that hold a value, at most one of each cell."""
    pixels = np.flatnonzero(values == value)
    # A sample of many pixels shows nearly all cells, for a fraction of the time.
    pixels = generator.choice(pixels, min(len(pixels), _SEARCHED_PIXELS), replace=False)
    places = [
        np.searchsorted(_edges(side), at, side="right") - 1
        for side, at in zip(shape, np.divmod(pixels, shape[1]), strict=True)
    ]
    _, first = np.unique(places[0] * GRID + places[1], return_index=True)
    return np.asarray(pixels[np.sort(first)][:wanted], dtype=np.intp)


def _points(pixels: IntArray, values: npt.NDArray[Any], shape: tuple[int, int]) -> DrawnPoints:
    y, x = np.divmod(pixels, shape[1])
    places = np.stack([(x + 0.5) / shape[1], (y + 0.5) / shape[0]], axis=1)
    return DrawnPoints(places, values[pixels].astype(np.int64))
