"""N-LEEP: LEEP on the components of a Gaussian mixture, for models without a usable source head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout._validation import check_number, check_positive_int
from hubscout.scores._mixture import Mixture, augment, fit_mixture
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Spectrum, Statistics, chunks
from hubscout.stats.folds import check_folds, fold_codes
from hubscout.stats.namespace import is_single_precision, like, namespace, to_numpy
from hubscout.stats.target_sums import segment_sums

_MAX_COMPONENTS = 500
_MAX_FITTED = 20_000
# Pseudo-samples among which a cross-fitted table chooses the number that explains its counts best.
_CONCENTRATIONS = 4.0 ** np.arange(-1, 11)


@dataclass(frozen=True)
class _Posteriors:
    """Probabilities of the mixture's components for each sample; made anew on each walk when they are too many."""

    spectrum: Spectrum
    scale: float
    mixture: Mixture
    kept: Array | None

    def walk(self, statistics: Statistics, rows: IntArray | None = None) -> Iterator[tuple[Any, Array]]:
        """Walk over (rows, probabilities of shape (rows, n_components)), of chosen samples or all."""
        if self.kept is None:
            width = 3 * (self.mixture.n_components + self.spectrum.n_components)
            for part, points in statistics.coordinates(self.spectrum, width=width, rows=rows):
                yield part, self.mixture.posteriors(augment(points / self.scale))[0]
            return
        chosen = np.arange(self.kept.shape[0]) if rows is None else rows
        for part in chunks.row_slices(len(chosen), 32 * self.mixture.n_components):
            index = like(chosen[part].astype(np.int64), self.kept)
            own = self.kept[part, :] if rows is None else namespace(self.kept).take(self.kept, index, axis=0)
            yield chosen[part], own


def _posteriors(statistics: Statistics, spectrum: Spectrum, n_components: int, seed: int) -> _Posteriors:
    """Fit the mixture and keep what it says of all samples, if that is no more than a chunk."""
    n = statistics.n_samples
    scale = float(np.sqrt((spectrum.singular_values**2).sum() / (n * spectrum.n_components)))
    points = _points(statistics, spectrum, scale)
    mixture = fit_mixture(points, n_components, seed)
    made = _Posteriors(spectrum, scale, mixture, None)
    if (4 if is_single_precision(points) else 8) * n * mixture.n_components > chunks.CHUNK_BYTES:
        return made
    parts = [block for _, block in made.walk(statistics)]
    return _Posteriors(spectrum, scale, mixture, namespace(parts[0]).concat(parts, axis=0))


def _points(statistics: Statistics, spectrum: Spectrum, scale: float) -> Array:
    """Return augmented coordinates of unit mean variance to fit to, in the order of their distance from the mean.

    That order is a matter of the points themselves, so neither the order of the samples nor a rotation moves the fit.
    """
    n, width = statistics.n_samples, spectrum.n_components
    order = np.argsort(statistics.square_norms(), kind="stable")
    fitted = max(2, min(n, _MAX_FITTED, chunks.CHUNK_BYTES // (8 * width)))
    chosen = order[(np.arange(fitted) * n) // fitted]
    ascending = np.sort(chosen)
    rows = None if fitted == n else ascending
    parts = [part / scale for _, part in statistics.coordinates(spectrum, width=2 * width, rows=rows)]
    xp = namespace(parts[0])
    return augment(xp.take(xp.concat(parts, axis=0), like(np.searchsorted(ascending, chosen), parts[0]), axis=0))


def _estimate(
    statistics: Statistics,
    *,
    n_components: int | None = None,
    variance: float = 0.8,
    cross_fit: int | None = None,
    seed: int = 0,
) -> Estimate:
    n, n_classes = statistics.n_samples, len(statistics.counts)
    if n_components is not None:
        check_positive_int("n_components", n_components)
    check_number("variance", variance, above=0, inclusive=False, at_most=1)
    check_positive_int("seed", seed, minimum=0)
    folds = check_folds(cross_fit, n)
    size = n_components or max(2, min(5 * n_classes, n // 5, _MAX_COMPONENTS))
    spectrum = _leading(statistics, variance)
    if spectrum.n_components == 0:
        # Features without any spread leave one component, which says what the shares of the classes say.
        terms = np.log(statistics.priors)[statistics.codes]
        return Estimate(float(terms.mean()), lambda: terms)
    key = ("nleep posteriors", size, variance, seed)
    posteriors = statistics.remember(key, lambda: _posteriors(statistics, spectrum, size, seed))
    joint = _joint(statistics, posteriors)
    if folds is None:
        marginal = joint.sum(axis=0)
        conditional = np.divide(joint, marginal, out=np.zeros_like(joint), where=marginal > 0)
        terms = _log_likelihoods(statistics, posteriors, conditional)
    else:
        terms = _held_out(statistics, posteriors, joint, folds, seed)
    return Estimate(float(terms.mean()), lambda: terms)


def _leading(statistics: Statistics, variance: float) -> Spectrum:
    """Return the fewest leading components that hold a share of the variance."""
    spectrum = statistics.spectrum()
    shares = np.cumsum(spectrum.singular_values**2)
    # The margin keeps rounding from adding a component where a share is met exactly.
    wanted = variance * (1 - 1e-9) * shares[-1] if len(shares) else 0.0
    return spectrum.leading(min(int(np.searchsorted(shares, wanted)) + 1, len(shares)))


def _joint(statistics: Statistics, posteriors: _Posteriors, rows: IntArray | None = None) -> FloatArray:
    """Sum probabilities over the samples of each class, (n_classes, n_components)."""
    joint = np.zeros((statistics.n_targets, posteriors.mixture.n_components))
    for part, block in posteriors.walk(statistics, rows):
        joint += to_numpy(segment_sums(block, statistics.codes[part], statistics.n_targets))
    return joint


def _log_likelihoods(
    statistics: Statistics, posteriors: _Posteriors, conditional: FloatArray, rows: IntArray | None = None
) -> FloatArray:
    """Return ln sum_z P(y_i | z) P_iz of all samples, or of chosen ascending ones, in order."""
    found = []
    for part, block in posteriors.walk(statistics, rows):
        xp = namespace(block)
        index = like(statistics.codes[part].astype(np.int64), block)
        chosen = xp.take(like(conditional, block), index, axis=0)
        found.append(to_numpy(xp.sum(chosen * block, axis=1, dtype=xp.float64)))
    # Rounding can take a sum of shares above 1.
    logs: FloatArray = np.log(np.minimum(np.concatenate(found), 1.0))
    return logs


def _held_out(
    statistics: Statistics, posteriors: _Posteriors, joint: FloatArray, n_folds: int, seed: int
) -> FloatArray:
    """Return each sample's log-likelihood under the table of the other folds."""
    codes = fold_codes(statistics.codes, statistics.n_samples, n_folds, seed, statistics.groups)
    terms = np.empty(statistics.n_samples)
    for fold in range(n_folds):
        rows = np.flatnonzero(codes == fold)
        left = np.maximum(joint - _joint(statistics, posteriors, rows), 0.0)
        conditional = _smoothed(left, statistics.priors)
        terms[rows] = _log_likelihoods(statistics, posteriors, conditional, rows)
    return terms


def _smoothed(joint: FloatArray, shares: FloatArray) -> FloatArray:
    """Return P(y | z) with pseudo-samples of the classes' shares in each component.

    Their number is the one under which the counts are most likely (a Dirichlet prior's evidence): few where
    components know classes, so many that nothing but the shares is left where they do not.
    """
    from scipy.special import gammaln

    totals = joint.sum(axis=0)
    best, chosen = -np.inf, 0.0
    for concentration in _CONCENTRATIONS:
        prior = concentration * shares[:, None]
        evidence = (gammaln(concentration) - gammaln(totals + concentration)).sum()
        for rows in chunks.row_slices(len(joint), 32 * len(totals)):
            evidence += (gammaln(joint[rows] + prior[rows]) - gammaln(prior[rows])).sum()
        if evidence > best:
            best, chosen = evidence, concentration
    table: FloatArray = (joint + chosen * shares[:, None]) / (totals + chosen)
    return table


@score(
    estimate=_estimate,
    title="N-LEEP",
    summary="Mean log-likelihood of the labels under the components of a Gaussian mixture fitted to the features.",
    formula="mean_i ln sum_z P(y_i | z) P_iz, with P_iz the mixture's posteriors of the leading principal components",
    range="at most 0; without signal somewhat above minus the entropy of the labels, cross-fitted about at it",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    cost="N D^2 + D^3 + iterations N k K",
    spectrum="whole",
    reference="Li, Jia, Sang, Zhu, Green, Wang, Gong, CVPR 2021, arXiv:2011.11200",
    deviations="Spherical instead of full covariances, relative to the spread of the features; a seeded fit that does "
    "not depend on the order of the samples; exact principal components; the logarithm that several copies drop.",
    degenerate="Constant features give minus the entropy of the labels.",
)
def nleep(
    features: Any,
    labels: Any = None,
    *,
    n_components: int | None = None,
    variance: float = 0.8,
    cross_fit: int | None = None,
    seed: int = 0,
) -> float:
    """Score features by how well the clusters that they form predict the labels.

    Leading principal components that hold a share of the variance are described by a mixture of Gaussians, fitted
    without labels. Its posteriors P_iz take the place of a source head's probabilities in LEEP: with J(y, z) the mean
    of P_iz over samples of label y divided by N, and P(y | z) = J(y, z) / sum_y J(y, z), the value is the mean over
    samples of ln sum_z P(y_i | z) P_iz.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    n_components : int, optional
        Gaussians in the mixture. By default five a class, but not more than one for each five samples, nor than 500,
        and at least 2. Samples that repeat may leave fewer.
    variance : float, default=0.8
        Share of the variance that the leading principal components hold.
    cross_fit : int, optional
        Number of folds: P(y | z) comes from the other folds than the one whose samples it predicts, with
        pseudo-samples of the classes' shares in each component, as many as explain the counts best.
    seed : int, default=0
        Of the mixture's first centres, and of the folds.

    Returns
    -------
    float
        Higher is better; at most 0, in nats.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only.
    UsageError
        When an option is out of range.

    Notes
    -----
    Differs from the authors' code: their mixture has full covariances, which five samples a component cannot tell,
    and their fit is not seeded, so there is no number of theirs to reproduce. Here each component is spherical, with
    a variance drawn towards the mean one by twenty pseudo-samples; first centres are drawn by distance (as in
    k-means++) from samples in the order of their distance from the mean, so that neither the order of the samples
    nor a rotation or a change of scale moves the fit. Beyond 20 000 samples (fewer in very many components) the
    mixture is fitted to an even choice of them; all are scored. A mixture is one of many local optima: float32
    sums over large features can end in another one, a few tenths of a percent away.

    Without ``cross_fit`` the table P(y | z) is filled and scored on the same samples, and exceeds minus the entropy
    of the labels even where there is no signal; with it, values lie at minus the entropy then. The mixture itself
    never sees labels, and is fitted to all samples. Standard errors hold mixture and table fixed, and are about a
    quarter too small.

    References
    ----------
    Y. Li, X. Jia, R. Sang, Y. Zhu, B. Green, L. Wang, B. Gong, "Ranking Neural Checkpoints", CVPR 2021,
    arXiv:2011.11200.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import nleep
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 50)
    >>> apart = rng.standard_normal((100, 8)) + 3 * labels[:, None]
    >>> mixed = rng.standard_normal((100, 8))
    >>> nleep(apart, labels) > nleep(mixed, labels)
    True
    """
    return _estimate(
        Statistics.of(features, labels), n_components=n_components, variance=variance, cross_fit=cross_fit, seed=seed
    ).value
