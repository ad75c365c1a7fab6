from __future__ import annotations

import sys

import naive_scores
import numpy as np
import pytest

from hubscout.errors import UsageError
from hubscout.scores import logme
from hubscout.scores._logme_model import linear_model
from hubscout.testing import draw_problem

RNG = np.random.default_rng(7)


def indicators(codes: np.ndarray) -> np.ndarray:
    return np.eye(codes.max() + 1)[codes]


class TestEvidence:
    @pytest.mark.parametrize(
        "shape",
        [
            {"n_samples": 30, "n_features": 5},
            {"n_samples": 15, "n_features": 24},
            {"n_samples": 30, "n_features": 9, "n_dead": 4},
            {"n_samples": 20, "n_features": 20},
        ],
    )
    @pytest.mark.parametrize("seed", [0, 1])
    def test_is_the_maximum(self, shape, seed: int) -> None:
        problem = draw_problem(seed, **shape)
        expected = naive_scores.logme(problem.features, indicators(problem.labels))
        assert logme(problem.features, problem.labels) == pytest.approx(expected, abs=2e-5)

    @pytest.mark.parametrize("shape", [(30, 5), (12, 20)])
    def test_of_regression(self, shape: tuple[int, int]) -> None:
        problem = draw_problem(2, n_samples=shape[0], n_features=shape[1], signal=0.5, task="regression")
        expected = naive_scores.logme(problem.features, problem.labels)
        assert logme(problem.features, problem.labels, task="regression") == pytest.approx(expected, abs=2e-5)

    @pytest.mark.parametrize("n_features", [4, 40])
    def test_of_features_far_from_the_origin(self, n_features: int) -> None:
        problem = draw_problem(1, n_samples=25, n_features=n_features)
        features = problem.features + 20.0
        expected = naive_scores.logme(features, indicators(problem.labels))
        assert logme(features, problem.labels) == pytest.approx(expected, abs=2e-5)

    @pytest.mark.parametrize(("seed", "signal"), [(8, 0.5), (9, 2.0), (11, 2.0), (17, 0.5)])
    def test_is_the_highest_of_several_maxima(self, seed: int, signal: float) -> None:
        # On these the fixed point stops lower when it starts from the features' mean variance.
        problem = draw_problem(seed, n_samples=30, n_features=4, signal=signal)
        features = problem.features + 20.0
        expected = naive_scores.logme(features, indicators(problem.labels))
        assert logme(features, problem.labels) == pytest.approx(expected, abs=2e-5)

    def test_of_a_constant_column(self) -> None:
        problem = draw_problem(4, n_samples=30, n_features=4)
        features = np.concatenate([problem.features, np.full((30, 1), 0.7)], axis=1)
        expected = naive_scores.logme(features, indicators(problem.labels))
        assert logme(features, problem.labels) == pytest.approx(expected, abs=2e-5)

    def test_of_constant_features_is_that_of_an_intercept(self) -> None:
        codes = draw_problem(4, n_samples=30).labels
        expected = naive_scores.logme(np.ones((30, 1)), indicators(codes))
        for features in (np.ones((30, 1)), np.full((30, 4), 0.1), np.full((30, 50), -3.0)):
            assert logme(features, codes) == pytest.approx(expected, abs=2e-5)

    def test_of_no_features_is_that_of_noise(self) -> None:
        codes = draw_problem(4, n_samples=30).labels
        shares = np.bincount(codes) / 30
        expected = np.mean(-0.5 * (np.log(2 * np.pi * shares) + 1))
        assert logme(np.zeros((30, 3)), codes) == pytest.approx(expected, rel=1e-12)

    def test_of_noise_lets_the_weights_vanish(self) -> None:
        features, codes = RNG.standard_normal((40, 3)), np.arange(40) % 2
        expected = naive_scores.logme(features, indicators(codes))
        assert logme(features, codes) == pytest.approx(expected, abs=2e-5)


class TestPerfectFit:
    def test_is_finite_and_above_everything_else(self) -> None:
        codes = draw_problem(0).labels
        noise = RNG.standard_normal((60, 3))
        values = [logme(np.eye(3)[codes] + level * noise, codes) for level in (1.0, 0.1, 1e-3, 1e-6, 0.0)]
        assert np.isfinite(values).all()
        assert (np.diff(values) > 0).all()

    def test_of_regression(self) -> None:
        features = RNG.standard_normal((40, 5))
        targets = features @ RNG.standard_normal((5, 2))
        noisy = [
            logme(features, targets + level * RNG.standard_normal((40, 2)), task="regression")
            for level in (1.0, 1e-2, 1e-4, 0.0)
        ]
        assert np.isfinite(noisy).all()
        assert (np.diff(noisy) > 0).all()

    def test_with_more_features_than_samples(self) -> None:
        features, codes = RNG.standard_normal((20, 50)), np.arange(20) % 2
        expected = naive_scores.logme(features, indicators(codes))
        assert logme(features, codes) == pytest.approx(expected, abs=1e-4)


class TestCompat:
    @pytest.mark.parametrize("task", ["classification", "regression"])
    def test_is_near_the_sound_value_where_samples_suffice(self, task) -> None:
        problem = draw_problem(0, n_samples=200, task=task)
        found = logme(problem.features, problem.labels, task=task, compat="authors")
        assert found == pytest.approx(logme(problem.features, problem.labels, task=task), abs=1e-3)
        assert found != logme(problem.features, problem.labels, task=task)

    def test_depends_on_the_scale_where_the_default_does_not(self) -> None:
        problem = draw_problem(0)
        scaled = 1e4 * problem.features
        assert logme(scaled, problem.labels) == pytest.approx(logme(problem.features, problem.labels), rel=1e-9)
        published = logme(problem.features, problem.labels, compat="authors")
        assert logme(scaled, problem.labels, compat="authors") != pytest.approx(published, rel=1e-3)

    def test_another_word_is_refused(self) -> None:
        problem = draw_problem(0)
        with pytest.raises(UsageError, match="compat must be one of None, 'authors', got 'thuml'"):
            logme(problem.features, problem.labels, compat="thuml")


@pytest.mark.parametrize("shape", [{}, {"n_samples": 20, "n_features": 40}, {"n_dead": 3}])
def test_the_grid_of_starts_is_the_evidence(shape) -> None:
    module = sys.modules["hubscout.scores.logme"]  # the package's name is the function's
    model = linear_model(draw_problem(1, **shape).statistics())
    ratios = np.array([1e-3, 1.0, 1e4])
    expected = [module._profile(model, np.full(len(model.totals), ratio)).per_target for ratio in ratios]
    np.testing.assert_allclose(model.grid(ratios), expected, rtol=1e-7, atol=1e-7)
