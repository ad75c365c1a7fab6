"""Read one mask after the other, and gather their points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.data.mask_images import value_name
from hubscout.data.mask_points import NO_POINTS, DrawnPoints, draw_points
from hubscout.data.task import RowProblem, Samples
from hubscout.errors import DataError

MOST_VALUES = 256
_TOLERANCE = 0.01


@dataclass(frozen=True)
class ClassRule:
    """Which values of a mask are classes.

    Parameters
    ----------
    n_classes : int or None
        The classes are 0 to this; None where every value is one.
    ignored : frozenset of int
        Values that are none in any case.
    """

    n_classes: int | None
    ignored: frozenset[int] = frozenset()

    def is_class(self, value: int) -> bool:
        """Tell whether a value is a class."""
        return value not in self.ignored and (self.n_classes is None or 0 <= value < self.n_classes)


@dataclass(frozen=True)
class MaskReading:
    """What one mask gives.

    Parameters
    ----------
    problem : str or None
        Why it cannot be used; there are no points then.
    lowest : tuple of int
        The lowest three values it holds, where it can be read.
    n_pixels, n_strange : int
        How many pixels it has, and how many of them hold a value that is neither a class nor ignored.
    strange : int or None
        The lowest value of these.
    chosen, spare : DrawnPoints
        As `draw_points` returns them.
    """

    problem: str | None = None
    lowest: tuple[int, ...] = ()
    n_pixels: int = 0
    n_strange: int = 0
    strange: int | None = None
    chosen: DrawnPoints = NO_POINTS
    spare: DrawnPoints = NO_POINTS


def read_mask(
    masks: Callable[[int], npt.NDArray[Any]],
    index: int,
    size: tuple[int, int] | str | Samples,
    rule: ClassRule,
    n_points: int,
    generator: np.random.Generator,
    satisfied: Collection[int],
) -> MaskReading:
    """Read one mask and draw its points.

    Parameters
    ----------
    masks : callable
        Reads the mask of an image.
    index : int
        Which image.
    size : (int, int), str or Samples
        Width and height of the image, the reason why they are not known, or the images to decode for it.
    rule : ClassRule
        Which values are classes.
    n_points : int
        How many points to draw at most.
    generator : numpy.random.Generator
        Source of all randomness.
    satisfied : collection of int
        As in `draw_points`.

    Returns
    -------
    MaskReading
        What it gives.
    """
    try:
        if isinstance(size, str):
            return MaskReading(size)
        shape: tuple[int, int] = size if isinstance(size, tuple) else size[index].size
        mask = np.asarray(masks(index))
    except DataError as error:
        return MaskReading(str(error))
    if (reason := _problem(mask, shape)) is not None:
        return MaskReading(reason)
    pixels = count_values(mask)
    if len(pixels) > MOST_VALUES and rule.n_classes is None:
        return MaskReading(f"mask holds more than {MOST_VALUES} different values")
    lowest = tuple(pixels)[:3]
    classes = [value for value in pixels if rule.is_class(value)]
    strange = [value for value in pixels if not rule.is_class(value) and value not in rule.ignored]
    if not classes:
        found = f"{value_name(strange[0])} is none of the {rule.n_classes} classes" if strange else "all are ignored"
        return MaskReading(f"mask holds no value that is a class: {found}", lowest)
    return MaskReading(
        None,
        lowest,
        mask.size,
        sum(pixels[value] for value in strange),
        strange[0] if strange else None,
        *draw_points(mask, classes, n_points, generator, satisfied),
    )


def count_values(mask: npt.NDArray[Any]) -> dict[int, int]:
    """Count the pixels of each value, in ascending order of values."""
    if mask.dtype in (np.uint8, np.bool_):
        counts = np.bincount(mask.reshape(-1), minlength=256)
        return {value: int(counts[value]) for value in np.flatnonzero(counts).tolist()}
    values, found = np.unique(mask, return_counts=True)
    return dict(zip(values.tolist(), found.tolist(), strict=True))


def _problem(mask: npt.NDArray[Any], size: tuple[int, int]) -> str | None:
    if mask.ndim != 2 or not mask.size or mask.dtype.kind not in "uib":
        return f"mask must hold integers of shape (height, width), got {mask.dtype} of shape {mask.shape}"
    (height, width), (wide, high) = mask.shape, size
    if abs(width * high - height * wide) > _TOLERANCE * height * wide:
        return f"mask has {width} x {height} pixels, which are not the proportions of the image, {wide} x {high}"
    return None


class GatheredPoints:
    """The points of all masks so far.

    Parameters
    ----------
    n_points : int
        How many points a class should have.
    most_values : int or None
        How many classes there may be.
    source : str
        How the source is called in messages.

    Attributes
    ----------
    kept : list of int
        Positions of the images whose masks can be used.
    points : list of DrawnPoints
        Of each of them.
    totals : Counter
        Points of each class.
    problems : list of RowProblem
        The other images.
    """

    def __init__(self, n_points: int, most_values: int | None, source: str) -> None:
        self.kept: list[int] = []
        self.points: list[DrawnPoints] = []
        self.totals: Counter[int] = Counter()
        self.problems: list[RowProblem] = []
        self._n_points = n_points
        self._most_values = most_values
        self._source = source
        self._spare: dict[int, list[tuple[int, DrawnPoints]]] = {}
        self._seen: set[int] = set()
        self._n_pixels = 0
        self._n_strange = 0
        self._strange: int | None = None

    def add(self, index: int, name: str, reading: MaskReading) -> None:
        """Take the points of one mask, or report why it cannot be used."""
        self._seen.update(reading.lowest)
        if reading.problem is not None:
            # The samples name themselves in what they say, which the row of the problem does already.
            self.problems.append(RowProblem(name, reading.problem.removeprefix(f"sample {name!r} cannot be used: ")))
            return
        for value in np.unique(reading.spare.values).tolist():
            found = reading.spare.pick(reading.spare.values == value)
            self._spare.setdefault(value, []).append((len(self.kept), found))
        self.kept.append(index)
        self.points.append(reading.chosen)
        self.totals.update(reading.chosen.values.tolist())
        self._n_pixels += reading.n_pixels
        self._n_strange += reading.n_strange
        self._strange = reading.strange if self._strange is None else self._strange
        for value in self.satisfied() & self._spare.keys():
            del self._spare[value]
        if self._most_values is not None and len(self.totals) > self._most_values:
            self._refuse_many()

    def satisfied(self) -> frozenset[int]:
        """Return the classes that have enough points."""
        return frozenset(value for value, n in self.totals.items() if n >= self._n_points)

    def add_spare(self, seed: int) -> None:
        """Give the classes with few points more of them, at random from all spare ones."""
        generator = np.random.default_rng([seed, len(self.kept), len(self.problems)])
        extra: dict[int, list[DrawnPoints]] = {}
        for value in sorted(self._spare):
            images = np.repeat(
                [image for image, _ in self._spare[value]], [len(points) for _, points in self._spare[value]]
            )
            places = np.concatenate([points.places for _, points in self._spare[value]])
            missing = min(len(images), self._n_points - self.totals[value])
            for row in np.sort(generator.choice(len(images), missing, replace=False)).tolist():
                point = DrawnPoints(places[row : row + 1], np.asarray([value], dtype=np.int64))
                extra.setdefault(int(images[row]), []).append(point)
            self.totals[value] += missing
        for image, found in extra.items():
            joined = [self.points[image], *found]
            places = np.concatenate([points.places for points in joined])
            order = np.lexsort((places[:, 0], places[:, 1]))
            self.points[image] = DrawnPoints(places, np.concatenate([points.values for points in joined])).pick(order)
        self._spare.clear()

    def values(self) -> npt.NDArray[np.int64]:
        """Return the values of all points, image after image."""
        return np.concatenate([points.values for points in self.points])

    def is_binary(self, ignored: int) -> bool:
        """Tell whether all masks hold no other values than 0 and the ignored one, and both of them."""
        return self._seen == {0, ignored} and ignored not in self.totals

    def notes(self) -> list[str]:
        """Say how many pixels hold a value that is no class."""
        if self._strange is None:
            return []
        share, first = 100 * self._n_strange / self._n_pixels, value_name(self._strange)
        return [
            f"{self._n_strange} pixels ({share:.2g} %) hold a value of no class, such as {first}, and give no points"
        ]

    def _refuse_many(self) -> None:
        msg = (
            f"the masks of {self._source} must hold at most {self._most_values} different values, got more in the "
            f"first {len(self.kept)} of them; they may number objects and not classes, so save the codes of classes"
        )
        raise DataError(msg)
