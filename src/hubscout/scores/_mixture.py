"""A mixture of spherical Gaussians, fitted to points without labels and without regard to their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.stats.namespace import is_single_precision, like, namespace, to_numpy

_MAX_ITERATIONS = 25
# The fit ends once a step adds less than this to the mean log-likelihood.
_TOLERANCE = 1e-3
# Each component's variance is that of its own points and of so many more of mean spread: it holds hardly more.
_PRIOR_POINTS = 20.0
_VARIANCE_FLOOR = 1e-3
# Rows whose posteriors are made at once: small enough to stay in a processor's cache.
_BLOCK_ROWS = 2048
_TINY = 1e-12
# First centres are chosen among so many times their number, each as the best of a few trials.
_CANDIDATES = 4
_TRIALS = 16


@dataclass(frozen=True)
class Mixture:
    """Weights, means and variances of spherical Gaussians.

    Parameters
    ----------
    weights : ndarray of shape (n_components,)
        Positive; they sum to about 1.
    means : ndarray of shape (n_components, k)
    variances : ndarray of shape (n_components,)
        Of each coordinate.
    """

    weights: FloatArray
    means: FloatArray
    variances: FloatArray

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.weights)

    def posteriors(self, augmented: Array) -> tuple[Array, Array]:
        """Return the probability of each component given each point, and the log-likelihoods of the points.

        Parameters
        ----------
        augmented : array of shape (n, k + 2)
            Points as `augment` gives them.

        Returns
        -------
        posteriors : array of shape (n, n_components)
        log_likelihoods : array of shape (n,)
            Up to a constant.
        """
        xp = namespace(augmented)
        width = self.means.shape[1]
        offsets = np.log(self.weights) - 0.5 * width * np.log(self.variances)
        offsets -= 0.5 * (self.means**2).sum(axis=1) / self.variances
        # One product holds the whole quadratic form: no pass over (n, n_components) is spent on its parts.
        factors = np.column_stack([self.means / self.variances[:, None], -0.5 / self.variances, offsets])
        logits = xp.matmul(augmented, like(factors.T, augmented))
        largest = xp.max(logits, axis=1, keepdims=True)
        logits -= largest
        with np.errstate(under="ignore"):
            shares = xp.exp(logits)
        totals = xp.sum(shares, axis=1, keepdims=True)
        shares /= totals
        return shares, largest[:, 0] + xp.log(totals[:, 0])


def augment(points: Array) -> Array:
    """Put its squared norm and a one beside each point: (n, k) becomes (n, k + 2)."""
    xp = namespace(points)
    squares = xp.sum(points**2, axis=1, keepdims=True)
    return xp.concat([points, squares, xp.ones_like(squares)], axis=1)


def fit_mixture(augmented: Array, n_components: int, seed: int) -> Mixture:
    """Fit a mixture by expectation and maximisation.

    Parameters
    ----------
    augmented : array of shape (n, k + 2), float32 or float64
        Points as `augment` gives them: centred, of about unit variance a coordinate, and in an order that depends on
        nothing but their values.
    n_components : int
        Fewer are fitted where no point is left that is not a centre already.
    seed : int
        Of the choice of first centres.
    """
    xp = namespace(augmented)
    n, width = augmented.shape[0], augmented.shape[1] - 2
    chosen, nearest = _first_centres(augmented, n_components, np.random.default_rng(seed))
    means = to_numpy(xp.take(augmented, like(chosen, augmented), axis=0))[:, :width].astype(np.float64)
    floor = _VARIANCE_FLOOR * float(xp.sum(augmented[:, -2], dtype=xp.float64)) / (n * width)
    spread = float(nearest.sum()) / (n * width)
    size = len(chosen)
    mixture = Mixture(np.full(size, 1 / size), means, np.full(size, max(spread, floor)))
    before = -np.inf
    for _ in range(_MAX_ITERATIONS):
        sums, likelihood = _expectation(mixture, augmented)
        mixture = _maximisation(sums, floor)
        if likelihood - before < _TOLERANCE:
            break
        before = likelihood
    return mixture


def _expectation(mixture: Mixture, augmented: Array) -> tuple[FloatArray, float]:
    sums = np.zeros((mixture.n_components, augmented.shape[1]))
    xp, likelihood = namespace(augmented), 0.0
    for block in _blocks(augmented):
        shares, logs = mixture.posteriors(block)
        # Sums of points, of squared norms and of ones, each weighed by the shares, in one product.
        sums += to_numpy(xp.matmul(shares.T, block))
        likelihood += float(xp.sum(logs, dtype=xp.float64))
    return sums, likelihood / augmented.shape[0]


def _maximisation(sums: FloatArray, floor: float) -> Mixture:
    counts = np.maximum(sums[:, -1], _TINY)
    means = sums[:, :-2] / counts[:, None]
    scatters = np.maximum(sums[:, -2] - counts * (means**2).sum(axis=1), 0.0)
    width = means.shape[1]
    pooled = scatters.sum() / counts.sum()
    variances = (scatters + _PRIOR_POINTS * pooled) / ((counts + _PRIOR_POINTS) * width)
    return Mixture(counts / counts.sum(), means, np.maximum(variances, floor))


def _first_centres(augmented: Array, n_components: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Choose points that stand for all others, and return squared distances of all to the nearest of them.

    Several times as many points are drawn far from each other; each then weighs as much as it is nearest to, and of
    these the best are taken one by one. Chance alone would put two centres into one cluster and none into another.
    """
    candidates = _scattered(augmented, _CANDIDATES * n_components, rng)
    weights = np.bincount(_nearest(augmented, candidates)[0], minlength=len(candidates)).astype(np.float64)
    centres = namespace(augmented).take(augmented, like(candidates, augmented), axis=0)
    distances = _without_rounding(_distances(centres, centres), centres)
    chosen = [_least(distances @ weights)]
    nearest = distances[chosen[0]]
    while len(chosen) < n_components:
        running = np.cumsum(nearest * weights)
        if running[-1] <= 0:
            break
        trials = _drawn(running, _TRIALS, rng)
        closer = np.minimum(nearest, distances[trials])
        best = _least(closer @ weights)
        chosen.append(int(trials[best]))
        nearest = closer[best]
    return candidates[chosen], _nearest(augmented, candidates[chosen])[1]


def _least(costs: FloatArray) -> int:
    """Return the first position of the least cost, up to rounding: of two points alone, each costs the same."""
    return int(np.argmax(costs <= costs.min() * (1 + 1e-6)))


def _scattered(augmented: Array, n_points: int, rng: np.random.Generator) -> IntArray:
    """Draw points in proportion to their squared distance from those drawn before, as k-means++ does.

    Each round draws as many points as there are already, so that few rounds are needed.
    """
    n = augmented.shape[0]
    new = np.array([int(rng.random() * n)])
    chosen: IntArray = new[:0]
    nearest = np.full(n, np.inf)
    while True:
        chosen = np.concatenate([chosen, new])
        nearest = np.minimum(nearest, _without_rounding(_nearest(augmented, new)[1], augmented))
        running = np.cumsum(nearest)
        size = min(len(chosen), n_points - len(chosen))
        if size == 0 or running[-1] <= 0:
            return chosen
        new = np.unique(_drawn(running, size, rng))


def _drawn(running: FloatArray, size: int, rng: np.random.Generator) -> IntArray:
    """Draw positions in proportion to weights, of which the running sum is given, at equal steps of that sum."""
    wanted = (np.arange(size) + rng.random()) / size * running[-1]
    positions: IntArray = np.minimum(np.searchsorted(running, wanted, side="right"), len(running) - 1)
    return positions


def _nearest(augmented: Array, chosen: IntArray) -> tuple[IntArray, FloatArray]:
    """Return which of some points is nearest to each point, and its squared distance."""
    xp = namespace(augmented)
    centres = xp.take(augmented, like(chosen, augmented), axis=0)
    positions, distances = [], []
    for block in _blocks(augmented):
        away = _distances(block, centres)
        positions.append(away.argmin(axis=1))
        distances.append(away.min(axis=1))
    return np.concatenate(positions), np.concatenate(distances).astype(np.float64)


def _distances(points: Array, centres: Array) -> npt.NDArray[Any]:
    """Return squared distances between augmented points, up to rounding at least 0."""
    xp = namespace(points)
    inner = xp.matmul(points[:, :-2], centres[:, :-2].T)
    return to_numpy(points[:, -2:-1] + centres[:, -2][None, :] - 2 * inner)


def _without_rounding(distances: npt.NDArray[Any], points: Array) -> FloatArray:
    """Return squared distances with zero for what may be rounding, so that no point is drawn where one is already."""
    eps = np.finfo(np.float32 if is_single_precision(points) else np.float64).eps
    rounding = 32 * eps * float(namespace(points).max(points[:, -2]))
    cleared: FloatArray = np.where(distances > rounding, distances, 0.0).astype(np.float64)
    return cleared


def _blocks(augmented: Array) -> Iterator[Array]:
    for start in range(0, augmented.shape[0], _BLOCK_ROWS):
        yield augmented[start : min(start + _BLOCK_ROWS, augmented.shape[0]), :]
