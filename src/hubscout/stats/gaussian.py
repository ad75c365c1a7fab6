"""Gaussian class models: whitening, shrinkage, and softmax posteriors."""

from __future__ import annotations

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.stats.namespace import like, namespace


def ridged(covariance: FloatArray, ridge: float) -> FloatArray:
    """Add ``ridge * trace / s`` to the diagonal of one covariance or a stack of them.

    Parameters
    ----------
    covariance : ndarray of shape (..., s, s)
    ridge : float
        Relative to the mean variance, so that the result scales with the features.
    """
    size = covariance.shape[-1]
    mean_variance = np.trace(covariance, axis1=-2, axis2=-1) / size
    # A class without any spread gets the smallest positive spread, so that the inverse exists.
    amount = np.maximum(ridge * mean_variance, np.finfo(np.float64).tiny ** 0.5)
    stable: FloatArray = covariance + amount[..., None, None] * np.eye(size)
    return stable


def whitening(covariance: FloatArray) -> FloatArray:
    """Return W with W W^T = covariance^{-1}: rows t W have identity covariance.

    Parameters
    ----------
    covariance : ndarray of shape (s, s), symmetric
        Eigenvalues that rounding left at or below zero are raised to the rounding error of the largest one.
    """
    values, vectors = np.linalg.eigh(covariance)
    floor = np.finfo(np.float64).eps * len(values) * max(values[-1], np.finfo(np.float64).tiny ** 0.5)
    whitener: FloatArray = vectors / np.sqrt(np.maximum(values, floor))
    return whitener


def nearest_mean_logits(coordinates: Array, means: FloatArray, log_priors: FloatArray) -> Array:
    """Return -1/2 |t - m_c|^2 + ln pi_c up to a term that all classes share.

    Parameters
    ----------
    coordinates : array of shape (n, s)
    means : ndarray of shape (n_classes, s)
    log_priors : ndarray of shape (n_classes,)

    Returns
    -------
    logits : array of shape (n, n_classes)
    """
    xp = namespace(coordinates)
    offsets = like(log_priors - 0.5 * np.sum(means**2, axis=1), coordinates)
    return xp.matmul(coordinates, like(means.T, coordinates)) + offsets[None, :]


def true_class_posterior(logits: Array, codes: IntArray) -> Array:
    """Return softmax(logits)[i, codes[i]] for each row, without overflow.

    Parameters
    ----------
    logits : array of shape (n, n_classes)
    codes : ndarray of shape (n,), int

    Returns
    -------
    posterior : array of shape (n,), in [0, 1]
    """
    xp = namespace(logits)
    index = like(codes.astype(np.int64), logits)
    chosen = xp.take_along_axis(logits, index[:, None], axis=1)
    # Relative to the true class no term can vanish that matters; one that overflows gives the posterior 0 it should.
    with np.errstate(over="ignore"):
        return 1.0 / xp.sum(xp.exp(logits - chosen), axis=1)


def ledoit_wolf_shrinkage(
    square_norms: FloatArray, sum_of_squares: float, trace: float, n_samples: int, n_features: int
) -> float:
    """Return the share of the mean variance in the Ledoit-Wolf estimate of a covariance, in [0, 1].

    Parameters
    ----------
    square_norms : ndarray of shape (n_samples,)
        Squared norms of the centred samples.
    sum_of_squares : float
        Squared Frobenius norm of the covariance (divided by N).
    trace : float
        Trace of that covariance.
    n_samples, n_features : int

    References
    ----------
    O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88(2), 2004, doi:10.1016/S0047-259X(03)00096-4.
    """
    mean_variance = trace / n_features
    distance = (sum_of_squares - 2 * mean_variance * trace + n_features * mean_variance**2) / n_features
    if distance <= 0:
        return 0.0
    noise = (float(np.mean(square_norms**2)) - sum_of_squares) / (n_features * n_samples)
    return float(np.clip(noise / distance, 0.0, 1.0))
