from __future__ import annotations

import array_api_strict
import naive_discriminants as naive
import numpy as np
import pytest
import torch

from hubscout.errors import UsageError
from hubscout.scores import get_spec
from hubscout.scores.ped import _step, ped
from hubscout.scores.sfda import sfda
from hubscout.stats import Statistics, chunks, passes
from hubscout.stats.folds import fold_codes
from hubscout.testing import check_score, draw_problem

SHAPES = [
    {"n_samples": 70, "n_features": 5, "signal": 0.2},
    {"n_samples": 25, "n_features": 40, "signal": 0.2},
    {"n_samples": 60, "n_features": 9, "n_dead": 4, "n_classes": 7, "signal": 0.3},
]
OPTIONS = [{}, {"dt": 0.8, "er": 0.9}, {"dt": 5.0, "ns": 1.5}, {"er": 1.0}, {"k": 8.0, "ns": 0.3}]


def noise(seed: int, *, n_samples: int = 600, n_features: int = 100, n_classes: int = 5, signal: float = 0.0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_samples) % n_classes)
    means = signal * rng.standard_normal((n_classes, n_features))
    return rng.standard_normal((n_samples, n_features)) + means[labels], labels


class TestValue:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("options", OPTIONS)
    def test_equals_the_naive_way(self, shape, options) -> None:
        for seed in range(2):
            problem = draw_problem(seed, **shape)
            features, codes = problem.features, problem.labels
            rank = naive.rank_of(features)
            moved = naive.pushed(features, codes, **options)
            harder, model = naive.challenged(moved, codes, rank, naive.ledoit_wolf(features, codes, rank))
            expected = naive.own_posteriors(harder, codes, model).mean()
            assert ped(features, codes, **options) == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("shape", SHAPES[:2])
    def test_folds_are_scored_as_they_are_by_the_others(self, shape) -> None:
        problem = draw_problem(1, **shape)
        features, codes = problem.features, np.sort(problem.labels)
        rank, folds = naive.rank_of(features), fold_codes(codes, len(codes), 3, 5)
        found = np.zeros(len(codes))
        for fold in range(3):
            seen, held_out = folds != fold, folds == fold
            amount = naive.ledoit_wolf(features[seen], codes[seen], rank)
            _, model = naive.challenged(naive.pushed(features[seen], codes[seen], dt=1.0), codes[seen], rank, amount)
            found[held_out] = naive.own_posteriors(features[held_out], codes[held_out], model)
        assert ped(features, codes, cross_fit=3, seed=5, dt=1.0) == pytest.approx(found.mean(), rel=1e-6)

    @pytest.mark.parametrize("limit", [1, 3_000, 10**8])
    def test_a_step_is_the_same_in_any_blocks(self, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", limit)
        means = np.random.default_rng(0).standard_normal((30, 4))
        radii = np.random.default_rng(1).uniform(0, 2, 30)
        expected = np.zeros_like(means)
        for i in range(30):
            for j in range(30):
                way = means[i] - means[j]
                if i != j:
                    expected[i] += 0.3 * max(radii[i] + radii[j] - np.linalg.norm(way), 0) * way / np.linalg.norm(way)
        np.testing.assert_allclose(_step(means, radii, 0.3), expected, atol=1e-12)

    def test_is_the_same_in_small_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(0, n_samples=50, n_features=6, signal=0.3)
        value = ped(problem.features, problem.labels)
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 700)
        assert ped(problem.features, problem.labels) == pytest.approx(value, rel=1e-9)

    def test_large_features_in_single_precision(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(0, n_samples=300, n_features=30, n_classes=6, signal=0.5)
        features = problem.features.astype(np.float32)
        exact = ped(features, problem.labels)
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 1)
        assert ped(features, problem.labels) == pytest.approx(exact, rel=1e-5)

    def test_classes_that_do_not_overlap_stay(self) -> None:
        problem = draw_problem(0, signal=8.0)
        apart = problem.features, problem.labels
        assert ped(*apart, ns=0.01) == sfda(*apart)

    def test_a_push_separates_even_noise_as_the_notes_say(self) -> None:
        features, labels = noise(0, n_features=20)
        values = [sfda(features, labels), ped(features, labels), ped(features, labels, dt=1.0)]
        assert values == sorted(values)
        assert values[2] > 0.95


class TestChance:
    @pytest.mark.parametrize(("n_features", "n_classes"), [(64, 10), (200, 5)])
    def test_noise_scores_as_chance_when_held_out(self, n_features: int, n_classes: int) -> None:
        found = []
        for seed in range(6):
            features, labels = noise(seed, n_features=n_features, n_classes=n_classes)
            found.append(ped(features, labels, cross_fit=5, seed=seed, dt=0.5))
        error = np.std(found, ddof=1) / 6**0.5
        assert abs(np.mean(found) - 1 / n_classes) < 4 * max(error, 0.002)

    def test_signal_is_above_chance(self) -> None:
        assert ped(*noise(0, signal=0.3), cross_fit=5) > 0.5


class TestContract:
    def test_check_score(self) -> None:
        check_score("ped")
        check_score("ped", options={"dt": 1.0, "er": 0.1}, seeds=(3,))

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"dt": 0.0}, "dt must be a finite number above 0, got 0.0"),
            ({"er": 1.1}, "er must be a finite number at least 0 and at most 1, got 1.1"),
            ({"ns": -1}, "ns must be a finite number above 0, got -1"),
            ({"k": float("nan")}, "k must be a finite number above 0, got nan"),
            ({"cross_fit": 2.0}, "cross_fit must be a whole number of at least 2, got 2.0"),
        ],
    )
    def test_bad_options(self, options, text: str) -> None:
        problem = draw_problem(0)
        with pytest.raises(UsageError) as error:
            ped(problem.features, problem.labels, **options)
        assert str(error.value) == text

    @pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
    @pytest.mark.parametrize("shape", [{}, {"n_samples": 25, "n_features": 40, "n_classes": 5}])
    @pytest.mark.parametrize("options", [{}, {"cross_fit": 3}])
    def test_other_array_libraries(self, make, shape, options) -> None:
        problem = draw_problem(1, **shape)
        expected, found = (
            get_spec("ped").estimate(Statistics(array, problem.labels), **options)
            for array in (problem.features, make(problem.features))
        )
        assert found.value == pytest.approx(expected.value, rel=1e-9)
        np.testing.assert_allclose(found.terms(), expected.terms(), rtol=1e-6, atol=1e-8)


class TestDegenerate:
    @pytest.mark.parametrize("cross_fit", [None, 4])
    @pytest.mark.parametrize("shape", [(40, 3), (40, 60)])
    @pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
    def test_constant_features_leave_the_prior(self, cross_fit, shape, value: float) -> None:
        labels = np.repeat([0, 1, 2], [20, 12, 8])
        assert ped(np.full(shape, value), labels, cross_fit=cross_fit) == pytest.approx(0.38, abs=1e-12)

    def test_classes_that_are_the_same_point_stay_together(self) -> None:
        # Two points with two classes each, in shares of 3 to 1: nothing tells those of a point apart.
        labels = np.repeat([0, 1, 2, 3], [30, 10, 30, 10])
        features = np.array([[0.3, 0.1], [0.3, 0.1], [-2.0, 5.0], [-2.0, 5.0]])[labels]
        assert ped(features, labels) == pytest.approx(sfda(features, labels), rel=1e-9)

    @pytest.mark.parametrize("cross_fit", [None, 2])
    def test_fewer_samples_than_classes_can_use(self, cross_fit) -> None:
        rng = np.random.default_rng(0)
        for n_samples, width in ((3, 4), (11, 1), (11, 30)):
            labels = np.r_[0, np.arange(n_samples - 1)]
            features = rng.standard_normal((n_samples, width))
            estimate = get_spec("ped").estimate(Statistics(features, labels), cross_fit=cross_fit)
            assert 0 <= estimate.value <= 1
            assert np.isfinite(estimate.terms()).all()

    def test_ten_thousand_classes_need_no_square_of_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import tracemalloc

        monkeypatch.setattr(chunks, "CHUNK_BYTES", 8 * 2**20)
        means = np.random.default_rng(0).standard_normal((10_000, 3))
        tracemalloc.start()
        step = _step(means, np.full(10_000, 0.2), 0.1)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert step.any()
        assert peak < 12 * 2**20


def test_a_step_of_any_time_is_at_most_the_whole_overlap() -> None:
    features, labels = noise(0, n_samples=60, n_features=8)
    assert ped(features, labels, dt=1e300) == ped(features, labels, dt=1e3)
