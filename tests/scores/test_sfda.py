from __future__ import annotations

import json
from pathlib import Path

import array_api_strict
import naive_discriminants as naive
import numpy as np
import pytest
import torch

from hubscout.errors import UsageError
from hubscout.scores import get_spec
from hubscout.scores.discriminant import lda
from hubscout.scores.sfda import sfda
from hubscout.stats import Statistics, chunks, passes
from hubscout.stats.folds import fold_codes
from hubscout.testing import check_invariance, check_score, draw_problem

FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = json.loads((FOLDER / "golden.json").read_text())
SHAPES = [
    {"n_samples": 70, "n_features": 5},
    {"n_samples": 25, "n_features": 40},
    {"n_samples": 60, "n_features": 9, "n_dead": 4, "n_classes": 7, "signal": 0.3},
    {"n_samples": 40, "n_features": 40, "n_classes": 12, "signal": 0.2},
]


def noise(seed: int, *, n_samples: int = 600, n_features: int = 100, n_classes: int = 5, signal: float = 0.0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_samples) % n_classes)
    means = signal * rng.standard_normal((n_classes, n_features))
    return rng.standard_normal((n_samples, n_features)) + means[labels], labels


class TestValue:
    @pytest.mark.parametrize("case", sorted(GOLDEN))
    def test_compat_is_the_published_number(self, case: str) -> None:
        with np.load(FOLDER / "golden.npz") as arrays:
            features, labels = arrays[f"{case}/features"], arrays[f"{case}/labels"]
        assert sfda(features, labels, compat="authors") == pytest.approx(GOLDEN[case]["sfda"], rel=1e-9)

    @pytest.mark.parametrize("shape", SHAPES)
    def test_equals_the_naive_way(self, shape) -> None:
        for seed in range(3):
            problem = draw_problem(seed, **shape)
            features, codes = problem.features, problem.labels
            harder, model = naive.challenged(features, codes, naive.rank_of(features))
            expected = naive.own_posteriors(harder, codes, model).mean()
            assert sfda(features, codes) == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("shape", SHAPES[:3])
    def test_folds_are_scored_as_they_are_by_the_others(self, shape) -> None:
        problem = draw_problem(1, **{"signal": 0.5, **shape})
        # Every class in every training set, for the naive way.
        features, codes = problem.features, np.sort(problem.labels % 3)
        rank, folds = naive.rank_of(features), fold_codes(codes, len(codes), 3, 5)
        found = np.zeros(len(codes))
        for fold in range(3):
            seen, held_out = folds != fold, folds == fold
            _, model = naive.challenged(features[seen], codes[seen], rank)
            found[held_out] = naive.own_posteriors(features[held_out], codes[held_out], model)
        assert sfda(features, codes, cross_fit=3, seed=5) == pytest.approx(found.mean(), rel=1e-6)

    @pytest.mark.parametrize("cross_fit", [None, 4])
    def test_is_the_same_in_small_chunks(self, monkeypatch: pytest.MonkeyPatch, cross_fit) -> None:
        problem = draw_problem(0, n_samples=50, n_features=6)
        plain = get_spec("sfda").estimate(problem.statistics(), cross_fit=cross_fit)
        value, terms = plain.value, plain.terms()
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 700)
        estimate = get_spec("sfda").estimate(problem.statistics(), cross_fit=cross_fit)
        assert estimate.value == pytest.approx(value, rel=1e-9)
        np.testing.assert_allclose(estimate.terms(), terms, rtol=1e-7, atol=1e-9)

    @pytest.mark.parametrize("cross_fit", [None, 3])
    @pytest.mark.parametrize("shape", [{"n_samples": 300, "n_features": 30}, {"n_samples": 60, "n_features": 90}])
    def test_large_features_in_single_precision(self, monkeypatch: pytest.MonkeyPatch, shape, cross_fit) -> None:
        problem = draw_problem(0, n_classes=6, signal=0.5, **shape)
        features = problem.features.astype(np.float32)
        exact = sfda(features, problem.labels, cross_fit=cross_fit)
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 1)
        found = sfda(features, problem.labels, cross_fit=cross_fit)
        assert found == pytest.approx(exact, rel=1e-5)
        assert found != exact

    def test_hardly_shrunk_covariances_are_summed_in_double_precision(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Two columns that are nearly one leave a variance below the rounding of float32, and nothing is added to it.
        features, labels = noise(0, n_samples=400, n_features=20, signal=0.5)
        features[:, 1] = features[:, 0] + 1e-4 * features[:, 1]
        features = (1e3 * features).astype(np.float32)
        exact = sfda(features, labels, compat="authors")
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 1)
        assert sfda(features, labels, compat="authors") == pytest.approx(exact, rel=1e-4)

    def test_mixing_makes_hard_samples_harder(self) -> None:
        features, labels = noise(0, n_features=20, signal=0.3)
        assert sfda(features, labels) < lda(features, labels)


class TestChance:
    @pytest.mark.parametrize(("n_features", "n_classes"), [(64, 10), (200, 5)])
    def test_noise_scores_as_chance_when_held_out(self, n_features: int, n_classes: int) -> None:
        found = []
        for seed in range(6):
            features, labels = noise(seed, n_features=n_features, n_classes=n_classes)
            found.append(sfda(features, labels, cross_fit=5, seed=seed))
        error = np.std(found, ddof=1) / 6**0.5
        assert abs(np.mean(found) - 1 / n_classes) < 4 * max(error, 0.002)

    def test_signal_is_above_chance(self) -> None:
        assert sfda(*noise(0, signal=0.3), cross_fit=5) > 0.5

    def test_only_the_published_number_takes_noise_for_a_perfect_model(self) -> None:
        features, labels = noise(0, n_samples=100, n_features=200)
        assert sfda(10 * features, labels, compat="authors") > 0.999
        assert sfda(10 * features, labels, cross_fit=5) < 0.4


class TestContract:
    def test_check_score(self) -> None:
        check_score("sfda")

    def test_the_published_number_depends_on_the_scale(self) -> None:
        problem = draw_problem(0)
        for invariance in ("sample_order", "label_names", "translation", "duplication"):
            check_invariance("sfda", problem, invariance, options={"compat": "authors"})
        small, large = (sfda(scale * problem.features, problem.labels, compat="authors") for scale in (0.01, 10))
        assert large > small + 0.1

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"compat": "paper"}, "compat must be one of None, 'authors', got 'paper'"),
            ({"cross_fit": 0}, "cross_fit must be a whole number of at least 2, got 0"),
            (
                {"compat": "authors", "cross_fit": 5},
                "cross_fit must be None with compat='authors', got 5; leave one of them out",
            ),
        ],
    )
    def test_bad_options(self, options, text: str) -> None:
        problem = draw_problem(0)
        with pytest.raises(UsageError) as error:
            sfda(problem.features, problem.labels, **options)
        assert str(error.value) == text

    @pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
    @pytest.mark.parametrize("shape", [{}, {"n_samples": 25, "n_features": 40, "n_classes": 5}])
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("options", [{}, {"cross_fit": 3}, {"compat": "authors"}])
    def test_other_array_libraries(self, make, shape, dtype: type, options) -> None:
        problem = draw_problem(1, **shape)
        features = problem.features.astype(dtype)
        expected, found = (
            get_spec("sfda").estimate(Statistics(array, problem.labels), **options)
            for array in (features, make(features))
        )
        assert found.value == pytest.approx(expected.value, rel=1e-9)
        if expected.terms is not None:
            np.testing.assert_allclose(found.terms(), expected.terms(), rtol=1e-6, atol=1e-8)


class TestDegenerate:
    @pytest.mark.parametrize("options", [{}, {"cross_fit": 4}, {"compat": "authors"}])
    @pytest.mark.parametrize("shape", [(40, 3), (40, 60)])
    @pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
    def test_constant_features_leave_the_prior(self, options, shape, value: float) -> None:
        labels = np.repeat([0, 1, 2], [20, 12, 8])
        assert sfda(np.full(shape, value), labels, **options) == pytest.approx(0.38, abs=1e-12)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 2}, {"compat": "authors"}])
    def test_classes_that_are_points(self, options) -> None:
        labels = np.arange(40) % 4
        points = np.random.default_rng(0).standard_normal((4, 5))[labels] + 0.1
        assert sfda(points, labels, **options) == pytest.approx(1.0)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 2}, {"compat": "authors"}])
    def test_fewer_samples_than_classes_can_use(self, options) -> None:
        rng = np.random.default_rng(0)
        for n_samples, width in ((3, 4), (11, 1), (11, 30)):
            labels = np.r_[0, np.arange(n_samples - 1)]
            features = rng.standard_normal((n_samples, width))
            estimate = get_spec("sfda").estimate(Statistics(features, labels), **options)
            assert 0 <= estimate.value <= 1
            assert estimate.terms is None or np.isfinite(estimate.terms()).all()

    def test_a_training_set_of_one_class(self) -> None:
        # Held out, the only sample of the other class is never predicted, and the rest always.
        features = np.random.default_rng(0).standard_normal((8, 3))
        estimate = get_spec("sfda").estimate(Statistics(features, [0] * 7 + [1]), cross_fit=2)
        assert estimate.terms is not None
        assert 0 <= estimate.value <= 1

    def test_one_sample_over_and_over(self) -> None:
        features = np.repeat(np.random.default_rng(0).standard_normal((2, 6)), [39, 1], axis=0)
        labels = np.repeat([0, 1, 2], [20, 12, 8])
        assert np.isfinite(sfda(features, labels))


def test_the_published_number_has_no_standard_error() -> None:
    assert draw_problem(0).estimate(get_spec("sfda"), compat="authors").standard_error() is None


@pytest.mark.parametrize("options", [{}, {"cross_fit": 5}])
def test_standard_errors_are_those_of_fresh_samples(options) -> None:
    pool = draw_problem(3, n_samples=8_000, signal=0.8)
    found = [
        get_spec("sfda").estimate(pool.rows(np.arange(i, i + 100)).statistics(), **options)
        for i in range(0, 8_000, 100)
    ]
    true = np.std([estimate.value for estimate in found], ddof=1)
    assert np.mean([estimate.standard_error() for estimate in found]) == pytest.approx(true, rel=0.3)
