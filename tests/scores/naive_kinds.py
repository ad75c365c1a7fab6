"""Scores of several labels a sample the slow way, label by label and sample by sample, sharing nothing."""

from __future__ import annotations

import naive_scores
import numpy as np


def averaged(values, labels, average):
    return np.average(values, weights=labels.mean(axis=0) if average == "weighted" else None)


def average_precision(predicted, truth):
    """Precision at each distinct threshold, times the recall that it adds."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(predicted), reverse=True):
        chosen = predicted >= threshold
        recall = truth[chosen].sum() / truth.sum()
        total += (recall - before) * truth[chosen].mean()
        before = recall
    return total


def disco(features, labels, *, average="macro", **options):
    """Each label as a classification into two: `naive_scores.disco` of each."""
    values = [naive_scores.disco(features, column.astype(int), **options) for column in labels.T]
    return averaged(values, labels, average)


def logme(features, labels, *, average="macro"):
    return averaged([naive_scores.logme(features, column) for column in labels.T], labels, average)


def h_score(features, labels, *, average="joint"):
    """tr(S_ff^+ S_fy S_yy^+ S_yf), or the squared multiple correlation with each label."""
    if average != "joint":
        return averaged([h_score(features, column[:, None]) for column in labels.T], labels, average)
    both = np.cov(np.c_[features, labels].T)
    size = features.shape[1]
    cross = both[:size, size:]
    inverse, own = np.linalg.pinv(both[:size, :size], rcond=1e-12), np.linalg.pinv(both[size:, size:], rcond=1e-10)
    return np.trace(inverse @ cross @ own @ cross.T)


def h_score_shrunk(features, labels, *, average="joint"):
    """The same with scikit-learn's Ledoit-Wolf covariance of the features."""
    from sklearn.covariance import ledoit_wolf

    if average != "joint":
        return averaged([h_score_shrunk(features, column[:, None]) for column in labels.T], labels, average)
    covariance, amount = ledoit_wolf(features)
    n = len(features)
    away, indicators = features - features.mean(axis=0), labels - labels.mean(axis=0)
    fitted = indicators @ np.linalg.pinv(indicators, rcond=1e-10) @ away  # projected on the labels
    return (1 - amount) * np.trace(np.linalg.solve(covariance, fitted.T @ fitted)) / (n - 1)


def knn(features, labels, k, *, average="macro", groups=None):
    n = len(labels)
    groups = np.arange(n) if groups is None else groups
    votes = np.empty(labels.shape)
    for i in range(n):
        distances = np.linalg.norm(features - features[i], axis=1)
        nearest = sorted((j for j in range(n) if groups[j] != groups[i]), key=lambda j: distances[j])[:k]
        votes[i] = sum(labels[j] for j in nearest) / k
    values = [average_precision(votes[:, j], labels[:, j]) for j in range(labels.shape[1])]
    return averaged(values, labels, average)


def ridge_without_groups(features, wanted, groups, strengths):
    """Predictions by ridge regression with an intercept, refitted without each group; one strength a column."""
    predicted, offsets = np.empty(wanted.shape), np.empty(wanted.shape)
    for group in np.unique(groups):
        rest = groups != group
        mean, offset = features[rest].mean(axis=0), wanted[rest].mean(axis=0)
        others = features[rest] - mean
        for column, strength in enumerate(strengths):
            matrix = others.T @ others + strength * np.eye(features.shape[1])
            slopes = np.linalg.solve(matrix, others.T @ (wanted[rest, column] - offset[column]))
            predicted[~rest, column] = offset[column] + (features[~rest] - mean) @ slopes
        offsets[~rest] = offset
    return predicted, offsets


def ridge_strengths(features, wanted, *, is_shared):
    """The strength of smallest generalised cross-validation error, for each column or for all."""
    n, away = len(features), features - features.mean(axis=0)
    values = np.linalg.svd(away, compute_uv=False)
    strengths = np.logspace(-4, 2, 13) * np.mean(values[values > 1e-7 * values[0]] ** 2)
    errors = []
    for strength in strengths:
        hat = away @ np.linalg.inv(away.T @ away + strength * np.eye(away.shape[1])) @ away.T + 1 / n
        errors.append(np.sum((wanted - hat @ wanted) ** 2, axis=0) / (n - np.trace(hat)) ** 2)
    errors = np.array(errors)
    if is_shared:
        return np.full(wanted.shape[1], strengths[errors.sum(axis=1).argmin()])
    return strengths[errors.argmin(axis=0)]


def linear_probe(features, labels, *, average="macro", groups=None):
    groups = np.arange(len(labels)) if groups is None else groups
    strengths = ridge_strengths(features, labels, is_shared=False)
    predicted, offsets = ridge_without_groups(features, labels, groups, strengths)
    added = np.round(predicted - offsets, 9)  # equal up to rounding is equal
    values = [average_precision(added[:, j], labels[:, j]) for j in range(labels.shape[1])]
    return averaged(values, labels, average)
