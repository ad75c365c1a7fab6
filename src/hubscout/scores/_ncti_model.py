"""The discriminant behind NCTI, and what its posteriors say of neural collapse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hubscout._typing import Array, FloatArray, IntArray
from hubscout.scores._disco_models import within_class_covariance
from hubscout.scores._leading_coordinates import LeadingCoordinates
from hubscout.stats import Statistics
from hubscout.stats.folds import Training, trainings
from hubscout.stats.gaussian import nearest_mean_logits, whitening
from hubscout.stats.namespace import like, namespace, to_numpy
from hubscout.stats.target_sums import segment_sums

# Share of the mean variance in the within-class covariance; the authors' own share depends on the scale of features.
_SHRINKAGE = 0.1
# Added to each variance, relative to the mean one of all samples: keeps classes that are points invertible.
_FLOOR = 1e-9
# Below this share of the first, or of that within classes, the spread of class means along a direction is rounding.
_ROUNDING, _NO_SPREAD = 1e-12, 1e-20


@dataclass(frozen=True)
class Discriminant:
    """A linear discriminant in the leading components.

    Parameters
    ----------
    transform : ndarray of shape (k, r)
        From coordinates to discriminant ones, in which the covariance within classes is the identity.
    means : ndarray of shape (n_classes, r)
        Class means there.
    log_priors : ndarray of shape (n_classes,)
    interpolation : ndarray of shape (n_classes, r)
        Its inner product with a sample of the class is the sample's share of the nuclear norm.
    centre : ndarray of shape (r,)
        Mean of all samples there.
    """

    transform: FloatArray
    means: FloatArray
    log_priors: FloatArray
    interpolation: FloatArray
    centre: FloatArray

    @classmethod
    def fit(cls, training: Training) -> Discriminant:
        """Fit to class moments; labels are interpolated by their simplex encoding, each class of weight one."""
        counts, means, within = training.counts, training.means, training.within
        shares, size = counts / counts.sum(), len(within)
        away = means - shares @ means
        # Where one held-out sample has nearly all of the spread, what it leaves is rounding, of either sign.
        within = within if np.trace(within) > 0 else np.zeros_like(within)
        trace = float(np.trace(within))
        floor = _FLOOR * (trace + float(shares @ (away**2).sum(axis=1)))
        shrunk = (1 - _SHRINKAGE) * within + (_SHRINKAGE * trace + floor) / size * np.eye(size)
        whitener = whitening(shrunk)
        away = away @ whitener
        spread, directions = np.linalg.eigh((away * shares[:, None]).T @ away)
        kept = (spread > max(_ROUNDING * spread[-1], _NO_SPREAD)) & (np.arange(size) > size - len(counts))
        spread, directions = spread[kept], directions[:, kept]
        transform = whitener @ directions
        # Along a direction the canonical correlation is rho, rho^2 = b / (1 + b): nuclear norms sum rho.
        slopes = 1 / np.sqrt(spread * (1 + spread))
        interpolation = away @ directions * slopes / (len(counts) - 1)
        interpolation[counts == 0] = 0.0
        return cls(transform, means @ transform, training.log_priors, interpolation, shares @ means @ transform)


@dataclass(frozen=True)
class Collapse:
    """What posteriors and discriminant coordinates say of each sample, and of the classes.

    Parameters
    ----------
    confidence : ndarray of shape (n_samples,)
        Posterior of the own class.
    interpolation : ndarray of shape (n_samples,)
        Its mean is the nuclear norm of the interpolated label encoding, relative to that of the labels.
    variability : float
        1 less the squared length of the classes' mean posteriors.
    """

    confidence: FloatArray
    interpolation: FloatArray
    variability: float


def whole_training(statistics: Statistics, leading: LeadingCoordinates) -> Training:
    """Return the class moments of all samples, none held out."""
    means = statistics.class_coordinates(leading.spectrum)
    within = within_class_covariance(leading.spectrum.singular_values, means, statistics)
    return Training(np.empty(0, dtype=np.intp), statistics.counts, means, within)


def fold_models(
    statistics: Statistics, leading: LeadingCoordinates, n_folds: int, seed: int
) -> tuple[list[Discriminant], IntArray]:
    """Return one model for each fold, fitted to all others, and the fold of each sample."""
    folds, models = np.empty(statistics.n_samples, dtype=np.intp), []
    for fold, training in enumerate(trainings(statistics, leading.spectrum, n_folds, seed)):
        folds[training.held_out] = fold
        models.append(Discriminant.fit(training))
    return models, folds


def collapse(
    statistics: Statistics, leading: LeadingCoordinates, models: Sequence[Discriminant], folds: IntArray
) -> Collapse:
    """Hold samples against the models of their folds, in one walk over the classes.

    Parameters
    ----------
    statistics : Statistics
    leading : LeadingCoordinates
    models : sequence of Discriminant
    folds : ndarray of shape (n_samples,), int
        Which model a sample is scored by.
    """
    codes, n_classes = statistics.codes, statistics.n_targets
    confidence, interpolation = np.empty(len(codes)), np.empty(len(codes))
    squared, carried, carried_class = 0.0, np.zeros(n_classes), -1
    # Class after class, so that mean posteriors of a few classes at a time are held, not of all.
    order = np.argsort(codes, kind="stable")
    for rows, coordinates in leading.walk(width=6 * n_classes, rows=order):
        own = codes[rows]
        sums = np.zeros((int(own[-1] - own[0]) + 1, n_classes))
        for fold in np.unique(folds[rows]):
            chosen = np.flatnonzero(folds[rows] == fold)
            block = _rows(coordinates, chosen)
            posteriors, shares = _score(models[fold], block, own[chosen])
            sums += to_numpy(segment_sums(posteriors, own[chosen] - own[0], len(sums)))
            index = like(own[chosen].astype(np.int64), posteriors)[:, None]
            found = namespace(posteriors).take_along_axis(posteriors, index, axis=1)
            confidence[rows[chosen]] = to_numpy(found)[:, 0]
            interpolation[rows[chosen]] = to_numpy(shares)
        if own[0] == carried_class:
            sums[0] += carried
        elif carried_class >= 0:
            squared += float(carried @ carried) / statistics.counts[carried_class]
        complete = slice(int(own[0]), int(own[-1]))
        squared += float(((sums[:-1] ** 2).sum(axis=1) / statistics.counts[complete]).sum())
        carried, carried_class = sums[-1], int(own[-1])
    squared += float(carried @ carried) / statistics.counts[carried_class]
    return Collapse(confidence, interpolation, float(1 - squared / len(codes)))


def _score(model: Discriminant, coordinates: Array, codes: IntArray) -> tuple[Array, Array]:
    """Return the posteriors of some samples, (n, n_classes), and their shares of the nuclear norm, (n,)."""
    xp = namespace(coordinates)
    placed = xp.matmul(coordinates, like(model.transform, coordinates))
    logits = nearest_mean_logits(placed, model.means, model.log_priors)
    posteriors = xp.exp(logits - xp.max(logits, axis=1)[:, None])
    posteriors = posteriors / xp.sum(posteriors, axis=1)[:, None]
    directions = xp.take(like(model.interpolation, placed), like(codes.astype(np.int64), placed), axis=0)
    return posteriors, xp.sum((placed - like(model.centre, placed)[None, :]) * directions, axis=1)


def _rows(coordinates: Array, chosen: IntArray) -> Array:
    if len(chosen) == coordinates.shape[0]:
        return coordinates
    return namespace(coordinates).take(coordinates, like(chosen.astype(np.int64), coordinates), axis=0)
