"""Scores of models of the labels, computed the published way: class by class, by EM, or by gradient steps."""

from __future__ import annotations

import time
import warnings

import numpy as np

from published_parts import EMBEDDING_WIDTH, Extrapolated, double, make_label_embeddings, softmax

# Full-covariance mixtures are fitted in full below this many operations an iteration, and in part above.
_EM_WORK = 2e10
# With 20 samples a Gaussian, smaller problems of the same kind have converged after 2 or 3 steps.
EM_ITERATIONS = 3


def logme(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Iterate the evidence to its fixed point, class after class, in singular vectors found through F^T F."""
    rows = double(features)
    n, d = rows.shape
    if n > d:
        right, squares, _ = np.linalg.svd(rows.T @ rows)
        values = np.sqrt(squares)
        kept = values > 1e-10
        left, values = rows @ right[:, kept] / values[kept], values[kept]
    else:
        left, values, _ = np.linalg.svd(rows, full_matrices=False)
    sigma, evidences = values**2, []
    for c in range(labels.max() + 1):
        target = (labels == c).astype(np.float64)
        x2 = (left.T @ target) ** 2
        outside = target.sum() - x2.sum()
        alpha = beta = 1.0
        for _ in range(11):
            lam = alpha / beta
            gamma = (sigma / (sigma + lam)).sum()
            m2 = (sigma * x2 / (lam + sigma) ** 2).sum()
            r2 = (x2 / (1 + sigma / lam) ** 2).sum() + outside
            alpha, beta = gamma / (m2 + 1e-5), (n - gamma) / (r2 + 1e-5)
            if abs(alpha / beta - lam) / lam <= 1e-3:
                break
        evidence = d / 2 * np.log(alpha) + n / 2 * np.log(beta) - 0.5 * np.log(alpha + beta * sigma).sum()
        evidences.append((evidence - beta / 2 * r2 - alpha / 2 * m2 - n / 2 * np.log(2 * np.pi)) / n)
    return float(np.mean(evidences))


def leep(_: np.ndarray | None, labels: np.ndarray, source_probs: np.ndarray) -> float:
    """Predict all classes of all samples, of which one class each is used."""
    n = len(labels)
    joint = np.stack([source_probs[labels == c].sum(axis=0) / n for c in range(labels.max() + 1)])
    conditional = joint / joint.sum(axis=0)
    expected = source_probs @ conditional.T
    return float(np.log([row[label] for row, label in zip(expected, labels, strict=True)]).mean())


def nce(_: np.ndarray | None, labels: np.ndarray, source_probs: np.ndarray) -> float:
    """Count pairs of labels sample by sample, then sum over all pairs of classes."""
    joint = np.zeros((labels.max() + 1, source_probs.shape[1]))
    for label, top in zip(labels, source_probs.argmax(axis=1), strict=True):
        joint[label, top] += 1 / len(labels)
    shares, total = joint.sum(axis=0), 0.0
    for y in range(joint.shape[0]):
        for z in range(joint.shape[1]):
            if joint[y, z] > 0:
                total += joint[y, z] * np.log(joint[y, z] / shares[z])
    return float(total)


def nleep(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float | Extrapolated:
    """Fit PCA to 80 % of the variance, 5 C Gaussians of full covariance, and LEEP on their posteriors."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    rows = PCA(0.8, svd_solver="full").fit_transform(double(features))
    n, d = rows.shape
    n_components = 5 * (labels.max() + 1)
    affordable = int(_EM_WORK / (n * d * d))
    is_whole = affordable >= n_components
    mixture = GaussianMixture(
        n_components=n_components if is_whole else max(affordable, 2),
        max_iter=100 if is_whole else 1,
        init_params="random_from_data",
        random_state=0,
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it has not converged
        mixture.fit(rows)
    if is_whole:
        return leep(None, labels, np.maximum(mixture.predict_proba(rows), 1e-300))
    # A fit of one step makes two of each half-step: those of the start and of the end beside its own.
    elapsed = time.perf_counter() - start
    rest = elapsed / 2 * (EM_ITERATIONS + 1) * n_components / mixture.n_components - elapsed
    note = f"{mixture.n_components} of {n_components} Gaussians in {d} dimensions, 1 of {EM_ITERATIONS} steps of EM"
    return Extrapolated(rest, note + ", the others at the same pace")


def pactran(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Fit logistic regression by at most 100 steps of L-BFGS, and trace its Hessian; lambda 1, s^2 100 / D."""
    from scipy.optimize import minimize

    rows = double(features)
    rows -= rows.mean(axis=0)
    (n, d), n_classes = rows.shape, labels.max() + 1
    onehot = np.eye(n_classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[:-n_classes].reshape(d, n_classes), flat[-n_classes:]
        probs = softmax(rows @ weights + bias)
        cost = -np.log(np.maximum(probs[onehot > 0], 1e-300)).mean() + (weights**2).sum() / (2 * n)
        error = (probs - onehot) / n
        return cost, np.concatenate([(rows.T @ error + weights / n).ravel(), error.sum(axis=0)])

    start = 0.03 * np.random.default_rng(0).standard_normal((d + 1) * n_classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 100})
    weights, bias = found.x[:-n_classes].reshape(d, n_classes), found.x[-n_classes:]
    probs = softmax(rows @ weights + bias)
    spread = probs - probs**2
    hessian = ((rows**2).T @ spread / n + 1 / n).sum() + spread.mean(axis=0).sum()
    size = d * n_classes
    return -float(found.fun + 0.5 * size / n * (100 / d) * np.log(hessian * n / size + 1e-10))


def emms(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Fit the mean of the label embeddings by least squares with a row a sample, then their weights to the fit."""
    rows = double(features)
    rows = (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-12)
    embeddings = make_label_embeddings(labels.max() + 1, EMBEDDING_WIDTH)[:, labels]
    embeddings = (embeddings - embeddings.mean(axis=1, keepdims=True)) / embeddings.std(axis=1, keepdims=True)
    fitted = rows @ np.linalg.lstsq(rows, embeddings.mean(axis=0), rcond=None)[0]
    slopes = np.linalg.lstsq(embeddings.reshape(len(embeddings), -1).T, fitted.ravel(), rcond=None)[0]
    descending = np.sort(slopes)[::-1]
    thresholds = (np.cumsum(descending) - 1) / np.arange(1, len(slopes) + 1)
    weights = np.maximum(slopes - thresholds[np.count_nonzero(descending > thresholds) - 1], 0)
    target = np.tensordot(weights, embeddings, axes=1)
    return -float(((fitted - target) ** 2).sum() / len(rows) * EMBEDDING_WIDTH)
