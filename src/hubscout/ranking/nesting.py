"""Probes inside of a probe: the first samples of one seeded order, in blocks that share their features."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hubscout._typing import IntArray
from hubscout.data.task import Probe, Samples

_BINS = 10
# Of each class, so many samples stand first: a class of one sample says nothing of its spread.
_FIRST_OF_CLASS = 2


@dataclass(frozen=True)
class NestedProbe:
    """The first samples of a probe in a seeded order, block by block.

    Parameters
    ----------
    whole : Probe
        All samples that were drawn.
    blocks : tuple of Probe
        Each a probe of its own with a fingerprint of its own, so that the feature store knows what a smaller probe
        has extracted already.
    positions : ndarray of shape (n,), int
        Where the samples of all blocks stand in the whole.
    """

    whole: Probe
    blocks: tuple[Probe, ...]
    positions: IntArray

    @cached_property
    def probe(self) -> Probe:
        """All blocks as one probe, in their order."""
        digest = hashlib.sha256("".join(block.fingerprint for block in self.blocks).encode())
        return take_samples(self.whole, self.positions, digest.hexdigest())


def nested_order(probe: Probe, seed: int) -> IntArray:
    """Put the samples of a probe in an order whose every beginning is like the whole.

    Parameters
    ----------
    probe : Probe
        n samples.
    seed : int
        Of the order.

    Returns
    -------
    ndarray of shape (n,), int
        Two samples of each class come first, as far as there are; from then on each class is spread evenly. Numbers
        are spread by ten bins of equal count. Several labels a sample, boxes, words and points are in random order.
    """
    n = len(probe)
    rng = np.random.default_rng(seed)
    strata = np.zeros(n, dtype=np.intp)
    is_classes = probe.task.kind == "classification" and probe.unit_counts is None
    if is_classes:
        strata = np.unique(probe.labels, return_inverse=True)[1].reshape(-1)
    elif probe.task.kind == "regression" and np.ndim(probe.labels) == 1:
        strata = np.argsort(np.argsort(probe.labels, kind="stable"), kind="stable") * _BINS // n
    keys = np.empty(n)
    for stratum in range(int(strata.max()) + 1):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        places = (np.arange(len(members)) + rng.random()) / max(len(members), 1)
        if is_classes:
            places[:_FIRST_OF_CLASS] -= 1.0
        keys[members] = places
    order: IntArray = np.argsort(keys, kind="stable")
    return order


def take_samples(probe: Probe, positions: IntArray, fingerprint: str) -> Probe:
    """Return a probe of some of the samples, in the given order.

    Parameters
    ----------
    probe : Probe
    positions : ndarray of shape (n,), int
    fingerprint : str
        Of the result.

    Returns
    -------
    Probe
        With the notes and problems of the whole left out.
    """
    counts = probe.unit_counts
    units = positions
    if counts is not None:
        starts = np.cumsum(counts) - counts
        units = np.concatenate([np.arange(starts[each], starts[each] + counts[each]) for each in positions])
    return replace(
        probe,
        samples=probe.samples.subset(positions),
        labels=probe.labels[units],
        rows=probe.rows[positions],
        fingerprint=fingerprint,
        unit_counts=None if counts is None else counts[positions],
        boxes=None if probe.boxes is None else probe.boxes[units],
        problems=(),
        notes=(),
    )


def grow(nested: NestedProbe | None, whole: Probe, order: IntArray, size: int) -> NestedProbe:
    """Add a block of the next samples of the order.

    Parameters
    ----------
    nested : NestedProbe or None
        What there is; None before the first block.
    whole : Probe
    order : ndarray of shape (n,), int
        From `nested_order`.
    size : int
        Samples in all, with the new block.

    Returns
    -------
    NestedProbe
    """
    known = 0 if nested is None else len(nested.positions)
    positions = np.sort(order[known:size])
    block = take_samples(whole, positions, "")
    block = replace(block, fingerprint=fingerprint(block.samples))
    blocks, before = ((), positions[:0]) if nested is None else (nested.blocks, nested.positions)
    return NestedProbe(whole, (*blocks, block), np.concatenate([before, positions]))


def fingerprint(samples: Samples) -> str:
    """Return the SHA-256 over the contents of samples, as `hubscout.data.draw_probe` takes it."""
    digest = hashlib.sha256()
    for index in range(len(samples)):
        content = samples.content(index)
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()
