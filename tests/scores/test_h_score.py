from __future__ import annotations

import naive_scores
import numpy as np
import pytest

from hubscout.scores import h_score, h_score_shrunk
from hubscout.testing import draw_problem

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
