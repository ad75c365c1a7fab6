"""Null references from formulas, against all orders of the labels, or many of them."""

from __future__ import annotations

from itertools import permutations

import array_api_strict
import numpy as np
import pytest
import torch

from hubscout.scores import NullReference, get_spec
from hubscout.stats import Statistics, chunks, passes
from hubscout.stats.label_orders import CentredSums, trace_product_moments
from hubscout.testing import draw_problem

H_SCORES = ["h_score", "h_score_shrunk"]


def known(name: str, statistics: Statistics) -> NullReference:
    null = get_spec(name).null
    assert null is not None
    found = null(statistics)
    assert found is not None
    assert found.method == "analytic"
    return found


def moments(null: NullReference) -> tuple[float, float]:
    return null.mean, null.standard_deviation


def over_all_orders(name: str, statistics: Statistics) -> tuple[float, float]:
    estimate = get_spec(name).estimate
    orders = permutations(range(statistics.n_samples))
    values = [estimate(statistics.relabelled(statistics.codes[list(order)])).value for order in orders]
    return float(np.mean(values)), float(np.std(values))


def drawn(name: str, statistics: Statistics, n_draws: int) -> np.ndarray:
    rng, estimate = np.random.default_rng(0), get_spec(name).estimate
    return np.array([estimate(statistics.relabelled(rng.permutation(statistics.codes))).value for _ in range(n_draws)])


@pytest.mark.parametrize("name", H_SCORES)
class TestHScores:
    @pytest.mark.parametrize("labels", [[0, 0, 0, 1, 1, 2], [0, 0, 0, 0, 0, 1]])
    @pytest.mark.parametrize("n_features", [1, 2, 4, 9])
    def test_all_orders(self, name: str, labels: list[int], n_features: int) -> None:
        statistics = Statistics(draw_problem(1, n_samples=6, n_features=n_features).features, labels)
        found = known(name, statistics)
        expected = over_all_orders(name, statistics)
        assert moments(found) == pytest.approx(expected, rel=1e-7, abs=1e-9)

    @pytest.mark.parametrize("average", ["joint", "macro", "weighted"])
    @pytest.mark.parametrize("n_features", [2, 9])
    def test_all_orders_of_several_labels(self, name: str, average: str, n_features: int) -> None:
        labels = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1], [1, 0, 0]])
        features = draw_problem(1, n_samples=6, n_features=n_features).features
        statistics = Statistics(features, labels, task="multilabel")
        spec, orders = get_spec(name), permutations(range(6))
        values = [
            spec.estimate(statistics.relabelled(statistics.targets[list(order)]), average=average).value
            for order in orders
        ]
        found = spec.null(statistics, average=average)
        assert moments(found) == pytest.approx((np.mean(values), np.std(values)), rel=1e-7, abs=1e-9)

    @pytest.mark.parametrize("n_samples", [3, 4])
    def test_very_few_samples(self, name: str, n_samples: int) -> None:
        statistics = Statistics(
            draw_problem(1, n_samples=n_samples, n_features=1).features, [0, *[1] * (n_samples - 1)]
        )
        found = known(name, statistics)
        expected = over_all_orders(name, statistics)
        assert moments(found) == pytest.approx(expected, rel=1e-7, abs=1e-9)

    @pytest.mark.parametrize("shape", [{"n_features": 30, "n_classes": 6}, {"n_samples": 40, "n_features": 70}])
    def test_many_orders(self, name: str, shape) -> None:
        statistics = draw_problem(0, **shape).statistics()
        found, values = known(name, statistics), drawn(name, statistics, 500)
        assert np.mean(values) == pytest.approx(found.mean, abs=4 * found.standard_deviation / 500**0.5 + 1e-9)
        assert np.std(values) == pytest.approx(found.standard_deviation, rel=0.15, abs=1e-9)

    @pytest.mark.parametrize("value", [0.0, 0.1])
    def test_constant_features(self, name: str, value: float) -> None:
        found = known(name, Statistics(np.full((20, 4), value), np.arange(20) % 2))
        assert moments(found) == (0.0, 0.0)

    def test_is_computed_once_for_all_labels(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        statistics = draw_problem(0).statistics()
        expected = known(name, statistics)
        monkeypatch.setattr(Statistics, "coordinates", None)
        other = statistics.relabelled(statistics.codes[::-1].copy())
        assert known(name, other) == expected

    @pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
    def test_array_libraries(self, name: str, make) -> None:
        problem = draw_problem(0)
        found, expected = (
            known(name, Statistics(array, problem.labels)) for array in (make(problem.features), problem.features)
        )
        assert moments(found) == pytest.approx(moments(expected), rel=1e-9)


def test_h_score_says_the_same_of_all_labels_of_few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 1)  # leverages in float32 have no part in it
    for seed, (n_features, dtype) in enumerate([(19, np.float64), (40, np.float64), *[(40, np.float32)] * 6]):
        problem = draw_problem(seed, n_samples=20, n_features=n_features, n_classes=4)
        statistics = Statistics(problem.features.astype(dtype), problem.labels)
        found = known("h_score", statistics)
        assert moments(found) == (3.0, 0.0)
        assert found.z(get_spec("h_score").estimate(statistics).value) == 0.0


def source_head(kind: str, n_samples: int, n_classes: int, seed: int) -> np.ndarray:
    """Draw probabilities that know nothing of any labels; classes of unequal size."""
    rng = np.random.default_rng(seed)
    shares = 0.8 ** np.arange(n_classes)
    sure = np.eye(n_classes)[rng.choice(n_classes, n_samples, p=shares / shares.sum())]
    unsure = rng.dirichlet(np.ones(n_classes), n_samples)
    return {"sure": sure, "unsure": unsure, "between": 0.8 * sure + 0.2 * unsure}[kind]


def expansion(head: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Mean and spread of LEEP to fourth order in the deviations, with all matrices written out."""
    n, priors = len(head), counts / counts.sum()
    centring = np.eye(n) - 1 / n
    mixing = head @ np.diag(1 / head.sum(axis=0)) @ head.T @ centring
    first = mixing - mixing @ mixing / 2
    sums = CentredSums(n, np.trace(first), np.trace(first @ first), np.sum(np.diag(first) ** 2))
    mean, deviation = trace_product_moments(sums, CentredSums.of_class_means(counts))
    own, squares, cubes = np.diag(mixing), (mixing**2).sum(axis=1), (mixing**3).sum(axis=1)
    further = 0.0
    for prior in priors:
        rest = 1 - prior
        # Terms of two, three and four deviations whose samples coincide, as far as they are of this order.
        further -= np.mean(own**2 - squares / n) / 2 * rest * (1 - 2 * prior) / prior
        further += np.mean(own * squares) * rest**2 / prior
        further += np.mean(cubes) / 3 * rest * (1 - 2 * prior) / prior
        further -= np.mean(squares**2) * 3 / 4 * rest**2 / prior
    return float(priors @ np.log(priors) + mean + further), float(deviation * (1 + further / mean))


def test_the_expansion_in_full_matrices() -> None:
    counts = np.array([300.0, 200.0, 100.0])
    sizes = np.array([380, 120, 60, 40])  # a head that knows some of its classes far better than others
    head = np.repeat(np.eye(4), sizes, axis=0)
    statistics = Statistics(None, np.repeat([0, 1, 2], counts.astype(int)), source_probs=head)
    expected = expansion(head, counts)
    for name in ("leep", "nce"):
        assert moments(known(name, statistics)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["leep", "nce"])
class TestSourceHeads:
    @pytest.mark.parametrize("kind", ["sure", "unsure", "between"])
    @pytest.mark.parametrize(
        ("n_samples", "counts", "n_source_classes"),
        [(300, [100, 100, 100], 4), (900, [400, 250, 150, 100], 5), (1000, [500, 500], 10)],
    )
    def test_many_orders(self, name: str, kind: str, n_samples: int, counts: list[int], n_source_classes: int) -> None:
        labels = np.repeat(np.arange(len(counts)), counts)
        statistics = Statistics(None, labels, source_probs=source_head(kind, n_samples, n_source_classes, 0))
        found, values = known(name, statistics), drawn(name, statistics, 1000)
        # 1 000 draws know the mean to 0.03 standard deviations, and those to 4 percent.
        assert found.mean == pytest.approx(np.mean(values), abs=0.15 * np.std(values))
        assert found.standard_deviation == pytest.approx(np.std(values), rel=0.12)

    def test_bias_is_that_of_miller_and_madow(self, name: str) -> None:
        n, n_classes, n_source_classes = 20_000, 4, 5
        labels = np.arange(n) % n_classes
        head = np.eye(n_source_classes)[np.random.default_rng(0).permutation(n) % n_source_classes]
        found = known(name, Statistics(None, labels, source_probs=head))
        degrees = (n_classes - 1) * (n_source_classes - 1)
        assert found.mean + np.log(n_classes) == pytest.approx(degrees / (2 * n), rel=2e-3)
        assert found.standard_deviation == pytest.approx(np.sqrt(degrees / 2) / n, rel=2e-3)

    def test_source_classes_of_few_samples_are_left_to_draws(self, name: str) -> None:
        labels = np.arange(60) % 10
        statistics = Statistics(None, labels, source_probs=source_head("sure", 60, 12, 0))
        assert get_spec(name).null(statistics) is None

    def test_rare_classes_are_left_to_draws(self, name: str) -> None:
        labels = np.r_[np.zeros(297, dtype=int), 1, 2, 3]
        statistics = Statistics(None, labels, source_probs=source_head("between", 300, 4, 0))
        assert get_spec(name).null(statistics) is None

    def test_a_head_that_always_answers_the_same(self, name: str) -> None:
        shares = np.array([0.5, 0.3, 0.2])
        statistics = Statistics(None, np.repeat([0, 1, 2], [20, 12, 8]), source_probs=np.tile([0.6, 0.4, 0.0], (40, 1)))
        found = known(name, statistics)
        assert found.mean == pytest.approx(shares @ np.log(shares))
        assert found.standard_deviation == 0
        assert found.z(get_spec(name).estimate(statistics).value) == 0

    def test_a_source_class_of_no_probability_takes_no_part(self, name: str) -> None:
        labels, head = np.arange(300) % 3, source_head("between", 300, 4, 0)
        padded = np.concatenate([head, np.zeros((300, 2))], axis=1)
        found, expected = (known(name, Statistics(None, labels, source_probs=probs)) for probs in (padded, head))
        assert moments(found) == pytest.approx(moments(expected), rel=1e-9)

    @pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
    def test_array_libraries(self, name: str, make) -> None:
        labels, head = np.arange(300) % 3, source_head("between", 300, 4, 0)
        found, expected = (known(name, Statistics(None, labels, source_probs=probs)) for probs in (make(head), head))
        assert moments(found) == pytest.approx(moments(expected), rel=1e-9)

    def test_blocks_change_nothing(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        labels, head = np.arange(300) % 3, source_head("between", 300, 4, 0)
        expected = known(name, Statistics(None, labels, source_probs=head))
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 1000)
        found = known(name, Statistics(None, labels, source_probs=head))
        assert moments(found) == pytest.approx(moments(expected), rel=1e-9)


def test_leep_of_rows_that_sum_to_nearly_one() -> None:
    labels, head = np.arange(300) % 3, source_head("unsure", 300, 4, 0)
    head = head * np.random.default_rng(1).uniform(0.991, 0.999, 300)[:, None]
    statistics = Statistics(None, labels, source_probs=head)
    found, values = known("leep", statistics), drawn("leep", statistics, 300)
    assert found.mean == pytest.approx(np.mean(values), abs=0.25 * np.std(values))


def test_leep_of_very_many_source_classes_is_left_to_draws() -> None:
    labels = np.arange(200) % 2
    head = np.random.default_rng(0).dirichlet(np.full(1025, 50.0), 200)
    assert get_spec("leep").null(Statistics(None, labels, source_probs=head)) is None
