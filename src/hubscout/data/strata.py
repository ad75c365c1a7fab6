"""What a probe is stratified by, for each kind of task."""

from __future__ import annotations

import numpy as np

from hubscout._typing import FloatArray, IntArray
from hubscout.data.allocation import draw_rows, quantile_bins
from hubscout.data.memberships import memberships, rarest_classes, with_each_class
from hubscout.data.task import Target

_DIGITS = 9


def draw_samples(target: Target, size: int, seed: int) -> tuple[IntArray, str]:
    """Draw samples of a target, stratified as its kind asks for.

    Parameters
    ----------
    target : Target
        n samples.
    size : int
        How many to draw at most.
    seed : int
        Seed of the draw.

    Returns
    -------
    rows : ndarray of shape (min(n, size),), intp
        Positions of the drawn samples, ascending.
    by : str
        What the draw was stratified by, in words.

    Raises
    ------
    UsageError
        When there are more strata than samples to draw.
    """
    labels = target.labels
    if target.task.kind == "regression":
        if labels.ndim == 1:
            return draw_rows(quantile_bins(labels, size), size, seed), "target"
        return draw_rows(quantile_bins(principal_scores(labels), size), size, seed), "the main direction of the targets"
    if target.unit_counts is None and labels.ndim == 1:
        return draw_rows(labels, size, seed), "class"
    found = memberships(target)
    by = "the rarest label of each" if target.unit_counts is None else "the rarest class in each"
    rows = draw_rows(rarest_classes(found), size, seed, strata_name=f"strata ({by} sample)")
    return with_each_class(rows, found, seed), by


def principal_scores(targets: FloatArray) -> FloatArray:
    """Project several targets on the direction in which they vary most together.

    Parameters
    ----------
    targets : ndarray of shape (n, n_targets), float64
        Finite; each is brought to mean 0 and variance 1 first, and a constant one to 0.

    Returns
    -------
    ndarray of shape (n,), float64
        Scores on the first eigenvector of the correlation matrix, whose largest entry is positive; rounded, so that
        equal rows stay equal whatever order sums are taken in.

    Examples
    --------
    >>> principal_scores(np.array([[0.0, 10.0], [1.0, 30.0], [2.0, 20.0]]))
    array([-1.73205081,  0.8660254 ,  0.8660254 ])
    """
    # By the largest value first, so that squares of huge targets do not overflow.
    largest = np.abs(targets).max(axis=0)
    scaled = targets / np.where(largest > 0, largest, 1)
    centred = scaled - scaled.mean(axis=0)
    spread = centred.std(axis=0)
    standard = centred / np.where(spread > 0, spread, 1)
    direction = np.linalg.eigh(standard.T @ standard / len(targets))[1][:, -1]
    direction *= np.sign(direction[np.abs(direction).argmax()])
    scores: FloatArray = np.round(standard @ direction, _DIGITS)
    return scores
