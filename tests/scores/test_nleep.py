from __future__ import annotations

import tracemalloc

import array_api_strict
import naive_scores
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from hubscout.errors import DataError, UsageError
from hubscout.scores import get_spec, leep
from hubscout.scores._mixture import augment, fit_mixture
from hubscout.scores.nleep import _points, _smoothed, nleep
from hubscout.stats import Statistics, chunks
from hubscout.testing import check_invariance, check_score, draw_problem

SHAPES = [{}, {"n_samples": 30, "n_features": 45}, {"n_samples": 90, "n_features": 20, "n_dead": 4, "n_classes": 7}]


def entropy(labels) -> float:
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


def principal_components(features, share: float) -> np.ndarray:
    left, values, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    kept = 1
    while (values[:kept] ** 2).sum() < share * (values**2).sum() * (1 - 1e-9):
        kept += 1
    return left[:, :kept] * values[:kept]


def drawn(weights, size: int, start: float) -> list[int]:
    found = []
    for j in range(size):
        i = 0
        while sum(weights[: i + 1]) <= (j + start) / size * sum(weights):
            i += 1
        found.append(i)
    return found


def first_centres(points, n_components: int, seed: int) -> list[int]:
    """Draw four times as many points in rounds; weigh them by whom they stand for; take the best of 16 each time."""
    rng = np.random.default_rng(seed)
    away = np.array([[np.sum((a - b) ** 2) for a in points] for b in points])
    chosen = [int(rng.random() * len(points))]
    while len(chosen) < min(4 * n_components, len(points)):
        size = min(len(chosen), 4 * n_components - len(chosen))
        chosen += sorted(set(drawn(away[chosen].min(axis=0), size, rng.random())))
    weights = np.bincount(away[chosen].argmin(axis=0), minlength=len(chosen))
    away = away[np.ix_(chosen, chosen)]

    def best(trials, kept):
        costs = [weights @ away[[*kept, trial]].min(axis=0) for trial in trials]
        return next(trial for trial, cost in zip(trials, costs, strict=True) if cost <= min(costs) * (1 + 1e-6))

    kept = [best(range(len(chosen)), [])]
    while len(kept) < n_components:
        kept.append(best(drawn(weights * away[kept].min(axis=0), 16, rng.random()), kept))
    return [chosen[position] for position in kept]


def naive_posteriors(features, n_components: int, share: float = 0.8, seed: int = 0) -> np.ndarray:
    """The mixture, point by point and density by density."""
    points = principal_components(features, share)
    points /= np.sqrt(np.mean(points**2))
    order = np.argsort(np.linalg.norm(features - features.mean(axis=0), axis=1), kind="stable")
    points = points[order]
    n, width = points.shape
    means = points[first_centres(points, n_components, seed)]
    size = len(means)
    nearest = [min(np.sum((point - mean) ** 2) for mean in means) for point in points]
    weights, variances = np.full(size, 1 / size), np.full(size, max(np.mean(nearest) / width, 1e-3))

    def expectation() -> tuple[np.ndarray, float]:
        densities = [
            multivariate_normal(means[z], variances[z] * np.eye(width)).logpdf(points).reshape(n) for z in range(size)
        ]
        logs = np.log(weights) + np.array(densities).T
        likelihoods = logsumexp(logs, axis=1)
        return np.exp(logs - likelihoods[:, None]), float(likelihoods.mean())

    before = -np.inf
    for _ in range(25):
        shares, likelihood = expectation()
        scatters = np.zeros(size)
        for z in range(size):
            weights[z] = shares[:, z].mean()
            means[z] = shares[:, z] @ points / shares[:, z].sum()
            scatters[z] = shares[:, z] @ np.sum((points - means[z]) ** 2, axis=1)
        for z in range(size):
            own = scatters[z] + 20 * scatters.sum() / n
            variances[z] = max(own / (width * (n * weights[z] + 20)), 1e-3)
        if likelihood - before < 1e-3:
            break
        before = likelihood
    found = np.empty((n, size))
    found[order] = expectation()[0]
    return found


class TestNaive:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("seed", [0, 1])
    def test_equals_loops_and_densities(self, shape, seed: int) -> None:
        problem = draw_problem(seed, **shape)
        size = max(2, min(5 * len(np.unique(problem.labels)), len(problem.labels) // 5))
        expected = naive_scores.leep(naive_posteriors(problem.features, size), problem.labels)
        assert nleep(problem.features, problem.labels) == pytest.approx(expected, rel=1e-8)

    @pytest.mark.parametrize("options", [{"n_components": 7}, {"variance": 0.5}, {"variance": 1}, {"seed": 3}])
    def test_options(self, options) -> None:
        problem = draw_problem(4)
        size, share = options.get("n_components", 12), options.get("variance", 0.8)
        posteriors = naive_posteriors(problem.features, size, share, options.get("seed", 0))
        found = nleep(problem.features, problem.labels, **options)
        assert found == pytest.approx(naive_scores.leep(posteriors, problem.labels), rel=1e-8)
        assert found != pytest.approx(nleep(problem.features, problem.labels), rel=1e-5)

    @pytest.mark.parametrize("folds", [2, 5])
    def test_cross_fitted(self, folds: int) -> None:
        from hubscout.stats.folds import fold_codes

        problem = draw_problem(2, n_samples=80, n_classes=4)
        labels = problem.labels
        posteriors = naive_posteriors(problem.features, 16)
        codes = fold_codes(labels, 80, folds, 0)
        shares = np.bincount(labels) / 80
        expected = np.zeros(80)
        for i in range(80):
            joint = np.zeros((4, 16))
            for j in np.flatnonzero(codes != codes[i]):
                joint[labels[j]] += posteriors[j]
            expected[i] = np.log(_smoothed(joint, shares)[labels[i]] @ posteriors[i])
        found = get_spec("nleep").estimate(problem.statistics(), cross_fit=folds)
        assert found.value == pytest.approx(expected.mean(), rel=1e-8)
        np.testing.assert_allclose(found.terms(), expected, rtol=1e-7)

    def test_blocks_and_what_is_kept_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(0, n_samples=200)
        whole = [nleep(problem.features, problem.labels, cross_fit=folds) for folds in (None, 3)]
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 16_000)
        found = [nleep(problem.features, problem.labels, cross_fit=folds) for folds in (None, 3)]
        assert found == pytest.approx(whole, rel=1e-9)


class TestMixture:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_is_as_likely_as_scikit_learns(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        points = 3 * rng.standard_normal((10, 6))[rng.integers(0, 10, 600)] + rng.standard_normal((600, 6))
        points -= points.mean(axis=0)
        points /= np.sqrt(np.mean(points**2))
        theirs = GaussianMixture(10, covariance_type="spherical", random_state=0, n_init=3).fit(points)
        ours = fit_mixture(augment(points), 10, seed)
        constant = -0.5 * points.shape[1] * np.log(2 * np.pi)
        found = ours.posteriors(augment(points))[1].mean() + constant
        assert found > theirs.score(points) - 0.1
        assert ours.weights.sum() == pytest.approx(1)

    def test_finds_clusters(self) -> None:
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 8, 400)
        features = 10 * rng.standard_normal((8, 5))[codes] + 0.1 * rng.standard_normal((400, 5))
        assert nleep(features, codes, n_components=8, variance=1) > -0.3
        assert nleep(features, codes, n_components=16, variance=1, cross_fit=5) > -0.05

    def test_copies_of_a_point_belong_together(self) -> None:
        points = np.repeat(np.eye(3), 5, axis=0) - 1 / 3
        shares = fit_mixture(augment(points), 12, 0).posteriors(augment(points))[0]
        assert 3 <= shares.shape[1] < 12
        own = np.repeat(np.eye(3), 5, axis=0).T @ shares
        assert (np.sort(own, axis=0)[:2] < 1e-9).all()

    def test_large_samples_are_thinned_out_evenly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from importlib import import_module

        problem = draw_problem(0, n_samples=300)
        statistics = problem.statistics()
        whole = _points(statistics, statistics.spectrum(), 1.0)
        monkeypatch.setattr(import_module("hubscout.scores.nleep"), "_MAX_FITTED", 100)
        np.testing.assert_allclose(_points(statistics, statistics.spectrum(), 1.0), whole[::3], atol=1e-12)
        check_invariance("nleep", problem, "sample_order")
        check_invariance("nleep", problem, "rotation")
        assert np.isfinite(nleep(problem.features, problem.labels, cross_fit=5))


class TestSmoothing:
    def test_counts_that_know_classes_are_left_alone(self) -> None:
        table = _smoothed(50 * np.eye(4), np.full(4, 0.25))
        assert np.diag(table).min() > 0.99

    def test_counts_that_know_nothing_leave_the_shares(self) -> None:
        shares = np.array([0.6, 0.3, 0.1])
        np.testing.assert_allclose(_smoothed(np.outer(shares, [20, 30, 40]), shares), np.tile(shares[:, None], 3))

    def test_columns_are_distributions_and_nothing_is_impossible(self) -> None:
        joint = np.array([[5.0, 0, 0], [0, 3, 0], [0, 0, 0]])
        table = _smoothed(joint, np.array([0.5, 0.4, 0.1]))
        np.testing.assert_allclose(table.sum(axis=0), 1)
        assert (table > 0).all()


class TestCrossFit:
    @pytest.mark.parametrize(("n_features", "n_classes"), [(64, 5), (200, 10)])
    def test_noise_is_at_chance(self, n_features: int, n_classes: int) -> None:
        rng = np.random.default_rng(0)
        held_out, in_sample = [], []
        for seed in range(6):
            features = rng.standard_normal((600, n_features)) / np.sqrt(np.arange(1, n_features + 1))
            labels = rng.integers(0, n_classes, 600)
            statistics = Statistics(features, labels)
            held_out.append(nleep(statistics, cross_fit=5, seed=seed) + entropy(labels))
            in_sample.append(nleep(statistics, seed=seed) + entropy(labels))
        # Smoothing takes nearly all of the table's cost away; what is left is below a hundredth of a nat.
        assert np.mean(held_out) == pytest.approx(0, abs=0.01)
        assert np.mean(in_sample) > 0.05

    def test_signal_is_above_chance(self) -> None:
        problem = draw_problem(0, n_samples=300, n_features=10, signal=1.0)
        found = nleep(problem.features, problem.labels, cross_fit=5)
        assert found > -entropy(problem.labels) + 0.2
        assert found < nleep(problem.features, problem.labels)

    def test_a_class_of_one_sample(self) -> None:
        problem = draw_problem(0)
        labels = problem.labels.copy()
        labels[0] = 9
        terms = get_spec("nleep").estimate(Statistics(problem.features, labels), cross_fit=5).terms()
        assert np.isfinite(terms).all()
        assert terms[0] <= np.log(1 / 60) + 1e-9

    @pytest.mark.parametrize(("folds", "text"), [(1, "at least 2, got 1"), (61, "of samples, 60, got 61")])
    def test_bad_folds(self, folds: int, text: str) -> None:
        problem = draw_problem(0)
        with pytest.raises(UsageError, match=text):
            nleep(problem.features, problem.labels, cross_fit=folds)


@pytest.mark.parametrize("options", [{}, {"n_components": 5, "variance": 0.95}])
def test_contract(options) -> None:
    check_score("nleep", options=options)


@pytest.mark.parametrize("invariance", sorted(get_spec("nleep").invariances))
def test_invariances_over_shapes(invariance: str) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.integers(0, 10**6), st.integers(8, 60), st.integers(1, 40), st.integers(2, 9), st.data())
    def holds(seed: int, n_samples: int, n_features: int, n_classes: int, data: st.DataObject) -> None:
        dead = data.draw(st.integers(0, n_features - 1))
        shape = {"n_samples": n_samples, "n_features": n_features, "n_classes": n_classes, "n_dead": dead}
        check_invariance("nleep", draw_problem(seed, **shape), invariance, seed=seed)

    holds()


def test_duplication_changes_the_number_of_components() -> None:
    with pytest.raises(AssertionError, match="does not ignore duplication"):
        check_invariance("nleep", draw_problem(0), "duplication", tolerance=1e-4)


@pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
@pytest.mark.parametrize("shape", SHAPES[:2])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("folds", [None, 3])
def test_array_libraries_agree(make, shape, dtype, folds) -> None:
    problem = draw_problem(1, **shape)
    features = problem.features.astype(dtype)
    found = nleep(make(features), problem.labels, cross_fit=folds)
    assert found == pytest.approx(nleep(features, problem.labels, cross_fit=folds), rel=1e-9)


def test_large_float32_features(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = draw_problem(0, n_samples=500, n_features=30, n_classes=8)
    features = problem.features.astype(np.float32)
    plain = nleep(features.astype(np.float64), problem.labels)
    monkeypatch.setattr(Statistics, "is_large", True)
    assert nleep(features, problem.labels) == pytest.approx(plain, rel=1e-4)
    assert nleep(1000 * features, problem.labels) == pytest.approx(plain, rel=1e-4)


def test_the_mixture_is_shared_between_labellings(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import import_module

    problem = draw_problem(0)
    statistics = problem.statistics()
    nleep(statistics)
    monkeypatch.setattr(import_module("hubscout.scores.nleep"), "fit_mixture", None)
    shuffled = np.random.default_rng(0).permutation(problem.labels)
    found = get_spec("nleep").estimate(statistics.relabelled(shuffled))
    monkeypatch.undo()
    assert found.value == pytest.approx(nleep(problem.features, shuffled), rel=1e-9)


class TestDegenerate:
    @pytest.mark.parametrize("width", [1, 60])
    @pytest.mark.parametrize("value", [0.0, 0.1])
    @pytest.mark.parametrize("folds", [None, 5])
    def test_constant_features(self, width: int, value: float, folds) -> None:
        labels = np.repeat([0, 1, 2], [20, 12, 8])
        found = nleep(np.full((40, width), value), labels, cross_fit=folds)
        assert found == pytest.approx(-entropy(labels), abs=1e-12)

    def test_one_component_knows_no_classes(self) -> None:
        problem = draw_problem(0)
        found = nleep(problem.features, problem.labels, n_components=1)
        assert found == pytest.approx(-entropy(problem.labels), rel=1e-12)

    def test_a_component_a_sample_is_as_good_as_the_labels(self) -> None:
        problem = draw_problem(0, n_samples=30)
        assert -0.1 < nleep(problem.features, problem.labels, n_components=1000, variance=1) <= 0

    @pytest.mark.parametrize("shape", [(8, 3), (8, 50), (3, 4)])
    def test_few_samples(self, shape) -> None:
        rng = np.random.default_rng(0)
        labels = np.arange(shape[0]) % 2
        for folds in (None, 2):
            assert -5 < nleep(rng.standard_normal(shape), labels, cross_fit=folds) <= 0

    def test_points(self) -> None:
        labels = np.arange(30) % 3
        assert nleep(np.eye(3)[labels], labels) == pytest.approx(0, abs=1e-9)
        one_away = np.repeat(np.eye(2), [29, 1], axis=0)
        assert np.isfinite(nleep(one_away, labels))

    def test_bad_values_are_seen(self) -> None:
        features = np.ones((10, 3))
        features[4, 1] = np.nan
        with pytest.raises(DataError, match="features must be finite: row 4, column 1 is nan"):
            nleep(features, np.arange(10) % 2)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_components": 0}, "n_components must be a whole number of at least 1, got 0"),
        ({"n_components": 2.5}, "n_components must be a whole number of at least 1, got 2.5"),
        ({"variance": 0}, "variance must be a finite number above 0 and at most 1, got 0"),
        ({"variance": 1.1}, "variance must be a finite number above 0 and at most 1, got 1.1"),
        ({"variance": "most"}, "variance must be a finite number above 0 and at most 1, got 'most'"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"cross_fit": 1.5}, "cross_fit must be a whole number of at least 2, got 1.5"),
    ],
)
def test_bad_options(options, text: str) -> None:
    problem = draw_problem(0)
    with pytest.raises(UsageError) as error:
        nleep(problem.features, problem.labels, **options)
    assert str(error.value) == text


def test_ten_thousand_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 8 * 2**20)
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.r_[np.arange(10_000), np.arange(200)])
    features = rng.standard_normal((len(labels), 1)).astype(np.float32)
    tracemalloc.start()
    found = nleep(features, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.isfinite(found)
    assert peak < 8 * 10_000**2 / 2 + 8 * 2**20


@pytest.mark.parametrize("signal", [0.3, 0.8])
def test_standard_errors_are_near_those_of_fresh_samples(signal: float) -> None:
    pool = draw_problem(3, n_samples=4000, signal=signal)
    found = [pool.rows(np.arange(i, i + 100)).estimate(get_spec("nleep")) for i in range(0, 4000, 100)]
    true = np.std([estimate.value for estimate in found], ddof=1)
    assert np.mean([estimate.standard_error() for estimate in found]) == pytest.approx(true, rel=0.35)


def test_the_mixture_plays_the_part_of_a_source_head() -> None:
    problem = draw_problem(0)
    posteriors = naive_posteriors(problem.features, 12)
    assert nleep(problem.features, problem.labels) == pytest.approx(leep(posteriors, problem.labels), rel=1e-8)
