"""The same features under labels in random order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

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

    Yields
    ------
    Statistics
    """
    rng = np.random.default_rng(seed)
    bytes_a_draw = 8 * (statistics.n_targets * statistics.n_features + statistics.n_samples)
    step = max(1, CHUNK_BYTES // bytes_a_draw)
    for start in range(0, n_draws, step):
        size = min(step, n_draws - start)
        drawn = [statistics.targets[rng.permutation(statistics.n_samples)] for _ in range(size)]
        sums = statistics.target_sums(drawn) if with_sums and statistics.features is not None else [None] * len(drawn)
        for targets, own in zip(drawn, sums, strict=True):
            yield statistics.relabelled(targets, own)
