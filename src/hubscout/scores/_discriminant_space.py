"""The samples of a discriminant: where it sees them, and those that it is fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.stats import Statistics
from hubscout.stats.folds import Training
from hubscout.stats.moments import centred_target_sums
from hubscout.stats.namespace import is_numpy, like, namespace, to_numpy

# Rows that are moved at a time: as many as a core's own memory holds.
_BLOCK_ROWS = 128


class Space:
    """Where a classifier sees its samples: the centred features, or their coordinates in the spectrum.

    Both give the same inner products. Coordinates have fewer numbers a sample where samples are fewer than features,
    but cost a product with the components.

    Parameters
    ----------
    statistics : Statistics
    is_reduced : bool, default=False
        Whether to work in coordinates.
    """

    def __init__(self, statistics: Statistics, *, is_reduced: bool = False) -> None:
        self.statistics, self.is_reduced = statistics, is_reduced
        self.spectrum = statistics.spectrum()

    @property
    def rank(self) -> int:
        """Dimensions in which the features vary at all."""
        return self.spectrum.n_components

    def place(self, points: FloatArray) -> Array:
        """Bring points, given by coordinates in the spectrum, into this space and the library of the features."""
        vectors = self.spectrum.right_vectors
        own = like(points, vectors)
        return own if self.is_reduced else namespace(vectors).matmul(own, vectors.T)

    def coordinates(self, points: Array) -> FloatArray:
        """Bring points of this space back to coordinates in the spectrum, on the host."""
        if self.is_reduced:
            return to_numpy(points)
        return to_numpy(namespace(points).matmul(points, self.spectrum.right_vectors))

    def walk(
        self, rows: IntArray | None = None, *, copies: int = 0, single: bool = True
    ) -> Iterator[tuple[Any, Array]]:
        """Walk over the samples by chunks of rows that belong to the caller.

        Parameters
        ----------
        rows : ndarray of shape (n_chosen,), int, optional
            Walk over these samples alone.
        copies : int, default=0
            Arrays of the size of a chunk that the caller makes beside it.
        single : bool, default=True
            Whether large float32 features may stay in float32.

        Yields
        ------
        rows : slice, or ndarray of int when ``rows`` were chosen
        vectors : array of shape (rows, size)
        """
        statistics = self.statistics
        if self.is_reduced:
            yield from statistics.coordinates(self.spectrum, width=copies * self.rank, rows=rows)
            return
        single = single and statistics.is_large
        # Widths count in float64; the chunk made here is a copy too.
        width = (copies + 1) * statistics.n_features // (2 if single else 1)
        for part, chunk in statistics.chunks(width=width, single=single, rows=rows):
            yield part, chunk - namespace(chunk).astype(self.spectrum.mean, chunk.dtype)[None, :]


class TrainingSet:
    """The samples that a classifier is fitted to, by their class moments.

    Parameters
    ----------
    space : Space
    moments : Training, optional
        In the coordinates of the spectrum; of all samples but those held out. Those of all samples by default, which
        are found when they are asked for: where another score has left what they are for, they are not.

    Attributes
    ----------
    rows : ndarray of shape (n_training,), int, or None
        Ascending positions of the samples; None for all.
    """

    def __init__(self, space: Space, moments: Training | None = None) -> None:
        self.space, self._given = space, moments
        self.rows: IntArray | None = None
        if moments is not None and len(moments.held_out):
            self.rows = np.delete(np.arange(space.statistics.n_samples), moments.held_out)

    @classmethod
    def whole(cls, space: Space) -> TrainingSet:
        """Return the set of all samples."""
        return cls(space)

    @cached_property
    def moments(self) -> Training:
        """Class moments in the coordinates of the spectrum."""
        if self._given is not None:
            return self._given
        statistics, spectrum = self.space.statistics, self.space.spectrum
        means, counts = statistics.class_coordinates(spectrum), statistics.counts
        # The total scatter of coordinates is diagonal; the class means are taken away from it.
        within = (means * counts[:, None]).T @ means
        np.negative(within, out=within)
        within[np.diag_indices(len(within))] += spectrum.singular_values**2
        within /= statistics.n_samples
        return Training(np.empty(0, dtype=np.intp), counts, means, within)

    @cached_property
    def means(self) -> Array:
        """Class means in the space, (n_classes, size); zero for a class without samples."""
        return self.space.place(self.moments.means) if self.space.is_reduced else self._feature_means

    @cached_property
    def norms(self) -> FloatArray:
        """Squared distance of each sample from its class mean, (n_training,), in one pass over the features."""
        if self.rows is None:
            return self.space.statistics.remember("residual norms", self._norms, of_labels=True)
        return self._norms()

    def _norms(self) -> FloatArray:
        statistics = self.space.statistics
        means = self._feature_means + self.space.spectrum.mean[None, :]
        codes, single, found = statistics.codes, statistics.is_large, []
        width = 0 if is_numpy(means) else statistics.n_features // (2 if single else 1)
        for part, chunk in statistics.chunks(width=width, single=single, rows=self.rows):
            for rows, own in _own_blocks(means, codes[part], chunk):
                residuals = chunk[rows, :] - own
                found.append(to_numpy(namespace(chunk).vecdot(residuals, residuals, axis=-1)).astype(np.float64))
        return np.concatenate(found)

    @cached_property
    def _feature_means(self) -> Array:
        """Class means about the global mean, (n_classes, n_features)."""
        statistics, vectors = self.space.statistics, self.space.spectrum.right_vectors
        if self.rows is not None:
            return namespace(vectors).matmul(like(self.moments.means, vectors), vectors.T)
        sums = centred_target_sums(statistics.moments(with_scatter=False))
        return sums / like(statistics.counts, sums)[:, None]


def own_rows(points: Array, codes: IntArray, vectors: Array) -> Array:
    """Return the row of each sample's class, in the precision of the samples' vectors."""
    xp = namespace(vectors)
    return xp.take(xp.astype(points, vectors.dtype, copy=False), like(codes.astype(np.int64), vectors), axis=0)


def add_own(vectors: Array, points: Array, codes: IntArray) -> Array:
    """Return samples with the row of each one's class added: in place in NumPy, and without a copy of that size."""
    if not is_numpy(vectors):
        return vectors + own_rows(points, codes, vectors)
    for rows, own in _own_blocks(points, codes, vectors):
        vectors[rows, :] += own
    return vectors


def _own_blocks(points: Array, codes: IntArray, vectors: Array) -> Iterator[tuple[slice, Array]]:
    """Walk over `own_rows` in NumPy by small blocks of rows; elsewhere there is only one."""
    points = namespace(vectors).astype(points, vectors.dtype, copy=False)
    step = _BLOCK_ROWS if is_numpy(vectors) else len(codes)
    for start in range(0, len(codes), step):
        rows = slice(start, min(start + step, len(codes)))
        yield rows, own_rows(points, codes[rows], vectors)
