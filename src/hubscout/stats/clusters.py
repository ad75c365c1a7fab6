"""Standard errors of means over samples that come in groups."""

from __future__ import annotations

import numpy as np

from hubscout._typing import FloatArray, IntArray


def standard_error(terms: FloatArray, groups: IntArray | None = None) -> float | None:
    r"""Return the standard error of the mean of terms, one a sample.

    With groups c = 1..C, it is :math:`\frac{1}{N}\sqrt{\frac{C}{C-1}\sum_c(\sum_{i\in c}(t_i-\bar t))^2}`, whatever the
    dependence within a group; with every sample a group of its own, the usual one.

    Parameters
    ----------
    terms : ndarray of shape (n_samples,)
    groups : ndarray of shape (n_samples,), int codes from 0, optional
        Which group each sample belongs to; none that share one by default.

    Returns
    -------
    float or None
        None for a single group, which says nothing of the spread between groups.

    References
    ----------
    K.-Y. Liang, S. Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73(1), 1986,
    doi:10.1093/biomet/73.1.13.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.stats.clusters import standard_error
    >>> terms = np.array([1.0, 1.0, 0.0, 0.0])
    >>> round(standard_error(terms), 4), round(standard_error(terms, np.array([0, 0, 1, 1])), 4)
    (0.2887, 0.5)
    """
    if groups is None:
        return float(np.std(terms, ddof=1) / np.sqrt(len(terms)))
    sums = np.bincount(groups, terms - terms.mean())
    if len(sums) < 2:
        return None
    return float(np.sqrt((sums @ sums) * len(sums) / (len(sums) - 1)) / len(terms))
