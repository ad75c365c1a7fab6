"""The same features under labels in random order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hubscout._typing import IntArray
from hubscout.stats.chunks import CHUNK_BYTES
from hubscout.stats.statistics import Statistics


def permuted(statistics: Statistics, n_draws: int, seed: int, *, with_sums: bool = True) -> Iterator[Statistics]:
    """Walk over statistics whose labels are those given, in random order.

    Parameters
    ----------
    statistics : Statistics
        Its spectrum and all else that depends on features alone is shared, not computed again.
    n_draws : int
    seed : int
    with_sums : bool, default=True
        Whether class sums of the features are wanted: then many draws share each pass over them.

    Notes
    -----
    Orders are of single samples, whatever their groups.

    Yields
    ------
    Statistics
    """
    rng = np.random.default_rng(seed)
    n_sums = statistics.n_targets + (4 if statistics.parts else 0)
    bytes_a_draw = 8 * (n_sums * statistics.n_features + statistics.n_samples)
    step = max(1, CHUNK_BYTES // bytes_a_draw)
    with_sums = with_sums and statistics.features is not None
    for start in range(0, n_draws, step):
        orders = [rng.permutation(statistics.n_samples) for _ in range(min(step, n_draws - start))]
        yield from _reordered(statistics, orders, with_sums=with_sums)


def _reordered(statistics: Statistics, orders: list[IntArray], *, with_sums: bool) -> Iterator[Statistics]:
    """Walk over statistics with labels in given orders; class and box of a detection stay together."""
    if statistics.parts:
        walks = [_reordered(part, orders, with_sums=with_sums) for part in statistics.parts.values()]
        for drawn in zip(*walks, strict=True):
            yield statistics.with_parts(dict(zip(statistics.parts, drawn, strict=True)))
        return
    targets = [statistics.targets[order] for order in orders]
    sums = statistics.target_sums(targets) if with_sums else [None] * len(targets)
    for own, known in zip(targets, sums, strict=True):
        yield statistics.relabelled(own, known)
