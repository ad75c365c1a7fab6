"""The nearest other samples of each sample, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.stats import Statistics
from hubscout.stats.namespace import is_numpy, is_single_precision, namespace, to_numpy

# Most rows and columns of one block of distances: products of large blocks are quicker.
_BLOCK = 2560
# Groups of samples whose nearest ones bound how far the k nearest of all are, for each of the k.
_GROUPS_EACH = 16


def nearest_neighbours(statistics: Statistics, k: int) -> tuple[IntArray, FloatArray]:
    """Return the k nearest other samples of each sample by Euclidean distance, of other groups where there are groups.

    Parameters
    ----------
    statistics : Statistics
    k : int
        Below the number of samples, and not above that of samples outside of any group.

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
    nearness = np.full((n, k), -np.inf)  # minus half the squared distance, which a product of samples gives soonest
    groups = statistics.groups
    for columns, samples in _centred_chunks(statistics, n):
        for first, second, near in _blocks(samples, columns.start, samples, columns.start):
            _keep_both(_apart(near, first, second, groups), first, second, index, nearness)
        for rows, queries in _centred_chunks(statistics, columns.start):
            for first, second, near in _blocks(queries, rows.start, samples, columns.start):
                _keep_both(_apart(near, first, second, groups), first, second, index, nearness)
    return index, np.sqrt(np.maximum(-2.0 * nearness, 0.0))


def _centred_chunks(statistics: Statistics, before: int) -> Iterator[tuple[slice, Array]]:
    """Walk over the chunks that start before a row."""
    mean = statistics.moments(with_scatter=False).mean
    single = statistics.is_large and is_single_precision(statistics.features)
    # Two chunks are looked at, and each is centred by a copy; widths count in float64.
    width = statistics.n_features // 2 if single else statistics.n_features
    for rows, chunk in statistics.chunks(single=single, width=width):
        if rows.start >= before:
            return
        yield rows, chunk - namespace(chunk).astype(mean, chunk.dtype)[None, :]


def _blocks(
    queries: Array, first_query: int, samples: Array, first_sample: int
) -> Iterator[tuple[slice, slice, FloatArray]]:
    """Walk over nearness in blocks; of a chunk with itself, over those on and above the diagonal."""
    xp = namespace(queries)
    halves = to_numpy(xp.vecdot(samples, samples, axis=-1)) / 2
    own_halves = halves if queries is samples else to_numpy(xp.vecdot(queries, queries, axis=-1)) / 2
    for rows in _slices(queries.shape[0]):
        for columns in _slices(samples.shape[0]):
            if queries is samples and columns.start < rows.start:
                continue
            # Of a block with itself, NumPy computes one half.
            product = to_numpy(xp.matmul(queries[rows, :], samples[columns, :].T))
            near = np.subtract(product, own_halves[rows, None], out=product if is_numpy(queries) else None)
            near -= halves[columns]
            if queries is samples and rows == columns:
                np.fill_diagonal(near, -np.inf)  # a sample is not its own neighbour
            yield _moved(rows, first_query), _moved(columns, first_sample), near


def _apart(near: FloatArray, first: slice, second: slice, groups: IntArray | None) -> FloatArray:
    """Put samples of one group infinitely far from each other."""
    if groups is not None:
        near[groups[first][:, None] == groups[second]] = -np.inf
    return near


def _slices(n_rows: int) -> list[slice]:
    """Cut rows into as few nearly equal blocks as can be."""
    edges = np.linspace(0, n_rows, -(-n_rows // _BLOCK) + 1).astype(int).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _moved(part: slice, offset: int) -> slice:
    return slice(part.start + offset, part.stop + offset)


def _keep_both(near: FloatArray, first: slice, second: slice, index: IntArray, nearness: FloatArray) -> None:
    """Offer a block's columns to its rows, and its rows to its columns."""
    _keep_nearest(near, second.start, first, index, nearness)
    if first != second:
        _keep_nearest(near.T, first.start, second, index, nearness)


def _keep_nearest(near: FloatArray, offset: int, where: slice, index: IntArray, nearness: FloatArray) -> None:
    """Merge one block, whose columns are candidates, into the k nearest found so far."""
    k = index.shape[1]
    limit = nearness[where, -1]
    if np.isinf(limit).any() and near.shape[1] > k:
        limit = np.maximum(limit, _bound(near, k))
    limit = limit.astype(near.dtype)[:, None]
    is_near = near >= limit
    if np.count_nonzero(is_near.ravel(order="K")) > 2 * is_near[:, :k].size:
        # Many samples are equally far: of those, no more than the first k of a row can stay.
        is_tied = near == limit
        is_near &= ~is_tied | (np.cumsum(is_tied, axis=1, dtype=np.int32) <= k)
    rows, columns = _positions(is_near)
    if not len(rows):
        return
    changed = np.unique(rows)
    known = np.repeat(changed, k)
    all_rows = np.concatenate([known, rows])
    found = np.concatenate([nearness[where][changed].ravel(), near[rows, columns].astype(np.float64)])
    names = np.concatenate([index[where][changed].ravel(), columns + offset])
    order = np.lexsort((names, -found, all_rows))
    # Place of each candidate within its row: the first k stay.
    starts = np.searchsorted(all_rows[order], changed)
    best = order[starts[:, None] + np.arange(k)]
    nearness[where.start + changed] = found[best]
    index[where.start + changed] = names[best]


def _bound(near: FloatArray, k: int) -> FloatArray:
    """Return a nearness that k candidates of each row reach, and few more: the k-th of the best of some groups."""
    while near.shape[1] >= 2 * _GROUPS_EACH * k:
        half = near.shape[1] // 2
        # One candidate of an odd number is left out, which can only lower the bound.
        near = np.maximum(near[:, :half], near[:, half : 2 * half])
    place = near.shape[1] - k
    bound: FloatArray = np.partition(near, place, axis=1)[:, place]
    return bound


def _positions(chosen: npt.NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Return rows and columns of what is chosen, in the order of memory, many times quicker than NumPy's nonzero."""
    flat = np.flatnonzero(chosen.ravel(order="K"))
    if chosen.flags.c_contiguous:
        return flat // chosen.shape[1], flat % chosen.shape[1]
    return flat % chosen.shape[0], flat // chosen.shape[0]
