"""Features and labels with the statistics that scores share, each computed once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hubscout import _validation as validation
from hubscout._typing import Array, FloatArray, IntArray, TaskKind
from hubscout.errors import UsageError
from hubscout.stats.chunks import column_blocks, row_slices
from hubscout.stats.labelled import Labelled
from hubscout.stats.moments import Moments, centred_target_sums
from hubscout.stats.namespace import float_dtype, is_single_precision, like, namespace, to_numpy
from hubscout.stats.spectrum import Spectrum, spectrum_of_gram, spectrum_of_samples

# From this many multiplications on, leading components of float32 features are computed from float32 products.
_SINGLE_PRECISION_WORK = 2**32
# Float32 blurs eigenvalues below about this share of the first one by more than scores should notice.
_SINGLE_PRECISION_RANGE = 5e-4


class Statistics(Labelled):
    """Labelled features, and what scores compute from them: moments, spectrum, coordinates.

    Everything is computed when it is first asked for, in chunks, on the smaller of the sample and feature sides,
    so that memory above the features is O(D^2 + C D + chunk) and does not grow with the number of samples (but
    for one number a sample).

    Parameters
    ----------
    features : array of shape (n_samples, n_features)
        Of NumPy or any array-API library; may be a read-only memory map. Never written to.
    labels : array-like of shape (n_samples,), or (n_samples, n_targets) for regression, or None
        Class labels of any kind, or numbers for regression. None where a score needs no labels.
    task : {"classification", "regression"}, default="classification"
        What the labels are.
    source_probs : array of shape (n_samples, n_source_classes), or None
        Probabilities of the source model's own head.

    Attributes
    ----------
    n_samples, n_features : int
    classes : ndarray of shape (n_classes,)
        The sorted class labels; empty for regression.
    targets : ndarray of shape (n_samples,), int codes, or (n_samples, n_targets), float64

    Raises
    ------
    DataError
        When an array is not what it should be; values are checked for NaN and infinity on the first pass.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.stats import Statistics
    >>> rng = np.random.default_rng(0)
    >>> statistics = Statistics(rng.standard_normal((50, 4)), ["cat", "dog"] * 25)
    >>> statistics.counts
    array([25., 25.])
    >>> statistics.spectrum().singular_values.shape
    (4,)
    """

    def __init__(
        self,
        features: Any,
        labels: Any = None,
        *,
        task: TaskKind = "classification",
        source_probs: Any = None,
    ) -> None:
        validation.check_choice("task", task, ("classification", "regression"))
        self.task: TaskKind = task
        self.features: Array = None if features is None else validation.check_features(features)
        self.source_probs: Array = None if source_probs is None else validation.check_source_probs(source_probs)
        reference = self.features if self.features is not None else self.source_probs
        if reference is None:
            msg = "features or source_probs must be given, got neither"
            raise UsageError(msg)
        self.n_samples: int = reference.shape[0]
        self.n_features: int = 0 if self.features is None else self.features.shape[1]
        if self.source_probs is not None:
            validation.check_length("source_probs", self.source_probs.shape[0], self.n_samples)
        self._read_labels(labels)
        self._mean_square: float | None = None  # of all features; known, and they are checked, after one pass
        self._moments: dict[tuple[bool, bool], Moments] = {}
        self._spectra: dict[bool, Spectrum] = {}

    @classmethod
    def of(
        cls,
        features: Any,
        labels: Any = None,
        *,
        task: TaskKind = "classification",
        source_probs: Any = None,
    ) -> Statistics:
        """Return prepared statistics as they are, and make them from arrays otherwise."""
        if not isinstance(features, Statistics):
            return cls(features, labels, task=task, source_probs=source_probs)
        if labels is not None or source_probs is not None:
            msg = "labels and source_probs belong to the prepared Statistics; give either Statistics or arrays"
            raise UsageError(msg)
        if task not in ("classification", features.task):
            msg = f"task belongs to the prepared Statistics, which is {features.task!r}; got {task!r}"
            raise UsageError(msg)
        return features

    def chunks(self, *, width: int = 0, single: bool = False) -> Iterator[tuple[slice, Array]]:
        """Walk over the features in chunks of rows, as float64 (or float32 when ``single``).

        Parameters
        ----------
        width : int, default=0
            Numbers a row that the caller makes beside the features, such as one for each class.
        single : bool, default=False
            Keep float32 features in float32; without effect on float64 ones.

        Yields
        ------
        rows : slice
        chunk : array of shape (rows, n_features)

        Raises
        ------
        DataError
            When a value is NaN or infinite, or all are of an extreme size.
        """
        if self.features is None:
            msg = "features must be given: this score does not work on source_probs alone"
            raise UsageError(msg)
        single = single and is_single_precision(self.features)
        xp = namespace(self.features)
        dtype = float_dtype(xp, single=single)
        bytes_a_row = self.n_features * (4 if single else 8) + 8 * width
        squares = 0.0
        for rows in row_slices(self.n_samples, bytes_a_row):
            chunk = xp.astype(self.features[rows, :], dtype, copy=False)
            if self._mean_square is None:
                own = validation.check_finite(chunk, rows.start)
                # Too large is refused before anyone squares it; too small can only be told from all chunks.
                validation.check_magnitude("features", max(own / (chunk.shape[0] * self.n_features), 1.0) ** 0.5)
                squares += own
            yield rows, chunk
        if self._mean_square is None:
            mean_square = squares / (self.n_samples * self.n_features)
            validation.check_magnitude("features", mean_square**0.5)
            self._mean_square = mean_square

    def moments(self, *, with_scatter: bool = True, single: bool = False) -> Moments:
        """Return the moments, computed on the first call.

        Parameters
        ----------
        with_scatter : bool, default=True
            Whether the D x D matrix is wanted.
        single : bool, default=False
            Whether products of float32 features may run in float32.
        """
        # Whatever is known and holds at least what is asked for; sums are float64 whatever the products were.
        known = [(True, False), *([(True, True)] if single or not with_scatter else []), (with_scatter, single)]
        for key in known:
            if key in self._moments:
                return self._moments[key]
        moments = Moments(self.n_targets, with_scatter)
        targets = self._targets if self._targets is not None else np.empty((self.n_samples, 0))
        for rows, chunk in self.chunks(single=single):
            moments.update(chunk, targets[rows])
        self._moments[with_scatter, single] = moments
        return moments

    def spectrum(self, n_components: int | None = None, *, centred: bool = True) -> Spectrum:
        """Return the leading part of the singular value decomposition; all of it by default.

        Parameters
        ----------
        n_components : int or None, default=None
            How many components; None for all of non-zero value.
        centred : bool, default=True
            Whether the mean is taken from the features first.
        """
        known = self._spectra.get(centred)
        if known is not None and (known.is_whole or (n_components or np.inf) <= known.n_components):
            return known if n_components is None else known.leading(n_components)
        found = self._decompose(n_components, centred=centred)
        self._spectra[centred] = found
        return found

    def _decompose(self, n_components: int | None, *, centred: bool) -> Spectrum:
        if self.n_samples < self.n_features:
            mean = self.moments(with_scatter=False).mean  # also without centring: this pass checks the values
            mean = mean if centred else None
            return spectrum_of_samples(lambda: column_blocks(self.features, mean), mean, self.n_samples, n_components)
        single = (
            centred  # a mean that dwarfs the spread would take the digits of float32 for itself
            and n_components is not None
            and n_components < self.n_features // 4
            and self._is_large()
            and is_single_precision(self.features)
        )
        moments = self.moments(single=single)
        if single and not self._is_large():  # only now known to leave the range of float32
            moments = self.moments()
        single = single and (True, False) not in self._moments
        gram, mean = moments.scatter, moments.mean
        if not centred:
            gram, mean = gram + self.n_samples * mean[:, None] * mean[None, :], None
        found = spectrum_of_gram(gram, mean, self.n_samples, n_components, single=single)
        values = found.singular_values
        if single and len(values) and values[-1] ** 2 < _SINGLE_PRECISION_RANGE * values[0] ** 2:
            self.moments()
            return self._decompose(n_components, centred=centred)
        return found

    def coordinates(
        self, spectrum: Spectrum, transform: FloatArray | None = None, *, width: int = 0
    ) -> Iterator[tuple[slice, Array]]:
        """Walk over the coordinates T = (F - mean) V of the samples in a spectrum, by chunks of rows.

        Parameters
        ----------
        spectrum : Spectrum
            Where the components come from.
        transform : ndarray of shape (n_components, k), optional
            Applied to the coordinates, at no cost a sample.
        width : int, default=0
            As in `chunks`.

        Yields
        ------
        rows : slice
        coordinates : array of shape (rows, n_components) or (rows, k)
            In float64, or in float32 for large float32 features.
        """
        vectors = spectrum.right_vectors
        xp = namespace(vectors)
        if transform is not None:
            vectors = xp.matmul(vectors, like(transform, vectors))
        for rows, chunk in self.chunks(width=width, single=self._is_large() and spectrum.is_centred):
            centred = chunk - xp.astype(spectrum.mean, chunk.dtype)[None, :]
            yield rows, xp.matmul(centred, xp.astype(vectors, chunk.dtype))

    def _is_large(self) -> bool:
        """Tell whether float32 products are worth while, and whether their squares stay in its range."""
        is_in_range = self._mean_square is None or 1e-24 < self._mean_square < 1e24
        return is_in_range and self.n_samples * self.n_features**2 > _SINGLE_PRECISION_WORK

    def target_coordinates(self, spectrum: Spectrum) -> FloatArray:
        """Return U^T B of shape (n_components, n_targets): targets in the left singular vectors.

        B is the one-hot matrix for classification. With centred features, B is centred by the same stroke.
        """
        self._require_labels()
        moments = self.moments(with_scatter=False)
        sums = centred_target_sums(moments) if spectrum.is_centred else moments.target_sums
        xp = namespace(spectrum.right_vectors)
        return to_numpy(xp.matmul(sums, spectrum.right_vectors)).T / spectrum.singular_values[:, None]

    def class_coordinates(self, spectrum: Spectrum) -> FloatArray:
        """Return the class means in a spectrum's coordinates, (n_classes, n_components)."""
        projected = self.target_coordinates(spectrum) * spectrum.singular_values[:, None]
        return (projected / self.counts[None, :]).T

    def square_norms(self) -> FloatArray:
        """Return each sample's squared distance from the global mean, (n_samples,), float64."""
        mean = self.moments(with_scatter=False).mean
        norms = np.empty(self.n_samples)
        for rows, chunk in self.chunks():
            xp = namespace(chunk)
            norms[rows] = to_numpy(xp.sum((chunk - mean[None, :]) ** 2, axis=1))
        return norms

    def take(self, rows: IntArray) -> Statistics:
        """Return the statistics of some of the samples, which are copied."""
        targets = self.targets[rows]
        labels = self.classes[targets] if targets.ndim == 1 else targets
        chosen = namespace(self.features).take(self.features, like(rows, self.features), axis=0)
        return Statistics(chosen, labels, task=self.task)
