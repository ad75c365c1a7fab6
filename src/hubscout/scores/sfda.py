"""SFDA: confidence of a discriminant that is refitted to samples made harder where it was in doubt."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from hubscout._validation import check_choice, check_positive_int
from hubscout.scores._discriminant_estimate import estimate
from hubscout.scores._discriminant_space import TrainingSet
from hubscout.scores._pooled_discriminant import Shrinkage, fit, ledoit_wolf
from hubscout.scores._self_challenge import SelfChallenge, space_of
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics
from hubscout.stats.folds import check_folds
from hubscout.stats.namespace import namespace, to_numpy

# The published program keeps at least this much shrinkage, and knows no floor beside it; ours is that of rounding.
_LEAST_SHRINKAGE, _ROUNDING = 1e-10, 1e-14


def _estimate(
    statistics: Statistics,
    *,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    check_positive_int("seed", seed, minimum=0)
    n_folds = check_folds(cross_fit, statistics.n_samples, compat=compat)
    space = space_of(statistics)

    def challenged(samples: TrainingSet) -> SelfChallenge:
        if compat is None:
            return SelfChallenge(samples, fit(samples, ledoit_wolf(samples)))
        return SelfChallenge(samples, fit(samples, _published_shrinkage(samples)), is_softened=True)

    found = estimate(space, challenged, n_folds, seed)
    # What a sample does to the softened mixing, held fixed by the terms, is too large a part of the published number.
    return found if compat is None else Estimate(found.value)


def _published_shrinkage(samples: TrainingSet) -> Shrinkage:
    """Shrink by exp(-5 lam), with lam what six products with the covariance find its largest eigenvalue to be."""
    within, space = samples.moments.within, samples.space
    vectors = space.spectrum.right_vectors
    # The iteration starts at the row sums: the covariance times ones, which coordinates see through the components.
    last = following = within @ to_numpy(namespace(vectors).sum(vectors, axis=0))
    for _ in range(6):
        last, following = following, within @ following
        following /= max(float(np.linalg.norm(following)), np.finfo(np.float64).tiny)
    largest = float(following @ within @ last)
    return Shrinkage(max(np.exp(-5 * largest), _LEAST_SHRINKAGE), space.statistics.n_features, floor=_ROUNDING)


@score(
    estimate=_estimate,
    title="SFDA",
    summary="Mean posterior of the true class under a linear discriminant that is refitted after hard samples were "
    "mixed with the other classes.",
    formula="mean_i p'(y_i | f'_i), f'_i = q_i f_i + (1 - q_i) o_{y_i}, q_i = p(y_i | f_i), o_c the mean of the other "
    "class means; p and p' linear discriminants of f and f' with S_a = (1 - a) S_w + a (tr S_w / rank) I",
    range="[0, 1]; cross-fitted and without signal about the share of a class",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N D^2 + D^3 + N C D",
    spectrum="whole",
    reference="Shao, Zhao, Ge, Zhang, Yang, Wang, Shan, Luo, ECCV 2022, arXiv:2207.03036",
    deviations="Shrinkage by Ledoit and Wolf's amount instead of exp(-5 lam), which depends on the scale of the "
    "features; q is the posterior itself, not a softmax of it, which is near 1/C for many classes and mixes all "
    "samples away. compat='authors' gives theirs.",
    degenerate="Constant features give the sum of the squared class priors; classes that are distinct points give 1.",
)
def sfda(
    features: Any,
    labels: Any = None,
    *,
    compat: Literal["authors"] | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
) -> float:
    """Score features by the confidence of a self-challenging Fisher discriminant.

    A linear discriminant with a shrunk covariance (`lda`) gives each sample the posterior q_i of its own class. Samples
    are mixed with what they could be taken for, f_i <- q_i f_i + (1 - q_i) o_{y_i}, with o_c the mean of the means of
    the other classes. A second discriminant, with the same amount of shrinkage, is fitted to the mixed samples; the
    score is the mean posterior of the true class under it.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    compat : {"authors"}, optional
        The published number: their shrinkage and softened q.
    cross_fit : int, optional
        Number of folds: both discriminants and the mixing see all folds but one, whose samples are scored as they
        are. By default the mixed samples are scored by the discriminant that is fitted to them.
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
        When an option is out of range, or ``cross_fit`` is given with ``compat``.

    Notes
    -----
    Differs from the authors' code: (1) it shrinks by exp(-5 lam), lam the largest eigenvalue of the within-class
    covariance, so that the same features on another scale, and architectures with other norms, are shrunk differently,
    and hardly at all beyond lam = 4.6, where noise in more features than samples scores 1; here the amount is Ledoit
    and Wolf's, as in `lda`. (2) It takes the softmax of the posteriors once more before mixing, which brings q near
    1/C for many classes. (3) Labels need not be 0..C-1, and features are not overwritten. ``compat="authors"``
    reproduces its number.

    Without cross-fitting the value is optimistic: discriminants have seen the samples that they score, and mixing has
    used their labels. ``cross_fit=5`` is at chance on noise; it costs one more pass over the training samples a fold.
    Folds are dealt by seed and position: another order of the samples makes others.

    The amount of shrinkage depends on N, so duplicating all samples changes the value. Standard errors count, to first
    order, how each sample moves the second discriminant, with the mixing and the amount of shrinkage held fixed; near
    a value of 1 they are rough, and for ``compat="authors"`` there are none.

    References
    ----------
    W. Shao, X. Zhao, Y. Ge, Z. Zhang, L. Yang, X. Wang, Y. Shan, P. Luo, "Not All Models Are Equal: Predicting Model
    Transferability in a Self-challenging Fisher Space", ECCV 2022, arXiv:2207.03036.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import sfda
    >>> rng = np.random.default_rng(0)
    >>> noise, labels = rng.standard_normal((100, 200)), np.arange(100) % 2
    >>> round(sfda(10 * noise, labels, compat="authors"), 6)
    1.0
    >>> abs(sfda(noise, labels, cross_fit=5) - 0.5) < 0.1
    True
    """
    return _estimate(Statistics.of(features, labels), compat=compat, cross_fit=cross_fit, seed=seed).value
