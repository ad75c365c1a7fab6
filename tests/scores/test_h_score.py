from __future__ import annotations

import sys

import naive_scores
import numpy as np
import pytest

from hubscout.scores import get_spec, h_score, h_score_shrunk
from hubscout.stats import Statistics, passes
from hubscout.testing import draw_problem

module = sys.modules["hubscout.scores.h_score"]  # the package's name is the function's

SHAPES = [
    {"n_samples": 50, "n_features": 6},
    {"n_samples": 80, "n_features": 12, "n_classes": 9, "n_dead": 5},
    {"n_samples": 20, "n_features": 35},
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1])
def test_h_score_equals_the_pseudo_inverse(shape, seed: int) -> None:
    problem = draw_problem(seed, **shape)
    expected = naive_scores.h_score(problem.features, problem.labels)
    assert h_score(problem.features, problem.labels) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1])
def test_shrunk_equals_scikit_learns_ledoit_wolf(shape, seed: int) -> None:
    problem = draw_problem(seed, **shape)
    expected = naive_scores.h_score_shrunk(problem.features, problem.labels)
    assert h_score_shrunk(problem.features, problem.labels) == pytest.approx(expected, rel=1e-9)


def test_h_score_is_the_number_of_classes_less_one_for_few_samples() -> None:
    problem = draw_problem(n_samples=20, n_features=30, n_classes=4, signal=0)
    assert h_score(problem.features, problem.labels) == pytest.approx(3)
    assert h_score_shrunk(problem.features, problem.labels) < 2.5


def test_without_a_signal_it_is_as_stated() -> None:
    rng = np.random.default_rng(0)
    found = [h_score(rng.standard_normal((101, 10)), rng.integers(0, 3, 101)) for _ in range(300)]
    # (C - 1) rank / (N - 1), and the standard error of a mean of 300
    assert np.mean(found) == pytest.approx(2 * 10 / 100, abs=4 * np.std(found) / 300**0.5)


def test_shrunk_stays_in_its_stated_range() -> None:
    for seed in range(20):
        problem = draw_problem(seed, n_samples=5, n_features=3, n_classes=3, signal=5)
        assert 0 <= h_score_shrunk(problem.features, problem.labels) <= 2 * 5 / 4


@pytest.mark.parametrize("score", [h_score, h_score_shrunk])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_constant_features_give_zero(score, value: float) -> None:
    assert score(np.full((20, 4), value), np.arange(20) % 2) == 0.0


class TestFactor:
    """The way by a triangular factor, for many features whose spectrum is not known."""

    @pytest.fixture(autouse=True)
    def _many_features(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_MANY_FEATURES", 2)

    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_equals_the_spectrum(self, seed: int) -> None:
        problem = draw_problem(seed, n_samples=120, n_classes=5)
        statistics = problem.statistics()
        value = module._by_factor(statistics)
        assert value == pytest.approx(h_score(problem.features, problem.labels), rel=1e-12)
        statistics.spectrum()
        assert module._by_factor(statistics) is None
        found = get_spec("h_score").estimate(statistics)
        assert found.value == pytest.approx(value, rel=1e-10)
        assert get_spec("h_score").estimate(problem.statistics()).terms() == pytest.approx(found.terms(), abs=1e-9)

    def test_float32_sums_where_they_are_allowed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 0)
        problem = draw_problem(0, n_samples=300)
        single = module._by_factor(Statistics(problem.features.astype(np.float32), problem.labels))
        monkeypatch.undo()
        assert single == pytest.approx(h_score(problem.features, problem.labels), rel=1e-5)

    @pytest.mark.parametrize("shape", [{"n_dead": 3}, {"n_samples": 8, "n_features": 8}])
    def test_singular_or_steep_features_take_the_spectrum(self, shape) -> None:
        problem = draw_problem(0, **shape)
        assert module._by_factor(problem.statistics()) is None
        steep = problem.features * 10.0 ** -np.arange(problem.features.shape[1])
        assert module._by_factor(Statistics(steep, problem.labels)) is None
        assert np.isfinite(h_score(steep, problem.labels))
