"""PED: what SFDA says once classes that overlap have been pushed apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hubscout._typing import FloatArray
from hubscout._validation import check_number, check_positive_int
from hubscout.scores._discriminant_estimate import estimate
from hubscout.scores._discriminant_space import TrainingSet
from hubscout.scores._pooled_discriminant import Fit, fit, ledoit_wolf
from hubscout.scores._self_challenge import SelfChallenge, space_of
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics
from hubscout.stats.chunks import row_slices
from hubscout.stats.folds import check_folds
from hubscout.stats.namespace import like, to_numpy

_MAX_STEPS = 6
# Means nearer than this share of their size are one point up to rounding, and have no direction between them.
_SAME_POINT = 1e-12
# Logits of this size tell means apart that differ by rounding: their weights must come from the means themselves.
_SHARP = 1e5


def _estimate(
    statistics: Statistics,
    *,
    dt: float = 0.1,
    er: float = 0.5,
    ns: float = 0.6,
    k: float = 1.0,
    cross_fit: int | None = None,
    seed: int = 0,
) -> Estimate:
    dt = check_number("dt", dt, above=0, inclusive=False)
    er = check_number("er", er, above=0, inclusive=True, at_most=1)
    ns = check_number("ns", ns, above=0, inclusive=False)
    k = check_number("k", k, above=0, inclusive=False)
    check_positive_int("seed", seed, minimum=0)
    n_folds = check_folds(cross_fit, statistics.n_samples)
    share = min(0.5 * dt * dt * k, 1.0)  # a power that overflows raises
    space = space_of(statistics)

    def challenged(samples: TrainingSet) -> SelfChallenge:
        first = fit(samples, ledoit_wolf(samples))
        pushed = _pushed(samples, first, share=share, radii_share=ns, exit_ratio=er)
        return SelfChallenge(samples, pushed, shifts=pushed.means - first.means)

    return estimate(space, challenged, n_folds, seed)


def _pushed(samples: TrainingSet, first: Fit, *, share: float, radii_share: float, exit_ratio: float) -> Fit:
    """Return the classifier of the samples once classes are pushed apart; classes without samples stay.

    The covariance does not change, and the weights S^{-1} m_c move as the means do: no new system need be solved.
    """
    codes = samples.space.statistics.codes
    codes = codes if samples.rows is None else codes[samples.rows]
    counts, is_present = first.counts, first.counts > 0
    radii = np.sqrt(np.bincount(codes, samples.norms, len(counts)) / np.maximum(counts, 1))[is_present] * radii_share
    size = first.means.shape[1]
    # Means and weights side by side: what becomes of the one becomes of the other.
    points = np.concatenate([to_numpy(first.means), to_numpy(first.weights).T], axis=1)
    moved, first_length = points[is_present], None
    for _ in range(_MAX_STEPS):
        step = _step(moved[:, :size], radii, share, moved)
        length = float(np.linalg.norm(step[:, :size], axis=1).sum())
        first_length = length if first_length is None else first_length
        # Without any overlap the first step is none. Steps can halve exactly: rounding must not choose how many.
        if length <= exit_ratio * first_length * (1 + 1e-9):
            break
        moved = moved + step
    points[is_present] = moved
    means, weights = points[:, :size], points[:, size:]
    squares = np.einsum("ij,ij->i", means, weights)
    if squares.max() > _SHARP:
        weights = to_numpy(first.solve(like(means, first.means)))
        squares = np.einsum("ij,ij->i", means, weights)
    offsets = first.log_priors - 0.5 * squares
    return replace(first, weights=like(weights, first.means).T, offsets=offsets, means=like(means, first.means))


def _step(means: FloatArray, radii: FloatArray, share: float, points: FloatArray | None = None) -> FloatArray:
    """Return one step of each class: from each class that it overlaps, a share of the overlap away.

    Parameters
    ----------
    means : ndarray of shape (n_classes, size)
    radii : ndarray of shape (n_classes,)
        Classes overlap when their distance is below the sum of their radii.
    share : float
    points : ndarray of shape (n_classes, m), optional
        Linear functions of the means, whose step to return instead.
    """
    points = means if points is None else points
    squares = np.einsum("ij,ij->i", means, means)
    step = np.empty_like(points)
    for rows in row_slices(len(means), 40 * len(means)):
        # In place, as far as it goes: one row of a block is as long as there are classes.
        reach = squares[rows, None] + squares
        distances = means[rows] @ means.T
        distances *= -2
        distances += reach
        is_same = distances <= _SAME_POINT * reach
        np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
        distances[is_same] = np.inf
        pushes = np.add(radii[rows, None], radii, out=reach)
        pushes -= distances
        np.maximum(pushes, 0, out=pushes)
        # Along (m_i - m_j) / d: the sum over j needs no difference of two means by itself.
        pushes /= distances
        pushes *= share
        step[rows] = pushes.sum(axis=1)[:, None] * points[rows] - pushes @ points
    return step


@score(
    estimate=_estimate,
    title="PED",
    summary="SFDA of features whose classes were pushed apart, as fine-tuning would, where they overlap.",
    formula="sfda of f_i + sum_t v_t(y_i); v(i) = sum_j share * max(ns (R_i + R_j) - d_ij, 0) (m_i - m_j) / d_ij, "
    "share = min(dt^2 k / 2, 1), d_ij = |m_i - m_j|, R_c^2 the variance of class c summed over features; up to 6 steps",
    range="[0, 1]; cross-fitted and without signal about the share of a class",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N D^2 + D^3 + N C D + C^2 D",
    spectrum="whole",
    reference="Li, Hu, Ge, Shan, Duan, ICCV 2023, arXiv:2308.15074",
    deviations="Features are not standardised beforehand: the authors use the mean and spread of ImageNet's features, "
    "which the library does not have, and steps grow with the features, so that no common scale matters. A step's size "
    "is the sum of the lengths of the classes' ways, not of their coordinates. The score after it is the default sfda.",
    degenerate="Constant features give the sum of the squared class priors; classes that are distinct points give 1, "
    "and those that are the same point stay together.",
)
def ped(
    features: Any,
    labels: Any = None,
    *,
    dt: float = 0.1,
    er: float = 0.5,
    ns: float = 0.6,
    k: float = 1.0,
    cross_fit: int | None = None,
    seed: int = 0,
) -> float:
    """Score features by SFDA after their classes were pushed apart.

    Classes are balls around their means m_c with radius R_c, the root of their summed variances. In each step, every
    pair that is nearer than ns (R_i + R_j) pushes each other apart along m_i - m_j, by min(dt^2 k / 2, 1) of what is
    missing. Up to 6 steps are made, while a step is larger than ``er`` times the first one; all samples of a class move
    with it. The score is `sfda` of the moved features.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    dt : float, default=0.1
        Time of a step.
    er : float, default=0.5
        Share of the first step below which no more are made; from 0 to 1.
    ns : float, default=0.6
        Size of the balls in radii.
    k : float, default=1.0
        Strength of the push.
    cross_fit : int, optional
        Number of folds: classes are moved, and both discriminants fitted, on all folds but one, whose samples are
        scored as they are. By default the moved samples are scored by the discriminant that is fitted to them.
    seed : int, default=0
        Of the folds.

    Returns
    -------
    float
        Higher is better; in [0, 1].

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option is out of range.

    Notes
    -----
    Labels leak into the features: samples move by their own label, so that without cross-fitting even noise becomes
    separable, the more the stronger the push. Read the value beside its null reference, or use ``cross_fit=5``, which
    moves no sample that it scores and is at chance on noise.

    Differs from the authors' code: (1) there, features are standardised by mean and spread of the model's features of
    ImageNet's validation set, and the program stops without them; here they are taken as they are. All of the movement
    is proportional to the features, so a common scale has no effect, but features of large spread count for more than
    they would there: there is no ``compat``, as no published number could be met. (2) A step's size is the sum of the
    Euclidean lengths of the classes' ways instead of the sum of absolute coordinates, so that rotations change
    nothing. (3) Classes whose means are the same point exert no force instead of 0/0, and nothing happens when none
    overlap. (4) Only class means are moved: distances within a class stay, so that no C x C x D array is needed. (5)
    The score after it is the default `sfda`, with its shrinkage and plain posteriors.

    Standard errors are those of `sfda`, with the movement held fixed.

    References
    ----------
    X. Li, Z. Hu, Y. Ge, Y. Shan, L.-Y. Duan, "Exploring Model Transferability through the Lens of Potential Energy",
    ICCV 2023, arXiv:2308.15074.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import ped, sfda
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(100) % 2
    >>> features = rng.standard_normal((100, 8)) + labels[:, None]
    >>> ped(features, labels) > sfda(features, labels)
    True
    """
    return _estimate(Statistics.of(features, labels), dt=dt, er=er, ns=ns, k=k, cross_fit=cross_fit, seed=seed).value
