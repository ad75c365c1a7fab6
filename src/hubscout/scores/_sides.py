"""Scores of one side of a task, put together to those of a task with several: detection."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from hubscout.errors import DataError
from hubscout.scores._estimate import Estimate, NullReference
from hubscout.stats import Statistics

Estimates = Callable[..., Estimate]


def of_all_sides(
    estimate: Estimates, *, reads_numbers: bool, joined: Callable[[], Mapping[str, Estimates]]
) -> Estimates:
    """Return an estimate that takes detection too, as the sum of what the score says of classes and of boxes.

    Parameters
    ----------
    estimate : callable
        ``estimate(statistics, **options) -> Estimate`` of a classification.
    reads_numbers : bool
        Whether it takes regression as well, and so the coordinates of boxes.
    joined : callable
        Gives estimates by name that need no labels, and are added to the sum; each takes some of the options.
    """

    @functools.wraps(estimate)
    def composed(statistics: Statistics, **options: Any) -> Estimate:
        if statistics.task != "detection":
            return estimate(statistics, **options)
        sides = {
            name: estimate(part, **options) for name, part in _parts(statistics, reads_numbers=reads_numbers).items()
        }
        sides.update({name: own(statistics, **options) for name, own in joined().items()})
        return Estimate.of_sum(sides)

    return composed


def null_of_classes(null: Callable[..., NullReference | None], *, is_sum: bool) -> Callable[..., NullReference | None]:
    """Return a null reference that takes detection too, where the score reads its classes alone."""

    @functools.wraps(null)
    def composed(statistics: Statistics, **options: Any) -> NullReference | None:
        if statistics.task != "detection":
            return null(statistics, **options)
        return None if is_sum else null(_parts(statistics, reads_numbers=False)["classes"], **options)

    return composed


def _parts(statistics: Statistics, *, reads_numbers: bool) -> dict[str, Statistics]:
    statistics.require_labels()
    parts = {name: part for name, part in statistics.parts.items() if reads_numbers or name == "classes"}
    if not parts:
        only = statistics.classes.tolist()[0]
        msg = f"labels must hold at least 2 classes, got 1 ({only!r}); one class cannot be told apart"
        raise DataError(msg)
    return parts
