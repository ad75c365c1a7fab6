"""How long DISCO takes against one float32 Gram product, and against the authors' way of computing it.

Run `python benchmarks/scores.py` (about a minute; `--size small` for a quick look). All figures are ratios within
one run, from alternating repetitions, because machines differ and drift. Prints a table, and JSON with `--json`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from hubscout.scores import disco
from peak_memory import peak_above

SIZES = {"full": (10_000, 2_048, 100), "small": (3_000, 512, 20)}


def make_features(n: int, d: int, c: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw class clusters with a power-law spectrum and a non-zero mean, as network features have."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, c, n)
    scale = np.arange(1, d + 1) ** -0.5
    rows = rng.standard_normal((n, d)) + 0.5 * rng.standard_normal((c, d))[labels]
    return (rows * scale + 0.3).astype(np.float32), labels


def gram(features: np.ndarray) -> np.ndarray:
    """One float32 F^T F, the unit of the speed claim."""
    return features.T @ features


def authors_way(features: np.ndarray, labels: np.ndarray, n_components: int = 128, n_groups: int = 8) -> float:
    """Randomised PCA, SVD of the scores, and Gaussian densities on rebuilt N x k matrices, group by group.

    Written from the description of the published program; a thin SVD stands in for its full one, which would need
    an N x N factor, and its identity covariance for class densities.
    """
    from scipy.stats import multivariate_normal
    from sklearn.decomposition import PCA

    reduced = PCA(n_components, svd_solver="randomized", iterated_power=1, random_state=0).fit_transform(features)
    u, s, vt = np.linalg.svd(reduced, full_matrices=False)
    size, score = n_components // n_groups, 0.0
    classes, codes = np.unique(labels, return_inverse=True)
    priors = np.bincount(codes) / len(codes)
    for g in range(n_groups):
        part = slice(g * size, (g + 1) * size)
        block = (u[:, part] * s[part]) @ vt[part]
        logits = np.stack(
            [
                multivariate_normal.logpdf(block, mean=block[codes == c].mean(axis=0)) + np.log(priors[c])
                for c in range(len(classes))
            ],
            axis=1,
        )
        logits -= logits.max(axis=1, keepdims=True)
        posterior = np.exp(logits)
        posterior /= posterior.sum(axis=1, keepdims=True)
        score += s[part].sum() / s.sum() * posterior[np.arange(len(codes)), codes].mean()
    return score


def seconds(function: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    n, d, c = SIZES[options.size]
    features, labels = make_features(n, d, c)
    gram(features), disco(features, labels)
    times: dict[str, list[float]] = {"gram": [], "disco": []}
    for _ in range(options.rounds):
        times["gram"].append(seconds(lambda: gram(features)))
        times["disco"].append(seconds(lambda: disco(features, labels)))
    median = {name: statistics.median(values) for name, values in times.items()}
    # Pairing each DISCO with the Gram product just before it keeps the ratio steady while the machine drifts.
    paired = statistics.median(b / a for a, b in zip(times["gram"], times["disco"], strict=True))
    median["authors"] = seconds(lambda: authors_way(features, labels))
    peak = peak_above(lambda: disco(features, labels))
    found = {
        "size": {"samples": n, "features": d, "classes": c},
        "seconds": {name: round(value, 4) for name, value in median.items()},
        "disco / gram": round(paired, 2),
        "authors / disco": round(median["authors"] / median["disco"], 1),
        "peak memory above the features, MB": round(peak / 2**20),
        "difference from float64": abs(disco(features, labels) - disco(features.astype(np.float64), labels)),
    }
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"N={n} D={d} C={c}, float32 features, median of {options.rounds} rounds")
    print(f"  one float32 F.T @ F               {median['gram']:8.3f} s")
    print(f"  disco                             {median['disco']:8.3f} s  = {paired:.2f} x F.T @ F (at most 3)")
    ratio = found["authors / disco"]
    print(f"  authors' way                      {median['authors']:8.3f} s  = {ratio} x disco (at least 10)")
    print(f"  peak memory above the features    {peak / 2**20:8.0f} MB (under 200)")
    print(f"  difference from float64 features  {found['difference from float64']:8.1e}")


if __name__ == "__main__":
    main()
