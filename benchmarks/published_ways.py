"""Every score computed as its authors' program does, written from the description of that program.

`python benchmarks/published_ways.py --check` prints what each of them gives beside what hubscout gives, on a small
problem. `--scores` names some of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import published_discriminants as discriminants
import published_evidence as evidence
import published_pairs as pairs
from problem import SIZES, Problem, attempt, make_problem
from published_parts import Extrapolated
from scores import authors_way


def disco(features: np.ndarray, labels: np.ndarray, _: np.ndarray | None = None) -> float:
    """Evaluate Gaussian densities on rebuilt N x k matrices, group by group."""
    return float(authors_way(features, labels, min(128, features.shape[1] // 2)))


Way = Callable[[np.ndarray, np.ndarray, np.ndarray], "float | Extrapolated"]

# Those with a wanted ratio first: when time is up, the others are left out.
WAYS: dict[str, Way] = {
    "h_score": discriminants.h_score,
    "logme": evidence.logme,
    "parc": pairs.parc,
    "nleep": evidence.nleep,
    "sfda": discriminants.sfda,
    "disco": disco,
    "leep": evidence.leep,
    "nce": evidence.nce,
    "gbc": discriminants.gbc,
    "tmi": pairs.tmi,
    "ncti": discriminants.ncti,
    "energy": pairs.energy,
    "nearest_centroid": pairs.nearest_centroid,
    "knn": pairs.knn,
    "lfc": pairs.lfc,
    "stable_rank": pairs.stable_rank,
    "rankme": pairs.rankme,
    "alpha_req": pairs.alpha_req,
    "lda": discriminants.lda,
    "etran": discriminants.etran,
    "h_score_shrunk": discriminants.h_score_shrunk,
    "transrate": discriminants.transrate,
    "linear_probe": pairs.linear_probe,
    "pactran": evidence.pactran,
    "emms": evidence.emms,
    "ped": discriminants.ped,
}

# Where the two columns are not the same thing, and why.
REMARKS = {
    "alpha_req": "ours is the distance of the slope from 1, negated",
    "etran": "without compat: relative to the spread within classes, own sample left out",
    "gbc": "published: diagonal variances of 64 principal components; with compat: of the features as they are",
    "disco": "published: randomised principal components",
    "knn": "ties go to the smaller label, ours to the nearer one",
    "linear_probe": "published: logistic regression, three folds; ours: ridge regression, left one out",
    "parc": "published: randomised principal components",
    "ncti": "published: three terms added without the candidates' extremes",
    "nearest_centroid": "published: scored with its own sample in the mean",
    "nleep": "published: full covariances and other starts",
    "pactran": "published on raw features",
    "ped": "published: absolute shrinkage and radii of standardised features",
}


def check(problem: Problem, names: list[str]) -> None:
    """Print both values of each score."""
    from hubscout.scores import get_spec, list_scores

    print(f"{'score':17}{'published':>12}{'compat':>12}{'default':>12}{'seconds':>9}  remark")
    for name in names:
        start = time.perf_counter()
        published = attempt(name, lambda name=name: WAYS[name](problem.features, problem.labels, problem.source_probs))
        elapsed = time.perf_counter() - start
        note = REMARKS.get(name, "")
        if isinstance(published, Extrapolated):
            published, note = None, published.note
        values = [published, None, None]
        if name in list_scores():
            if "compat" in get_spec(name).options:
                what = f"{name}, compat='authors'"
                values[1] = attempt(what, lambda name=name: problem.value(name, compat="authors"))
            values[2] = attempt(f"hubscout's {name}", lambda name=name: problem.value(name))
        else:
            note = "not registered in hubscout"
        shown = "".join(f"{'' if value is None else f'{value:.5g}':>12}" for value in values)
        print(f"{name:17}{shown}{elapsed:9.2f}  {note}", flush=True)


def main() -> None:
    """Check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="print both values of each score")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--scores", default=",".join(WAYS), help="names with commas between")
    options = parser.parse_args()
    if not options.check:
        print("\n".join(f"{name:17}{(way.__doc__ or '').splitlines()[0]}" for name, way in WAYS.items()))
        return
    check(make_problem(options.size), options.scores.split(","))


if __name__ == "__main__":
    main()
