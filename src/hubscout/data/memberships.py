"""Which classes each sample has, where it may have several: its labels, or those of its boxes, words or points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray
from hubscout.data.allocation import floor_of
from hubscout.data.task import Target


@dataclass(frozen=True)
class Memberships:
    """Each class of each sample once, sample after sample.

    Parameters
    ----------
    samples : ndarray of shape (n_pairs,), intp
        A sample, from 0, ascending.
    classes : ndarray of shape (n_pairs,), intp
        A class of that sample. Samples without any label have a class of their own, behind the others.
    n_samples, n_classes : int
        How many there are; the class of samples without a label counts as one.
    """

    samples: IntArray
    classes: IntArray
    n_samples: int
    n_classes: int

    @property
    def counts(self) -> IntArray:
        """How many samples have each class, (n_classes,)."""
        return np.bincount(self.classes, minlength=self.n_classes).astype(np.intp)


def memberships(target: Target) -> Memberships:
    """Collect the classes of each sample of a multilabel target, or of a target whose samples have parts.

    Parameters
    ----------
    target : Target
        With labels of shape (n, n_labels), or with `unit_counts`.

    Returns
    -------
    Memberships
        The classes of each sample.
    """
    n = len(target.samples)
    if target.unit_counts is not None:
        n_classes = int(target.labels.max(initial=-1)) + 1
        keys = np.unique(np.repeat(np.arange(n), target.unit_counts) * n_classes + target.labels)
        return Memberships(keys // max(n_classes, 1), keys % max(n_classes, 1), n, n_classes)
    has = np.column_stack([target.labels != 0, ~target.labels.any(axis=1)])
    samples, classes = np.nonzero(has)
    return Memberships(samples.astype(np.intp), classes.astype(np.intp), n, has.shape[1])


def rarest_classes(found: Memberships) -> IntArray:
    """Find the rarest class of each sample: that which the fewest samples have, and of equal ones the first.

    Parameters
    ----------
    found : Memberships
        n samples with at least one class each.

    Returns
    -------
    ndarray of shape (n,), intp
        A class for each sample.

    Examples
    --------
    >>> rarest_classes(Memberships(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 0]), 3, 2))
    array([0, 1, 0])
    """
    by_count = np.argsort(found.counts, kind="stable")
    place = np.empty(found.n_classes, dtype=np.intp)
    place[by_count] = np.arange(found.n_classes)
    first = np.full(found.n_samples, found.n_classes, dtype=np.intp)
    np.minimum.at(first, found.samples, place[found.classes])
    return by_count[first].astype(np.intp)


def with_each_class(rows: IntArray, found: Memberships, seed: int) -> IntArray:
    """Exchange drawn samples for others, so that each class keeps a few samples.

    Parameters
    ----------
    rows : ndarray of shape (size,), intp
        The samples that were drawn, ascending.
    found : Memberships
        The classes of all samples.
    seed : int
        Seed of the draw.

    Returns
    -------
    ndarray of shape (size,), intp
        As many samples, ascending. Each class has ``min(count, floor)`` of them, as `allocate` gives strata, as far as
        there are samples to spare: those whose classes all have more. Where no class lacks any, `rows` themselves.

    Notes
    -----
    A stratum is guaranteed its samples, but a common class can lack them where each of its samples has a rarer class
    too, by which it is drawn. The rarest classes are served first.
    """
    counts = found.counts
    wanted = np.minimum(counts, floor_of(int((counts > 0).sum()), len(rows)))
    is_drawn = np.zeros(found.n_samples, dtype=bool)
    is_drawn[rows] = True
    have = np.bincount(found.classes[is_drawn[found.samples]], minlength=found.n_classes)
    if (have >= wanted).all():
        return rows
    ends = np.cumsum(np.bincount(found.samples, minlength=found.n_samples))
    generator = np.random.default_rng((seed, 1))  # not the stream of the draw itself, which is used up
    for wanting in np.argsort(counts, kind="stable").tolist():
        others = found.samples[(found.classes == wanting) & ~is_drawn[found.samples]]
        for added in generator.permutation(others)[: max(wanted[wanting] - have[wanting], 0)].tolist():
            spare = _spare(is_drawn, found, have > wanted)
            if not len(spare):
                return np.flatnonzero(is_drawn).astype(np.intp)
            for sample, step in ((int(generator.choice(spare)), -1), (added, 1)):
                start = ends[sample - 1] if sample else 0
                have[found.classes[start : ends[sample]]] += step
                is_drawn[sample] = step > 0
    return np.flatnonzero(is_drawn).astype(np.intp)


def _spare(is_drawn: npt.NDArray[np.bool_], found: Memberships, has_more: npt.NDArray[np.bool_]) -> IntArray:
    """Give the drawn samples all of whose classes have more than they need."""
    is_needed = np.zeros(found.n_samples, dtype=bool)
    is_needed[found.samples[~has_more[found.classes]]] = True
    return np.flatnonzero(is_drawn & ~is_needed).astype(np.intp)
