"""The discriminants of LDA, SFDA and PED written the slow way: explicit inverses, loops over classes and samples."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax


def class_moments(features, labels):
    """Means, shares and the pooled within-class covariance (divided by N), one class at a time."""
    classes = np.unique(labels)
    means = np.stack([features[labels == c].mean(axis=0) for c in classes])
    shares = np.array([np.mean(labels == c) for c in classes])
    width = features.shape[1]
    within = sum(
        share * np.cov(features[labels == c].T, bias=True).reshape(width, width)
        for c, share in zip(classes, shares, strict=True)
    )
    return means, shares, within


def rank_of(features):
    return np.linalg.matrix_rank(features - features.mean(axis=0))


def ledoit_wolf(features, labels, rank):
    """The amount, from the residuals' outer products one by one."""
    means, _, within = class_moments(features, labels)
    residuals = features - means[np.unique(labels, return_inverse=True)[1]]
    target = np.trace(within) / rank
    # In as many dimensions as the features have a spread in, the target has rank * target^2.
    distance = np.sum(within**2) - rank * target**2
    noise = np.mean([np.sum((np.outer(r, r) - within) ** 2) for r in residuals]) / len(features)
    return min(noise / distance, 1.0) if distance > 1e-12 * np.sum(within**2) else 0.0


def fit(features, labels, amount, size):
    """Weights and offsets of the discriminant, by an explicit inverse."""
    means, shares, within = class_moments(features, labels)
    inverse = np.linalg.inv((1 - amount) * within + amount * np.trace(within) / size * np.eye(features.shape[1]))
    weights = means @ inverse
    return weights, np.log(shares) - 0.5 * np.sum(means * weights, axis=1)


def own_posteriors(features, codes, model):
    weights, offsets = model
    return np.array([softmax(weights @ f + offsets)[c] for f, c in zip(features, codes, strict=True)])


def mixed(features, codes, confidences):
    """Each sample with its share of the mean of the other classes' means."""
    means = [features[codes == c].mean(axis=0) for c in range(codes.max() + 1)]
    found = []
    for f, c, q in zip(features, codes, confidences, strict=True):
        others = np.mean([mean for other, mean in enumerate(means) if other != c], axis=0)
        found.append(q * f + (1 - q) * others)
    return np.array(found)


def challenged(features, codes, rank, amount=None):
    """The mixed samples, and the discriminant that is fitted to them; codes without gaps."""
    amount = ledoit_wolf(features, codes, rank) if amount is None else amount
    confidences = own_posteriors(features, codes, fit(features, codes, amount, rank))
    harder = mixed(features, codes, confidences)
    return harder, fit(harder, codes, amount, rank)


def pushed(features, codes, *, dt=0.1, er=0.5, ns=0.6, k=1.0):
    """Samples of classes that overlap pushed apart, pair by pair."""
    first = None
    for _ in range(6):
        classes = range(codes.max() + 1)
        means = [features[codes == c].mean(axis=0) for c in classes]
        radii = [np.sqrt(features[codes == c].var(axis=0).sum()) for c in classes]
        ways = np.zeros((len(means), features.shape[1]))
        for i in classes:
            for j in classes:
                distance = np.linalg.norm(means[i] - means[j])
                overlap = max(ns * (radii[i] + radii[j]) - distance, 0)
                if i != j and distance > 0:
                    ways[i] += min(0.5 * dt**2 * k * overlap, overlap) * (means[i] - means[j]) / distance
        size = sum(np.linalg.norm(way) for way in ways)
        first = size if first is None else first
        if first == 0 or not size / first > er:
            break
        features = features + ways[codes]
    return features
