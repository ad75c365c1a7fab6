"""Ridge solutions of LogME's linear model at any strength, from the centred spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubscout._typing import FloatArray
from hubscout.stats import Statistics
from hubscout.stats.namespace import like, namespace, to_numpy


@dataclass
class LinearModel:
    """Ridge solutions for all targets at all ratios lam = alpha / beta, from the centred spectrum.

    LogME does not centre. Its uncentred Gram matrix is the centred one plus N mu mu^T, so that in the centred right
    vectors (and the part of mu that is orthogonal to them) every inverse follows by Sherman and Morrison, with no
    second decomposition. Residuals are split along and across the vector of ones, which keeps them exact when the
    targets are fitted almost perfectly.
    """

    n: int
    singular_values: FloatArray  # (k,)
    mean: FloatArray  # (k,) the features' mean in the right vectors
    mean_rest: float  # squared norm of the mean outside of them
    projected: FloatArray  # (t, k) U^T (centred targets)
    totals: FloatArray  # (t,)
    target_squares: FloatArray  # (t,)

    def __post_init__(self) -> None:
        centred = self.target_squares - self.totals**2 / self.n
        # Squared norm of the centred targets outside the span of the features, or 0 where it is rounding.
        outside = centred - (self.projected**2).sum(axis=1)
        self.outside = np.where(outside > 1e-13 * self.target_squares, outside, 0.0)
        self.floor = np.finfo(np.float64).eps * np.maximum(self.target_squares, np.finfo(np.float64).tiny)

    @property
    def rank(self) -> int:
        """Number of directions that `log_determinant` runs over."""
        return len(self.singular_values) + int(self.mean_rest > 0)

    @property
    def trace(self) -> float:
        """Trace of F^T F."""
        return float((self.singular_values**2).sum() + self.n * ((self.mean**2).sum() + self.mean_rest))

    def solve(self, lam: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return gamma, |m|^2 and |t - F m|^2 for each target, (t,)."""
        n, s, u, x = self.n, self.singular_values, self.mean, self.projected
        inverse = 1.0 / (s**2 + lam[:, None])
        rest = self.mean_rest / lam
        weights, offsets = self.coefficients(lam)
        gain = 1.0 + n * (inverse @ u**2 + rest)
        free = self.totals - n * offsets
        m2 = (weights**2).sum(axis=1) + rest / lam * free**2
        residuals = inverse * (lam[:, None] * x - s * u * free[:, None])
        r2 = self.outside + (residuals**2).sum(axis=1) + free**2 / n
        gamma = len(s) - lam * (inverse.sum(axis=1) - n * (inverse**2 @ u**2 + rest / lam) / gain)
        return gamma, m2, np.maximum(r2, self.floor)

    def grid(self, ratios: FloatArray) -> FloatArray:
        """Return the log evidence a sample with the best beta, at ratios that all targets share: (n_ratios, t).

        Sums over components are products of matrices here; squares are expanded, so that targets which are fitted
        almost perfectly lose digits. Good enough to choose a start.
        """
        n, s, u, x = self.n, self.singular_values[:, None], self.mean[:, None], self.projected
        inverse = 1.0 / (s**2 + ratios)  # (k, ratios)
        rest = self.mean_rest / ratios
        gain = 1.0 + n * ((inverse * u**2).sum(axis=0) + rest)
        free = (self.totals[:, None] - n * (x @ (inverse * u * s))) / gain  # (t, ratios)
        cross = 2 * free * (x @ (inverse**2 * s * u))
        m2 = x**2 @ (inverse * s) ** 2 + cross + free**2 * ((inverse * u) ** 2).sum(axis=0) + rest / ratios * free**2
        r2 = ratios**2 * (x**2 @ inverse**2) - ratios * cross + free**2 * (((inverse * s * u) ** 2).sum(axis=0) + 1 / n)
        cost = np.maximum(r2 + self.outside[:, None], self.floor[:, None]) + ratios * np.maximum(m2, 0.0)
        spread = np.log(s**2 + ratios).sum(axis=0) + (np.log(ratios) if self.mean_rest > 0 else 0.0) + np.log(gain)
        total = (self.rank * np.log(ratios) - spread - n * np.log(cost)).T
        evidence: FloatArray = total / (2 * n) + 0.5 * (np.log(n / (2 * np.pi)) - 1)
        return evidence

    def coefficients(self, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the solution in the components, (t, k), and its prediction at the mean, (t,)."""
        n, s, u, x = self.n, self.singular_values, self.mean, self.projected
        inverse = 1.0 / (s**2 + lam[:, None])
        q = inverse @ u**2 + self.mean_rest / lam
        p = (inverse * x) @ (u * s)
        free = (self.totals - n * p) / (1.0 + n * q)
        return inverse * (s * x + u * free[:, None]), (self.totals - free) / n

    def log_determinant(self, alpha: FloatArray, beta: FloatArray) -> FloatArray:
        """Return ln det(alpha I + beta F^T F) on the components and the mean's own direction, (t,)."""
        lam = alpha / beta
        spread = np.log(alpha[:, None] + beta[:, None] * self.singular_values**2).sum(axis=1)
        q = (1.0 / (self.singular_values**2 + lam[:, None])) @ self.mean**2 + self.mean_rest / lam
        own = np.log(alpha) if self.mean_rest > 0 else 0.0
        total: FloatArray = spread + own + np.log1p(self.n * q)
        return total


def linear_model(statistics: Statistics) -> LinearModel:
    spectrum = statistics.spectrum()
    moments = statistics.moments(with_scatter=False)
    xp = namespace(spectrum.right_vectors)
    mean = to_numpy(xp.matmul(moments.mean[None, :], spectrum.right_vectors))[0]
    full = to_numpy(moments.mean)
    rest = full - to_numpy(xp.matmul(spectrum.right_vectors, like(mean, moments.mean)[:, None]))[:, 0]
    size = float(full @ full)
    # What rounding leaves of a mean that lies inside the span is no direction of its own.
    mean_rest = float(rest @ rest) if float(rest @ rest) > 1e-14 * size else 0.0
    return LinearModel(
        n=statistics.n_samples,
        singular_values=spectrum.singular_values,
        mean=mean,
        mean_rest=mean_rest,
        projected=statistics.target_coordinates(spectrum).T,
        totals=moments.target_totals,
        target_squares=moments.target_squares,
    )
