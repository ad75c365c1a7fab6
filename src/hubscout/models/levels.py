"""Which layer's map boxes and points are read from: the level of a pyramid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray

CELLS = 7
TYPICAL_SIZE = 0.5
_CANONICAL_SIDE, _CANONICAL_STRIDE = 224, 16


@dataclass(frozen=True)
class Level:
    """One layer of a model and the shape of what it gives.

    Parameters
    ----------
    layer : int
        From 1 to the model's depth; 0 is what goes into the first layer.
    name : str
        What the model calls it.
    width : int
        Number of features.
    rows, columns : int
        Cells of its map; 0 where its vectors have no place in the picture.
    has_class_token : bool
        Whether it gives a class token beside the map.
    """

    layer: int
    name: str
    width: int
    rows: int
    columns: int
    has_class_token: bool = False

    @property
    def has_places(self) -> bool:
        """Whether parts of a picture can be told apart in it."""
        return self.rows * self.columns > 1


def choose_level(levels: Sequence[Level], typical_size: float | None) -> int:
    """Choose the one level that all boxes or points are read from.

    Parameters
    ----------
    levels : sequence of Level
        From the first layer to the last.
    typical_size : float or None
        Median over the boxes of the root of their area, as a share of the picture's; None counts as one half, at
        which a picture of 14 x 14 cells is chosen, as a vision transformer with patches of 16 pixels sees it.

    Returns
    -------
    int
        Position in ``levels``.

    Notes
    -----
    Of each resolution only the last level is looked at, and of these only the deeper half: the first stages of a
    network that was trained to tell pictures apart see edges and colours, however well they resolve a box. Among the
    rest the level is taken at which the typical box is nearest to 7 cells a side, on a logarithmic scale; the deeper
    one when two are equally near. At 7 cells each of RoIAlign's 7 bins is one cell wide: a coarser map would mix the
    box with its surroundings, a finer one costs depth and gains nothing that the mean over the bins keeps.

    Levels of different width cannot stand in one table of features, so one level serves all boxes.

    Examples
    --------
    >>> stages = [Level(k, f"stage {k}", 64 << k, 112 >> k, 112 >> k) for k in range(5)]
    >>> [stages[choose_level(stages, size)].rows for size in (0.1, 0.4, 0.8)]
    [28, 14, 7]
    """
    last = {(level.rows, level.columns): place for place, level in enumerate(levels) if level.has_places}
    pyramid = sorted(last.values())
    if not pyramid:
        msg = "no level has places"
        raise ValueError(msg)
    size = TYPICAL_SIZE if typical_size is None else typical_size
    deeper = pyramid[len(pyramid) // 2 :]
    return min(reversed(deeper), key=lambda place: abs(math.log2(_cells(levels[place], size) / CELLS)))


def assign_levels(levels: Sequence[Level], boxes: FloatArray, height: int, width: int) -> npt.NDArray[np.intp]:
    r"""Choose a level of a feature pyramid for each box.

    Parameters
    ----------
    levels : sequence of Level
        Of one width, each with another resolution.
    boxes : ndarray of shape (k, 4)
        Left, top, right, bottom as shares of the input.
    height, width : int
        Of the input, in pixels.

    Returns
    -------
    ndarray of shape (k,), int
        Positions in ``levels``.

    Notes
    -----
    The rule that feature pyramids are trained with, :math:`\lfloor 4 + \log_2(\sqrt{a} / 224) \rfloor` for a box of a
    pixels: a box of 224 to 448 pixels is read at stride 16, and each halving of the box halves the stride, as far as
    there are levels.

    References
    ----------
    T.-Y. Lin, P. Dollár, R. Girshick, K. He, B. Hariharan, S. Belongie, "Feature Pyramid Networks for Object
    Detection", CVPR 2017, arXiv:1612.03144, equation 1.

    Examples
    --------
    >>> pyramid = [Level(k, str(k), 256, 128 >> k, 128 >> k) for k in range(4)]
    >>> boxes = np.array([[0, 0, 0.1, 0.1], [0, 0, 0.5, 0.5], [0, 0, 1, 1]])
    >>> assign_levels(pyramid, boxes, 512, 512).tolist()
    [0, 2, 3]
    """
    strides = np.array([math.log2(math.sqrt(height * width / (level.rows * level.columns))) for level in levels])
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) * height * width
    # The tiny term keeps a box of exactly 224 pixels on its level when its side was rounded, as detectors do.
    wanted = np.floor(np.log2(_CANONICAL_STRIDE) + np.log2(np.sqrt(np.maximum(areas, 1e-6)) / _CANONICAL_SIDE) + 1e-6)
    return np.asarray(np.abs(wanted[:, None] - strides).argmin(1), dtype=np.intp)


def _cells(level: Level, size: float) -> float:
    return max(size, 1e-6) * math.sqrt(level.rows * level.columns)
