"""The value a fine-tuning reached, with an interval over test samples and seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hubscout._typing import FloatArray
from hubscout.errors import UsageError

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval.

    Parameters
    ----------
    value : float
        The estimate.
    low, high : float
        Ends of the interval.
    level : float
        Its nominal coverage.
    method : {"wilson", "t", "crossed t"}
        How it was made.
    """

    value: float
    low: float
    high: float
    level: float = LEVEL
    method: str = "t"


def wilson_interval(n_right: int, n: int, *, level: float = LEVEL) -> tuple[float, float]:
    r"""Interval of a share, by Wilson's score method.

    Parameters
    ----------
    n_right, n : int
        Samples that are right, and all.
    level : float
        Nominal coverage.

    Returns
    -------
    low, high : float
        :math:`\frac{p + z^2/2n \pm z \sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}`, within [0, 1].

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927),
       doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(8, 10)]
    [0.49, 0.943]
    >>> [round(end, 3) for end in wilson_interval(10, 10)]
    [0.722, 1.0]
    """
    from scipy.special import ndtri

    _check_level(level)
    if n < 1 or not 0 <= n_right <= n:
        msg = f"n_right must be from 0 to n, and n at least 1, got {n_right!r} of {n!r}"
        raise UsageError(msg)
    z = float(ndtri(0.5 + level / 2))
    share = n_right / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def mean_interval(terms: FloatArray, *, level: float = LEVEL) -> Estimate:
    r"""Mean of terms with an interval for other test samples and other seeds.

    Parameters
    ----------
    terms : ndarray of shape (n_seeds, n_samples)
        One row a seed, on the same samples; at least two samples.
    level : float
        Nominal coverage.

    Returns
    -------
    Estimate
        With one seed Student's t over the samples, which says nothing of other seeds. With several, samples and seeds
        are both taken as drawn at random.

    Notes
    -----
    With mean squares of samples, seeds and the rest from the two-way table without replication, the variance of the
    mean is estimated by :math:`(M_n + M_s - M_r) / (n s)`, but by no less than its greatest part alone, with
    Satterthwaite's degrees of freedom.

    References
    ----------
    .. [1] F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin
       2 (1946), doi:10.2307/3002019.

    Examples
    --------
    >>> found = mean_interval(np.array([[0.0, 1.0, 1.0, 0.0, 1.0]]))
    >>> found.value, round(found.low, 3), round(found.high, 3), found.method
    (0.6, -0.08, 1.28, 't')
    """
    from scipy.stats import t

    _check_level(level)
    table = np.atleast_2d(np.asarray(terms, dtype=np.float64))
    n_seeds, n = table.shape
    if n < 2:
        msg = f"terms must hold at least 2 samples, got {n}"
        raise UsageError(msg)
    value = float(table.mean())
    if n_seeds == 1:
        variance, freedom, method = float(table.var(ddof=1)) / n, n - 1.0, "t"
    else:
        variance, freedom = _crossed(table)
        method = "crossed t"
    half = float(t.ppf(0.5 + level / 2, freedom)) * math.sqrt(variance)
    return Estimate(value, value - half, value + half, level, method)


def accuracy_interval(terms: FloatArray, *, level: float = LEVEL) -> Estimate:
    """Accuracy with its interval: Wilson's with one seed, `mean_interval` within [0, 1] with several.

    Parameters
    ----------
    terms : ndarray of shape (n_seeds, n_samples)
        1 where a sample is right, 0 elsewhere.
    level : float
        Nominal coverage.

    Returns
    -------
    Estimate

    Notes
    -----
    With several seeds the interval is never narrower than Wilson's for their mean, which keeps it sound where all
    samples are right.
    """
    table = np.atleast_2d(np.asarray(terms, dtype=np.float64))
    n = table.shape[1]
    value = float(table.mean())
    low, high = wilson_interval(math.floor(value * n + 0.5), n, level=level)
    if len(table) == 1:
        return Estimate(value, low, high, level, "wilson")
    wide = mean_interval(table, level=level)
    return Estimate(value, max(0.0, min(low, wide.low)), min(1.0, max(high, wide.high)), level, wide.method)


def _crossed(table: FloatArray) -> tuple[float, float]:
    """Variance of the mean of a table of seeds and samples, and its degrees of freedom."""
    n_seeds, n = table.shape
    by_seed, by_sample, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = table - by_seed[:, None] - by_sample[None, :] + mean
    # (mean square, its degrees of freedom, its sign in the sum)
    squares = (
        (n_seeds * float(np.sum((by_sample - mean) ** 2)) / (n - 1), n - 1, 1),
        (n * float(np.sum((by_seed - mean) ** 2)) / (n_seeds - 1), n_seeds - 1, 1),
        (float(np.sum(rest**2)) / ((n - 1) * (n_seeds - 1)), (n - 1) * (n_seeds - 1), -1),
    )
    total = sum(sign * square for square, _, sign in squares)
    greatest, its_freedom, _ = max(squares[:2])
    if total <= greatest:
        return greatest / (n * n_seeds), float(its_freedom)
    freedom = total**2 / sum(square**2 / degrees for square, degrees, _ in squares)
    return total / (n * n_seeds), max(1.0, freedom)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        msg = f"level must be a share between 0 and 1, got {level!r}"
        raise UsageError(msg)
