from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import array_api_strict
import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax

from hubscout.errors import DataError, UsageError
from hubscout.scores import get_spec
from hubscout.scores.etran import energy, etran
from hubscout.stats import chunks
from hubscout.stats.folds import fold_codes
from hubscout.testing import check_score, draw_problem

GOLDEN = Path(__file__).parents[1] / "golden"
VALUES = json.loads((GOLDEN / "golden.json").read_text())
CLASSES = draw_problem(1, n_samples=50, n_features=6, n_classes=4)
SHAPES = [{}, {"n_samples": 30, "n_features": 45}, {"n_dead": 3}, {"n_samples": 80, "n_classes": 12}]


def golden(case: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "golden.npz") as arrays:
        return {name.removeprefix(f"{case}/"): arrays[name] for name in arrays if name.startswith(f"{case}/")}


def variance_within(features, labels) -> float:
    away = np.concatenate([features[labels == c] - features[labels == c].mean(axis=0) for c in np.unique(labels)])
    covariance = away.T @ away / (len(labels) - len(np.unique(labels)))
    return np.trace(covariance @ covariance) / np.trace(covariance)


def posterior(features, labels, fitted, i: int, variance: float, shares) -> float:
    """Of the own class of sample i, by the class means of some other samples."""
    logits = []
    for c, share in enumerate(shares):
        rows = fitted & (labels == c)
        if not rows.any() or share == 0:
            logits.append(-np.inf)
            continue
        away = features[i] - features[rows].mean(axis=0)
        logits.append(-away @ away / (2 * variance) + np.log(share))
    return softmax(logits)[labels[i]] if np.isfinite(logits[labels[i]]) else 0.0


def left_out(features, labels) -> np.ndarray:
    n, shares = len(labels), np.bincount(labels) / len(labels)
    variance = variance_within(features, labels)
    found = np.empty(n)
    for i in range(n):
        # Only the own class loses the sample.
        fitted = np.arange(n) != i
        found[i] = posterior(features, labels, fitted, i, variance, shares)
    return found


class TestClassification:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_is_the_posterior_without_the_sample(self, shape, seed: int) -> None:
        problem = draw_problem(seed, signal=0.7, **shape)
        assert etran(problem.features, problem.labels) == pytest.approx(
            left_out(problem.features, problem.labels).mean(), rel=1e-9
        )

    @pytest.mark.parametrize("case", sorted(VALUES))
    def test_compat_is_the_published_value(self, case: str) -> None:
        data = golden(case)
        found = etran(data["features"], data["labels"], compat="authors")
        assert found == pytest.approx(VALUES[case]["etran_classification"], rel=1e-6)

    def test_compat_depends_on_the_scale_and_the_default_does_not(self) -> None:
        features, labels = CLASSES.features, CLASSES.labels
        plain, scaled = (etran(factor * features, labels) for factor in (1, 100))
        assert scaled == pytest.approx(plain, rel=1e-9)
        plain, scaled = (etran(factor * features, labels, compat="authors") for factor in (1, 100))
        assert abs(scaled - plain) > 0.05

    @pytest.mark.parametrize("shape", [{}, {"n_samples": 40, "n_features": 60}])
    def test_cross_fit_scores_each_fold_by_the_others(self, shape) -> None:
        problem = draw_problem(2, signal=0.7, **shape)
        features, labels = problem.features, problem.labels
        folds = fold_codes(labels, len(labels), 3, 5)
        variance = variance_within(features, labels)
        expected = []
        for i in range(len(labels)):
            fitted = folds != folds[i]
            shares = np.bincount(labels[fitted], minlength=labels.max() + 1) / fitted.sum()
            expected.append(posterior(features, labels, fitted, i, variance, shares))
        found = etran(features, labels, cross_fit=3, seed=5)
        assert found == pytest.approx(np.mean(expected), rel=1e-9)
        assert found != etran(features, labels, cross_fit=3, seed=6)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 5}])
    @pytest.mark.parametrize(("width", "n_classes"), [(64, 5), (200, 10)])
    def test_noise_is_at_chance(self, options, width: int, n_classes: int) -> None:
        found, plain, chance = [], [], []
        for seed in range(8):
            rng = np.random.default_rng(seed)
            labels, features = rng.integers(0, n_classes, 600), rng.standard_normal((600, width))
            found.append(etran(features, labels, **options))
            chance.append(np.sum((np.bincount(labels) / 600) ** 2))
            plain.append(etran(features, labels, compat="authors"))
        error = np.std(found, ddof=1) / 8**0.5
        assert np.mean(found) == pytest.approx(np.mean(chance), abs=4 * error)
        assert np.mean(plain) > np.mean(chance) + 10 * error  # the class means have seen what they score

    def test_a_signal_is_above_chance(self) -> None:
        problem = draw_problem(0, n_samples=300, n_features=20, signal=0.5)
        chance = np.sum((np.bincount(problem.labels) / 300) ** 2)
        for options in ({}, {"cross_fit": 5}):
            assert etran(problem.features, problem.labels, **options) > chance + 0.1


class TestRegression:
    @pytest.mark.parametrize(
        "shape",
        [
            {"n_samples": 40, "n_features": 6},
            {"n_samples": 20, "n_features": 30},
            {"n_samples": 12, "n_features": 9, "n_dead": 5},
            {"n_samples": 3, "n_features": 4},
        ],
    )
    def test_is_the_error_of_refits_without_each_sample(self, shape) -> None:
        problem = draw_problem(3, task="regression", **shape)
        features, targets = problem.features, problem.labels
        n = len(targets)
        away = features - features.mean(axis=0)
        right = np.linalg.svd(away, full_matrices=False)[2]
        rank = int((np.linalg.svd(away, compute_uv=False) > 1e-9).sum())
        coordinates = away @ right[: min(rank, max((n - 1) // 2, 1))].T
        errors = []
        for i in range(n):
            rest = np.arange(n) != i
            offset, mean = targets[rest].mean(axis=0), coordinates[rest].mean(axis=0)
            slopes = np.linalg.lstsq(coordinates[rest] - mean, targets[rest] - offset, rcond=1e-10)[0]
            errors.append(np.mean((targets[i] - offset - (coordinates[i] - mean) @ slopes) ** 2))
        assert etran(features, targets, task="regression") == pytest.approx(-np.mean(errors), rel=1e-8)

    def test_a_direction_that_one_sample_has_alone_says_nothing_of_it(self) -> None:
        rng = np.random.default_rng(0)
        features, targets = np.c_[rng.standard_normal((30, 2)), np.zeros(30)], rng.standard_normal(30)
        features[4] = [0.0, 0.0, 50.0]
        errors = []
        for i in range(30):
            rest = np.arange(30) != i
            mean = features[rest].mean(axis=0)
            slopes = np.linalg.lstsq(features[rest] - mean, targets[rest] - targets[rest].mean(), rcond=1e-10)[0]
            errors.append((targets[i] - targets[rest].mean() - (features[i] - mean) @ slopes) ** 2)
        assert etran(features, targets, task="regression") == pytest.approx(-np.mean(errors), rel=1e-6)

    @pytest.mark.parametrize("shape", [{}, {"n_samples": 20, "n_features": 30}])
    def test_compat_is_the_plain_residual_of_all_features(self, shape) -> None:
        problem = draw_problem(3, task="regression", **shape)
        left = np.linalg.svd(problem.features, full_matrices=False)[0]
        residual = problem.labels - left @ (left.T @ problem.labels)
        found = etran(problem.features, problem.labels, task="regression", compat="authors")
        assert found == pytest.approx(-np.mean(residual**2), abs=1e-9)
        assert found <= 0

    @pytest.mark.parametrize("n_folds", [2, 5])
    def test_cross_fit_is_near_the_error_without_each_sample(self, n_folds: int) -> None:
        problem = draw_problem(3, n_samples=200, n_features=6, task="regression")
        plain, crossed = (
            etran(problem.features, problem.labels, task="regression", cross_fit=folds) for folds in (None, n_folds)
        )
        assert crossed == pytest.approx(plain, rel=0.1)
        assert crossed != plain

    @pytest.mark.parametrize("width", [30, 90, 110, 400])
    def test_noise_is_no_better_than_the_mean(self, width: int) -> None:
        rng = np.random.default_rng(width)
        features, targets = rng.standard_normal((100, width)), rng.standard_normal(100)
        for options in ({}, {"cross_fit": 5}):
            found = etran(features, targets, task="regression", **options)
            assert -6 * targets.var() < found < -0.9 * targets.var()


class TestEnergy:
    def test_is_the_mean_log_sum_exp(self) -> None:
        found = get_spec("energy").estimate(CLASSES.statistics())
        expected = logsumexp(CLASSES.features, axis=1)
        assert found.value == pytest.approx(expected.mean(), rel=1e-12)
        np.testing.assert_allclose(found.terms(), expected, rtol=1e-12)

    @pytest.mark.parametrize(("n_samples", "n_lowest"), [(200, 1), (399, 1), (400, 2), (1000, 5)])
    def test_compat_is_the_mean_of_the_lowest(self, n_samples: int, n_lowest: int) -> None:
        features = np.random.default_rng(0).standard_normal((n_samples, 4))
        expected = np.sort(logsumexp(features, axis=1))[:n_lowest].mean()
        assert energy(features, compat="authors") == pytest.approx(expected, rel=1e-12)

    def test_compat_needs_enough_samples(self) -> None:
        with pytest.raises(DataError) as error:
            energy(np.eye(199), compat="authors")
        assert str(error.value) == (
            "features must hold at least 200 samples for compat='authors', got 199; "
            "it averages the lowest 0.5 % of them"
        )

    @pytest.mark.parametrize("size", [1e-50, 1.0, 1e4, 1e50])
    def test_nothing_overflows(self, size: float) -> None:
        features = size * np.array([[1.0, 0.5], [-2.0, -3.0]])
        assert energy(features) == pytest.approx(logsumexp(features, axis=1).mean(), rel=1e-12)

    def test_labels_are_not_looked_at(self) -> None:
        assert energy(CLASSES.features, ["nonsense"]) == energy(CLASSES.features)

    def test_of_constant_features(self) -> None:
        assert energy(np.zeros((5, 7))) == pytest.approx(np.log(7))
        assert energy(np.full((5, 7), -3.0)) == pytest.approx(np.log(7) - 3)

    def test_chunks_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = energy(CLASSES.features)
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 2000)
        assert energy(CLASSES.features) == pytest.approx(whole, rel=1e-14)

    @pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
    def test_other_array_libraries(self, make) -> None:
        assert energy(make(CLASSES.features)) == pytest.approx(energy(CLASSES.features), rel=1e-12)


class TestDegenerate:
    @pytest.mark.parametrize("options", [{}, {"cross_fit": 4}, {"compat": "authors"}])
    @pytest.mark.parametrize("width", [3, 60])
    @pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
    def test_constant_features_leave_the_priors(self, options, width: int, value: float) -> None:
        labels = np.repeat([0, 1, 2], [20, 12, 8])
        assert etran(np.full((40, width), value), labels, **options) == pytest.approx(0.38)

    def test_constant_features_in_several_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 1000)
        assert etran(np.full((40, 3), 0.1), np.repeat([0, 1, 2], [20, 12, 8])) == pytest.approx(0.38)

    def test_constant_features_of_regression(self) -> None:
        targets = np.arange(10.0)
        found = etran(np.ones((10, 3)), targets, task="regression")
        assert found == pytest.approx(-targets.var() * (10 / 9) ** 2)
        assert etran(np.ones((10, 3)), targets, task="regression", compat="authors") == pytest.approx(-targets.var())

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 3}])
    def test_a_sample_alone_in_its_class_counts_nothing(self, options) -> None:
        labels = np.r_[9, np.arange(29) % 2]
        features = np.eye(2)[[0] * 30] * labels[:, None] + np.random.default_rng(0).standard_normal((30, 2)) / 10
        value = etran(features, labels, **options)
        assert value < 29 / 30
        assert value == pytest.approx(29 / 30 * etran(features[1:], labels[1:]), rel=0.2)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 2}, {"compat": "authors"}])
    def test_classes_of_points(self, options) -> None:
        labels = np.arange(30) % 3
        assert etran(5 * np.eye(3)[labels], labels, **options) == pytest.approx(1.0)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 2}])
    def test_nearly_as_many_classes_as_samples(self, options) -> None:
        features = np.random.default_rng(0).standard_normal((24, 4))
        assert etran(features, np.r_[0, np.arange(23)], **options) <= 2 / 24

    @pytest.mark.parametrize("task", ["classification", "regression"])
    def test_the_smallest_input(self, task) -> None:
        features = np.random.default_rng(0).standard_normal((3, 4))
        labels = [0, 0, 1] if task == "classification" else [0.0, 1.0, 3.0]
        assert np.isfinite(etran(features, labels, task=task))


class TestContract:
    def test_plain(self) -> None:
        check_score("etran")

    def test_cross_fitted(self) -> None:
        # Folds are dealt out by position and class, so other orders and copies deal them otherwise.
        for shape in SHAPES:
            problem = draw_problem(4, **shape)
            expected = problem.estimate(get_spec("etran"), cross_fit=3)
            assert np.mean(expected.terms()) == pytest.approx(expected.value, rel=1e-9)
            rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((problem.features.shape[1],) * 2))[0]
            changed = 1e3 * problem.features @ rotation + 7
            assert etran(changed, problem.labels, cross_fit=3) == pytest.approx(expected.value, rel=1e-6)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 3}, {"compat": "authors"}])
    @pytest.mark.parametrize("task", ["classification", "regression"])
    @pytest.mark.parametrize("shape", [{}, {"n_samples": 25, "n_features": 40}])
    @pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
    def test_other_array_libraries(self, make, shape, task, options) -> None:
        problem = draw_problem(2, task=task, **shape)
        expected = etran(problem.features, problem.labels, task=task, **options)
        found = etran(make(problem.features), problem.labels, task=task, **options)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)

    def test_float32_of_many_samples(self) -> None:
        problem = draw_problem(0, n_samples=9000, n_features=700, n_classes=5, signal=0.3)
        features = problem.features.astype(np.float32)
        found = etran(features, problem.labels)
        assert found == pytest.approx(etran(features.astype(np.float64), problem.labels), abs=1e-5)

    def test_ten_thousand_classes_need_no_square_of_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 8 * 2**20)
        rng = np.random.default_rng(0)
        labels = rng.permutation(np.r_[np.arange(10_000), np.arange(200)])
        features = rng.standard_normal((len(labels), 1)).astype(np.float32)
        tracemalloc.start()
        assert np.isfinite(etran(features, labels))
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
        tracemalloc.stop()

    def test_options_are_checked(self) -> None:
        features, labels = CLASSES.features, CLASSES.labels
        with pytest.raises(UsageError, match=r"^compat must be one of None, 'authors', got 'paper'$"):
            etran(features, labels, compat="paper")
        with pytest.raises(UsageError, match=r"^compat must be one of None, 'authors', got 1$"):
            energy(features, compat=1)
        with pytest.raises(UsageError, match=r"^cross_fit must be None with compat='authors', got 5; leave one"):
            etran(features, labels, compat="authors", cross_fit=5)
        with pytest.raises(UsageError, match=r"^cross_fit must be at most the number of samples, 50, got 51"):
            etran(features, labels, cross_fit=51)
        with pytest.raises(UsageError, match=r"^seed must be a whole number of at least 0, got -1$"):
            etran(features, labels, seed=-1)


@pytest.mark.parametrize("options", [{}, {"cross_fit": 5}])
@pytest.mark.parametrize(("n_features", "signal", "n_classes"), [(8, 0.8, 3), (20, 0.5, 6)])
def test_standard_errors_are_those_of_fresh_samples(options, n_features: int, signal: float, n_classes: int) -> None:
    pool = draw_problem(3, n_samples=100 * 60, n_features=n_features, signal=signal, n_classes=n_classes)
    found = [pool.rows(np.arange(i, i + 100)).estimate(get_spec("etran"), **options) for i in range(0, 6000, 100)]
    true = np.std([estimate.value for estimate in found], ddof=1)
    assert np.mean([estimate.standard_error() for estimate in found]) == pytest.approx(true, rel=0.3)


def test_constant_features_leave_the_mean_of_the_others_to_regression_in_folds_too() -> None:
    targets = np.random.default_rng(0).standard_normal(12)
    expected = -np.mean((targets * 12 / 11 - targets.sum() / 11) ** 2)
    for options in ({}, {"cross_fit": 3}):
        assert etran(np.full((12, 4), 2.5), targets, task="regression", **options) == pytest.approx(expected)
