"""How features are cut so that working copies stay small."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from hubscout._typing import Array
from hubscout.stats.namespace import float_dtype, namespace

# Memory that one working copy of a chunk may take; with D x D sums beside it, it bounds what scoring needs.
CHUNK_BYTES = 84 * 2**20


def row_slices(n_rows: int, bytes_a_row: int) -> Iterator[slice]:
    """Cut rows into consecutive slices of nearly equal length, each within the memory of one chunk."""
    n_chunks = min(-(-n_rows * bytes_a_row // CHUNK_BYTES), n_rows)
    edges = np.linspace(0, n_rows, n_chunks + 1).astype(int).tolist()
    return (slice(start, stop) for start, stop in pairwise(edges))


def column_blocks(features: Array, mean: Array | None) -> Iterator[Array]:
    """Walk over blocks of columns of (n_samples, columns), in float64 and centred if a mean is given."""
    xp = namespace(features)
    n_rows, n_columns = features.shape
    step = max(1, CHUNK_BYTES // (8 * n_rows))
    for start in range(0, n_columns, step):
        columns = slice(start, min(start + step, n_columns))
        block = xp.astype(features[:, columns], float_dtype(xp, single=False))
        yield block if mean is None else block - mean[columns][None, :]
