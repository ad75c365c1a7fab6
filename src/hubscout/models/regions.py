"""Vectors of boxes and points, read from feature maps: RoIAlign and bilinear sampling, for NumPy and torch."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 7
SAMPLES = 2


def pool_boxes(maps: Any, boxes: npt.NDArray[np.floating[Any]], counts: Sequence[int]) -> Any:
    r"""Pool one vector a box from feature maps by RoIAlign, averaged over its bins.

    Parameters
    ----------
    maps : ndarray or torch.Tensor of shape (b, d, h, w)
        The map of each image; it spans the whole input.
    boxes : ndarray of shape (k, 4)
        Left, top, right, bottom as shares of the input, within [0, 1], image after image.
    counts : sequence of int
        Boxes of each image; their sum is k.

    Returns
    -------
    ndarray or torch.Tensor of shape (k, d)
        Of the kind of ``maps``, float32.

    Notes
    -----
    RoIAlign with ``aligned=True``: the map has its value of cell i at position i + 1/2, a box is divided into 7 x 7
    bins, and each bin is the mean of 2 x 2 values read by bilinear interpolation. The mean over the bins is then the
    mean over 14 x 14 evenly spaced positions. Interpolation in two directions is a product of one in each, so this
    mean is exactly

    .. math:: \sum_{ij} u_i v_j f_{ij}, \quad
        u_i = \frac{1}{14} \sum_{s=0}^{13} \max(0, 1 - |y_s - i|), \quad
        y_s = h (t + (b - t) (s + \tfrac{1}{2}) / 14) - \tfrac{1}{2},

    with t and b the box's top and bottom, :math:`y_s` held within the map, and v likewise: one matrix product an
    image instead of 49 d values a box. For tensors torchvision's compiled operator is taken where there is one.

    References
    ----------
    K. He, G. Gkioxari, P. Dollár, R. Girshick, "Mask R-CNN", ICCV 2017, arXiv:1703.06870.

    Examples
    --------
    >>> row = np.arange(4.0)
    >>> maps = np.broadcast_to(row, (1, 1, 4, 4))
    >>> float(pool_boxes(maps, np.array([[0.25, 0.0, 0.75, 1.0]]), [1])[0, 0])
    1.5
    """
    if not isinstance(maps, np.ndarray):
        operator = _compiled_operator(maps.device.type)
        if operator is not None:
            return operator(maps.float(), _rois(maps, boxes, counts), 1.0, BINS, BINS, SAMPLES, True).mean((2, 3))
    d, h, w = maps.shape[1:]
    rows, columns = _line_weights(boxes[:, 1], boxes[:, 3], h), _line_weights(boxes[:, 0], boxes[:, 2], w)
    weights = (rows[:, :, None] * columns[:, None, :]).reshape(len(boxes), h * w)
    if isinstance(maps, np.ndarray):
        maps = maps.astype(np.float32, copy=False)
        return np.concatenate([of @ maps[i].reshape(d, h * w).T for i, of in _by_image(weights, counts)])
    import torch

    on_device = torch.from_numpy(weights).to(maps.device)
    maps = maps.float()
    return torch.cat([of @ maps[i].reshape(d, h * w).T for i, of in _by_image(on_device, counts)])


def sample_points(maps: Any, points: npt.NDArray[np.floating[Any]], counts: Sequence[int]) -> Any:
    """Read one vector a point from feature maps by bilinear interpolation.

    Parameters
    ----------
    maps : ndarray or torch.Tensor of shape (b, d, h, w)
        The map of each image; it spans the whole input.
    points : ndarray of shape (k, 2)
        Horizontal and vertical position as shares of the input, within [0, 1], image after image.
    counts : sequence of int
        Points of each image; their sum is k.

    Returns
    -------
    ndarray or torch.Tensor of shape (k, d)
        Of the kind of ``maps``, float32.

    Notes
    -----
    The map has its value of cell i at position i + 1/2, and its outer half cells are flat: what torch's
    ``grid_sample`` calls ``align_corners=False, padding_mode="border"``.

    Examples
    --------
    >>> maps = np.array([[[[0.0, 4.0]]]])
    >>> sample_points(maps, np.array([[0.5, 0.5], [0.0, 0.5]]), [2]).ravel().tolist()
    [2.0, 0.0]
    """
    h, w = maps.shape[2:]
    image = np.repeat(np.arange(len(counts)), counts)
    x, right, x_share = _neighbours(points[:, 0], w)
    y, below, y_share = _neighbours(points[:, 1], h)
    if not isinstance(maps, np.ndarray):
        import torch

        arrays = (image, x, right, x_share, y, below, y_share)
        image, x, right, x_share, y, below, y_share = (torch.from_numpy(one).to(maps.device) for one in arrays)
        maps = maps.float()
    else:
        maps = maps.astype(np.float32, copy=False)
    upper = maps[image, :, y, x] * (1 - x_share) + maps[image, :, y, right] * x_share
    lower = maps[image, :, below, x] * (1 - x_share) + maps[image, :, below, right] * x_share
    return upper * (1 - y_share) + lower * y_share


def tokens_to_map(tokens: Any, rows: int, columns: int) -> Any:
    """Lay the last ``rows * columns`` tokens out as a map; tokens before them, such as a class token, are left out.

    Parameters
    ----------
    tokens : ndarray or torch.Tensor of shape (b, n, d)
        Row after row.
    rows, columns : int
        The grid.

    Returns
    -------
    ndarray or torch.Tensor of shape (b, d, rows, columns)

    Examples
    --------
    >>> tokens_to_map(np.array([[[9.0], [0.0], [1.0]]]), 1, 2).tolist()
    [[[[0.0, 1.0]]]]
    """
    placed = tokens[:, tokens.shape[1] - rows * columns :].reshape(tokens.shape[0], rows, columns, tokens.shape[2])
    return placed.transpose(0, 3, 1, 2) if isinstance(placed, np.ndarray) else placed.permute(0, 3, 1, 2)


def _line_weights(
    begin: npt.NDArray[np.floating[Any]], end: npt.NDArray[np.floating[Any]], cells: int
) -> npt.NDArray[np.float32]:
    """Give the weight of each cell of a line in the mean over a span of it, shape (k, cells)."""
    samples = BINS * SAMPLES
    steps = (np.arange(samples) + 0.5) / samples
    at = cells * (begin[:, None] + (end - begin)[:, None] * steps) - 0.5
    at = np.clip(at, 0, cells - 1)
    distance = np.abs(at[:, :, None] - np.arange(cells))
    return np.asarray(np.maximum(0, 1 - distance).mean(1), dtype=np.float32)


def _by_image(weights: Any, counts: Sequence[int]) -> list[tuple[int, Any]]:
    ends = np.cumsum(counts).tolist()
    return [(i, weights[end - count : end]) for i, (end, count) in enumerate(zip(ends, counts, strict=True))]


def _neighbours(
    share: npt.NDArray[np.floating[Any]], cells: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Find the cells on both sides of each position, and the share of the second, as a column."""
    at = np.clip(cells * share - 0.5, 0, cells - 1)
    low = np.floor(at).astype(np.intp)
    return low, np.minimum(low + 1, cells - 1), (at - low).astype(np.float32)[:, None]


def _rois(maps: Any, boxes: npt.NDArray[np.floating[Any]], counts: Sequence[int]) -> Any:
    """Write boxes as torchvision's operator takes them: the image, then the box in cells of the map."""
    import torch

    h, w = maps.shape[2:]
    image = np.repeat(np.arange(len(counts)), counts)
    cells = np.column_stack([image, boxes * np.array([w, h, w, h])])
    return torch.from_numpy(cells.astype(np.float32)).to(maps.device)


@functools.cache
def _compiled_operator(device: str) -> Any:
    """Return torchvision's operator where it runs on a kind of device, else None."""
    if importlib.util.find_spec("torchvision") is None:
        return None
    import torch

    try:
        importlib.import_module("torchvision.ops")
        operator = torch.ops.torchvision.roi_align
        # Only a call tells: beside another build of torch the operator is missing, or a name without a body.
        box = torch.zeros((1, 5), device=device)
        operator(torch.zeros((1, 1, 2, 2), device=device), box, 1.0, BINS, BINS, SAMPLES, True)
    except (ImportError, AttributeError, RuntimeError, OSError, TypeError):
        return None
    return operator
