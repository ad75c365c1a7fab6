"""Mean posteriors of a discriminant, on the samples that it is fitted to or on those of other folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.scores._discriminant_influence import influence
from hubscout.scores._discriminant_space import Space, TrainingSet
from hubscout.scores._pooled_discriminant import Fit
from hubscout.scores._spec import Estimate
from hubscout.stats.folds import trainings
from hubscout.stats.namespace import to_numpy


class Fitted(Protocol):
    """A discriminant, with the samples that it is fitted to as it saw them."""

    @property
    def fit(self) -> Fit:
        """The classifier."""

    def posteriors(self) -> FloatArray:
        """Return the posterior of the true class of all samples, (n_samples,), when it is fitted to all."""

    def walk(self, *, copies: int = 0) -> Iterator[tuple[Any, Array]]:
        """Walk over the samples that it is fitted to; see `Space.walk`."""


def estimate(space: Space, make: Callable[[TrainingSet], Fitted], n_folds: int | None, seed: int) -> Estimate:
    """Return the mean posterior of the true class.

    Parameters
    ----------
    space : Space
    make : callable
        Fits the discriminant to samples, and may overwrite the covariance among their moments.
    n_folds : int or None
        Score each fold by what is fitted to all others; None to score the samples that it is fitted to.
    seed : int
        Of the folds.
    """
    statistics = space.statistics
    if space.rank == 0:
        # Features without any spread leave the prior as the posterior.
        prior = statistics.priors[statistics.codes]
        return Estimate(float(prior.mean()), lambda: prior)
    if n_folds is None:
        return _in_sample(make(TrainingSet.whole(space)), statistics.codes)
    return _cross_fitted(space, make, n_folds, seed)


def _in_sample(fitted: Fitted, codes: IntArray) -> Estimate:
    posteriors = fitted.posteriors()

    def terms() -> FloatArray:
        found, effects = influence(fitted.fit, codes, fitted.walk(), fitted.walk(copies=1))
        return found + effects

    return Estimate(float(posteriors.mean()), terms)


def _cross_fitted(space: Space, make: Callable[[TrainingSet], Fitted], n_folds: int, seed: int) -> Estimate:
    statistics = space.statistics
    posteriors = np.zeros(statistics.n_samples)
    for training in trainings(statistics, space.spectrum, n_folds, seed):
        fitted = make(TrainingSet(space, training))
        posteriors += _posteriors(fitted.fit, space.walk(training.held_out), statistics.codes)

    def terms() -> FloatArray:
        found = np.zeros(statistics.n_samples)
        for training in trainings(statistics, space.spectrum, n_folds, seed):
            fitted = make(TrainingSet(space, training))
            scored = space.walk(training.held_out)
            for part in influence(fitted.fit, statistics.codes, scored, fitted.walk(copies=1)):
                found += part
        return found

    return Estimate(float(posteriors.mean()), terms)


def _posteriors(fit: Fit, walk: Iterator[tuple[Any, Array]], codes: IntArray) -> FloatArray:
    """Return the posterior of the true class of the samples walked over, (n_samples,); zero for all others."""
    found = np.zeros(len(codes))
    for rows, vectors in walk:
        found[rows] = to_numpy(fit.posteriors(vectors, codes[rows]))
    return found
