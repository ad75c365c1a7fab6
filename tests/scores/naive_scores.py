"""Every score written the slow way from its definition, sharing nothing with the package."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import multivariate_normal


def disco(
    features,
    labels,
    *,
    n_components=128,
    n_groups=8,
    covariance="shared",
    ridge=1e-6,
    center=True,
    log_determinant=False,
):
    """DISCO of codes 0..C-1, each group's matrix rebuilt and each class density evaluated."""
    if center:
        features = features - features.mean(axis=0)
    left, values, right = np.linalg.svd(features, full_matrices=False)
    kept = min(n_components, int((values > 1e-7 * values[0]).sum()))
    total = 0.0
    for group in np.array_split(np.arange(kept), min(n_groups, kept)):
        rebuilt = left[:, group] @ np.diag(values[group]) @ right[group]
        coordinates = rebuilt @ right[group].T
        logs = np.zeros((len(features), labels.max() + 1))
        for c in range(logs.shape[1]):
            if covariance == "identity":
                mean = rebuilt[labels == c].mean(axis=0)
                logs[:, c] = multivariate_normal(mean, np.eye(len(mean))).logpdf(rebuilt)
            else:
                mean = coordinates[labels == c].mean(axis=0)
                matrix = _covariance(coordinates, labels, None if covariance == "shared" else c, ridge)
                away = coordinates - mean
                logs[:, c] = [-0.5 * row @ np.linalg.pinv(matrix) @ row for row in away]
                if log_determinant:
                    logs[:, c] = multivariate_normal(mean, matrix).logpdf(coordinates)
            logs[:, c] += np.log(np.mean(labels == c))
        confidence = np.mean([softmax(row)[code] for row, code in zip(logs, labels, strict=True)])
        total += confidence * values[group].sum() / values[:kept].sum()
    return total


def _covariance(coordinates, labels, one_class, ridge):
    size = coordinates.shape[1]
    found, n = np.zeros((size, size)), 0
    for c in np.unique(labels) if one_class is None else [one_class]:
        own = coordinates[labels == c]
        found += (own - own.mean(axis=0)).T @ (own - own.mean(axis=0))
        n += len(own)
    found /= n
    return found + ridge * np.trace(found) / size * np.eye(size)


def disco_regression(features, targets, *, n_components=128, n_groups=8, center=True):
    """Least squares on each group by an explicit pseudo-inverse."""
    if center:
        features, targets = features - features.mean(axis=0), targets - targets.mean(axis=0)
    left, values, right = np.linalg.svd(features, full_matrices=False)
    kept = min(n_components, int((values > 1e-7 * values[0]).sum()))
    total = 0.0
    for group in np.array_split(np.arange(kept), min(n_groups, kept)):
        rebuilt = left[:, group] @ np.diag(values[group]) @ right[group]
        residual = targets - rebuilt @ np.linalg.pinv(rebuilt, rcond=1e-10) @ targets
        total -= np.mean(residual**2) * values[group].sum() / values[:kept].sum()
    return total


def logme(features, targets):
    """The evidence of t ~ N(0, (I + F F^T / lam) / beta), maximised numerically for each column of the targets."""
    n = len(features)
    kernel = features @ features.T
    middle = np.log(max(np.trace(kernel) / n, 1e-12))

    def loss(log_ratio, target):
        covariance = np.eye(n) + np.exp(-log_ratio) * kernel
        beta = n / (target @ np.linalg.solve(covariance, target))
        return 0.5 * (np.linalg.slogdet(covariance)[1] + n * (np.log(2 * np.pi / beta) + 1)) / n

    values = []
    for target in np.atleast_2d(targets.T):
        # The evidence can have more than one maximum, so a grid looks first.
        grid = middle + np.linspace(-15, 25, 81)
        best = min(grid, key=lambda log_ratio: loss(log_ratio, target))
        found = minimize_scalar(loss, bounds=(best - 1, best + 1), args=(target,), method="bounded")
        values.append(-found.fun)
    return np.mean(values)


def h_score(features, labels):
    """tr(Cov(F)^+ Cov(g)), both divided by N - 1."""
    means = np.stack([features[labels == label].mean(axis=0) for label in labels])
    total, between = np.atleast_2d(np.cov(features.T)), np.atleast_2d(np.cov(means.T))
    return np.trace(np.linalg.pinv(total, rcond=1e-12) @ between)


def h_score_shrunk(features, labels):
    """The same with scikit-learn's Ledoit-Wolf covariance."""
    from sklearn.covariance import ledoit_wolf

    covariance, amount = ledoit_wolf(features)
    total = 0.0
    for label in np.unique(labels):
        away = features[labels == label].mean(axis=0) - features.mean(axis=0)
        total += np.sum(labels == label) * away @ np.linalg.solve(covariance, away)
    return (1 - amount) * total / (len(features) - 1)


def leep(probs, labels):
    n, n_source = probs.shape
    joint = np.zeros((labels.max() + 1, n_source))
    for i in range(n):
        for z in range(n_source):
            joint[labels[i], z] += probs[i, z] / n
    total = 0.0
    for i in range(n):
        total += np.log(sum(joint[labels[i], z] / joint[:, z].sum() * probs[i, z] for z in range(n_source)))
    return total / n


def nce(probs, labels):
    top = [max(range(probs.shape[1]), key=lambda z: row[z]) for row in probs]
    total = 0.0
    for own, z in zip(labels, top, strict=True):
        same = [label for label, other in zip(labels, top, strict=True) if other == z]
        total += np.log(sum(label == own for label in same) / len(same))
    return total / len(labels)


def nearest_centroid(features, labels):
    hits = 0
    for i, own in enumerate(labels):
        rest = np.arange(len(labels)) != i
        distances = {
            label: np.linalg.norm(features[i] - features[rest & (labels == label)].mean(axis=0))
            for label in np.unique(labels[rest])
        }
        hits += own in distances and all(
            distances[own] < distance for label, distance in distances.items() if label != own
        )
    return hits / len(labels)


def knn(features, labels, k):
    hits = 0
    for i, own in enumerate(labels):
        distances = np.linalg.norm(features - features[i], axis=1)
        nearest = sorted((j for j in range(len(labels)) if j != i), key=lambda j: distances[j])[:k]
        votes = {label: [distances[j] for j in nearest if labels[j] == label] for label in set(labels[nearest])}
        hits += own == max(votes, key=lambda label: (len(votes[label]), -np.mean(votes[label])))
    return hits / len(labels)


def knn_regression(features, targets, k):
    predicted = np.empty_like(targets)
    for i in range(len(targets)):
        distances = np.linalg.norm(features - features[i], axis=1)
        nearest = sorted((j for j in range(len(targets)) if j != i), key=lambda j: distances[j])[:k]
        predicted[i] = targets[nearest].mean(axis=0)
    return _explained(targets, predicted)


def linear_probe(features, labels=None, targets=None):
    """Ridge regression with an intercept, refitted without each sample; strength by generalised cross-validation."""
    wanted = np.eye(labels.max() + 1)[labels] if targets is None else targets
    n = len(features)
    away = features - features.mean(axis=0)
    values = np.linalg.svd(away, compute_uv=False)
    variance = np.mean(values[values > 1e-7 * values[0]] ** 2)
    predicted, errors = {}, {}
    for strength in np.logspace(-4, 2, 13):
        ridge = strength * variance * np.eye(features.shape[1])
        hat = away @ np.linalg.inv(away.T @ away + ridge) @ away.T + 1 / n
        errors[strength] = np.sum((wanted - hat @ wanted) ** 2, axis=0) / (n - np.trace(hat)) ** 2
        predicted[strength] = np.empty(wanted.shape)
        for i in range(n):
            rest = np.arange(n) != i
            mean, offset = features[rest].mean(axis=0), wanted[rest].mean(axis=0)
            others = features[rest] - mean
            slopes = np.linalg.solve(others.T @ others + ridge, others.T @ (wanted[rest] - offset))
            predicted[strength][i] = offset + (features[i] - mean) @ slopes
    if targets is None:
        best = min(errors, key=lambda strength: errors[strength].sum())
        return np.mean(predicted[best].argmax(axis=1) == labels)
    columns = range(wanted.shape[1])
    best = [min(errors, key=lambda strength, column=column: errors[strength][column]) for column in columns]
    return _explained(wanted, np.stack([predicted[best[column]][:, column] for column in columns], axis=1))


def _explained(targets, predicted):
    errors = np.mean((targets - predicted) ** 2, axis=0)
    return np.mean(1 - errors / targets.var(axis=0))
