"""What scores say without signal: their values under labels in random order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hubscout.errors import HubscoutError
from hubscout.scores._spec import NullReference, ScoreSpec
from hubscout.stats import Statistics
from hubscout.stats.permutation import permuted


def null_references(
    statistics: Statistics,
    specs: Sequence[ScoreSpec],
    *,
    n_draws: int,
    seed: int,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, NullReference]:
    """Return the null reference of each score that reads labels.

    Where a formula gives mean and spread over all orders of the labels, it is used; the other scores are computed
    under ``n_draws`` random orders, all under the same ones. The decomposition of the features is shared.

    Parameters
    ----------
    statistics : Statistics
    specs : sequence of ScoreSpec
    n_draws : int
        At least 2. Twenty know the spread to about 16 percent.
    seed : int
    options : mapping, optional
        Options by score.
    progress : callable, optional
        Called with the number of draws done and that of all.

    Returns
    -------
    dict of str to NullReference
        Scores that have no finite value under some order are left out.
    """
    settings = options or {}
    found: dict[str, NullReference] = {}
    drawn: dict[str, list[float]] = {}
    for spec in specs:
        if "labels" not in spec.needs:
            continue
        known = spec.null(statistics, **settings.get(spec.name, {})) if spec.null is not None else None
        if known is not None:
            found[spec.name] = known
        else:
            drawn[spec.name] = []
    left = [spec for spec in specs if spec.name in drawn]
    if left:
        with_sums = any("features" in spec.needs for spec in left)
        for done, shuffled in enumerate(permuted(statistics, n_draws, seed, with_sums=with_sums)):
            for spec in list(left):
                value = _value(spec, shuffled, settings.get(spec.name, {}))
                if np.isfinite(value):
                    drawn[spec.name].append(value)
                else:
                    left.remove(spec)
            if progress is not None:
                progress(done + 1, n_draws)
    for spec in left:
        values = np.array(drawn[spec.name])
        found[spec.name] = NullReference(float(values.mean()), float(values.std(ddof=1)), "permutation")
    return {spec.name: found[spec.name] for spec in specs if spec.name in found}


def _value(spec: ScoreSpec, statistics: Statistics, options: Mapping[str, Any]) -> float:
    """Return the score, or NaN where it has none."""
    try:
        return spec.estimate(statistics, **options).value
    except HubscoutError:
        return float("nan")
