"""The nearest other samples of each sample, in blocks."""

from __future__ import annotations

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout.stats import Statistics
from hubscout.stats.namespace import namespace, to_numpy

# Distances held at once; the memory of one block of queries against one chunk of samples.
_BLOCK_DISTANCES = 2**22


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
    """
    n = statistics.n_samples
    index = np.full((n, k), -1, dtype=np.intp)
    nearest = np.full((n, k), np.inf)
    mean = statistics.moments(with_scatter=False).mean
    for columns, chunk in statistics.chunks():
        xp = namespace(chunk)
        samples = chunk - mean[None, :]
        norms = xp.sum(samples**2, axis=1)
        step = max(1, _BLOCK_DISTANCES // samples.shape[0])
        for rows, queries in statistics.chunks():
            for start in range(0, queries.shape[0], step):
                block = queries[start : min(start + step, queries.shape[0]), :] - mean[None, :]
                squared = xp.sum(block**2, axis=1)[:, None] + norms[None, :] - 2 * xp.matmul(block, samples.T)
                first = rows.start + start
                where = slice(first, first + block.shape[0])
                _keep_nearest(to_numpy(squared), columns.start, where, index, nearest)
    return index, np.sqrt(np.maximum(nearest, 0.0))


def _keep_nearest(squared: FloatArray, offset: int, where: slice, index: IntArray, nearest: FloatArray) -> None:
    """Merge one block of squared distances into the k nearest found so far."""
    k = index.shape[1]
    queries = np.arange(where.start, where.stop)
    own = queries - offset
    is_inside = (own >= 0) & (own < squared.shape[1])
    squared[np.flatnonzero(is_inside), own[is_inside]] = np.inf  # a sample is not its own neighbour
    if squared.shape[1] > k:
        candidates = np.argpartition(squared, k - 1, axis=1)[:, :k]
        # A partition takes any of the samples that are equally far; such rows are sorted, the first samples first.
        farthest = np.take_along_axis(squared, candidates, axis=1).max(axis=1)
        is_tied = np.count_nonzero(squared <= farthest[:, None], axis=1) > k
        if is_tied.any():
            candidates[is_tied] = np.argsort(squared[is_tied], axis=1, kind="stable")[:, :k]
    else:
        candidates = np.broadcast_to(np.arange(squared.shape[1]), squared.shape)
    found = np.take_along_axis(squared, candidates, axis=1)
    both = np.concatenate([nearest[where], found], axis=1)
    names = np.concatenate([index[where], candidates + offset], axis=1)
    order = np.lexsort((names, both), axis=1)[:, :k]
    nearest[where] = np.take_along_axis(both, order, axis=1)
    index[where] = np.take_along_axis(names, order, axis=1)
