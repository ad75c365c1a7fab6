"""The samples that a linear discriminant finds hardest, which DISCO can score instead of all."""

from __future__ import annotations

import numpy as np

from hubscout._typing import IntArray
from hubscout._validation import check_number
from hubscout.scores._disco_models import PooledModel
from hubscout.stats import Statistics

# Times the mean variance, added to the pooled covariance of the discriminant.
_SHRINKAGE = 0.1


def hard_examples(statistics: Statistics, fraction: float, n_components: int | None = 128) -> IntArray:
    """Choose the samples that a linear discriminant finds hardest, within each class.

    Parameters
    ----------
    statistics : Statistics
        Labelled features of a classification task.
    fraction : float
        Share of each class to keep, in (0, 1]; at least 2 samples of a class stay.
    n_components : int or None, default=128
        Principal components that the discriminant sees.

    Returns
    -------
    rows : ndarray of shape (n_kept,), int
        Ascending positions of the samples with the lowest posterior of their own class.

    Raises
    ------
    UsageError
        When ``fraction`` is out of range or the task is not classification.
    """
    check_number("hard_fraction", fraction, above=0, inclusive=False, at_most=1)
    codes = statistics.codes
    spectrum = statistics.spectrum(n_components)
    if spectrum.n_components == 0:
        return np.arange(statistics.n_samples)
    whole = [slice(0, spectrum.n_components)]
    posterior = PooledModel(statistics, spectrum, whole, "shared", _SHRINKAGE).terms(np.ones(1))
    order = np.lexsort((posterior, codes))
    counts = statistics.counts.astype(np.intp)
    kept = np.minimum(counts, np.maximum(2, np.ceil(fraction * counts).astype(np.intp)))
    position = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[position < np.repeat(kept, counts)])
