"""What fine-tuning other candidates would cost, from what these have cost."""

from __future__ import annotations

from collections.abc import Sequence


def estimate_seconds(measured: Sequence[tuple[float, int | None]], others: Sequence[int | None]) -> float | None:
    r"""Estimate the time for candidates that were not fine-tuned, by their parameters.

    Parameters
    ----------
    measured : sequence of (seconds, parameters)
        Candidates that were.
    others : sequence of int or None
        Parameters of those that were not; None where unknown.

    Returns
    -------
    float or None
        In seconds; None when nothing was measured.

    Notes
    -----
    :math:`\sum_j p_j \sum_i t_i / \sum_i p_i`, as if all models did the same work for a parameter, which they do not
    within a factor of a few: an estimate. A candidate of unknown size counts as the mean of those that were measured.

    Examples
    --------
    >>> estimate_seconds([(10.0, 100), (30.0, 300)], [200, None])
    40.0
    """
    if not measured:
        return None
    mean = sum(seconds for seconds, _ in measured) / len(measured)
    sized = [(seconds, size) for seconds, size in measured if size]
    if not sized:
        return mean * len(others)
    rate = sum(seconds for seconds, _ in sized) / sum(size for _, size in sized)
    return sum(rate * size if size else mean for size in others)
