"""Scores of pairs of samples and of the spectrum alone, and baselines, the published way: N x N, whole SVDs."""

from __future__ import annotations

import warnings

import numpy as np

from published_parts import class_means, double

N_NEIGHBOURS = 5


def parc(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Build two N x N correlation matrices and take the rank correlation of their triangles."""
    from scipy.stats import spearmanr
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    pca = PCA(min(32, *features.shape), svd_solver="randomized", iterated_power=1, random_state=1919)
    rows = StandardScaler().fit_transform(pca.fit_transform(double(features)))
    upper = np.triu_indices(len(rows), 1)
    of_features = (1 - np.corrcoef(rows))[upper]
    of_labels = (1 - np.corrcoef(np.eye(labels.max() + 1)[labels]))[upper]
    return 100 * float(spearmanr(of_features, of_labels)[0])


def lfc(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Build two N x N matrices, each about its own mean, and take their cosine."""
    rows = double(features)
    kernel = rows @ rows.T
    agreement = np.where(labels[:, None] == labels[None, :], 1.0, -1.0)
    kernel, agreement = kernel - kernel.mean(), agreement - agreement.mean()
    return float((kernel * agreement).sum() / (np.linalg.norm(kernel) * np.linalg.norm(agreement)))


def tmi(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None, k: int = 3) -> float:
    """Estimate the entropy of each class from the distance to its third neighbour in the maximum norm."""
    from scipy.special import digamma
    from sklearn.neighbors import NearestNeighbors

    rows = double(features)
    rows -= rows.mean(axis=0)
    n, d = rows.shape
    found = []
    for c in np.unique(labels):
        own = rows[labels == c]
        if len(own) == 1:
            found.append(0.0)
        if len(own) <= k:
            continue
        distances = NearestNeighbors(n_neighbors=k, metric="chebyshev").fit(own).kneighbors()[0][:, -1]
        entropy = digamma(len(own)) - digamma(k) + d * np.log(2 * np.maximum(distances, 1.0)).mean()
        found.append(len(own) / n * entropy)
    return float(np.mean(found))


def rankme(features: np.ndarray, *_: np.ndarray | None) -> float:
    """Take the entropy of the singular values of all samples."""
    values = np.linalg.svd(double(features), compute_uv=False)
    shares = values / values.sum() + 1e-7
    return float(np.exp(-(shares * np.log(shares)).sum()))


def alpha_req(features: np.ndarray, *_: np.ndarray | None) -> float:
    """Fit the slope of the 11th to 100th eigenvalue on logarithmic axes, from a whole PCA."""
    from sklearn.decomposition import PCA

    values = PCA(svd_solver="full").fit(double(features)).explained_variance_[10:100]
    ranks = np.arange(11, 11 + len(values))
    return float(np.polyfit(-np.log(ranks), np.log(values), 1, w=ranks**-0.5)[0])


def stable_rank(features: np.ndarray, *_: np.ndarray | None) -> float:
    """Take two norms, the second one by the singular values of all samples."""
    rows = double(features)
    return float((np.linalg.norm(rows) / np.linalg.norm(rows, 2)) ** 2)


def energy(features: np.ndarray, *_: np.ndarray | None) -> float:
    """Take the mean of the lowest 0.5 % of the logarithms of summed exponentials."""
    from scipy.special import logsumexp

    energies = np.sort(logsumexp(double(features), axis=1))
    return float(energies[: max(5 * len(energies) // 1000, 1)].mean())


def knn(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Search exhaustively with scikit-learn, each sample left out of its own neighbours."""
    from scipy.stats import mode
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=N_NEIGHBOURS, algorithm="brute").fit(double(features))
    votes = mode(labels[search.kneighbors(return_distance=False)], axis=1).mode
    return float((votes == labels).mean())


def linear_probe(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Fit scikit-learn's logistic regression in three folds; stopped after 20 steps, though 200 are usual."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it has not converged
        return float(cross_val_score(model, double(features), labels, cv=3).mean())


def nearest_centroid(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Measure distances to all class means, of which a sample's own one contains the sample."""
    from scipy.spatial.distance import cdist

    rows = double(features)
    return float((cdist(rows, class_means(rows, labels)).argmin(axis=1) == labels).mean())
