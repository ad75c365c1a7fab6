from __future__ import annotations

import tracemalloc

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad, minimize
from scipy.special import digamma, gammaln, log_softmax, softmax

from hubscout.errors import DataError, UsageError
from hubscout.scores import Estimate, get_spec
from hubscout.scores._softmax_design import Design
from hubscout.scores._softmax_regression import _start, _State, fit_softmax
from hubscout.scores.pactran import pactran
from hubscout.stats import Statistics, chunks
from hubscout.testing import check_invariance, check_score, draw_problem

SHAPES = [{}, {"n_samples": 30, "n_features": 45}, {"n_samples": 90, "n_features": 20, "n_dead": 4, "n_classes": 7}]
UNEQUAL = np.repeat([0, 1, 2], [20, 12, 8])


def entropy(labels) -> float:
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


def naive_gaussian(features, labels, lam: float = 1.0, s: float = 100.0, *, authors: bool = False) -> float:
    """The cost by SciPy's optimiser on the features themselves, and second derivatives one by one."""
    n = len(labels)
    wanted = np.eye(labels.max() + 1)[labels]
    n_classes = wanted.shape[1]
    points = features - features.mean(axis=0)
    width = points.shape[1]
    if not authors:
        left, values, _ = np.linalg.svd(points, full_matrices=False)
        width = int((values > 1e-7 * values[0]).sum())
        points = left[:, :width] * values[:width]
        points /= np.sqrt(np.mean(points**2))

    def loss(flat) -> tuple[float, np.ndarray]:
        weights = flat.reshape(-1, n_classes)
        logits = points @ weights[:-1] + weights[-1]
        value = -np.mean(np.sum(wanted * log_softmax(logits, axis=1), axis=1))
        away = (softmax(logits, axis=1) - wanted) / n
        slopes = np.vstack([points.T @ away + weights[:-1] / (lam * n), away.sum(axis=0)])
        return value + np.sum(weights[:-1] ** 2) / (2 * lam * n), slopes.ravel()

    start = np.zeros((points.shape[1] + 1) * n_classes)
    assert check_grad(lambda flat: loss(flat)[0], lambda flat: loss(flat)[1], start + 0.1) < 1e-4
    options = {"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 50}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    weights = found.x.reshape(-1, n_classes)
    probs = softmax(points @ weights[:-1] + weights[-1], axis=1)
    trace = 0.0
    for c in range(n_classes):
        curvature = probs[:, c] * (1 - probs[:, c]) / (1 if authors else n)
        for d in range(points.shape[1]):
            trace += curvature @ points[:, d] ** 2 + 1 / (lam * n)
        trace += curvature.sum()
    size = width * n_classes
    return found.fun + 0.5 * size / (lam * n) * (s / width) * np.log(trace * lam * n / size + 1e-10)


def naive_source(probs, labels, prior: str, alpha: float) -> float:
    """The mean-field cost with loops over samples and source classes."""
    n, n_source = probs.shape
    n_classes = labels.max() + 1
    start = alpha * np.bincount(labels) / n + 1e-10
    shares = probs.copy()
    for _ in range(10):
        counts = np.tile(start[:, None], n_source)
        for i in range(n):
            counts[labels[i]] += shares[i]
        logits = np.zeros((n, n_source))
        for i in range(n):
            for z in range(n_source):
                logits[i, z] = np.log(probs[i, z] + 1e-10) + digamma(counts[labels[i], z])
                if prior == "dirichlet":
                    logits[i, z] -= digamma(counts[:, z].sum())
        logs = log_softmax(logits, axis=1)
        shares = np.exp(logs)
    divergence = np.sum(shares * (logs - np.log(probs + 1e-10)))
    if prior == "dirichlet":
        total = 0.0
        for z in range(n_source):
            total += gammaln(start.sum()) - gammaln(start).sum()
            total -= gammaln(counts[:, z].sum()) - gammaln(counts[:, z]).sum()
        return -(total - divergence) / (n * n_classes)
    total = sum(gammaln(start[c]) - gammaln(counts[c, z]) for c in range(n_classes) for z in range(n_source))
    total += sum(np.log(probs[i] @ counts.sum(axis=0)) - 1 for i in range(n))
    return (total + divergence) / (n * n_classes) + 1


class TestGaussian:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("options", [{}, {"lam": 10.0}, {"lam": 0.1, "prior_variance": 1.0}])
    def test_equals_scipys_minimum(self, shape, options) -> None:
        problem = draw_problem(5, **shape)
        lam = options.get("lam", 1.0)
        expected = naive_gaussian(problem.features, problem.labels, lam, options.get("prior_variance", 100 * lam))
        assert pactran(problem.features, problem.labels, **options) == pytest.approx(-expected, rel=1e-6)

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("lam", [1.0, 0.1])
    def test_authors_formula(self, shape, lam: float) -> None:
        problem = draw_problem(6, **shape)
        expected = naive_gaussian(problem.features, problem.labels, lam, 100 * lam, authors=True)
        found = pactran(problem.features, problem.labels, lam=lam, compat="authors")
        assert found == pytest.approx(-expected, rel=1e-6)
        assert found != pytest.approx(pactran(problem.features, problem.labels, lam=lam), rel=1e-2)

    def test_prior_variance_weighs_the_curvature(self) -> None:
        problem = draw_problem(0)
        values = [pactran(problem.features, problem.labels, prior_variance=s) for s in (0, 1, 2)]
        assert values[0] - values[1] == pytest.approx(values[1] - values[2], rel=1e-10)
        assert values[0] > values[1]

    def test_separable_classes(self) -> None:
        labels = np.arange(40) % 2
        features = np.where(labels[:, None], 5.0, -5.0) * np.ones((40, 3))
        assert 0 > pactran(features, labels) > pactran(features, np.random.default_rng(0).permutation(labels))
        assert np.isfinite(pactran(1e6 * features, labels, compat="authors"))

    def test_features_are_streamed_where_they_are_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(0, n_samples=200, n_features=12)
        whole = get_spec("pactran").estimate(problem.statistics())
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 4_000)
        found = get_spec("pactran").estimate(problem.statistics())
        assert found.value == pytest.approx(whole.value, rel=1e-10)
        np.testing.assert_allclose(found.terms(), whole.terms(), rtol=1e-6)

    def test_large_float32_features(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(0, n_samples=400, n_features=30, n_classes=8)
        features = problem.features.astype(np.float32)
        plain = pactran(features.astype(np.float64), problem.labels)
        monkeypatch.setattr(Statistics, "is_large", True)
        assert pactran(features, problem.labels) == pytest.approx(plain, rel=1e-5)
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 40_000)
        assert pactran(features, problem.labels) == pytest.approx(plain, rel=1e-5)


class TestSolver:
    @pytest.mark.parametrize("seed", [0, 1])
    def test_gradient_and_curvature_are_derivatives(self, seed: int) -> None:
        problem = draw_problem(seed, n_samples=50, n_features=5)
        statistics = problem.statistics()
        design = Design(statistics, statistics.spectrum(), 2.0)
        rng = np.random.default_rng(seed)
        weights, direction = _start(design) + rng.standard_normal((6, 3)), rng.standard_normal((6, 3))
        ahead, behind = (_State(design, 0.01, weights + step * direction) for step in (1e-5, -1e-5))
        here = _State(design, 0.01, weights)
        slope = (ahead.value - behind.value) / 2e-5
        assert np.sum(here.gradient * direction) == pytest.approx(slope, rel=1e-7)
        np.testing.assert_allclose(here.curved(direction), (ahead.gradient - behind.gradient) / 2e-5, atol=1e-8)

    def test_the_minimum_has_no_slope(self) -> None:
        problem = draw_problem(0, n_samples=120, n_features=10, n_classes=5)
        statistics = problem.statistics()
        design = Design(statistics, statistics.spectrum(), 1.0)
        fit = fit_softmax(design, 1e-3)
        state: _State = fit.response.__self__
        assert np.abs(state.gradient).max() < 1e-9
        np.testing.assert_allclose(state.weights[:-1].sum(axis=1), 0, atol=1e-8)

    def test_response_is_that_of_a_heavier_sample(self) -> None:
        problem = draw_problem(2, n_samples=40, n_features=4)
        statistics = problem.statistics()
        spectrum = statistics.spectrum()
        multipliers = np.random.default_rng(0).random(40)

        def fit(rows) -> float:
            # Copies of all samples and one more of one: the same spectrum, and a small step in that one's weight.
            repeated = Statistics(problem.features[rows], problem.labels[rows])
            found = fit_softmax(Design(repeated, spectrum, 1.0), 0.01)
            return float(multipliers @ found.spreads[:40])

        copies = np.tile(np.arange(40), 250)
        expected = np.array([10_000 * (fit(np.append(copies, i)) - fit(copies)) for i in range(8)])
        found = 40 * fit_softmax(Design(statistics, spectrum, 1.0), 0.01).response(multipliers)[:8]
        # All others weigh less by the same stroke, which is one number for all.
        np.testing.assert_allclose(expected - expected.mean(), found - found.mean(), atol=0.03 * np.ptp(found))


class TestSource:
    @pytest.mark.parametrize("prior", ["dirichlet", "gamma"])
    @pytest.mark.parametrize("alpha", [1.0, 0.3])
    @pytest.mark.parametrize("shape", [{}, {"n_classes": 8, "n_source_classes": 3}, {"n_samples": 12}])
    def test_equals_loops(self, prior, alpha: float, shape) -> None:
        problem = draw_problem(1, **shape)
        expected = naive_source(problem.source_probs, problem.labels, prior, alpha)
        found = pactran(problem.statistics(), prior=prior, concentration=alpha)
        assert found == pytest.approx(-expected, rel=1e-10)
        alone = Statistics(None, problem.labels, source_probs=problem.source_probs)
        assert pactran(alone, prior=prior, concentration=alpha) == found

    @pytest.mark.parametrize("prior", ["dirichlet", "gamma"])
    def test_a_head_that_knows_is_better(self, prior) -> None:
        problem = draw_problem(0, n_samples=120, signal=3)
        assert pactran(problem.statistics(), prior=prior) > pactran(problem.shuffled().statistics(), prior=prior)

    @pytest.mark.parametrize("prior", ["dirichlet", "gamma"])
    @pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
    def test_blocks_and_libraries_change_nothing(self, monkeypatch, prior, make) -> None:
        problem = draw_problem(0)
        whole = pactran(problem.statistics(), prior=prior)
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 3_000)
        other = Statistics(None, problem.labels, source_probs=make(problem.source_probs))
        assert pactran(other, prior=prior) == pytest.approx(whole, rel=1e-10)

    @pytest.mark.parametrize("prior", ["dirichlet", "gamma"])
    def test_source_classes_without_probability(self, prior) -> None:
        labels = np.arange(12) % 3
        assert np.isfinite(pactran(Statistics(None, labels, source_probs=np.eye(5)[labels]), prior=prior))

    def test_without_a_source_head(self) -> None:
        problem = draw_problem(0)
        with pytest.raises(UsageError) as error:
            pactran(problem.features, problem.labels, prior="gamma")
        expected = "source_probs must be given: prior='gamma' compares the source head's classes with the labels"
        assert str(error.value) == expected


def test_contract() -> None:
    check_score("pactran", seeds=(0,))


@pytest.mark.parametrize("invariance", sorted(get_spec("pactran").invariances))
def test_invariances_over_shapes(invariance: str) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.integers(0, 10**6), st.integers(8, 60), st.integers(1, 40), st.integers(2, 9), st.data())
    def holds(seed: int, n_samples: int, n_features: int, n_classes: int, data: st.DataObject) -> None:
        dead = data.draw(st.integers(0, n_features - 1))
        shape = {"n_samples": n_samples, "n_features": n_features, "n_classes": n_classes, "n_dead": dead}
        check_invariance("pactran", draw_problem(seed, **shape), invariance, seed=seed)

    holds()


def test_the_ridge_knows_the_number_of_samples() -> None:
    with pytest.raises(AssertionError, match="does not ignore duplication"):
        check_invariance("pactran", draw_problem(0), "duplication", tolerance=1e-4)


@pytest.mark.parametrize("invariance", ["scale", "constant_columns"])
def test_the_authors_formula_depends_on(invariance: str) -> None:
    with pytest.raises(AssertionError, match=f"does not ignore {invariance}"):
        check_invariance("pactran", draw_problem(0), invariance, options={"compat": "authors"}, tolerance=1e-3)


@pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
@pytest.mark.parametrize("shape", SHAPES[:2])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_array_libraries_agree(make, shape, dtype) -> None:
    problem = draw_problem(1, **shape)
    features = problem.features.astype(dtype)
    found = get_spec("pactran").estimate(Statistics(make(features), problem.labels))
    expected = get_spec("pactran").estimate(Statistics(features, problem.labels))
    assert found.value == pytest.approx(expected.value, rel=1e-9)
    np.testing.assert_allclose(found.terms(), expected.terms(), rtol=1e-6)


class TestDegenerate:
    @pytest.mark.parametrize("width", [3, 60])
    @pytest.mark.parametrize("value", [0.0, 0.1])
    def test_constant_features_are_one_that_labels_ignore(self, width: int, value: float) -> None:
        found = get_spec("pactran").estimate(Statistics(np.full((40, width), value), UNEQUAL))
        spread = 1 - (0.5**2 + 0.3**2 + 0.2**2)
        expected = entropy(UNEQUAL) + 0.5 * 3 * 100 / 40 * np.log(1 + 2 * spread * 40 / 3)
        assert found.value == pytest.approx(-expected, rel=1e-12)
        assert found.terms().mean() == pytest.approx(-expected, rel=1e-9)

    @pytest.mark.parametrize("seed", range(5))
    def test_they_are_no_better_than_noise(self, seed: int) -> None:
        constant = pactran(np.ones((40, 3)), UNEQUAL)
        noise = np.random.default_rng(seed).standard_normal((40, 10))
        assert constant < pactran(noise, UNEQUAL) < pactran(noise + 3 * np.eye(3, 10)[UNEQUAL], UNEQUAL)

    def test_constant_features_in_the_authors_formula(self) -> None:
        found = pactran(np.ones((40, 3)), UNEQUAL, compat="authors")
        spread = 1 - (0.5**2 + 0.3**2 + 0.2**2)
        assert found == pytest.approx(-entropy(UNEQUAL) - 3.75 * np.log(1 + spread * 40 * 40 / 9), rel=1e-9)

    def test_few_samples(self) -> None:
        rng = np.random.default_rng(0)
        for shape in ((3, 4), (8, 50), (8, 1)):
            assert pactran(rng.standard_normal(shape), np.arange(shape[0]) % 2) < 0

    def test_one_sample_away_from_all_others(self) -> None:
        features = np.repeat(np.eye(2), [39, 1], axis=0)
        assert np.isfinite(pactran(features, UNEQUAL))

    def test_bad_values_are_seen(self) -> None:
        features = np.ones((10, 3))
        features[4, 1] = np.nan
        with pytest.raises(DataError, match="features must be finite: row 4, column 1 is nan"):
            pactran(features, np.arange(10) % 2)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"prior": "laplace"}, "prior must be one of 'gaussian', 'dirichlet', 'gamma', got 'laplace'"),
        ({"lam": 0}, "lam must be a finite number above 0, got 0"),
        ({"prior_variance": -1}, "prior_variance must be a finite number at least 0, got -1"),
        ({"concentration": 0}, "concentration must be a finite number above 0, got 0"),
        ({"compat": "paper"}, "compat must be one of None, 'authors', got 'paper'"),
    ],
)
def test_bad_options(options, text: str) -> None:
    problem = draw_problem(0)
    with pytest.raises(UsageError) as error:
        pactran(problem.features, problem.labels, **options)
    assert str(error.value) == text


def test_many_classes_need_no_square_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 4 * 2**20)
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.r_[np.arange(1_000), np.arange(100)])
    features = rng.standard_normal((len(labels), 1)).astype(np.float32)
    pactran(features[:50], labels[:50] % 2)  # imports what it needs
    tracemalloc.start()
    found = pactran(features, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.isfinite(found)
    assert peak < 8 * 1_000**2 / 2 + 4 * 2**20


def test_standard_errors_are_those_of_fresh_samples() -> None:
    pool = draw_problem(3, n_samples=6000, signal=0.8)
    found: list[Estimate] = [
        pool.rows(np.arange(i, i + 100)).estimate(get_spec("pactran")) for i in range(0, 6000, 100)
    ]
    true = np.std([estimate.value for estimate in found], ddof=1)
    assert np.mean([estimate.standard_error() for estimate in found]) == pytest.approx(true, rel=0.3)
