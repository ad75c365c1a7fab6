"""The singular value decomposition of the features, from the smaller Gram side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hubscout._typing import Array, FloatArray
from hubscout.stats.namespace import is_numpy, like, namespace, to_numpy

# Below this width a full decomposition is as quick as a partial one.
_SMALL_SIDE = 256


@dataclass(frozen=True)
class Spectrum:
    """Leading singular values and right singular vectors of the features, F = U S V^T.

    Parameters
    ----------
    singular_values : ndarray of shape (n_components,), float64
        In descending order; values that are zero up to rounding are left out.
    right_vectors : array of shape (n_features, n_components), float64
        Orthonormal columns V, in the array library of the features.
    mean : array of shape (n_features,), float64
        What was taken from the features; zeros when they were not centred.
    is_whole : bool
        Whether these are all components of non-zero value.
    is_centred : bool
        Whether the mean was taken from the features.
    """

    singular_values: FloatArray
    right_vectors: Array
    mean: Array
    is_whole: bool
    is_centred: bool

    @property
    def n_components(self) -> int:
        """Number of components kept."""
        return len(self.singular_values)

    def leading(self, n_components: int) -> Spectrum:
        """Keep the first components."""
        if n_components >= self.n_components:
            return self
        return replace(
            self,
            singular_values=self.singular_values[:n_components],
            right_vectors=self.right_vectors[:, :n_components],
            is_whole=False,
        )


def spectrum_of_gram(
    gram: Array, mean: Array | None, n_samples: int, n_components: int | None, *, single: bool
) -> Spectrum:
    """Decompose the feature side: the D x D Gram matrix.

    Parameters
    ----------
    gram : array of shape (n_features, n_features), float64
        F^T F, centred or not.
    mean : array of shape (n_features,), or None
        What was taken from the features; None when they were not centred.
    n_samples : int
        Number of rows behind the Gram matrix; with D it sets the threshold of zero.
    n_components : int or None
        How many to compute; None for all.
    single : bool
        Whether the products behind ``gram`` ran in float32, so that float32 eigenvectors lose hardly more.
    """
    n_features = gram.shape[0]
    is_partial = n_features > _SMALL_SIDE and is_numpy(gram)
    if n_components is not None and n_components < n_features // 4 and is_partial:
        values, vectors = _leading_eigenpairs(gram, n_components, single=single)
    else:
        values, vectors = _descending(*_eigenpairs(gram))
    return _spectrum(values, vectors, mean, n_samples, n_features, n_components)


def spectrum_of_samples(
    column_blocks: Callable[[], Iterator[Array]],
    mean: Array | None,
    n_samples: int,
    n_components: int | None,
) -> Spectrum:
    """Decompose the sample side: the N x N Gram matrix, for fewer samples than features.

    Parameters
    ----------
    column_blocks : callable
        Gives an iterator over float64 blocks of shape (n_samples, columns), centred as wanted; called twice.
    mean : array of shape (n_features,), or None
        What was taken from the features; None when they were not centred.
    n_samples : int
        Number of rows.
    n_components : int or None
        How many to keep; None for all.
    """
    gram = None
    for block in column_blocks():
        xp = namespace(block)
        product = xp.matmul(block, block.T)
        gram = product if gram is None else gram + product
    values, left = _descending(*_eigenpairs(gram))
    kept = int(np.count_nonzero(to_numpy(values) > 0))
    scale = like(1.0 / np.sqrt(to_numpy(values)[:kept]), gram)
    right = [xp.matmul(block.T, left[:, :kept]) * scale[None, :] for block in column_blocks()]
    vectors = xp.concat(right, axis=0)
    n_features = vectors.shape[0]
    return _spectrum(values, vectors, mean, n_samples, n_features, n_components)


def _eigenpairs(gram: Array) -> tuple[Array, Array]:
    """Return all eigenpairs, ascending."""
    if not is_numpy(gram):
        values, vectors = namespace(gram).linalg.eigh(gram)
        return values, vectors
    from scipy.linalg import eigh

    # The same algorithm as NumPy's, in three quarters of its time, and half where other programs use the cores.
    found: tuple[Array, Array] = eigh(gram.copy().T, driver="evd", check_finite=False, overwrite_a=True)
    return found


def _leading_eigenpairs(gram: FloatArray, k: int, *, single: bool) -> tuple[FloatArray, FloatArray]:
    values, vectors = _lapack_leading(gram.astype(np.float32) if single else gram.copy(), k)
    return values[::-1].astype(np.float64), vectors[:, ::-1].astype(np.float64)


def _lapack_leading(scratch: Array, k: int) -> tuple[Array, Array]:
    """Return the k largest eigenpairs, ascending, of a symmetric matrix that is overwritten."""
    from scipy.linalg import eigh

    wanted = (scratch.shape[0] - k, scratch.shape[0] - 1)
    # The transpose has the order of columns that LAPACK would otherwise make a copy for.
    values, vectors = eigh(scratch.T, subset_by_index=wanted, check_finite=False, overwrite_a=True)
    return values, vectors


def _descending(values: Array, vectors: Array) -> tuple[Array, Array]:
    xp = namespace(values)
    return xp.flip(values), xp.flip(vectors, axis=1)


def _n_nonzero(values: FloatArray, mean: FloatArray | None, n_samples: int, n_features: int) -> int:
    eps = np.finfo(np.float64).eps
    # Eigenvalues of a Gram matrix carry an error of eps times the largest; their roots must be judged as squares.
    threshold = eps * max(n_samples, n_features) * max(float(values[0]), 0.0)
    if mean is not None:
        # Taking a mean away leaves its rounding error in each sample: all there is of features that are constant.
        threshold += n_samples * (8 * eps) ** 2 * float(mean @ mean)
    return int(np.count_nonzero(values > threshold))


def _spectrum(
    values: Array,
    vectors: Array,
    mean: Array | None,
    n_samples: int,
    n_features: int,
    n_components: int | None,
) -> Spectrum:
    host: Any = to_numpy(values)
    nonzero = _n_nonzero(host, None if mean is None else to_numpy(mean), n_samples, n_features)
    kept = nonzero if n_components is None else min(nonzero, n_components)
    # A partial decomposition is the whole one only when it ran into the zeros.
    is_whole = kept == nonzero and (nonzero < len(host) or len(host) >= min(n_samples, n_features))
    taken = vectors[:, 0] * 0.0 if mean is None else mean
    return Spectrum(np.sqrt(host[:kept]), vectors[:, :kept], taken, is_whole, is_centred=mean is not None)
