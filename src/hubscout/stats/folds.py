"""Folds of the samples, and class moments of all folds but one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout._validation import check_positive_int
from hubscout.errors import UsageError
from hubscout.stats.namespace import namespace, to_numpy
from hubscout.stats.spectrum import Spectrum
from hubscout.stats.statistics import Statistics
from hubscout.stats.target_sums import segment_sums

# Stands for the logarithm of zero, in float32 too: a class without training samples is never predicted.
_LOG_ZERO = -1e30


@dataclass(frozen=True)
class Training:
    """Class moments of the samples outside one fold, in some spectrum's coordinates.

    Parameters
    ----------
    held_out : ndarray of shape (n_held_out,), int
        Ascending positions of the fold's samples, which the moments have not seen.
    counts : ndarray of shape (n_classes,)
        Training samples of each class; can be zero.
    means : ndarray of shape (n_classes, n_components)
        Class means; zero for a class without training samples.
    within : ndarray of shape (n_components, n_components)
        Pooled within-class covariance, divided by the number of training samples.
    """

    held_out: IntArray
    counts: FloatArray
    means: FloatArray
    within: FloatArray

    @property
    def n_samples(self) -> int:
        """Number of training samples."""
        return int(self.counts.sum())

    def fitted(self, n_samples: int) -> IntArray:
        """Return the ascending positions of the training samples among all."""
        return np.setdiff1d(np.arange(n_samples), self.held_out, assume_unique=True)

    @property
    def log_priors(self) -> FloatArray:
        """Logarithm of each class's share, (n_classes,); hugely negative for a class without training samples."""
        shares = np.maximum(self.counts, 0.5) / self.counts.sum()
        log_shares: FloatArray = np.where(self.counts > 0, np.log(shares), _LOG_ZERO)
        return log_shares


def check_folds(cross_fit: int | None, n_samples: int, *, compat: str | None = None) -> int | None:
    """Return the number of folds, or None for none.

    Parameters
    ----------
    cross_fit : int or None
    n_samples : int
    compat : str, optional
        The option of that name, of a score whose published number is not cross-fitted.

    Raises
    ------
    UsageError
        When it is not a whole number from 2 to the number of samples, or is given beside ``compat``.
    """
    if cross_fit is None:
        return None
    check_positive_int("cross_fit", cross_fit, minimum=2)
    if compat is not None:
        msg = f"cross_fit must be None with compat={compat!r}, got {cross_fit}; leave one of them out"
        raise UsageError(msg)
    if cross_fit > n_samples:
        msg = f"cross_fit must be at most the number of samples, {n_samples}, got {cross_fit}; ask for fewer folds"
        raise UsageError(msg)
    return cross_fit


def fold_codes(
    classes: IntArray | None, n_samples: int, n_folds: int, seed: int, groups: IntArray | None = None
) -> IntArray:
    """Deal the samples out to folds of nearly equal size, each class spread evenly.

    Parameters
    ----------
    classes : ndarray of shape (n_samples,), int, or None
        Class codes; None to deal without regard to labels.
    n_samples, n_folds : int
    seed : int
    groups : ndarray of shape (n_samples,), int codes, or None
        Samples of one group go to one fold, so that sizes and classes are only about even.

    Returns
    -------
    folds : ndarray of shape (n_samples,), int
        From 0 to n_folds - 1.

    Raises
    ------
    UsageError
        When there are fewer groups than folds.
    """
    if groups is not None:
        return _deal_groups(classes, groups, n_folds, seed)
    shuffled = np.random.default_rng(seed).permutation(n_samples)
    order = shuffled if classes is None else shuffled[np.argsort(classes[shuffled], kind="stable")]
    folds = np.empty(n_samples, dtype=np.intp)
    folds[order] = np.arange(n_samples) % n_folds
    return folds


def _deal_groups(classes: IntArray | None, groups: IntArray, n_folds: int, seed: int) -> IntArray:
    """Deal whole groups out, by their most frequent class and from the largest to the smallest."""
    sizes = np.bincount(groups)
    if n_folds > len(sizes):
        msg = f"cross_fit must be at most the number of groups, {len(sizes)}, got {n_folds}; ask for fewer folds"
        raise UsageError(msg)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    keys = -sizes if classes is None else np.stack([-sizes, _most_frequent(classes, groups)])
    order = shuffled[np.lexsort(np.atleast_2d(keys)[:, shuffled])]
    # There and back again: the fold that got the largest of one round gets the smallest of the next.
    turn = np.concatenate([np.arange(n_folds), np.arange(n_folds)[::-1]])
    folds = np.empty(len(sizes), dtype=np.intp)
    folds[order] = turn[np.arange(len(sizes)) % (2 * n_folds)]
    return folds[groups]


def _most_frequent(classes: IntArray, groups: IntArray) -> IntArray:
    """Return the class that most samples of each group have, the first of several, (n_groups,)."""
    n_classes = int(classes.max()) + 1
    pairs, counts = np.unique(groups.astype(np.int64) * n_classes + classes, return_counts=True)
    own, code = pairs // n_classes, pairs % n_classes
    order = np.lexsort((code, -counts, own))
    first = np.searchsorted(own[order], np.arange(int(groups.max()) + 1))
    found: IntArray = code[order][first]
    return found


def trainings(statistics: Statistics, spectrum: Spectrum, n_folds: int, seed: int) -> Iterator[Training]:
    """Walk over the folds, each with the class moments of all others.

    Moments of the whole are known; those of the held-out samples are taken away from them, so that all folds
    together cost one pass over the coordinates. The components themselves know no labels, and stay.

    Parameters
    ----------
    statistics : Statistics
        Of a classification task.
    spectrum : Spectrum
        Centred; its coordinates are those of the moments.
    n_folds, seed : int

    Yields
    ------
    Training
    """
    codes, counts = statistics.codes, statistics.counts
    folds = fold_codes(codes, statistics.n_samples, n_folds, seed, statistics.groups)
    sums = statistics.class_coordinates(spectrum) * counts[:, None]
    total = np.diag(spectrum.singular_values**2)
    for fold in range(n_folds):
        held_out = np.flatnonzero(folds == fold)
        own_sums, own_scatter = np.zeros_like(sums), np.zeros_like(total)
        for rows, coordinates in statistics.coordinates(spectrum, width=spectrum.n_components, rows=held_out):
            own_sums += to_numpy(segment_sums(coordinates, codes[rows], len(counts)))
            own_scatter += to_numpy(namespace(coordinates).matmul(coordinates.T, coordinates))
        left = counts - np.bincount(codes[held_out], minlength=len(counts))
        means = np.where(left[:, None] > 0, (sums - own_sums) / np.maximum(left, 1)[:, None], 0.0)
        between = (means * left[:, None]).T @ means
        yield Training(held_out, left, means, (total - own_scatter - between) / left.sum())
