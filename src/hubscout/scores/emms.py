"""EMMS: how well a linear model of the features predicts embeddings of the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hubscout._typing import FloatArray
from hubscout._validation import check_choice
from hubscout.errors import DataError
from hubscout.scores._spec import Estimate, score
from hubscout.stats import Statistics
from hubscout.stats.namespace import to_numpy

# Ridge strengths to choose from, relative to the mean variance of a component; beside them, no prediction at all.
_RIDGES = np.append(np.logspace(-4, 4, 33), np.inf)


def _estimate(statistics: Statistics, *, label_embeddings: Any, compat: Literal["authors"] | None = None) -> Estimate:
    check_choice("compat", compat, (None, "authors"))
    counts = statistics.counts
    embeddings = _standardised(_checked(label_embeddings, len(counts)), statistics.priors)
    regression = _Regression.of(statistics)
    mixed = embeddings.mean(axis=0)
    if compat == "authors":
        fitted = np.ones(regression.n_components)
        target = np.tensordot(_weights(regression, embeddings, mixed, fitted), embeddings, axes=1)
        return Estimate(-_published_residual(regression, mixed, target) / statistics.n_samples * embeddings.shape[2])
    target = np.tensordot(_weights(regression, embeddings, mixed, regression.filters(mixed)), embeddings, axes=1)
    energy = regression.energy(target)
    if energy <= 1e-12 * regression.energy(embeddings[0]):
        msg = "label_embeddings of different encoders must not cancel out, and theirs do; give one encoder alone"
        raise DataError(msg)
    value = -float(regression.errors(target).min()) * statistics.n_samples / energy
    kept = regression.filters(target)
    if not kept.any():
        return Estimate(value)  # one number whatever the samples are, which has no error to speak of
    return Estimate(value, lambda: _terms(statistics, regression, target, kept, value))


@dataclass(frozen=True)
class _Regression:
    """Ridge regressions of class-level targets: every sample of a class has the target of its class.

    All that a fit needs is the one-hot matrix in the left singular vectors, so that nothing runs over samples.
    """

    n: int
    counts: FloatArray  # (n_classes,)
    squares: FloatArray  # (k,) of the singular values
    projected: FloatArray  # (k, n_classes) U^T (centred one-hot matrix)

    @classmethod
    def of(cls, statistics: Statistics) -> _Regression:
        spectrum = statistics.spectrum()
        squares = spectrum.singular_values**2
        projected = np.zeros((0, len(statistics.counts)))
        if len(squares):
            projected = statistics.target_coordinates(spectrum)
        return cls(statistics.n_samples, statistics.counts, squares, projected)

    @property
    def n_components(self) -> int:
        return len(self.squares)

    def energy(self, targets: FloatArray) -> float:
        """Return the squared Frobenius norm of targets of shape (n_classes, d) over all samples."""
        return float(self.counts @ (targets**2).sum(axis=1))

    def errors(self, targets: FloatArray) -> FloatArray:
        """Return the squared error of a sample by generalised cross-validation, for each ridge, (n_ridges,)."""
        shrinkage = self._shrinkage()
        energy = self.energy(targets)
        explained = ((self.projected @ targets) ** 2).sum(axis=1)
        outside = energy - explained.sum()
        # What rounding leaves of targets inside the span would count for much where the fit is nearly perfect.
        outside = outside if outside > 1e-13 * energy and self.n_components < self.n - 1 else 0.0
        residuals = outside + shrinkage**2 @ explained
        freedom = self.n - 1 - self.n_components + shrinkage.sum(axis=1)
        errors: FloatArray = residuals * self.n / freedom**2
        return errors

    def filters(self, targets: FloatArray) -> FloatArray:
        """Return the share of each component that the best ridge keeps, (k,)."""
        kept: FloatArray = 1.0 - self._shrinkage()[self.errors(targets).argmin()]
        return kept

    def _shrinkage(self) -> FloatArray:
        """Return what each ridge takes from each component, (n_ridges, k)."""
        ridges = _RIDGES[:, None] * (self.squares.mean() if self.n_components else 1.0)
        return np.where(np.isinf(ridges), 1.0, 1.0 / (1.0 + self.squares / ridges))


def _terms(
    statistics: Statistics, regression: _Regression, target: FloatArray, kept: FloatArray, value: float
) -> FloatArray:
    """Return what each sample adds to the error and to the variance that it is relative to, (n_samples,)."""
    spectrum, codes = statistics.spectrum(), statistics.codes
    slopes = (kept / spectrum.singular_values)[:, None] * (regression.projected @ target)
    errors = np.empty(statistics.n_samples)
    for rows, predicted in statistics.coordinates(spectrum, slopes, width=2 * target.shape[1]):
        errors[rows] = ((target[codes[rows]] - to_numpy(predicted)) ** 2).sum(axis=1)
    variances = (target**2).sum(axis=1)[codes]
    # The errors are those of the fit; generalised cross-validation makes all of them larger by one factor.
    errors *= -value * variances.mean() / max(errors.mean(), np.finfo(np.float64).tiny)
    found: FloatArray = value - (errors + value * variances) / variances.mean()
    return found


def _weights(regression: _Regression, embeddings: FloatArray, mixed: FloatArray, filters: FloatArray) -> FloatArray:
    """Return the weight of each encoder, on the simplex: how the fit of their mean is best made up of them."""
    if len(embeddings) == 1:
        return np.ones(1)
    fitted = (filters[:, None] * (regression.projected @ mixed)).T @ regression.projected  # (d, n_classes) sums
    roots = np.sqrt(regression.counts)
    design = (embeddings * roots[None, :, None]).reshape(len(embeddings), -1).T
    slopes: FloatArray = np.linalg.lstsq(design, (fitted.T / roots[:, None]).ravel(), rcond=None)[0].astype(np.float64)
    return _sparsemax(slopes)


def _sparsemax(values: FloatArray) -> FloatArray:
    """Return the nearest point of the simplex."""
    descending = np.sort(values)[::-1]
    thresholds = (np.cumsum(descending) - 1) / np.arange(1, len(values) + 1)
    chosen = thresholds[np.count_nonzero(descending > thresholds) - 1]
    weights: FloatArray = np.maximum(values - chosen, 0.0)
    return weights


def _published_residual(regression: _Regression, mixed: FloatArray, target: FloatArray) -> float:
    """Return |F w - T|^2 of the least-squares fit w to the mean, against the reweighted target T."""
    fitted, own = regression.projected @ mixed, regression.projected @ target
    outside = max(regression.energy(target) - float((own**2).sum()), 0.0)
    return float(((fitted - own) ** 2).sum()) + outside


def _checked(label_embeddings: Any, n_classes: int) -> FloatArray:
    """Return embeddings as (n_encoders, n_classes, d), float64."""
    try:
        array = to_numpy(label_embeddings) if hasattr(label_embeddings, "ndim") else np.asarray(label_embeddings)
    except ValueError:
        msg = "label_embeddings must have rows of one length, got rows of different lengths"
        raise DataError(msg) from None
    if array.dtype.kind not in "fiub":
        msg = f"label_embeddings must be real numbers, got an array of {array.dtype}; convert it to float32 first"
        raise DataError(msg)
    if array.ndim not in (2, 3) or 0 in array.shape:
        msg = f"label_embeddings must have shape (n_classes, d) or (n_encoders, n_classes, d), got {array.shape}"
        raise DataError(msg)
    stack = array.astype(np.float64).reshape(-1, *array.shape[-2:])
    if stack.shape[1] != n_classes:
        msg = (
            f"label_embeddings must hold one row a class, in the order of the sorted labels, got {stack.shape[1]} rows "
            f"for {n_classes} classes"
        )
        raise DataError(msg)
    if not np.isfinite(stack).all():
        encoder, row, column = np.argwhere(~np.isfinite(stack))[0]
        value = stack[encoder, row, column]
        msg = f"label_embeddings must be finite: encoder {encoder}, row {row}, column {column} is {value}"
        raise DataError(msg)
    return stack


def _standardised(embeddings: FloatArray, priors: FloatArray) -> FloatArray:
    """Return each column with mean 0 and variance 1 over the samples, or 0 where it does not vary."""
    largest = np.abs(embeddings).max(axis=(1, 2), keepdims=True)
    scaled = embeddings / np.where(largest > 0, largest, 1.0)
    centred = scaled - np.einsum("c,kcd->kd", priors, scaled)[:, None, :]
    spread = np.sqrt(np.einsum("c,kcd->kd", priors, centred**2))[:, None, :]
    varies = spread > 1e-12 * np.abs(scaled).max(axis=1, keepdims=True)
    if not varies.any(axis=(1, 2)).all():
        encoder = int(np.argmin(varies.any(axis=(1, 2))))
        msg = f"label_embeddings must differ between classes, and those of encoder {encoder} are all the same"
        raise DataError(msg)
    found: FloatArray = np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)
    return found


@score(
    estimate=_estimate,
    title="EMMS",
    summary="Share of the variance of label embeddings that a ridge regression on the features predicts, less 1.",
    formula="-min_r GCV_r(T) / var(T), T = sum_k w_k Y_k, Y_k the standardised embeddings of the samples' labels, w "
    "the sparsemax of the least-squares weights of a fit of their mean",
    invariances=("sample_order", "label_names", "rotation", "scale", "translation", "constant_columns"),
    range="about -1 without signal, to 0",
    cost="N D^2 + D^3 + D C d",
    spectrum="whole",
    reference="Meng, Shao, Peng, Jiang, Zhang, Qiao, Luo, NeurIPS 2023, arXiv:2308.06262",
    deviations="Errors by generalised cross-validation of a ridge regression, instead of residuals of least squares "
    "on the samples it is fitted to, which vanish for D >= N; of the final target, and relative to its variance, "
    "instead of multiplied by the embeddings' width.",
    degenerate="Constant features give -(N / (N - 1))^2, the error of the mean.",
)
def emms(
    features: Any, labels: Any = None, *, label_embeddings: Any, compat: Literal["authors"] | None = None
) -> float:
    """Score features by how well a linear model of them predicts embeddings of the labels.

    Each sample gets the embedding Y_k of its class from each of K text encoders, standardised. A regression is
    fitted to their mean, the fit is written as a mixture of the Y_k, and the sparsemax of its weights gives the
    target T; the value is minus the share of the variance of T that a second regression leaves unexplained.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), or Statistics
        Before the classifier head; of any array-API library.
    labels : array-like of shape (n_samples,)
        Class labels of any kind.
    label_embeddings : array of shape (n_classes, d), or (n_encoders, n_classes, d)
        One vector a class, such as that of a language model for its name, in the order of the sorted labels.
    compat : {"authors"} or None, default=None
        ``authors`` reproduces the published number.

    Returns
    -------
    float
        Higher is better; about -1 without signal, 0 when the embeddings are predicted without error.

    Raises
    ------
    DataError
        When features or labels cannot be used: shapes, NaN, one class only; or when embeddings are not one finite
        row a class, or do not differ between classes.

    Notes
    -----
    The ridge is chosen by generalised cross-validation, which is also the error that counts: that of samples left
    out, in closed form. It is not invariant to duplication, as a copy of a sample predicts it. Its standard error is
    up to a quarter too small for D > N, and unknown where no ridge beats the mean. Differs from the authors' code:
    they fit least squares without a ridge and score the samples that it is fitted to, so that any features with
    D >= N get 0; the fit is to the mean of the embeddings though the target is their mixture; and the squared error
    is divided by N and then multiplied by d.

    References
    ----------
    F. Meng et al., "Foundation Model is Efficient Multimodal Multitask Model Selector", NeurIPS 2023,
    arXiv:2308.06262. The error: G. H. Golub, M. Heath, G. Wahba, "Generalized Cross-Validation as a Method for
    Choosing a Good Ridge Parameter", Technometrics 21(2), 1979, doi:10.1080/00401706.1979.10489751.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.scores import emms
    >>> labels = np.tile(["bird", "car", "cat"], 10)
    >>> names = np.array([[1.0, 0.2], [-1.0, 0.0], [1.0, -0.2]])
    >>> features = np.random.default_rng(0).standard_normal((30, 5))
    >>> features[:, 0] += 9 * (labels == "car")
    >>> round(emms(features, labels, label_embeddings=names), 1)
    -0.6
    """
    return _estimate(Statistics.of(features, labels), label_embeddings=label_embeddings, compat=compat).value
