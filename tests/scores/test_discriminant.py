from __future__ import annotations

import array_api_strict
import naive_discriminants as naive
import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf_shrinkage

from hubscout.errors import DataError, UsageError
from hubscout.scores import get_spec
from hubscout.scores._discriminant_space import Space, TrainingSet
from hubscout.scores._pooled_discriminant import ledoit_wolf
from hubscout.scores.discriminant import lda
from hubscout.stats import Statistics, chunks, passes
from hubscout.stats.folds import fold_codes
from hubscout.testing import check_score, draw_problem

SHAPES = [
    {"n_samples": 70, "n_features": 5},
    {"n_samples": 25, "n_features": 40},
    {"n_samples": 60, "n_features": 9, "n_dead": 4, "n_classes": 7, "signal": 0.3},
    {"n_samples": 12, "n_features": 6, "n_classes": 10},
]


def noise(seed: int, *, n_samples: int = 600, n_features: int = 100, n_classes: int = 5, signal: float = 0.0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_samples) % n_classes)
    means = signal * rng.standard_normal((n_classes, n_features))
    return rng.standard_normal((n_samples, n_features)) + means[labels], labels


class TestValue:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("shrinkage", [None, 0.05, 1.0])
    def test_equals_the_naive_way(self, shape, shrinkage) -> None:
        for seed in range(3):
            problem = draw_problem(seed, **shape)
            features, labels = problem.features, problem.labels
            rank = naive.rank_of(features)
            amount = naive.ledoit_wolf(features, labels, rank) if shrinkage is None else shrinkage
            codes = np.unique(labels, return_inverse=True)[1]
            expected = naive.own_posteriors(features, codes, naive.fit(features, labels, amount, rank)).mean()
            assert lda(features, labels, shrinkage=shrinkage) == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("seed", range(3))
    def test_the_amount_is_that_of_scikit_learn(self, seed: int) -> None:
        problem = draw_problem(seed, n_samples=80)
        statistics = problem.statistics()
        found = ledoit_wolf(TrainingSet.whole(Space(statistics))).amount
        means = naive.class_moments(problem.features, problem.labels)[0]
        residuals = problem.features - means[problem.labels]
        assert found == pytest.approx(ledoit_wolf_shrinkage(residuals, assume_centered=True), rel=1e-9)
        assert 0 < found < 1

    @pytest.mark.parametrize("shape", [*SHAPES[:3], {"n_samples": 30, "n_features": 6, "n_classes": 14}])
    def test_folds_are_scored_by_the_others(self, shape) -> None:
        problem = draw_problem(1, **shape)
        features, codes = problem.features, problem.labels
        rank = naive.rank_of(features)
        folds = fold_codes(codes, len(codes), 3, 7)
        found = np.zeros(len(codes))
        for fold in range(3):
            seen, held_out = folds != fold, np.flatnonzero(folds == fold)
            amount = naive.ledoit_wolf(features[seen], codes[seen], rank)
            model = naive.fit(features[seen], codes[seen], amount, rank)
            # A class that no training sample is of is never predicted.
            present = np.unique(codes[seen]).tolist()
            known = [i for i in held_out if codes[i] in present]
            own = np.array([present.index(codes[i]) for i in known], dtype=int)
            found[known] = naive.own_posteriors(features[known], own, model)
        statistics = problem.statistics()
        estimate = get_spec("lda").estimate(statistics, cross_fit=3, seed=7)
        assert estimate.value == pytest.approx(found.mean(), rel=1e-6)

    def test_is_the_same_in_small_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(0, n_samples=50, n_features=6)
        estimates = [get_spec("lda").estimate(problem.statistics(), cross_fit=folds) for folds in (None, 4)]
        expected = [(estimate.value, estimate.terms()) for estimate in estimates]
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 700)
        for folds, (value, terms) in zip((None, 4), expected, strict=True):
            estimate = get_spec("lda").estimate(problem.statistics(), cross_fit=folds)
            assert estimate.value == pytest.approx(value, rel=1e-9)
            np.testing.assert_allclose(estimate.terms(), terms, rtol=1e-7, atol=1e-9)

    @pytest.mark.parametrize("cross_fit", [None, 3])
    def test_large_features_in_single_precision(self, monkeypatch: pytest.MonkeyPatch, cross_fit) -> None:
        problem = draw_problem(0, n_samples=300, n_features=30, n_classes=6)
        features = problem.features.astype(np.float32)
        exact = get_spec("lda").estimate(Statistics(features, problem.labels), cross_fit=cross_fit)
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 1)
        found = get_spec("lda").estimate(Statistics(features, problem.labels), cross_fit=cross_fit)
        assert found.value == pytest.approx(exact.value, rel=1e-5)
        assert found.value != exact.value
        np.testing.assert_allclose(found.terms(), exact.terms(), atol=1e-3)


class TestChance:
    @pytest.mark.parametrize(("n_features", "n_classes"), [(64, 10), (200, 5)])
    def test_noise_scores_as_chance_when_held_out(self, n_features: int, n_classes: int) -> None:
        found = []
        for seed in range(6):
            features, labels = noise(seed, n_features=n_features, n_classes=n_classes)
            found.append(lda(features, labels, cross_fit=5, seed=seed))
        error = np.std(found, ddof=1) / 6**0.5
        assert abs(np.mean(found) - 1 / n_classes) < 4 * max(error, 0.002)

    def test_in_sample_noise_is_flattered_as_the_notes_say(self) -> None:
        assert lda(*noise(0, n_features=64, n_classes=10)) == pytest.approx(0.2, abs=0.1)
        assert lda(*noise(0, n_features=200, n_classes=10)) == pytest.approx(0.5, abs=0.1)

    def test_signal_is_above_chance(self) -> None:
        assert lda(*noise(0, signal=0.3), cross_fit=5) > 0.5


class TestContract:
    def test_check_score(self) -> None:
        check_score("lda")
        check_score("lda", options={"shrinkage": 0.1}, seeds=(3,))

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"shrinkage": 1.5}, "shrinkage must be a finite number at least 0 and at most 1, got 1.5"),
            ({"shrinkage": "some"}, "shrinkage must be a finite number at least 0 and at most 1, got 'some'"),
            ({"cross_fit": 1}, "cross_fit must be a whole number of at least 2, got 1"),
            (
                {"cross_fit": 61},
                "cross_fit must be at most the number of samples, 60, got 61; ask for fewer folds",
            ),
            ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ],
    )
    def test_bad_options(self, options, text: str) -> None:
        problem = draw_problem(0)
        with pytest.raises(UsageError) as error:
            lda(problem.features, problem.labels, **options)
        assert str(error.value) == text

    def test_bad_values_are_found(self) -> None:
        problem = draw_problem(0)
        problem.features[3, 2] = np.nan
        with pytest.raises(DataError, match=r"^features must be finite: row 3, column 2 is nan"):
            lda(problem.features, problem.labels)

    @pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
    @pytest.mark.parametrize("shape", [{}, {"n_samples": 25, "n_features": 40, "n_classes": 5}])
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("cross_fit", [None, 3])
    def test_other_array_libraries(self, make, shape, dtype: type, cross_fit) -> None:
        problem = draw_problem(1, **shape)
        features = problem.features.astype(dtype)
        expected, found = (
            get_spec("lda").estimate(Statistics(array, problem.labels), cross_fit=cross_fit)
            for array in (features, make(features))
        )
        assert found.value == pytest.approx(expected.value, rel=1e-9)
        np.testing.assert_allclose(found.terms(), expected.terms(), rtol=1e-6, atol=1e-8)


class TestDegenerate:
    @pytest.mark.parametrize("cross_fit", [None, 4])
    @pytest.mark.parametrize("shape", [(40, 3), (40, 60)])
    @pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
    def test_constant_features_leave_the_prior(self, cross_fit, shape, value: float) -> None:
        labels = np.repeat([0, 1, 2], [20, 12, 8])
        assert lda(np.full(shape, value), labels, cross_fit=cross_fit) == pytest.approx(0.38, abs=1e-12)

    @pytest.mark.parametrize("cross_fit", [None, 2])
    def test_classes_that_are_points(self, cross_fit) -> None:
        labels = np.arange(40) % 4
        points = np.random.default_rng(0).standard_normal((4, 5))[labels] + 0.1
        assert lda(points, labels, cross_fit=cross_fit) == pytest.approx(1.0)

    def test_points_that_classes_share_are_split_by_priors(self) -> None:
        # Two points; on each of them two classes, in shares of 3 to 1.
        labels = np.repeat([0, 1, 2, 3], [30, 10, 30, 10])
        features = np.array([[0.3, 0.1], [0.3, 0.1], [-2.0, 5.0], [-2.0, 5.0]])[labels]
        assert lda(features, labels) == pytest.approx(0.75**2 + 0.25**2, rel=1e-6)

    @pytest.mark.parametrize("cross_fit", [None, 2])
    @pytest.mark.parametrize("shrinkage", [None, 0.0])
    def test_fewer_samples_than_classes_can_use(self, cross_fit, shrinkage) -> None:
        rng = np.random.default_rng(0)
        for n_samples, width in ((3, 4), (11, 1), (11, 30)):
            labels = np.r_[0, np.arange(n_samples - 1)]
            features = rng.standard_normal((n_samples, width))
            estimate = get_spec("lda").estimate(Statistics(features, labels), cross_fit=cross_fit, shrinkage=shrinkage)
            assert 0 <= estimate.value <= 1
            assert np.isfinite(estimate.terms()).all()

    def test_one_sample_over_and_over(self) -> None:
        features = np.repeat(np.random.default_rng(0).standard_normal((2, 6)), [39, 1], axis=0)
        labels = np.repeat([0, 1, 2], [20, 12, 8])
        # 39 of 40 samples are one point that three classes share: nearly the prior, far from 1.
        assert 0.3 < lda(features, labels) < 0.5


class TestTerms:
    @pytest.mark.parametrize("shrinkage", [0.0, 0.3])
    def test_influence_is_exact_with_a_fixed_amount(self, shrinkage: float) -> None:
        problem = draw_problem(4, n_samples=60, n_features=3, signal=0.8)
        terms = get_spec("lda").estimate(problem.statistics(), shrinkage=shrinkage).terms()
        copies = np.tile(np.arange(60), 9)  # copies of all change nothing, and make one more of one a small step
        more, less = (
            np.array([lda(*_rows(problem, change(i)), shrinkage=shrinkage) for i in range(60)])
            for change in (lambda i: np.append(copies, i), lambda i: np.delete(copies, i))
        )
        influence = len(copies) * (more - less) / 2
        away = terms - terms.mean()
        assert np.linalg.norm(away - (influence - influence.mean())) < 0.01 * np.linalg.norm(away)

    @pytest.mark.parametrize("cross_fit", [None, 5])
    def test_standard_errors_are_those_of_fresh_samples(self, cross_fit) -> None:
        pool = draw_problem(3, n_samples=8_000, signal=0.8)
        found = [
            get_spec("lda").estimate(pool.rows(np.arange(i, i + 100)).statistics(), cross_fit=cross_fit)
            for i in range(0, 8_000, 100)
        ]
        true = np.std([estimate.value for estimate in found], ddof=1)
        assert np.mean([estimate.standard_error() for estimate in found]) == pytest.approx(true, rel=0.3)


def _rows(problem, rows):
    return problem.features[rows], problem.labels[rows]


@pytest.mark.parametrize("name", ["lda", "sfda", "ped"])
def test_one_sample_with_nearly_all_of_the_spread(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 0)
    features, labels = noise(0, n_samples=300, n_features=60, signal=0.5)
    features /= np.arange(1, 61) ** 0.7
    features[0] *= 1e4
    estimate = get_spec(name).estimate
    expected = estimate(Statistics(features, labels), cross_fit=5).value
    found = estimate(Statistics(features.astype(np.float32), labels), cross_fit=5).value
    # Rounding of that sample hides much of the others: less is found, and nothing that is not there.
    assert 0.15 < found < expected + 0.05
