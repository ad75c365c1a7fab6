"""Boxes of any annotation form become a detection target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout.data.box_cleaning import MOST_LISTED, BoxRecords, are, class_notes, clean_boxes
from hubscout.data.image_sizes import FramedImages, Size, read_sizes
from hubscout.data.ordering import natural_key
from hubscout.data.parts import PlacedImages
from hubscout.data.samples import EncodedImages
from hubscout.data.splits import split_notes
from hubscout.data.task import RowProblem, Samples, Target, Task
from hubscout.errors import DataError

# An image of shares whose header is damaged stays, for the probe to refuse it by name like any other.
_UNREADABLE = (1000, 1000)


def detection_target(
    images: Samples,
    sizes: Sequence[Size],
    boxes: BoxRecords,
    *,
    name: str,
    source: str,
    split: str,
    class_names: Iterable[str] = (),
    problems: Iterable[RowProblem] = (),
    notes: Iterable[str] = (),
) -> Target:
    r"""Clean boxes, and make a target of the images that have any.

    Parameters
    ----------
    images : Samples
        n images, in the order that the target is to have.
    sizes : sequence of (int, int) or None
        Width and height in pixels of each, as its annotations state them; where they do not, and the image has boxes,
        its header is read.
    boxes : BoxRecords
        The boxes; those of one image keep their order.
    name : str
        Name of the task.
    source : str
        How the source is called in messages.
    split : str
        The split that was read.
    class_names : iterable of str, optional
        The classes that the source declares, so that those without boxes can be noted.
    problems : iterable of RowProblem
        What was left out already.
    notes : iterable of str
        Sentences that were collected already.

    Returns
    -------
    Target
        Images with at least one usable box, and those boxes as shares of width and height. Classes are those that
        have boxes, in natural order.

    Raises
    ------
    DataError
        When no usable box is left.

    Notes
    -----
    Each coordinate :math:`x` in pixels becomes :math:`\mathrm{round}(100 x) / (100 W)` of the width :math:`W`, and
    likewise down the height. Hundredths of a pixel are what COCO's own files are printed in, Pascal VOC's whole
    pixels are among them, and six printed digits of YOLO's shares find them again in images up to 6 600 pixels a side
    (their error is at most :math:`0.75 \cdot 10^{-6} W` pixels). Data whose boxes stand on that grid have therefore
    the same boxes to the last bit, and the same fingerprint and scores, in each of the forms; boxes off the grid
    differ by at most a hundredth of a pixel between forms that print them with different precision.

    A box is clipped to its image. One that is not finite, has a negative side, lies outside, or is less than one
    pixel wide or high (as it is given, or inside the image) is a problem of its own, of which the first 1 000 are
    listed and all are counted. Boxes marked as crowd or difficult, boxes that repeat another of the same image and
    class, and images without a usable box are left out and counted in notes. Images that do not decode, or have
    another shape than stated, are refused by name when the probe is drawn.
    """
    known, unread = _known_sizes(images, sizes, boxes)
    found = [*problems, *(RowProblem(images.name(row), reason) for row, reason in unread)]
    classes, codes = _codes(boxes.class_names)
    clean = clean_boxes(boxes, known, codes)
    kept, listed, box_notes = clean.kept, clean.problems(images), clean.notes()
    if not kept.size:
        raise _nothing_left(source, [*found, *listed], len(boxes), box_notes)
    counts = np.bincount(clean.rows[kept], minlength=len(images))
    with_boxes = np.flatnonzero(counts)
    shares: FloatArray = clean.inside[kept] / clean.frames[kept]
    names, labels = _natural_codes(classes, codes[kept])
    return Target(
        task=Task(name, "detection", "image", names),
        samples=_placed(images, sizes, with_boxes, counts, shares),
        labels=labels,
        split=split,
        problems=(*found, *listed)[:MOST_LISTED],
        notes=(
            *notes,
            *box_notes,
            *_image_notes(len(images) - len(with_boxes)),
            *class_notes(set(class_names) - set(names)),
            *clean.overflow_notes(found),
            *split_notes(split),
        ),
        unit_counts=counts[with_boxes].astype(np.intp),
        boxes=shares,
    )


def _known_sizes(images: Samples, sizes: Sequence[Size], boxes: BoxRecords) -> tuple[FloatArray, list[tuple[int, str]]]:
    """Return the size of each image that has boxes, (n, 2), zero where it cannot be known, and why it cannot."""
    known = np.zeros((len(images), 2))
    missing = []
    for row in sorted(set(boxes.images)):
        stated = sizes[row]
        if stated is None:
            missing.append(row)
        else:
            known[row] = stated
    unread = []
    for row, size in read_sizes(images, missing).items():
        if not isinstance(size, str):
            known[row] = size
        elif boxes.in_shares:
            known[row] = _UNREADABLE
        else:
            unread.append((row, size))
    return known, unread


def _codes(class_names: Sequence[str]) -> tuple[list[str], IntArray]:
    index: dict[str, int] = {}
    codes = [index.setdefault(class_name, len(index)) for class_name in class_names]
    return list(index), np.asarray(codes, dtype=np.intp)


def _natural_codes(classes: Sequence[str], codes: IntArray) -> tuple[tuple[str, ...], IntArray]:
    """Recode to the classes that occur, in natural order."""
    present = sorted(np.unique(codes).tolist(), key=lambda code: natural_key(classes[code]))
    recoded = np.zeros(len(classes), dtype=np.intp)
    recoded[present] = np.arange(len(present))
    return tuple(classes[code] for code in present), recoded[codes]


def _placed(
    images: Samples, sizes: Sequence[Size], with_boxes: IntArray, counts: IntArray, shares: FloatArray
) -> PlacedImages:
    chosen = images if len(with_boxes) == len(images) else images.subset(with_boxes)
    stated = tuple(sizes[row] for row in with_boxes.tolist())
    # Pixels of an array have the size they have; the file of an image may be another than the one annotated.
    if isinstance(images, EncodedImages) and any(size is not None for size in stated):
        chosen = FramedImages(chosen, stated)
    places: list[Any] = np.split(shares, np.cumsum(counts[with_boxes])[:-1])
    return PlacedImages(chosen, tuple(places))


def _image_notes(n_empty: int) -> list[str]:
    if not n_empty:
        return []
    return [f"{n_empty} {'image' if n_empty == 1 else 'images'} without a usable box {are(n_empty)} left out"]


def _nothing_left(source: str, problems: list[RowProblem], n_boxes: int, notes: list[str]) -> DataError:
    if problems:
        cause = f"the first of the problems is {problems[0].row!r}: {problems[0].reason}"
    else:
        cause = notes[0] if notes else "check that it is the right one"
    return DataError(f"{source} must hold boxes that can be used, got none of {n_boxes}; {cause}")
