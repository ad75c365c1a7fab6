from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import array_api_strict
import numpy as np
import pytest
import torch

from hubscout.errors import HubscoutError, UsageError
from hubscout.scores.transrate import transrate
from hubscout.stats import Statistics, chunks
from hubscout.testing import check_invariance, check_score, draw_problem

GOLDEN = Path(__file__).parents[1] / "golden"
SHAPES = [
    {"n_samples": 50, "n_features": 6},
    {"n_samples": 80, "n_features": 12, "n_classes": 9, "n_dead": 5},
    {"n_samples": 25, "n_features": 40, "n_classes": 5},
]


def rate(rows: np.ndarray, distortion: float) -> float:
    n, width = rows.shape
    return 0.5 * np.linalg.slogdet(np.eye(width) + rows.T @ rows / (n * distortion))[1]


def naive(features: np.ndarray, labels: np.ndarray, eps: float = 1e-4, *, authors: bool = False) -> float:
    centred = features - features.mean(axis=0)
    classes = np.unique(labels)
    distortion = eps if authors else eps * np.trace(np.cov(centred.T, bias=True))
    value = rate(centred, distortion)
    for label in classes:
        own = centred[labels == label]
        value -= rate(own, distortion) * (1 / len(classes) if authors else len(own) / len(labels))
    return value


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("eps", [1e-4, 0.1])
def test_equals_explicit_determinants(shape, seed: int, eps: float) -> None:
    problem = draw_problem(seed, **shape)
    found = transrate(problem.features, problem.labels, eps=eps)
    assert found == pytest.approx(naive(problem.features, problem.labels, eps), rel=1e-9)
    found = transrate(problem.features, problem.labels, eps=eps, compat="authors")
    assert found == pytest.approx(naive(problem.features, problem.labels, eps, authors=True), rel=1e-9)


@pytest.mark.parametrize("case", ["base", "imbalanced_many_classes", "wide_few_samples"])
def test_equals_the_authors_program(case: str) -> None:
    expected = json.loads((GOLDEN / "golden.json").read_text())[case]["transrate"]
    with np.load(GOLDEN / "golden.npz") as arrays:
        features, labels = arrays[f"{case}/features"], arrays[f"{case}/labels"]
    assert transrate(features, labels, compat="authors") == pytest.approx(expected, rel=1e-6)
    assert transrate(features, labels) != pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor, array_api_strict.asarray])
@pytest.mark.parametrize(("n_features", "bytes_at_once"), [(7, 900), (7, 9_000), (150, 20_000), (150, 120_000)])
def test_classes_of_any_size_in_little_memory(monkeypatch, make, n_features: int, bytes_at_once: int) -> None:
    # Some classes larger and some smaller than the width, most larger than a chunk.
    problem = draw_problem(0, n_samples=200, n_features=n_features, n_classes=12)
    expected = naive(problem.features, problem.labels)
    statistics = Statistics(make(problem.features), problem.labels)
    statistics.spectrum()
    monkeypatch.setattr(chunks, "CHUNK_BYTES", bytes_at_once)
    assert transrate(statistics) == pytest.approx(expected, rel=1e-9)


def test_large_float32_features_lose_nothing_that_matters() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 30, 7000)
    labels[:1000] = 30  # one class larger than the width
    features = (rng.standard_normal((7000, 800)) * np.arange(1, 801) ** -0.6).astype(np.float32) + np.float32(2)
    statistics = Statistics(features, labels)
    assert statistics.is_large
    assert transrate(statistics) == pytest.approx(transrate(features.astype(np.float64), labels), rel=1e-6)


def test_is_never_negative_without_signal() -> None:
    rng = np.random.default_rng(0)
    for width in (2, 20, 200):
        found = transrate(rng.standard_normal((60, width)), rng.integers(0, 3, 60))
        assert found > 0


def test_is_zero_where_classes_are_spread_alike() -> None:
    features = np.tile(np.random.default_rng(0).standard_normal((20, 5)), (2, 1))
    assert transrate(features, np.repeat([0, 1], 20)) == pytest.approx(0, abs=1e-9)


def test_the_published_number_grows_with_the_scale() -> None:
    problem = draw_problem(0)
    published = [transrate(problem.features * scale, problem.labels, compat="authors") for scale in (1e-3, 1, 1e3)]
    assert published[0] < 0.5 * published[1] < published[2]
    with pytest.raises(AssertionError, match="does not ignore scale"):
        check_invariance("transrate", problem, "scale", options={"compat": "authors"})


@pytest.mark.parametrize("scale", [1e6, 1e12, 1e30])
def test_the_published_number_has_a_limit_for_dependent_features(scale: float) -> None:
    problem = draw_problem(0, n_samples=60, n_features=6)
    features = np.hstack([problem.features, problem.features @ np.random.default_rng(0).standard_normal((6, 8))])
    expected = transrate(1e4 * features, problem.labels, compat="authors")
    assert transrate(scale * features, problem.labels, compat="authors") == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("compat", [None, "authors"])
@pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
def test_constant_features_give_zero(value: float, compat) -> None:
    assert transrate(np.full((20, 4), value), np.arange(20) % 2, compat=compat) == 0


@pytest.mark.parametrize("scale", [1e-50, 1e50])
def test_extreme_scales_overflow_nowhere(scale: float) -> None:
    problem = draw_problem(0)
    expected = transrate(problem.features, problem.labels)
    assert transrate(problem.features * scale, problem.labels) == pytest.approx(expected, rel=1e-9)
    assert np.isfinite(transrate(problem.features * scale, problem.labels, compat="authors"))


@pytest.mark.parametrize("width", [1, 64])
def test_ten_thousand_small_classes(monkeypatch, width: int) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 8 * 2**20)
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.r_[np.arange(10_000), np.arange(200)])
    features = rng.standard_normal((len(labels), width)).astype(np.float32)
    tracemalloc.start()
    found = transrate(features, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found > 0
    assert peak < 40 * 2**20


def test_large_classes_use_their_smaller_side(monkeypatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 2**20)
    rng = np.random.default_rng(0)
    for shape in ((20_000, 3), (300, 1_500)):
        features, labels = rng.standard_normal(shape), np.arange(shape[0]) % 2
        tracemalloc.start()
        transrate(features, labels)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 12 * 2**20  # below the squares of the larger sides


@pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_other_libraries(make, shape, dtype: type) -> None:
    problem = draw_problem(1, **shape)
    features = problem.features.astype(dtype)
    for compat in (None, "authors"):
        expected = transrate(features, problem.labels, compat=compat)
        assert transrate(make(features), problem.labels, compat=compat) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("options", [{}, {"eps": 0.01}])
def test_contract(options) -> None:
    check_score("transrate", options=options)


def test_options() -> None:
    with pytest.raises(UsageError, match=r"^eps must be a finite number above 0, got 0$"):
        transrate(np.eye(4), [0, 0, 1, 1], eps=0)
    with pytest.raises(UsageError, match=r"^compat must be one of None, 'authors', got 'author'$"):
        transrate(np.eye(4), [0, 0, 1, 1], compat="author")
    with pytest.raises(HubscoutError, match=r"^labels must be given"):
        transrate(np.eye(4))
