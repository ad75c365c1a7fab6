"""PACTran: a PAC-Bayes bound on the loss of a linear head, or of a source head's classes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from hubscout._typing import FloatArray
from hubscout._validation import check_choice, check_number
from hubscout.scores._pactran_priors import source_cost
from hubscout.scores._softmax_design import Design
from hubscout.scores._softmax_regression import SoftmaxFit, fit_softmax
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Spectrum, Statistics

# The authors' variance of the prior over weights, relative to lam, before it is divided by their number a class.
_PRIOR_VARIANCE = 100.0
_TINY = 1e-10


def _estimate(
    statistics: Statistics,
    *,
    prior: Literal["gaussian", "dirichlet", "gamma"] = "gaussian",
    lam: float = 1.0,
    prior_variance: float | None = None,
    concentration: float = 1.0,
    compat: Literal["authors"] | None = None,
) -> Estimate:
    check_choice("prior", prior, ("gaussian", "dirichlet", "gamma"))
    check_choice("compat", compat, (None, "authors"))
    check_number("lam", lam, above=0, inclusive=False)
    check_number("concentration", concentration, above=0, inclusive=False)
    if prior_variance is not None:
        check_number("prior_variance", prior_variance, above=0, inclusive=True)
    if prior != "gaussian":
        return Estimate(-source_cost(statistics, prior, concentration))
    variance = _PRIOR_VARIANCE * lam if prior_variance is None else prior_variance
    weight = 0.5 * statistics.n_targets * variance / (lam * statistics.n_samples)
    if compat == "authors":
        return _as_published(statistics, lam, weight)
    return _gaussian(statistics, lam, weight)


def _gaussian(statistics: Statistics, lam: float, weight: float) -> Estimate:
    spectrum = statistics.spectrum()
    n, n_classes, rank = statistics.n_samples, statistics.n_targets, spectrum.n_components
    scale, fit = 1.0, _without_features(statistics)
    if rank:
        scale = _unit_scale(statistics, spectrum)
        fit = fit_softmax(Design(statistics, spectrum, scale), 1 / (lam * n))
    # Without any feature the term is that of one which the labels ignore, so that it does not look like a good model.
    square_norms = statistics.square_norms() / scale**2 if rank else np.ones(n)
    shares = (square_norms + 1) * (lam / (max(rank, 1) * n_classes))
    total = 1 + float(shares @ fit.spreads)
    cost = float(fit.losses.mean()) + fit.square_weights / (2 * lam * n) + weight * float(np.log(total))

    def terms() -> FloatArray:
        # First-order effect of one sample's weight. In the loss it has none through W, which is at its minimum.
        curved = shares * fit.spreads + fit.response(shares)
        found = -fit.losses - weight * n * curved / total
        centred: FloatArray = found - found.mean() - cost
        return centred

    return Estimate(-cost, terms)


def _as_published(statistics: Statistics, lam: float, weight: float) -> Estimate:
    """Features as they are, their number for their rank, and a Hessian of the sum of losses beside their mean."""
    spectrum = statistics.spectrum()
    n, n_weights = statistics.n_samples, statistics.n_features * statistics.n_targets
    scale, fit = 1.0, _without_features(statistics)
    if spectrum.n_components:
        # Solved at unit scale, where the ridge takes up the scale.
        scale = _unit_scale(statistics, spectrum)
        fit = fit_softmax(Design(statistics, spectrum, scale), 1 / (lam * n * scale**2))
    trace = float((statistics.square_norms() + 1) @ fit.spreads) + n_weights / (lam * n)
    cost = float(fit.losses.mean()) + fit.square_weights / (2 * lam * n * scale**2)
    return Estimate(-cost - weight * float(np.log(trace * lam * n / n_weights + _TINY)))


def _unit_scale(statistics: Statistics, spectrum: Spectrum) -> float:
    """Return what to divide features by for a mean variance of 1 over the components."""
    return float(np.sqrt((spectrum.singular_values**2).sum() / (statistics.n_samples * spectrum.n_components)))


def _without_features(statistics: Statistics) -> SoftmaxFit:
    """Return the fit of the intercept alone."""
    priors = statistics.priors
    losses: FloatArray = -np.log(priors)[statistics.codes]
    return SoftmaxFit(losses, np.full(len(losses), 1 - float(priors @ priors)), 0.0, np.zeros_like)


@score(
    estimate=_estimate,
    title="PACTran",
    summary="PAC-Bayes bound on the loss of a linear softmax head: its regularised cross-entropy, and a price for its "
    "curvature.",
    formula="-(min_{W,b} CE / N + |W|^2 / (2 lam N) + C s / (2 lam N) ln(tr(Hessian) lam N / (r C))), s = 100 lam",
    range="at most 0; without signal below minus the entropy of the labels",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N D^2 + D^3 + iterations N r C",
    spectrum="whole",
    reference="Ding, Chen, Levinboim, Changpinyo, Soricut, ECCV 2022, arXiv:2203.05126",
    deviations="Features of unit mean variance, their rank for their number, and the Hessian of the mean loss, as in "
    "the bound, not of the summed one (compat='authors' takes these back); the minimum is reached; the sign is turned.",
    degenerate="Constant features count as one feature of unit variance that the labels ignore: minus the entropy of "
    "the labels, minus the price of the curvature at W = 0.",
)
def pactran(
    features: Any,
    labels: Any = None,
    *,
    prior: Literal["gaussian", "dirichlet", "gamma"] = "gaussian",
    lam: float = 1.0,
    prior_variance: float | None = None,
    concentration: float = 1.0,
    compat: Literal["authors"] | None = None,
) -> float:
    r"""Score features by a PAC-Bayes bound on the loss of a linear head.

    With a Gaussian prior on the weights W of a softmax head (its intercept b is free), the cost is
    :math:`L + \frac{C s}{2 \lambda N} \ln \frac{\lambda N}{r C} \mathrm{tr}(H)`, where L is the minimum over W
    and b of the mean cross-entropy plus :math:`|W|^2 / (2 \lambda N)`, H the Hessian of that function there, r the
    rank of the features and s the prior's variance times r. The value is minus the cost.

    With a Dirichlet or Gamma prior the head is a source model's own: each source class has a distribution over the
    labels (or rates), fitted by ten mean-field updates.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library. Statistics with ``source_probs`` for the Dirichlet and
        Gamma priors, which do not read features.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    prior : {"gaussian", "dirichlet", "gamma"}, default="gaussian"
        On the weights of a linear head on the features, or on the labels of a source head's classes.
    lam : float, default=1.0
        Strength of the data relative to the Gaussian prior: larger leaves weights freer.
    prior_variance : float, optional
        s, the Gaussian prior's variance times the rank: the weight of the Hessian's term. By default 100 ``lam``, the
        authors' first choice; 10 ``lam`` is their second.
    concentration : float, default=1.0
        Of the Dirichlet and Gamma priors, spread over the labels by their shares.
    compat : {"authors"}, optional
        The authors' formula: features as they are, their number instead of their rank, and a Hessian of the sum of
        the cross-entropies.

    Returns
    -------
    float
        Higher is better: minus the bound, in nats; with a Gaussian prior at most 0.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option is out of range, or ``source_probs`` are not there for a prior that reads them.

    Notes
    -----
    Differs from the authors' code: theirs sums second derivatives over samples where the loss is their mean, so the
    trace is N times too large in its data part; theirs depends on the scale of the features, and counts dead ones
    among the weights; theirs stops after 100 steps from a random start, here Newton's method reaches the minimum, so
    there is no seed and no number of theirs to the last digit, not even with ``compat``. Theirs is a cost. The
    Dirichlet and Gamma priors follow their code as it is.

    The Hessian's term falls as C / N: values compare models on one data set, not data sets. With few samples a class
    it outweighs the loss. Standard errors are first-order, through the minimum, and can be a third too small with
    few samples a feature.

    References
    ----------
    N. Ding, X. Chen, T. Levinboim, S. Changpinyo, R. Soricut, "PACTran: PAC-Bayesian Metrics for Estimating the
    Transferability of Pretrained Models to Classification Tasks", ECCV 2022, arXiv:2203.05126.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import pactran
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> apart = rng.standard_normal((100, 8)) + 3 * labels[:, None]
    >>> mixed = rng.standard_normal((100, 8))
    >>> pactran(apart, labels) > pactran(mixed, labels)
    True
    """
    return _estimate(
        Statistics.of(features, labels),
        prior=prior,
        lam=lam,
        prior_variance=prior_variance,
        concentration=concentration,
        compat=compat,
    ).value
