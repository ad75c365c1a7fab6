"""Images with a mask each become points with classes: every mask is read once, and only points are kept."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.data.image_sizes import read_sizes
from hubscout.data.mask_images import COLOUR, value_name
from hubscout.data.mask_reading import MOST_VALUES, ClassRule, GatheredPoints, read_mask
from hubscout.data.parts import PlacedImages
from hubscout.data.samples import EncodedImages
from hubscout.data.splits import split_notes
from hubscout.data.task import RowProblem, Samples, Target, Task
from hubscout.errors import DataError, UsageError

IGNORED_VALUE = 255
_WINDOW = 64
_MOST_THREADS = 8


def masks_target(
    images: Samples,
    masks: Callable[[int], npt.NDArray[Any]],
    *,
    name: str,
    source: str,
    split: str,
    class_names: Sequence[str] | None = None,
    ignore: Sequence[int] = (IGNORED_VALUE,),
    points_per_image: int = 64,
    seed: int = 0,
    problems: Iterable[RowProblem] = (),
    notes: Iterable[str] = (),
) -> Target:
    """Make a segmentation target of images and their masks.

    Parameters
    ----------
    images : Samples
        n images.
    masks : callable
        ``masks(i)`` reads the mask of image i: integers of shape (height, width), or raises DataError with one phrase.
        Called from several threads.
    name : str
        Name of the task.
    source : str
        How the source is called in messages.
    split : str
        The split that was read.
    class_names : sequence of str, optional
        The classes that values are codes of. By default each value of all masks is a class, at most 256 of them.
    ignore : sequence of int
        Values of pixels that have no class.
    points_per_image : int, default=64
        How many points to draw of an image at most, and of a class at least, if it shows that often.
    seed : int, default=0
        Seed of the draw; points of an image depend on it, on the position of the image and on its mask.
    problems : iterable of RowProblem
        Images that were left out already.
    notes : iterable of str
        Sentences that were collected already.

    Returns
    -------
    Target
        Of kind ``segmentation``: one label for each point, image after image, row by row. Images without a usable mask
        are problems.

    Raises
    ------
    UsageError
        When no point may be drawn.
    DataError
        When class names repeat, the masks hold too many values, or fewer than two classes are left.

    Notes
    -----
    Within a mask, points are drawn as `hubscout.data.mask_points.draw_points` says. A class of which that gives fewer
    than `points_per_image` points over all images gets more of them, as far as it shows in other cells, so that some
    images can have more points. A mask may have another size than its image, if width and height have the same
    proportion to 1 %. Masks that hold 0 and 255 alone are read as two classes.
    """
    if points_per_image < 1:
        msg = f"points_per_image must be at least 1, got {points_per_image!r}"
        raise UsageError(msg)
    if class_names is not None and len(set(class_names)) < len(class_names):
        msg = f"the class names of {source} must differ from each other, got {class_names!r}; rename the repeated ones"
        raise DataError(msg)
    rule = ClassRule(None if class_names is None else len(class_names), frozenset(ignore))
    gathered = _gather(images, masks, rule, points_per_image, seed, source)
    more: list[str] = []
    if gathered.is_binary(IGNORED_VALUE) and (class_names is None or len(class_names) == 2):
        more.append("the masks hold 0 and 255 alone, read as two classes; 255 means no class in other masks")
        class_names = class_names or ("0", str(IGNORED_VALUE))
        gathered = _gather(images, lambda i: masks(i) == IGNORED_VALUE, ClassRule(2), points_per_image, seed, source)
    found = (*problems, *gathered.problems)
    _require_some(gathered, found, source)
    gathered.add_spare(seed)
    names, codes = _encode(gathered.values(), class_names)
    _require_contrast(names, codes, source)
    if class_names is None and any(value >= COLOUR for value in gathered.totals):
        more.append(f"the masks are in colours: each of the {len(names)} different colours is a class")
    more.append(
        f"{len(codes)} points of {len(gathered.kept)} masks were drawn, stratified by class, with seed {seed}: up to "
        f"{points_per_image} a mask, and more where a class would have fewer than that"
    )
    rows = np.asarray(gathered.kept, dtype=np.intp)
    return Target(
        task=Task(name, "segmentation", "image", names),
        samples=PlacedImages(images.subset(rows), tuple(points.places for points in gathered.points)),
        labels=codes,
        split=split,
        problems=found,
        notes=(*notes, *more, *gathered.notes(), *split_notes(split)),
        unit_counts=np.asarray([len(points) for points in gathered.points], dtype=np.intp),
    )


def _gather(
    images: Samples,
    masks: Callable[[int], npt.NDArray[Any]],
    rule: ClassRule,
    n_points: int,
    seed: int,
    source: str,
) -> GatheredPoints:
    gathered = GatheredPoints(n_points, MOST_VALUES if rule.n_classes is None else None, source)
    n = len(images)
    with warnings.catch_warnings(), ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        # What an image library has to say about a strange file ends in our own list of problems.
        warnings.simplefilter("ignore")
        # In windows, so that masks are never in memory together; within one, the same classes count as satisfied
        # for all masks, so that the draw does not depend on which thread is first.
        for start in range(0, n, _WINDOW):
            window = range(start, min(start + _WINDOW, n))
            sizes = read_sizes(images, window) if isinstance(images, EncodedImages) else {}
            satisfied = gathered.satisfied()

            def read(i: int, sizes: Any = sizes, satisfied: Any = satisfied) -> Any:
                generator = np.random.default_rng([seed, i])
                return read_mask(masks, i, sizes.get(i, images), rule, n_points, generator, satisfied)

            for i, outcome in zip(window, pool.map(read, window), strict=True):
                gathered.add(i, images.name(i), outcome)
    return gathered


def _encode(
    values: npt.NDArray[np.int64], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
    if class_names is not None:
        return tuple(class_names), values.astype(np.intp)
    present, codes = np.unique(values, return_inverse=True)
    return tuple(value_name(value) for value in present.tolist()), codes.astype(np.intp)


def _require_some(gathered: GatheredPoints, problems: Sequence[RowProblem], source: str) -> None:
    if not gathered.kept:
        found = (
            f"the first of {len(problems)} problems is {problems[0].row!r}: {problems[0].reason}" if problems else ""
        )
        msg = f"{source} must hold images with masks, got none; {found or 'check that it is the right one'}"
        raise DataError(msg)


def _require_contrast(names: tuple[str, ...], codes: npt.NDArray[np.intp], source: str) -> None:
    present = np.unique(codes)
    if len(present) < 2:
        msg = (
            f"the masks of {source} must hold at least two classes, got only {names[int(present[0])]!r} at all "
            f"{len(codes)} points; check that the masks hold codes of classes"
        )
        raise DataError(msg)
