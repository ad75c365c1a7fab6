"""A nominal 90 % interval holds the value of 87 to 93 % of problems, on small ones that are drawn anew."""

from __future__ import annotations

import numpy as np
import pytest

from hubscout.ranking.confidence import t_quantile
from hubscout.ranking.evidence import find_evidence
from hubscout.scores import evaluate

_CENTRES = np.random.default_rng(5).standard_normal((3, 5))


def draw(seed, n):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return rng.standard_normal((n, 5)) + _CENTRES[labels], labels


def judge(score, n, repetitions, options):
    """Return the share of intervals that hold the mean over all repetitions."""
    found = []
    for seed in range(repetitions):
        features, labels = draw(seed, n)
        value = evaluate(features, labels, [score], options={score: options})[score]
        found.append(find_evidence(features, labels, score, value, seed=seed, options=options))
    values = np.array([each.values.mean() for each in found])
    widths = np.array([t_quantile(0.95, each.degrees) * each.standard_error for each in found])
    return np.mean(np.abs(values - values.mean()) <= widths)


@pytest.mark.parametrize("score", ["linear_probe", "disco", "logme", "lda", "consensus"])
def test_terms_of_samples_cover(score):
    assert 0.865 <= judge(score, 200, 400, {}) <= 0.935


# Fewer repetitions of what costs twenty computations each; two standard deviations of the count wider.
@pytest.mark.parametrize(("score", "options"), [("knn", {}), ("gbc", {}), ("disco", {"cross_fit": 2})])
def test_parts_of_the_samples_cover(score, options):
    assert 0.82 <= judge(score, 120, 100, options) <= 0.97


def test_differences_of_two_candidates_cover():
    held = []
    for seed in range(400):
        features, labels = draw(seed, 150)
        noisy = features + np.random.default_rng(seed + 10_000).standard_normal(features.shape)
        pair = []
        for own in (features, noisy):
            value = evaluate(own, labels, ["logme"])["logme"]
            pair.append(find_evidence(own, labels, "logme", value).values)
        held.append(pair[0] - pair[1])
    differences = np.array([each.mean() for each in held])
    errors = np.array([each.std(ddof=1) / np.sqrt(150) for each in held])
    covered = np.mean(np.abs(differences - differences.mean()) <= t_quantile(0.95, 149) * errors)
    assert 0.865 <= covered <= 0.935
