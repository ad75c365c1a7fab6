"""From one vector a token to one vector a text, and the padding that comes before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

TOKEN_POOLINGS = ("cls", "mean", "max", "last")


def pad(rows: Sequence[Sequence[int]], padding: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Bring token lists to one length.

    Parameters
    ----------
    rows : sequence of sequences of int
        b token lists, none empty.
    padding : int
        The token to fill with.

    Returns
    -------
    ids : ndarray of shape (b, longest), int64
    mask : ndarray of shape (b, longest), int64
        1 at tokens, 0 at padding.

    Notes
    -----
    Padding always stands on the right, whatever the tokenizer prefers for generating text: there positions
    count from the first token in every model, and no causal model sees what follows, so a text's vector
    does not depend on what else is in the batch.

    Examples
    --------
    >>> ids, mask = pad([[5, 6], [7]], 0)
    >>> ids.tolist(), mask.tolist()
    ([[5, 6], [7, 0]], [[1, 1], [1, 0]])
    """
    ids = np.full((len(rows), max(map(len, rows))), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask


def pool_tokens(vectors: Any, mask: Any, pooling: str) -> Any:
    """Pool the vectors of the tokens that are not padding.

    Parameters
    ----------
    vectors : Tensor or ndarray of shape (b, tokens, d)
        One vector a token.
    mask : Tensor or ndarray of shape (b, tokens), int
        1 at tokens, 0 at padding on either side.
    pooling : {"cls", "mean", "max", "last"}
        The first token, the mean or the largest value of each feature over the tokens, or the last token.

    Returns
    -------
    Tensor or ndarray of shape (b, d)
        Of the kind of ``vectors``.

    Examples
    --------
    >>> vectors = np.array([[[1.0], [3.0], [9.0]]])
    >>> [float(pool_tokens(vectors, np.array([[1, 1, 0]]), how)[0, 0]) for how in ("cls", "mean", "last")]
    [1.0, 2.0, 3.0]
    """
    if pooling == "mean":
        # The padding's vectors are replaced, not multiplied by zero: some models leave NaN there.
        weights = mask[:, :, None]
        return _where(weights == 1, vectors, 0.0).sum(1) / weights.sum(1)
    if pooling == "max":
        kept = _where(mask[:, :, None] == 1, vectors, float("-inf"))
        return kept.max(1) if isinstance(kept, np.ndarray) else kept.amax(1)
    rows = range(len(mask))
    width = mask.shape[1]
    first = mask.argmax(1)
    at = first if pooling == "cls" else width - 1 - _flip(mask).argmax(1)
    return vectors[list(rows), at]


def _where(condition: Any, vectors: Any, filling: float) -> Any:
    if isinstance(vectors, np.ndarray):
        return np.where(condition, vectors, np.asarray(filling, vectors.dtype))
    import torch

    return torch.where(condition, vectors, torch.tensor(filling, dtype=vectors.dtype, device=vectors.device))


def _flip(mask: Any) -> Any:
    return mask[:, ::-1] if isinstance(mask, np.ndarray) else mask.flip(1)
