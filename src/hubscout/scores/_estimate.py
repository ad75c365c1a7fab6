"""What a score says of some features: a value with its uncertainty, and what it would say without signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout.stats.clusters import standard_error


@dataclass(frozen=True)
class Estimate:
    """A score's value with what its uncertainty needs.

    Parameters
    ----------
    value : float
        Higher is better.
    terms : callable, optional
        Gives one number a sample, (n_samples,), whose mean is the value (to first order, where the score is not a
        plain mean): their spread gives the standard error, and differences between two candidates on the same
        samples are paired. Called only when uncertainty is asked for.
    sides : mapping of str to Estimate, optional
        What the value is the sum of, where a task has several sides: classes and boxes of a detection.
    """

    value: float
    terms: Callable[[], FloatArray] | None = None
    sides: Mapping[str, Estimate] | None = None

    @classmethod
    def of_sum(cls, sides: Mapping[str, Estimate]) -> Estimate:
        """Return the sum of some estimates on the same samples; without terms where one of them has none."""
        value = float(sum(side.value for side in sides.values()))
        terms = [side.terms for side in sides.values() if side.terms is not None]
        if len(terms) < len(sides):
            return cls(value, None, sides)
        return cls(value, lambda: np.sum([own() for own in terms], axis=0), sides)

    @property
    def parts(self) -> dict[str, float] | None:
        """The value of each side; None where the value is no sum."""
        return None if self.sides is None else {name: side.value for name, side in self.sides.items()}

    def standard_error(self, groups: IntArray | None = None) -> float | None:
        """Return the standard deviation of the terms over the root of their number; None without terms.

        Parameters
        ----------
        groups : ndarray of shape (n_samples,), int codes, optional
            Samples of one group depend on each other, and count together.
        """
        return None if self.terms is None else standard_error(self.terms(), groups)


@dataclass(frozen=True)
class NullReference:
    """What a score says when labels have nothing to do with features: its values under labels in random order.

    Parameters
    ----------
    mean, standard_deviation : float
        Of the score over all orders of the labels.
    method : {"analytic", "permutation"}
        Whether they follow from a formula, or from seeded draws.
    """

    mean: float
    standard_deviation: float
    method: Literal["analytic", "permutation"]

    def z(self, value: float) -> float | None:
        """Return how many standard deviations a value lies above the mean.

        Zero where every order of the labels gives the value itself; None where they all give one other value.
        """
        distance = value - self.mean
        rounding = 1e-9 * max(abs(value), abs(self.mean), 1e-300)
        if self.standard_deviation > rounding:
            return distance / self.standard_deviation
        return 0.0 if abs(distance) <= 10 * rounding else None
