"""Whether a tensor from inside a torch module is a map, tokens or neither, told by its shape."""

from __future__ import annotations

import math
from typing import Any

from hubscout.models.map_source import LayerOutput
from hubscout.models.regions import tokens_to_map

_CLASS_TOKENS = ("cls_token", "class_token", "class_embedding")
_MOST_PREFIX_TOKENS = 16


def has_class_token(model: Any) -> bool:
    """Whether a module has a parameter by one of the names that class tokens go by."""
    return any(name.rpartition(".")[2] in _CLASS_TOKENS for name, _ in model.named_parameters())


def as_layer(tensor: Any, example: Any, *, has_token: bool = False) -> LayerOutput | None:
    """Read a tensor as a map or tokens.

    Parameters
    ----------
    tensor : Tensor
        What a module returned for the example.
    example : Tensor of shape (b, channels, height, width)
        The batch it was given.
    has_token : bool
        Whether the model puts a class token before the patches.

    Returns
    -------
    LayerOutput or None
        With a map of shape (b, d, h, w) wherever the shape tells one, channels first or last, or tokens that fill a
        grid of the picture's proportions; with tokens of shape (b, n, d) where they do not; None for anything else.
    """
    height, width = example.shape[2:]
    if tensor.shape[0] != len(example):
        return None
    if tensor.ndim == 4:
        _, first, second, third = tensor.shape
        if second * width != third * height and first * width == second * height:
            tensor = tensor.permute(0, 3, 1, 2)
        return LayerOutput(tensor) if tensor.shape[2] * tensor.shape[3] > 1 else None
    if tensor.ndim != 3:
        return None
    token = tensor[:, 0] if has_token else None
    grid = _grid(tensor.shape[1], height, width, least=int(has_token))
    if grid is None:
        return LayerOutput(tensor[:, int(has_token) :], token)
    return LayerOutput(tokens_to_map(tensor, *grid), token)


def _grid(n_tokens: int, height: int, width: int, *, least: int) -> tuple[int, int] | None:
    """Find the rows and columns of a grid of the picture's proportions that leaves the fewest tokens before it."""
    for prefix in range(least, _MOST_PREFIX_TOKENS + 1 if least else 1):
        cells = n_tokens - prefix
        rows = math.isqrt(max(cells, 0) * height // width)
        if rows and cells % rows == 0 and rows * width == cells // rows * height:
            return rows, cells // rows
    return None
