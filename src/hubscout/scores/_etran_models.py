"""What ETran fits: spherical Gaussian classes, and least squares on leading components, each without its own sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.stats import Statistics
from hubscout.stats.chunks import row_slices
from hubscout.stats.folds import fold_codes
from hubscout.stats.gaussian import true_class_posterior
from hubscout.stats.moments import centred_target_sums
from hubscout.stats.namespace import like, namespace, to_numpy
from hubscout.stats.target_sums import segment_sums

# Stands for minus infinity among logits, in float32 too: a class without samples of its own is never right.
_NEVER = -1e30
# Least variance within classes, relative to the variance of all samples: what rounding leaves of classes of points.
_FLOOR = 1e-12
# Below this distance of a leverage from 1 the other samples say nothing of a sample's direction.
_LEVERAGE_ROOM = 1e-9


@dataclass(frozen=True)
class SphericalClasses:
    """Gaussian classes with one variance in all directions, about the global mean.

    Parameters
    ----------
    counts : ndarray of shape (n_classes,)
        Samples behind each mean; can be zero.
    means : array of shape (n_classes, n_features), float64
    variance : float
    """

    counts: FloatArray
    means: Array
    variance: float

    @classmethod
    def of(cls, statistics: Statistics, variance: float) -> SphericalClasses:
        """Return the classes of all samples."""
        sums = centred_target_sums(statistics.moments(with_scatter=False))
        return cls(statistics.counts, sums / like(statistics.counts, sums)[:, None], variance)

    def logits(self, vectors: Array, codes: IntArray, *, left_out: bool) -> Array:
        """Return ln pi_c - |f - m_c|^2 / 2 s^2 up to a term that all classes share, (n, n_classes).

        Parameters
        ----------
        vectors : array of shape (n, n_features)
            Samples, about the global mean.
        codes : ndarray of shape (n,), int
        left_out : bool
            Whether each sample is taken out of the mean of its own class first.
        """
        xp = namespace(vectors)
        scaled = xp.astype(self.means / self.variance, vectors.dtype)
        shares = np.log(np.maximum(self.counts, 0.5) / self.counts.sum())
        halves = to_numpy(xp.sum(self.means**2, axis=1)) / (2 * self.variance)
        offsets = np.where(self.counts > 0, shares - halves, _NEVER)
        logits = xp.matmul(vectors, scaled.T) + like(offsets, vectors)[None, :]
        if left_out:
            is_own = xp.arange(len(self.counts), device=vectors.device)[None, :] == self._index(codes, vectors)[:, None]
            logits = xp.where(is_own, logits + self._penalties(vectors, logits, codes)[:, None], logits)
        return logits

    def _penalties(self, vectors: Array, logits: Array, codes: IntArray) -> Array:
        """Return what leaving a sample out adds to the logit of its class: its mean moves away by n / (n - 1)."""
        xp = namespace(vectors)
        own = xp.take_along_axis(logits, self._index(codes, logits)[:, None], axis=1)[:, 0]
        shares = like(np.log(self.counts / self.counts.sum())[codes], own)
        # Without the prior the logit is -|f - m|^2 / 2 sigma^2, up to |f|^2.
        distances = xp.sum(vectors**2, axis=1) / self.variance - 2 * (own - shares)
        factors = -0.5 * (left_out_factors(self.counts) - 1)[codes]
        alone = np.where(self.counts > 1, 0.0, _NEVER)[codes]
        return like(factors, own) * xp.where(distances > 0, distances, 0.0 * distances) + like(alone, own)

    @staticmethod
    def _index(codes: IntArray, reference: Array) -> Array:
        return like(codes.astype(np.int64), reference)


def left_out_factors(counts: FloatArray) -> FloatArray:
    """Return by what a sample's squared distance from its class mean grows when the mean loses it, (n_classes,)."""
    factors: FloatArray = (counts / np.maximum(counts - 1, 1)) ** 2
    return factors


def centred_chunks(
    statistics: Statistics, *, width: int, single: bool, rows: IntArray | None = None
) -> Iterator[tuple[Any, Array]]:
    """Walk over the samples about the global mean, by chunks of rows."""
    mean = statistics.moments(with_scatter=False).mean
    for part, chunk in statistics.chunks(width=width, single=single, rows=rows):
        yield part, chunk - namespace(chunk).astype(mean, chunk.dtype)[None, :]


def within_class_variance(statistics: Statistics) -> float:
    """Return tr(S_w^2) / tr(S_w), the variance within classes along a typical deviation from a class mean.

    Unlike the trace over the dimension it does not count directions in which features hardly vary. Zero for features
    without any spread; above zero where only the classes have none.
    """
    counts, is_tall = statistics.counts, statistics.n_samples >= statistics.n_features
    if is_tall:
        moments = statistics.moments()
        total, sums = moments.scatter, centred_target_sums(moments)
        means = sums / like(counts, sums)[:, None]
    else:
        spectrum = statistics.spectrum()
        total = like(np.diag(spectrum.singular_values**2), spectrum.right_vectors)
        means = like(statistics.class_coordinates(spectrum), total)
    xp = namespace(total)
    weighted = means * like(counts, means)[:, None]
    spread = float(xp.linalg.trace(total)) if total.shape[0] else 0.0
    if spread == 0:
        return 0.0
    trace, squares = spread - float(xp.sum(weighted * means)), 0.0
    for rows in row_slices(total.shape[0], 24 * total.shape[0]):
        block = total[rows, :] - xp.matmul(weighted[:, rows].T, means)
        squares += float(xp.sum(block**2))
    # Rounding can leave classes of points a trace slightly below zero.
    floor = _FLOOR * spread
    return max(squares / max(trace, floor), floor) / (statistics.n_samples - statistics.n_targets)


def true_posteriors(statistics: Statistics, variance: float, *, left_out: bool) -> FloatArray:
    """Return each sample's posterior of its own class, with means of all samples or of all but the one scored."""
    model, codes = SphericalClasses.of(statistics, variance), statistics.codes
    found = np.empty(statistics.n_samples)
    for rows, vectors in centred_chunks(statistics, width=4 * len(model.counts), single=statistics.is_large):
        logits = model.logits(vectors, codes[rows], left_out=left_out)
        found[rows] = to_numpy(true_class_posterior(logits, codes[rows]))
    return found


def held_out_posteriors(statistics: Statistics, variance: float, n_folds: int, seed: int) -> FloatArray:
    """Return each sample's posterior of its own class, with the class means of all folds but its own."""
    sums = centred_target_sums(statistics.moments(with_scatter=False))
    counts, codes = statistics.counts, statistics.codes
    folds = fold_codes(codes, statistics.n_samples, n_folds, seed, statistics.groups)
    found = np.empty(statistics.n_samples)
    for fold in range(n_folds):
        rows, own = np.flatnonzero(folds == fold), 0.0 * sums
        for part, vectors in centred_chunks(statistics, width=0, single=statistics.is_large, rows=rows):
            own = own + segment_sums(vectors, codes[part], len(counts))
        left = counts - np.bincount(codes[rows], minlength=len(counts))
        means = (sums - own) * like((left > 0) / np.maximum(left, 1), sums)[:, None]
        model = SphericalClasses(left, means, variance)
        walk = centred_chunks(statistics, width=4 * len(counts), single=statistics.is_large, rows=rows)
        for part, vectors in walk:
            logits = model.logits(vectors, codes[part], left_out=False)
            found[part] = to_numpy(true_class_posterior(logits, codes[part]))
    return found


def left_out_errors(statistics: Statistics, n_components: int) -> FloatArray:
    """Return each sample's squared error by least squares that is fitted to all other samples, (n_samples,).

    Parameters
    ----------
    statistics : Statistics
        Of a regression task.
    n_components : int
        Leading components that the fit sees, beside an intercept.
    """
    spectrum = statistics.spectrum(n_components)
    projected = statistics.target_coordinates(spectrum)
    squares = spectrum.singular_values**2
    n_samples, targets = statistics.n_samples, statistics.targets
    centred = targets - targets.mean(axis=0)
    errors = np.empty(n_samples)
    width = 2 * spectrum.n_components + 4 * targets.shape[1]
    # Leverages of the last components would drown in the rounding of float32.
    for rows, vectors in centred_chunks(statistics, width=width, single=False):
        left = to_numpy(namespace(vectors).matmul(vectors, spectrum.right_vectors)) / spectrum.singular_values
        residuals = centred[rows] - left @ projected
        room = 1 - 1 / n_samples - np.einsum("ij,ij->i", left, left)
        # Least squares of the smallest slopes is the limit of ridge regression, and so are its errors.
        is_alone = (room <= _LEVERAGE_ROOM) | (spectrum.n_components == n_samples - 1)
        lone = left[is_alone] / squares
        residuals[is_alone] = lone @ projected
        room[is_alone] = np.einsum("ij,ij->i", lone, left[is_alone])
        errors[rows] = np.mean((residuals / room[:, None]) ** 2, axis=1)
    return errors
