"""The nearest other samples of each sample, in blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.stats import Statistics
from hubscout.stats.namespace import namespace, to_numpy

# Rows and columns of one block of distances.
_BLOCK = 1024


def nearest_neighbours(statistics: Statistics, k: int) -> tuple[IntArray, FloatArray]:
    """Return the k nearest other samples of each sample by Euclidean distance.

    Parameters
    ----------
    statistics : Statistics
    k : int
        Below the number of samples.

    Returns
    -------
    neighbours : ndarray of shape (n_samples, k), int
        Nearest first; equal distances keep the order of the samples.
    distances : ndarray of shape (n_samples, k), float64

    Notes
    -----
    Each block of distances serves its rows and its columns. Those of large float32 features are computed in float32.
    """
    n = statistics.n_samples
    index = np.full((n, k), n, dtype=np.intp)
    nearest = np.full((n, k), np.inf)
    for columns, samples in _centred_chunks(statistics):
        for rows, queries in _centred_chunks(statistics):
            if rows.start > columns.start:
                break
            for first, second, squared in _blocks(queries, rows.start, samples, columns.start):
                _keep_nearest(squared, second.start, first, index, nearest)
                if first != second:
                    _keep_nearest(squared.T, first.start, second, index, nearest)
    return index, np.sqrt(np.maximum(nearest, 0.0))


def _centred_chunks(statistics: Statistics) -> Iterator[tuple[slice, Array]]:
    mean = statistics.moments(with_scatter=False).mean
    # Two chunks are looked at, and each is centred by a copy.
    for rows, chunk in statistics.chunks(single=statistics.is_large, width=statistics.n_features):
        yield rows, chunk - namespace(chunk).astype(mean, chunk.dtype)[None, :]


def _blocks(
    queries: Array, first_query: int, samples: Array, first_sample: int
) -> Iterator[tuple[slice, slice, FloatArray]]:
    """Walk over squared distances in blocks; of a chunk with itself, over those on and above the diagonal."""
    xp = namespace(queries)
    norms = xp.sum(samples**2, axis=1)
    for start in range(0, queries.shape[0], _BLOCK):
        block = queries[start : min(start + _BLOCK, queries.shape[0]), :]
        rows = slice(first_query + start, first_query + start + block.shape[0])
        own = xp.sum(block**2, axis=1)
        for left in range(start if first_query == first_sample else 0, samples.shape[0], _BLOCK):
            right = min(left + _BLOCK, samples.shape[0])
            columns = slice(first_sample + left, first_sample + right)
            squared = to_numpy(xp.matmul(block, samples[left:right, :].T))
            squared = squared * -2.0
            squared += to_numpy(own)[:, None]
            squared += to_numpy(norms[left:right])[None, :]
            if rows == columns:
                np.fill_diagonal(squared, np.inf)  # a sample is not its own neighbour
            yield rows, columns, squared


def _keep_nearest(squared: FloatArray, offset: int, where: slice, index: IntArray, nearest: FloatArray) -> None:
    """Merge one block of squared distances into the k nearest found so far."""
    k = index.shape[1]
    limit = nearest[where, -1]
    if np.isinf(limit).any() and squared.shape[1] > k:
        limit = np.minimum(limit, np.partition(squared, k - 1, axis=1)[:, k - 1])
    limit = limit.astype(squared.dtype)[:, None]
    is_near = squared <= limit
    if np.count_nonzero(is_near) > 2 * is_near[:, :k].size:
        # Many samples are equally far: of those, no more than the first k of a row can stay.
        is_tied = squared == limit
        is_near &= ~is_tied | (np.cumsum(is_tied, axis=1, dtype=np.int32) <= k)
    rows, columns = np.nonzero(is_near)
    if not len(rows):
        return
    changed = np.unique(rows)
    known = np.repeat(changed, k)
    all_rows = np.concatenate([known, rows])
    distances = np.concatenate([nearest[where][changed].ravel(), squared[rows, columns].astype(np.float64)])
    names = np.concatenate([index[where][changed].ravel(), columns + offset])
    order = np.lexsort((names, distances, all_rows))
    # Place of each candidate within its row: the first k stay.
    starts = np.searchsorted(all_rows[order], changed)
    best = order[starts[:, None] + np.arange(k)]
    nearest[where.start + changed] = distances[best]
    index[where.start + changed] = names[best]
