"""Scores of class means and covariances, computed the published way: D x D inverses and loops over classes."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
from scipy import linalg

from published_parts import Extrapolated, class_means, double, reduce_to, softmax, true_class

_PATIENCE = 60.0


def h_score(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Take the trace of the pseudo-inverse of the D x D covariance with that of the class means, a row a sample."""
    rows = double(features)
    means = np.zeros_like(rows)
    for c in np.unique(labels):
        means[labels == c] = rows[labels == c].mean(axis=0)
    total, between = np.cov(rows, rowvar=False), np.cov(means, rowvar=False)
    return float(np.trace(np.linalg.pinv(total, rcond=1e-15) @ between))


def h_score_shrunk(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Do the same with a Ledoit-Wolf covariance, again by its pseudo-inverse."""
    rows = double(features)
    rows -= rows.mean(axis=0)
    n, d = rows.shape
    covariance = rows.T @ rows / n
    variance, size = np.trace(covariance) / d, (covariance**2).sum()
    spread = (size - 2 * variance * np.trace(covariance) + d * variance**2) / d
    noise = (((rows**2).T @ rows**2).sum() / n - size) / (d * n)
    amount = min(max(noise / spread, 0.0), 1.0)
    shrunk = (1 - amount) * covariance + amount * variance * np.eye(d)
    means = np.zeros_like(rows)
    for c in np.unique(labels):
        means[labels == c] = rows[labels == c].mean(axis=0)
    between = np.cov(means, rowvar=False)
    return float(np.trace(np.linalg.pinv(shrunk, rcond=1e-15) @ ((1 - amount) * between)))


def _within_covariance(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    within = np.zeros((rows.shape[1], rows.shape[1]))
    for c in np.unique(labels):
        own = rows[labels == c]
        within += len(own) / len(rows) * np.atleast_2d(np.cov(own, rowvar=False, bias=True))
    return within


def _shrink(covariance: np.ndarray, amount: float) -> np.ndarray:
    d = len(covariance)
    return (1 - amount) * covariance + amount * np.trace(covariance) / d * np.eye(d)


def _published_amount(within: np.ndarray) -> float:
    """Return exp(-5 lambda), lambda the largest eigenvalue by a few power iterations."""
    x = within.sum(axis=1)
    for _ in range(3):
        y = within @ x / np.linalg.norm(within @ x)
        x = within @ y / np.linalg.norm(within @ y)
    return max(float(np.exp(-5 * (x @ within @ y))), 1e-10)


def _fisher_round(rows: np.ndarray, labels: np.ndarray, amount: float | None) -> tuple[np.ndarray, float]:
    """Return the posteriors of one Fisher discriminant by a generalised eigendecomposition, and its shrinkage."""
    within = _within_covariance(rows, labels)
    amount = _published_amount(within) if amount is None else amount
    within = _shrink(within, amount)
    between = _shrink(np.cov(rows, rowvar=False, bias=True), amount) - within
    _, vectors = linalg.eigh(between, within)
    means = class_means(rows, labels)
    weights = means @ vectors @ vectors.T
    offsets = -0.5 * np.diag(means @ weights.T) + np.log(np.bincount(labels) / len(labels))
    return softmax(rows @ weights.T + offsets), amount


def sfda(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Fit Fisher's discriminant twice, samples mixed with the means of other classes in between."""
    rows = double(features)
    posteriors, amount = _fisher_round(rows, labels, None)
    kept = true_class(softmax(posteriors), labels)[:, None]
    means = class_means(rows, labels)
    others = np.stack([np.delete(means, c, axis=0).mean(axis=0) for c in range(len(means))])
    posteriors, _ = _fisher_round(kept * rows + (1 - kept) * others[labels], labels, amount)
    return float(true_class(posteriors, labels).mean())


def ped(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Push overlapping classes apart by C x C x D displacements, then SFDA."""
    rows = double(features)
    scale = np.maximum(rows.std(axis=0), 1e-3)
    mean = rows.mean(axis=0)
    rows = (rows - mean) / scale
    first = None
    for _ in range(6):
        means = class_means(rows, labels)
        radii = np.array([np.sqrt(rows[labels == c].var(axis=0).sum()) for c in range(len(means))])
        directions = np.zeros((len(means), *means.shape))
        sizes = np.zeros((len(means), len(means)))
        for i, j in combinations(range(len(means)), 2):
            apart = means[i] - means[j]
            distance = np.linalg.norm(apart)
            overlap = max(0.6 * (radii[i] + radii[j]) - distance, 0.0)
            sizes[i, j] = sizes[j, i] = min(0.5 * 0.1**2 * overlap, overlap)
            directions[i, j] = apart / distance
            directions[j, i] = -directions[i, j]
        moves = (sizes[:, :, None] * directions).sum(axis=1)
        size = np.linalg.norm(moves, axis=1).sum()
        first = size if first is None else first
        if size <= 0.5 * first:
            break
        rows += moves[labels]
    return sfda(rows * scale + mean, labels)


def lda(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Fit scikit-learn's discriminant with Ledoit-Wolf shrinkage, by a generalised eigendecomposition."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rows = double(features)
    model = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(rows, labels)
    return float(true_class(model.predict_proba(rows), labels).mean())


def etran(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Decompose an explicit inverse times the covariance of class means; the eigenvectors cancel in the end."""
    rows = double(features)
    within = _within_covariance(rows, labels)
    amount = _published_amount(within)
    within = _shrink(within, amount)
    between = _shrink(np.cov(rows, rowvar=False, bias=True), amount) - within
    _, vectors = np.linalg.eigh(np.linalg.inv(within) @ between)
    means = class_means(rows, labels)
    weights = means @ vectors @ vectors.T
    offsets = -0.5 * np.diag(means @ weights.T) + np.log(np.bincount(labels) / len(labels))
    return float(true_class(softmax(rows @ weights.T + offsets), labels).mean())


def ncti(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Take nuclear norms of discriminant coordinates and of each class's posteriors; no extremes of candidates."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rows = reduce_to(double(features), 64)
    amount = max(float(np.exp(-rows.var(axis=0)[:32].sum())), 1e-10)
    settings = {"solver": "svd"} if amount == 1e-10 else {"solver": "eigen", "shrinkage": amount}
    model = LinearDiscriminantAnalysis(**settings)
    coordinates = model.fit_transform(rows, labels)
    seli = np.linalg.norm(coordinates - coordinates.mean(axis=0), "nuc")
    posteriors = model.predict_proba(rows)
    collapse = np.log(sum(np.linalg.norm(posteriors[labels == c], "nuc") for c in np.unique(labels)))
    return float(true_class(posteriors, labels).mean() + seli - collapse)


def gbc(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Sum Bhattacharyya coefficients of diagonal Gaussians after PCA to 64, one pair of classes after the other."""
    rows = reduce_to(double(features), 64)
    means = class_means(rows, labels)
    variances = np.stack([np.maximum(rows[labels == c].var(axis=0), 1e-4) for c in np.unique(labels)])
    total = 0.0
    for i, j in combinations(range(len(means)), 2):
        middle = (variances[i] + variances[j]) / 2
        distance = ((means[i] - means[j]) ** 2 / middle).sum() / 8
        distance += 0.5 * (np.log(middle) - 0.5 * np.log(variances[i]) - 0.5 * np.log(variances[j])).sum()
        total += np.exp(-distance)
    return -2 * float(total)


def transrate(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float | Extrapolated:
    """Take a D x D log-determinant for all samples and for each class."""
    rows = double(features)
    rows -= rows.mean(axis=0)
    classes, start, total = np.unique(labels), time.perf_counter(), 0.0
    for done, c in enumerate(classes, start=1):
        total += _coding_rate(rows[labels == c])
        elapsed = time.perf_counter() - start
        if elapsed > _PATIENCE and done < len(classes):
            rest = elapsed * (len(classes) - done + 1) / done
            return Extrapolated(rest, f"{done} of {len(classes)} classes, the others at the same pace")
    return float(_coding_rate(rows) - total / len(classes))


def _coding_rate(rows: np.ndarray, eps: float = 1e-4) -> float:
    n, d = rows.shape
    return 0.5 * np.linalg.slogdet(np.eye(d) + rows.T @ rows / (n * eps))[1]
