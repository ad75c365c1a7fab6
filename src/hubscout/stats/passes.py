"""The features' side of the statistics: walks over the samples in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from hubscout import _validation as validation
from hubscout._typing import Array, FloatArray, IntArray
from hubscout.errors import UsageError
from hubscout.stats.chunks import row_slices
from hubscout.stats.namespace import float_dtype, is_single_precision, like, namespace, to_numpy
from hubscout.stats.spectrum import Spectrum

# From this many multiplications on, products of float32 features run in float32 where a score allows it.
_SINGLE_PRECISION_WORK = 2**32

T = TypeVar("T")


class Passes:
    """What `Statistics` knows of its features; made by it alone."""

    features: Array
    n_samples: int
    n_features: int

    def _read_features(self, features: Any) -> None:
        """Take features; ``n_samples`` and ``n_features`` must be known."""
        self.features = features
        self._mean_square: float | None = None  # of all features; known, and they are checked, after one pass
        self._remembered: dict[Any, Any] = {}
        self._remembered_of_labels: dict[Any, Any] = {}

    def chunks(
        self, *, width: int = 0, single: bool = False, rows: IntArray | None = None
    ) -> Iterator[tuple[Any, Array]]:
        """Walk over the features in chunks of rows, as float64 (or float32 when ``single``).

        Parameters
        ----------
        width : int, default=0
            Numbers a row that the caller makes beside the features, such as one for each class.
        single : bool, default=False
            Keep float32 features in float32; without effect on float64 ones.
        rows : ndarray of shape (n_chosen,), int, optional
            Walk over these samples alone, in this order; ascending ones are read fastest from a file.

        Yields
        ------
        rows : slice, or ndarray of int when ``rows`` were chosen
            Where the chunk's samples are; indexes codes, counts and the like.
        chunk : array of shape (rows, n_features)

        Raises
        ------
        DataError
            When a value is NaN or infinite, or all are of an extreme size.
        """
        if self.features is None:
            msg = "features must be given: this score does not work on source_probs alone"
            raise UsageError(msg)
        if rows is not None:
            self.check_values()
        single = single and is_single_precision(self.features)
        xp = namespace(self.features)
        dtype = float_dtype(xp, single=single)
        bytes_a_row = self.n_features * (4 if single else 8) + 8 * width
        if rows is not None:
            for part in row_slices(len(rows), bytes_a_row):
                taken = xp.take(self.features, like(rows[part].astype(np.int64), self.features), axis=0)
                yield rows[part], xp.astype(taken, dtype, copy=False)
            return
        squares = 0.0
        for part in row_slices(self.n_samples, bytes_a_row):
            chunk = xp.astype(self.features[part, :], dtype, copy=False)
            if self._mean_square is None:
                own = validation.check_finite(chunk, part.start)
                # Too large is refused before anyone squares it; too small can only be told from all chunks.
                validation.check_magnitude("features", max(own / (chunk.shape[0] * self.n_features), 1.0) ** 0.5)
                squares += own
            yield part, chunk
        if self._mean_square is None:
            mean_square = squares / (self.n_samples * self.n_features)
            validation.check_magnitude("features", mean_square**0.5)
            self._mean_square = mean_square

    def check_values(self) -> None:
        """Look for NaN, infinity and extreme sizes, unless a pass has done so; raises as `chunks` does."""
        if self._mean_square is None:
            for _ in self.chunks():
                pass

    @property
    def is_large(self) -> bool:
        """Whether float32 products are worth while, and their squares stay in its range."""
        is_in_range = self._mean_square is None or 1e-24 < self._mean_square < 1e24
        return is_in_range and self.n_samples * self.n_features**2 > _SINGLE_PRECISION_WORK

    def coordinates(
        self,
        spectrum: Spectrum,
        transform: FloatArray | None = None,
        *,
        width: int = 0,
        rows: IntArray | None = None,
    ) -> Iterator[tuple[Any, Array]]:
        """Walk over the coordinates T = (F - mean) V of the samples in a spectrum, by chunks of rows.

        Parameters
        ----------
        spectrum : Spectrum
            Where the components come from.
        transform : ndarray of shape (n_components, k), optional
            Applied to the coordinates, at no cost a sample.
        width : int, default=0
            As in `chunks`.
        rows : ndarray of shape (n_chosen,), int, optional
            As in `chunks`.

        Yields
        ------
        rows : slice, or ndarray of int when ``rows`` were chosen
        coordinates : array of shape (rows, n_components) or (rows, k)
            In float64, or in float32 for large float32 features.
        """
        vectors = spectrum.right_vectors
        xp = namespace(vectors)
        if transform is not None:
            vectors = xp.matmul(vectors, like(transform, vectors))
        for part, chunk in self.chunks(width=width, single=self.is_large and spectrum.is_centred, rows=rows):
            centred = chunk - xp.astype(spectrum.mean, chunk.dtype)[None, :]
            yield part, xp.matmul(centred, xp.astype(vectors, chunk.dtype))

    def remember(self, key: Any, compute: Callable[[], T], *, of_labels: bool = False) -> T:
        """Return what ``compute`` gave for this key before, or gives now.

        Parameters
        ----------
        key : hashable
            Name of the thing, with the options that it depends on.
        compute : callable
            Takes nothing; its result must not grow faster than the number of samples.
        of_labels : bool, default=False
            Whether it depends on labels too. What depends on the features (and source probabilities) alone is
            shared by copies with other labels.
        """
        known = self._remembered_of_labels if of_labels else self._remembered
        if key not in known:
            known[key] = compute()
        found: T = known[key]
        return found

    def square_norms(self) -> FloatArray:
        """Return each sample's squared distance from the global mean, (n_samples,), float64."""
        return self.remember("square_norms", self._square_norms)

    def _square_norms(self) -> FloatArray:
        mean = self._feature_mean()
        norms = np.empty(self.n_samples)
        for rows, chunk in self.chunks(single=self.is_large):
            xp = namespace(chunk)
            norms[rows] = to_numpy(xp.sum((chunk - xp.astype(mean, chunk.dtype)[None, :]) ** 2, axis=1))
        return norms

    def _feature_mean(self) -> Array:
        raise NotImplementedError
