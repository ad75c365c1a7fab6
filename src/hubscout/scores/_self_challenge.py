"""The self-challenge of SFDA: samples mixed with the other classes as they are in doubt, and a classifier refitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hubscout._typing import Array, FloatArray
from hubscout.scores._discriminant_space import Space, TrainingSet, add_own
from hubscout.scores._pooled_discriminant import Fit, fit_in_space, own_posteriors, posteriors_of
from hubscout.stats import Statistics
from hubscout.stats.namespace import float_dtype, like, namespace, to_numpy
from hubscout.stats.target_sums import segment_sums

# Float32 products blur variances by less than this share of their sum: the smallest must stay above it.
_SINGLE_MARGIN = 2 * float(np.finfo(np.float32).eps)


def space_of(statistics: Statistics) -> Space:
    """Return the space whose covariances are the smaller."""
    return Space(statistics, is_reduced=statistics.n_samples < statistics.n_features)


class SelfChallenge:
    """A classifier fitted, its samples mixed as it doubts them, and a classifier fitted to those.

    With q_i the posterior of a sample's own class and o_c the mean of the other classes' means, a sample v_i becomes
    q_i v_i + (1 - q_i) o_{y_i}. Both fits shrink by the same amount.

    Parameters
    ----------
    samples : TrainingSet
    first : Fit
        To the samples, shifted if they are to be.
    shifts : array of shape (n_classes, size), optional
        Added to all samples of a class beforehand.
    is_softened : bool, default=False
        Whether q is the softmax of the posteriors, as in the published program.

    Attributes
    ----------
    fit : Fit
        The second classifier.
    """

    def __init__(
        self, samples: TrainingSet, first: Fit, *, shifts: Array | None = None, is_softened: bool = False
    ) -> None:
        self._samples, self._shifts = samples, shifts
        # Classes without samples have zeros for means, and count for nothing.
        xp, n_others = namespace(first.means), max(int((first.counts > 0).sum()) - 1, 1)
        self._others = (xp.sum(first.means, axis=0)[None, :] - first.means) / n_others
        # A mixed sample is o + q (v - o): about the point o of its class there is only q (v - o) to sum.
        self._starts = -self._others if shifts is None else shifts - self._others
        if shifts is None and not is_softened:
            self._confidences = own_posteriors(samples, first)
        else:
            self._confidences = posteriors_of(samples, first, shifts=shifts, is_softened=is_softened)
        within, means = self._mixed_moments(first)
        self.fit = fit_in_space(within, means, first.log_priors, first.counts, first.shrinkage)

    def posteriors(self) -> FloatArray:
        """Return the posterior of the true class of the mixed samples, (n_samples,)."""
        mixed = {"shifts": self._shifts, "confidences": self._confidences, "origins": self._others}
        return posteriors_of(self._samples, self.fit, **mixed)

    def walk(self, *, copies: int = 0) -> Iterator[tuple[Any, Array]]:
        """Walk over the mixed samples, which belong to the caller."""
        space, rows = self._samples.space, self._samples.rows
        for part, vectors in space.walk(rows, copies=max(copies, 1)):
            yield part, add_own(self._around_origins(part, vectors), self._others, space.statistics.codes[part])

    def _around_origins(self, part: Any, vectors: Array) -> Array:
        """Return mixed samples about the point o of their class, in place where the library can."""
        vectors = add_own(vectors, self._starts, self._samples.space.statistics.codes[part])
        vectors *= like(self._confidences[part], vectors)[:, None]
        return vectors

    def _mixed_moments(self, first: Fit) -> tuple[FloatArray, Array]:
        """Return the pooled within-class covariance and the class means of the mixed samples, in one pass."""
        space, counts = self._samples.space, first.counts
        single = first.shrinkage.amount > _SINGLE_MARGIN * first.shrinkage.size
        gram: Array = None
        sums: Any = 0.0
        for part, vectors in space.walk(self._samples.rows, copies=1, single=single):
            xp, own = namespace(vectors), space.statistics.codes[part]
            vectors = self._around_origins(part, vectors)
            double = float_dtype(xp, single=False)
            vectors = vectors if single else xp.astype(vectors, double, copy=False)
            product = xp.matmul(vectors.T, vectors)
            if gram is None:
                gram = xp.astype(product, double, copy=False)
            else:
                gram += product
            sums = sums + segment_sums(vectors, own, len(counts))
        away = to_numpy(sums) / np.maximum(counts, 1)[:, None]
        within = (away * counts[:, None]).T @ away
        np.subtract(to_numpy(gram), within, out=within)
        within /= counts.sum()
        return within, like(away, self._others) + self._others
