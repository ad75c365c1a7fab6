from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import array_api_strict
import numpy as np
import pytest
import torch
from scipy.special import digamma

from hubscout.errors import DataError, UsageError
from hubscout.scores import get_spec
from hubscout.scores.tmi import tmi
from hubscout.stats import Statistics, chunks
from hubscout.testing import check_invariance, check_score, draw_problem

GOLDEN = Path(__file__).parents[1] / "golden"
SHAPES = [
    {"n_samples": 50, "n_features": 6},
    {"n_samples": 80, "n_features": 12, "n_classes": 9, "n_dead": 5},
    {"n_samples": 25, "n_features": 40, "n_classes": 5},
]


def distance(features: np.ndarray, i: int, others: list[int], k: int) -> float:
    return sorted(max(abs(features[i] - features[j])) for j in others if j != i)[k - 1]


def naive(features: np.ndarray, labels: np.ndarray, k: int = 3) -> float:
    varying = np.ptp(features, axis=0) > 0
    spread = np.sqrt(features[:, varying].var(axis=0).mean())
    total = weight = 0.0
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label).tolist()
        n = len(members)
        if n == 1:
            continue
        own = min(k, n - 1)
        logs = [np.log(2 * max(distance(features, i, members, own) / spread, 1e-6)) for i in members]
        total += n * ((digamma(n) - digamma(own)) / varying.sum() + np.mean(logs))
        weight += n
    return total / weight


def naive_authors(features: np.ndarray, labels: np.ndarray, k: int = 3) -> float:
    entropies = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label).tolist()
        n = len(members)
        if n == 1:
            entropies.append(0.0)
        elif n > k:
            logs = [np.log(2 * max(distance(features, i, members, k), 1.0)) for i in members]
            entropy = digamma(n) - digamma(k) + features.shape[1] * np.mean(logs)
            entropies.append(n / len(labels) * entropy)
    return float(np.mean(entropies))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("k", [1, 3])
def test_equals_loops(shape, seed: int, k: int) -> None:
    problem = draw_problem(seed, **shape)
    assert tmi(problem.features, problem.labels, k=k) == pytest.approx(
        naive(problem.features, problem.labels, k), rel=1e-9
    )
    assert tmi(problem.features, problem.labels, k=k, compat="authors") == pytest.approx(
        naive_authors(problem.features, problem.labels, k), rel=1e-9
    )


@pytest.mark.parametrize("case", ["base", "imbalanced_many_classes", "wide_few_samples"])
def test_equals_the_authors_program(case: str) -> None:
    expected = json.loads((GOLDEN / "golden.json").read_text())[case]["tmi"]
    with np.load(GOLDEN / "golden.npz") as arrays:
        features, labels = arrays[f"{case}/features"], arrays[f"{case}/labels"]
    assert tmi(features, labels, compat="authors") == pytest.approx(expected, rel=1e-6)


def test_the_published_number_is_blind_to_small_features() -> None:
    problem = draw_problem(0, signal=3.0)
    small = problem.features * 1e-4
    shuffled = problem.shuffled().labels
    assert tmi(small, problem.labels, compat="authors") == tmi(small, shuffled, compat="authors")
    assert tmi(small, problem.labels) < tmi(small, shuffled) - 0.1


def test_of_a_uniform_density() -> None:
    # A uniform feature of unit variance has the entropy ln of its length, 2 sqrt(3).
    features = np.random.default_rng(0).uniform(0, 1, (4000, 1))
    assert tmi(features, np.arange(4000) % 2) == pytest.approx(np.log(12**0.5), abs=0.06)


@pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
def test_constant_features_give_the_least(value: float) -> None:
    features = np.full((20, 4), value)
    labels = np.arange(20) % 2
    assert tmi(features, labels) == pytest.approx(np.log(2e-6), rel=1e-12)
    assert np.isfinite(tmi(features, labels, compat="authors"))


def test_copies_count_as_a_millionth_of_the_spread() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.standard_normal((10, 3)), 4, axis=0)
    labels = np.repeat([0, 1], 20)
    expected = np.log(2e-6) + (digamma(20) - digamma(3)) / 3
    assert tmi(rows, labels) == pytest.approx(expected, rel=1e-9)
    assert tmi(rows, labels) > np.log(2e-6)


def test_small_classes_use_the_neighbours_that_they_have() -> None:
    features = np.array([[0.0], [1.0], [5.0], [7.0], [100.0]])
    labels = [0, 0, 1, 1, 2]
    spread = features.std()
    expected = (np.log(2 / spread) + np.log(4 / spread)) / 2 + digamma(2) - digamma(1)
    assert tmi(features, labels) == pytest.approx(expected, rel=1e-12)


def test_the_published_number_needs_more_samples_than_neighbours() -> None:
    features = np.random.default_rng(0).standard_normal((6, 2))
    with pytest.raises(DataError, match=r"^labels must give some class more than k=3 samples, got at most 3; lower k$"):
        tmi(features, [0, 0, 0, 1, 1, 1], compat="authors")
    assert np.isfinite(tmi(features, [0, 0, 0, 1, 1, 1], compat="authors", k=2))
    # A class of one sample has the entropy 0 there, and counts.
    assert tmi(features, [0, 0, 0, 1, 1, 2], compat="authors") == 0


@pytest.mark.parametrize("make", [np.asarray, torch.tensor, array_api_strict.asarray])
@pytest.mark.parametrize("bytes_at_once", [1_000, 20_000])
def test_classes_of_any_size_in_little_memory(monkeypatch, make, bytes_at_once: int) -> None:
    problem = draw_problem(0, n_samples=120, n_features=9, n_classes=12)
    expected = tmi(problem.features, problem.labels)
    statistics = Statistics(make(problem.features), problem.labels)
    statistics.moments(with_scatter=False)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", bytes_at_once)
    assert tmi(statistics) == pytest.approx(expected, rel=1e-12)
    assert tmi(statistics, compat="authors") == pytest.approx(
        naive_authors(problem.features, problem.labels), rel=1e-12
    )


def test_ten_thousand_small_classes(monkeypatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 8 * 2**20)
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.r_[np.arange(10_000), np.arange(2_000)])
    features = rng.standard_normal((len(labels), 16)).astype(np.float32)
    tracemalloc.start()
    found = tmi(features, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.isfinite(found)
    assert peak < 40 * 2**20


@pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_other_libraries(make, shape, dtype: type) -> None:
    problem = draw_problem(1, **shape)
    features = problem.features.astype(dtype)
    for compat in (None, "authors"):
        expected = tmi(features, problem.labels, compat=compat)
        assert tmi(make(features), problem.labels, compat=compat) == pytest.approx(expected, rel=1e-12)


def test_signal_lowers_it() -> None:
    assert not get_spec("tmi").rewards_signal
    for seed in range(5):
        problem = draw_problem(seed, n_samples=90, signal=4.0)
        assert tmi(problem.features, problem.labels) < tmi(problem.features, problem.shuffled().labels)


def test_standard_error_is_that_of_fresh_samples() -> None:
    n_samples = 100
    pool = draw_problem(3, n_samples=n_samples * 80, signal=0.8)
    found = [
        pool.rows(np.arange(i, i + n_samples)).estimate(get_spec("tmi")) for i in range(0, len(pool.labels), n_samples)
    ]
    true = np.std([estimate.value for estimate in found], ddof=1)
    assert np.mean([estimate.standard_error() for estimate in found]) == pytest.approx(true, rel=0.3)


@pytest.mark.parametrize("options", [{}, {"k": 1}])
def test_contract(options) -> None:
    check_score("tmi", options=options)


@pytest.mark.parametrize("invariance", ["rotation", "duplication"])
def test_what_it_is_not_invariant_to(invariance: str) -> None:
    with pytest.raises(AssertionError, match=f"does not ignore {invariance}"):
        check_invariance("tmi", draw_problem(0), invariance)


def test_options() -> None:
    with pytest.raises(UsageError, match=r"^k must be a whole number of at least 1, got 0$"):
        tmi(np.eye(4), [0, 0, 1, 1], k=0)
    with pytest.raises(UsageError, match=r"^compat must be one of None, 'authors', got 'author'$"):
        tmi(np.eye(4), [0, 0, 1, 1], compat="author")


def test_more_neighbours_than_an_integer_of_the_machine_holds() -> None:
    problem = draw_problem(0)
    assert tmi(problem.features, problem.labels, k=10**30) == tmi(problem.features, problem.labels, k=10**6)
