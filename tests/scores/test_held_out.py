from __future__ import annotations

import tracemalloc

import array_api_strict
import naive_discriminants as naive
import numpy as np
import pytest
import torch
from naive_scores import linear_probe as naive_probe
from scipy.special import log_softmax

from hubscout.errors import DataError, UsageError
from hubscout.scores import _left_out_discriminant as module
from hubscout.scores import get_spec, lda, linear_probe
from hubscout.scores.held_out import held_out
from hubscout.stats import Statistics, chunks, passes
from hubscout.testing import check_score, draw_problem

SHAPES = [
    {"n_samples": 60, "n_features": 5},
    {"n_samples": 25, "n_features": 40},
    {"n_samples": 50, "n_features": 9, "n_dead": 4, "n_classes": 7, "signal": 0.3},
    {"n_samples": 14, "n_features": 6, "n_classes": 10},
]


def naive_posteriors(features, codes, groups):
    """Refits without each group, by explicit means, covariances and inverses, in directions that have a spread."""
    left = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)[2]
    features = features @ left[: naive.rank_of(features)].T
    n_samples, rank = features.shape
    amount = naive.ledoit_wolf(features, codes, rank)
    means, shares, within = naive.class_moments(features, codes)
    between = shares @ np.sum((means - features.mean(axis=0)) ** 2, axis=1)
    ridge = (amount * np.trace(within) + 1e-9 * (np.trace(within) + between)) / rank
    found = np.zeros(n_samples)
    for group in np.unique(groups):
        rest = groups != group
        n_rest = rest.sum()
        means, shares, within = naive.class_moments(features[rest], codes[rest])
        covariance = (1 - amount) * within + ridge * n_samples / n_rest * np.eye(rank)
        inverse, present = np.linalg.inv(covariance), np.unique(codes[rest]).tolist()
        for i in np.flatnonzero(~rest):
            away = features[i] - means
            logs = log_softmax(np.log(shares) - 0.5 * np.sum((away @ inverse) * away, axis=1))
            found[i] = np.exp(logs[present.index(codes[i])]) if codes[i] in present else 0.0
    return found


def naive_hits(features, codes, groups):
    """Refits of the ridge with the strength that all samples choose; the class shares of all as intercept."""
    centred = features - features.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    kept = values > 1e-7 * values[0]
    left, squares = left[:, kept], values[kept] ** 2
    targets = np.eye(codes.max() + 1)[codes]
    shares, n = targets.mean(axis=0), len(codes)
    errors = []
    for ridge in np.logspace(-4, 2, 13) * squares.mean():
        hat = left * (squares / (squares + ridge)) @ left.T
        residuals = targets - shares - hat @ (targets - shares)
        errors.append((np.sum(residuals**2) / (n - 1 - np.trace(hat)) ** 2, ridge))
    ridge, hits = min(errors)[1], np.zeros(n)
    for group in np.unique(groups):
        rest = groups != group
        seen, mean = features[rest], features[rest].mean(axis=0)
        gram = (seen - mean).T @ (seen - mean) + ridge * np.eye(features.shape[1])
        slopes = np.linalg.solve(gram, (seen - mean).T @ (targets[rest] - targets[rest].mean(axis=0)))
        hits[~rest] = np.argmax(shares + (features[~rest] - mean) @ slopes, axis=1) == codes[~rest]
    return hits


def noise(seed: int, *, n_samples: int = 600, n_features: int = 64, n_classes: int = 10, signal: float = 0.0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_samples) % n_classes)
    means = signal * rng.standard_normal((n_classes, n_features))
    return rng.standard_normal((n_samples, n_features)) + means[labels], labels


class TestPosteriors:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("seed", range(3))
    def test_equal_refits_without_each_sample(self, shape, seed: int) -> None:
        problem = draw_problem(seed, **shape)
        expected = naive_posteriors(problem.features, problem.labels, np.arange(len(problem.labels)))
        found = module.left_out_posteriors(problem.statistics())
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("n_groups", [2, 5, 12])
    def test_equal_refits_without_each_group(self, shape, n_groups: int) -> None:
        problem = draw_problem(1, **shape)
        # Groups of several sizes, from one sample to more samples than features.
        rng = np.random.default_rng(n_groups)
        groups = np.r_[np.arange(n_groups), rng.integers(0, n_groups // 2, len(problem.labels) - n_groups)]
        groups = rng.permutation(groups)
        expected = naive_posteriors(problem.features, problem.labels, groups)
        found = module.left_out_posteriors(Statistics(problem.features, problem.labels, groups=groups))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)

    def test_the_only_sample_of_a_class_is_unknown(self) -> None:
        problem = draw_problem(0, n_samples=40, n_classes=2, signal=3.0)
        labels = problem.labels.copy()
        labels[7] = 5
        found = module.left_out_posteriors(Statistics(problem.features, labels))
        assert found[7] == 0
        assert found.mean() > 0.8

    @pytest.mark.parametrize("grouped", [False, True])
    def test_are_the_same_in_small_chunks(self, monkeypatch: pytest.MonkeyPatch, grouped: bool) -> None:
        problem = draw_problem(2, n_samples=50, n_features=6, n_classes=6)
        groups = np.arange(50) // 3 if grouped else None
        expected = module.left_out_posteriors(Statistics(problem.features, problem.labels, groups=groups))
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 900)
        found = module.left_out_posteriors(Statistics(problem.features, problem.labels, groups=groups))
        np.testing.assert_allclose(found, expected, rtol=1e-9)

    def test_duplicates_and_samples_that_span_a_direction(self) -> None:
        rng = np.random.default_rng(0)
        features = np.repeat(rng.standard_normal((4, 6)), 5, axis=0)
        features[0] += 1e8 * rng.standard_normal(6)  # nearly all of the spread
        found = module.left_out_posteriors(Statistics(features, np.arange(20) // 5))
        assert np.isfinite(found).all()
        assert ((found >= 0) & (found <= 1)).all()

    def test_classes_that_are_points(self) -> None:
        points = np.random.default_rng(0).standard_normal((3, 6))
        assert module.left_out_posteriors(Statistics(np.repeat(points, 4, axis=0), np.arange(12) // 4)).min() > 1 - 1e-9


class TestWhitener:
    def test_is_a_root_of_the_inverse(self) -> None:
        rows = np.random.default_rng(0).standard_normal((9, 4))
        found = module.whitener(rows.T @ rows)
        np.testing.assert_allclose(found @ found.T, np.linalg.inv(rows.T @ rows), rtol=1e-10)

    def test_what_rounding_left_below_zero(self) -> None:
        found = module.whitener(np.diag([4.0, 1e-3, -1e-2]))
        np.testing.assert_allclose(found @ found.T, np.diag([0.25, 100.0, 100.0]), rtol=1e-12)


class TestValue:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("grouped", [False, True])
    def test_is_the_mean_of_both_halves(self, shape, grouped: bool) -> None:
        problem = draw_problem(3, **shape)
        n_samples = len(problem.labels)
        groups = np.random.default_rng(0).integers(0, 7, n_samples) if grouped else np.arange(n_samples)
        statistics = Statistics(problem.features, problem.labels, groups=groups if grouped else None)
        halves = (each(problem.features, problem.labels, groups) for each in (naive_posteriors, naive_hits))
        expected = 0.5 * sum(halves)
        estimate = get_spec("held_out").estimate(statistics)
        assert estimate.value == pytest.approx(expected.mean(), rel=1e-9)
        np.testing.assert_allclose(estimate.terms(), expected, atol=1e-9)

    def test_the_probe_is_the_linear_one_but_for_its_intercept(self) -> None:
        features, labels = noise(0, n_samples=200, n_features=40, n_classes=5, signal=0.2)
        statistics = Statistics(features, labels)
        half = 2 * held_out(statistics) - module.left_out_posteriors(statistics).mean()
        assert half == pytest.approx(linear_probe(features, labels), abs=0.03)
        assert linear_probe(features, labels) == naive_probe(features, labels)

    @pytest.mark.parametrize("shape", SHAPES[:2])
    def test_numbers_and_several_labels_are_those_of_the_probe(self, shape) -> None:
        for task, options in (("regression", {}), ("multilabel", {}), ("multilabel", {"average": "weighted"})):
            problem = draw_problem(3, task=task, **shape)
            expected = linear_probe(problem.features, problem.labels, task=task, **options)
            assert held_out(problem.features, problem.labels, task=task, **options) == expected

    def test_the_order_of_the_samples_does_not_matter(self) -> None:
        problem = draw_problem(0, n_samples=90, n_classes=4, task="detection")
        order = np.random.default_rng(0).permutation(90)
        estimate, other = (each.estimate(get_spec("held_out")) for each in (problem, problem.rows(order)))
        assert other.value == pytest.approx(estimate.value, rel=1e-9)
        np.testing.assert_allclose(other.terms(), estimate.terms()[order], atol=1e-9)

    @pytest.mark.parametrize("n_features", [30, 400])
    def test_large_features_in_single_precision(self, monkeypatch: pytest.MonkeyPatch, n_features: int) -> None:
        features, labels = noise(0, n_samples=300, n_features=n_features, signal=0.15)
        features = features.astype(np.float32) + 3
        exact = module.left_out_posteriors(Statistics(features, labels))
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 1)
        found = module.left_out_posteriors(Statistics(features, labels))
        np.testing.assert_allclose(found, exact, atol=2e-3)
        assert (found != exact).any()


class TestChance:
    @pytest.mark.parametrize(
        ("n_samples", "n_features", "n_classes"), [(600, 64, 10), (600, 200, 5), (300, 500, 4), (600, 120, 2)]
    )
    def test_noise_scores_as_chance(self, n_samples: int, n_features: int, n_classes: int) -> None:
        problems = (noise(seed, n_samples=n_samples, n_features=n_features, n_classes=n_classes) for seed in range(8))
        found = [held_out(*problem) for problem in problems]
        error = np.std(found, ddof=1) / 8**0.5
        assert abs(np.mean(found) - 1 / n_classes) < 4 * max(error, 0.002)

    def test_groups_that_repeat_their_samples_do_not_leak(self) -> None:
        features, labels = noise(0, n_samples=150, n_features=40, n_classes=5)
        groups = np.repeat(np.arange(150), 2)
        features, labels = np.repeat(features, 2, axis=0), np.repeat(labels, 2)
        assert held_out(Statistics(features, labels, groups=groups)) == pytest.approx(0.2, abs=0.08)
        assert held_out(Statistics(features, labels)) > 0.3

    def test_signal_is_above_chance_and_not_flattered(self) -> None:
        features, labels = noise(0, signal=0.3)
        assert 0.5 < held_out(features, labels) < lda(features, labels)


class TestContract:
    def test_check_score(self) -> None:
        check_score("held_out", seeds=(2,))

    @pytest.mark.parametrize(
        ("make", "dtype"),
        [(make, kind) for make in (torch.tensor, array_api_strict.asarray) for kind in (np.float64, np.float32)]
        + [(torch.tensor, np.float16)],
    )
    @pytest.mark.parametrize("shape", [{}, {"n_samples": 25, "n_features": 40, "n_classes": 5}])
    @pytest.mark.parametrize("grouped", [False, True])
    def test_other_array_libraries(self, make, shape, dtype: type, grouped: bool) -> None:
        problem = draw_problem(1, **shape)
        features = problem.features.astype(dtype)
        groups = np.arange(len(features)) // 3 if grouped else None
        expected, found = (
            get_spec("held_out").estimate(Statistics(array, problem.labels, groups=groups))
            for array in (features, make(features))
        )
        assert found.value == pytest.approx(expected.value, rel=1e-9)
        np.testing.assert_allclose(found.terms(), expected.terms(), rtol=1e-7, atol=1e-9)

    def test_bad_input(self) -> None:
        problem = draw_problem(0)
        with pytest.raises(DataError) as error:
            held_out(Statistics(problem.features, problem.labels, groups=np.zeros(60, dtype=int)))
        assert str(error.value) == (
            "groups must be at least 2 for this score, got 1, which leaves no other to learn from; leave groups out"
        )
        with pytest.raises(UsageError, match=r"^average must be 'macro' for classification, got 'weighted'; "):
            held_out(problem.features, problem.labels, average="weighted")
        with pytest.raises(UsageError, match=r"^labels must be given: "):
            held_out(problem.features)
        problem.features[3, 2] = np.nan
        with pytest.raises(DataError, match=r"^features must be finite: row 3, column 2 is nan"):
            held_out(problem.features, problem.labels)

    def test_memory_with_many_classes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        features = np.random.default_rng(0).standard_normal((2_500, 8))
        labels = np.arange(2_500) % 2_000
        held_out(features, labels)  # imports
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 2**21)
        tracemalloc.start()
        try:
            held_out(features, labels)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 4 * 2**21  # a number for each pair of classes is 15 times a chunk


class TestDegenerate:
    @pytest.mark.parametrize("value", [0.0, 0.1])
    def test_constant_features_leave_the_priors_of_the_others(self, value: float) -> None:
        features, labels = np.full((40, 3), value), np.repeat([0, 1, 2], [20, 12, 8])
        expected = 0.5 * (0.5 + (20 * 19 + 12 * 11 + 8 * 7) / (40 * 39))
        assert held_out(features, labels) == pytest.approx(expected, rel=1e-12)
        found = get_spec("held_out").estimate(Statistics(features, labels, groups=np.arange(40) // 4))
        expected = 0.5 * (0.5 + (20 * 16 + 12 * 8 + 8 * 4) / (40 * 36))
        assert found.value == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize(("n_samples", "width"), [(3, 4), (11, 1), (11, 30)])
    def test_nearly_as_many_classes_as_samples(self, n_samples: int, width: int) -> None:
        features = np.random.default_rng(0).standard_normal((n_samples, width))
        estimate = get_spec("held_out").estimate(Statistics(features, np.r_[0, np.arange(n_samples - 1)]))
        assert 0 <= estimate.value <= 1
        assert np.isfinite(estimate.terms()).all()


@pytest.mark.parametrize(("signal", "n_features"), [(0.8, 8), (0.4, 8), (0.2, 60)])
def test_standard_errors_are_those_of_fresh_samples(signal: float, n_features: int) -> None:
    pool = draw_problem(3, n_samples=8_000, n_features=n_features, signal=signal)
    found = [pool.rows(np.arange(i, i + 100)).estimate(get_spec("held_out")) for i in range(0, 8_000, 100)]
    true = np.std([estimate.value for estimate in found], ddof=1)
    assert np.mean([estimate.standard_error() for estimate in found]) == pytest.approx(true, rel=0.3)
