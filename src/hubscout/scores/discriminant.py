"""LDA: confidence of a linear discriminant whose covariance is shrunk by as much as the data ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hubscout._typing import Array, FloatArray
from hubscout._validation import check_number, check_positive_int
from hubscout.scores._discriminant_estimate import estimate
from hubscout.scores._discriminant_space import Space, TrainingSet
from hubscout.scores._pooled_discriminant import Fit, Shrinkage, fit, ledoit_wolf, own_posteriors
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics
from hubscout.stats.folds import check_folds


@dataclass(frozen=True)
class _Discriminant:
    """A linear discriminant of plain samples."""

    fit: Fit
    samples: TrainingSet

    def posteriors(self) -> FloatArray:
        return own_posteriors(self.samples, self.fit)

    def walk(self, *, copies: int = 0) -> Iterator[tuple[Any, Array]]:
        return self.samples.space.walk(self.samples.rows, copies=copies)


def _estimate(
    statistics: Statistics, *, shrinkage: float | None = None, cross_fit: int | None = None, seed: int = 0
) -> Estimate:
    given = None if shrinkage is None else check_number("shrinkage", shrinkage, above=0, inclusive=True, at_most=1)
    check_positive_int("seed", seed, minimum=0)
    n_folds = check_folds(cross_fit, statistics.n_samples)
    space = Space(statistics)

    def fitted(samples: TrainingSet) -> _Discriminant:
        chosen = ledoit_wolf(samples) if given is None else Shrinkage(given, space.rank)
        return _Discriminant(fit(samples, chosen), samples)

    return estimate(space, fitted, n_folds, seed)


@score(
    estimate=_estimate,
    title="LDA",
    summary="Mean posterior of the true class under Gaussian classes with one covariance, shrunk by as much as the "
    "data ask for (Ledoit-Wolf).",
    formula="mean_i p(y_i | f_i), p = softmax_c(f^T S_a^{-1} m_c - 1/2 m_c^T S_a^{-1} m_c + ln pi_c), "
    "S_a = (1 - a) S_w + a (tr S_w / rank) I",
    range="[0, 1]; cross-fitted and without signal about the share of a class",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N D^2 + D^3 + N C D",
    spectrum="whole",
    reference="Friedman, Journal of the American Statistical Association 84(405), 1989, "
    "doi:10.1080/01621459.1989.10478752",
    deviations="A plain method, the first stage of SFDA; its amount of shrinkage comes from the data instead of "
    "exp(-5 lam), which depends on the scale of the features.",
    degenerate="Constant features give the sum of the squared class priors; classes that are distinct points give 1.",
)
def lda(
    features: Any,
    labels: Any = None,
    *,
    shrinkage: float | None = None,
    cross_fit: int | None = None,
    seed: int = 0,
) -> float:
    """Score features by the confidence of a linear discriminant.

    Classes are Gaussian with means m_c, priors pi_c = n_c / N and one covariance S_w, pooled within classes and drawn
    towards a multiple of the identity: S_a = (1 - a) S_w + a (tr S_w / r) I with r the rank of the features. The
    score is the mean over samples of the posterior of their own class.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    shrinkage : float, optional
        The amount a, from 0 to 1; by default that of Ledoit and Wolf for the residuals from the class means.
    cross_fit : int, optional
        Number of folds: each is scored by the discriminant of all others. By default all samples are scored by the
        discriminant that is fitted to them.
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
    Without cross-fitting the value is optimistic: the discriminant has seen the samples that it scores. On noise with
    600 samples of 10 classes it is about 0.2 for 64 features and 0.5 for 200, where chance is 0.1; with more features
    than samples it can reach 1 whatever the labels. ``cross_fit=5`` is at chance on noise. Means and covariance of all
    folds but one are those of all samples less those of the fold, so that five fits do not cost five times as much.
    Folds are dealt by seed and position: another order of the samples makes others.

    The amount of shrinkage depends on N, so duplicating all samples changes the value. It is relative to the rank,
    not to the number of features: columns without spread change nothing. A floor of 1e-9 of the mean variance keeps
    classes without any spread apart from rounding.

    Standard errors count, to first order, how each sample moves priors, means and covariance, with the amount of
    shrinkage held fixed; near a value of 1 they are rough.

    References
    ----------
    J. H. Friedman, "Regularized discriminant analysis", Journal of the American Statistical Association 84(405), 1989,
    doi:10.1080/01621459.1989.10478752.

    O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88(2), 2004, doi:10.1016/S0047-259X(03)00096-4.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import lda
    >>> rng = np.random.default_rng(0)
    >>> noise, labels = rng.standard_normal((100, 200)), np.arange(100) % 2
    >>> lda(noise, labels) > 0.8
    True
    >>> abs(lda(noise, labels, cross_fit=5) - 0.5) < 0.1
    True
    """
    return _estimate(Statistics.of(features, labels), shrinkage=shrinkage, cross_fit=cross_fit, seed=seed).value
