"""PARC and LFC, against their definitions with matrices of all pairs."""

from __future__ import annotations

import tracemalloc
from itertools import permutations

import array_api_strict
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from hubscout.errors import UsageError
from hubscout.scores import _pair_ranks, get_spec
from hubscout.scores.lfc import lfc
from hubscout.scores.parc import parc
from hubscout.stats import Statistics, chunks, passes
from hubscout.testing import check_invariance, check_score, draw_problem

MAKERS = {"torch": torch.tensor, "strict": array_api_strict.asarray}
SHAPES = [
    {"n_samples": 60, "n_features": 6},
    {"n_samples": 150, "n_features": 50, "n_classes": 9, "n_dead": 5},
    {"n_samples": 45, "n_features": 80},
    {"n_samples": 40, "n_features": 2, "n_classes": 2},
    {"n_samples": 40, "n_features": 1},
]


def whitened(features: np.ndarray, n_components: int = 32) -> np.ndarray:
    left, values, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    return left[:, : min(n_components, np.count_nonzero(values > 1e-7 * values[0]))]


def naive_parc(rows: np.ndarray, labels: np.ndarray, digits: int = 12) -> float:
    """Spearman over all pairs, with similarities that differ by rounding alone made equal."""
    similarity = np.eye(len(rows))
    for i in range(len(rows)):
        for j in range(i):
            similarity[i, j] = rows[i] @ rows[j] / np.sqrt((rows[i] @ rows[i]) * (rows[j] @ rows[j]))
    return spearman(similarity, labels, digits)


def spearman(similarity: np.ndarray, labels: np.ndarray, digits: int = 12) -> float:
    lower = np.tril_indices(len(labels), -1)
    return 100 * spearmanr(np.round(similarity[lower], digits), labels[lower[0]] == labels[lower[1]])[0]


def cosines(rows: np.ndarray) -> np.ndarray:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


def authors_parc(features: np.ndarray, labels: np.ndarray, n_components: int) -> float:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    reduced = PCA(n_components, svd_solver="full").fit_transform(features)
    return spearman(np.corrcoef(StandardScaler().fit_transform(reduced)), labels)


def naive_lfc(features: np.ndarray, labels: np.ndarray, *, centred: bool = True) -> float:
    features = features - features.mean(axis=0) if centred else features
    kernel = features @ features.T
    signs = np.where(labels[:, None] == labels, 1.0, -1.0)
    kernel, signs = kernel - kernel.mean(), signs - signs.mean()
    return float(np.sum(kernel * signs) / np.sqrt(np.sum(kernel**2) * np.sum(signs**2)))


def over_all_orders(name: str, statistics: Statistics, **options) -> tuple[float, float]:
    estimate = get_spec(name).estimate
    orders = permutations(range(statistics.n_samples))
    found = [estimate(statistics.relabelled(statistics.codes[list(order)]), **options).value for order in orders]
    return float(np.mean(found)), float(np.std(found))


class TestParc:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("seed", [0, 1])
    def test_is_spearman_of_all_pairs(self, shape, seed: int) -> None:
        problem = draw_problem(seed, **shape)
        expected = naive_parc(whitened(problem.features), problem.labels)
        assert parc(problem.features, problem.labels) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("n_components", [1, 2, 5])
    def test_fewer_components(self, n_components: int) -> None:
        problem = draw_problem(0)
        expected = naive_parc(whitened(problem.features, n_components), problem.labels)
        found = parc(problem.features, problem.labels, n_components=n_components)
        assert found == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize(("shape", "n_components"), [(SHAPES[0], 6), (SHAPES[1], 32), (SHAPES[2], 32)])
    def test_authors_is_that_of_scikit_learn(self, shape, n_components: int) -> None:
        problem = draw_problem(2, **shape)
        expected = authors_parc(problem.features, problem.labels, n_components)
        assert parc(problem.features, problem.labels, compat="authors") == pytest.approx(expected, rel=1e-9)

    def test_the_authors_value_depends_on_arbitrary_signs(self) -> None:
        with pytest.raises(AssertionError, match="does not ignore rotation"):
            check_invariance("parc", draw_problem(0), "rotation", options={"compat": "authors"}, tolerance=1e-3)

    @pytest.mark.parametrize("n_samples", [1100, 1500])
    def test_many_samples_are_counted_in_bins(self, n_samples: int) -> None:
        problem = draw_problem(1, n_samples=n_samples, n_features=40, n_classes=7)
        expected = spearman(cosines(whitened(problem.features)), problem.labels)
        assert parc(problem.features, problem.labels) == pytest.approx(expected, rel=1e-6)

    def test_many_samples_of_few_kinds(self) -> None:
        rng = np.random.default_rng(0)
        features = rng.integers(0, 2, (1200, 4)).astype(float)
        labels = ((features @ [1, 2, 0, 0] + rng.standard_normal(1200)) > 1).astype(int)
        expected = spearman(cosines(whitened(features)), labels, 9)
        assert parc(features, labels) == pytest.approx(expected, rel=1e-6)
        assert parc(1e3 * features + 7, labels) == pytest.approx(expected, rel=1e-6)

    def test_nearly_equal_similarities_are_told_apart(self) -> None:
        # Outliers own the components; all else lies close together in them, within a few bins.
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 5, 1200)
        features = rng.standard_normal((1200, 40)) + rng.standard_normal((5, 40))[labels]
        features[:60] += 1e5 * np.abs(rng.standard_normal((60, 40)))
        similarity = cosines(whitened(features))
        assert np.ptp(similarity[60:, 60:]) < 1e-4
        assert parc(features, labels) == pytest.approx(spearman(similarity, labels), rel=1e-5)

    def test_blocks_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(0, n_samples=300, n_classes=5)
        monkeypatch.setattr(_pair_ranks, "_SORTED_SAMPLES", 0)
        statistics = problem.statistics()
        expected = parc(statistics), get_spec("parc").null(statistics).standard_deviation
        assert expected[0] == pytest.approx(parc(problem.features, problem.labels), rel=1e-12)
        for name, value in (("_ROWS", 37), ("_COLUMNS", 50), ("_CACHED", 101)):
            monkeypatch.setattr(_pair_ranks, name, value)
        statistics = problem.statistics()
        found = parc(statistics), get_spec("parc").null(statistics).standard_deviation
        assert found == pytest.approx(expected, rel=1e-12)

    def test_float32_products(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(0, n_samples=1100, n_features=12)
        expected = parc(problem.features, problem.labels)
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 1)
        assert parc(problem.features.astype(np.float32), problem.labels) == pytest.approx(expected, rel=1e-4)

    def test_differences_of_rounding_are_ties(self) -> None:
        problem = draw_problem(0, n_samples=30)
        twice = problem.rows(np.repeat(np.arange(30), 2))
        noise = 1 + 1e-15 * np.random.default_rng(0).choice([-1, 1], twice.features.shape)
        assert parc(twice.features * noise, twice.labels) == pytest.approx(parc(twice.features, twice.labels), rel=1e-9)

    def test_two_tight_clusters_reach_the_maximum(self) -> None:
        features = np.array([[0.0], [0.1], [5.0], [5.1]])
        assert parc(features, [0, 0, 1, 1]) == pytest.approx(100)
        assert parc(features, [0, 1, 0, 1]) == pytest.approx(-50)

    def test_a_sample_at_the_mean_is_like_no_other(self) -> None:
        problem = draw_problem(0, n_samples=20, n_features=3)
        away = problem.features - problem.features.mean(axis=0)
        features = np.concatenate([away, -away, np.zeros((1, 3))]) + np.array([0.1, -0.7, 4 / 3])
        labels = np.concatenate([problem.labels, problem.labels, [0]])
        rows = whitened(features)
        rows[40] = 0
        lengths = np.where(np.arange(41) < 40, np.linalg.norm(rows, axis=1), 1)[:, None]
        expected = spearman((rows / lengths) @ (rows / lengths).T, labels, 9)
        assert parc(features, labels) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("n_samples", [4, 20, 33])
    def test_samples_as_far_apart_as_can_be_say_nothing(self, n_samples: int) -> None:
        problem = draw_problem(0, n_samples=n_samples, n_features=60)
        uneven = problem.features * np.logspace(0, -4, 60)  # whitening brings up the rounding error
        for features in (problem.features, uneven):
            assert parc(features, problem.labels) == 0.0
            assert get_spec("parc").null(Statistics(features, problem.labels)).standard_deviation == 0.0

    @pytest.mark.parametrize("options", [{}, {"compat": "authors"}])
    @pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
    def test_constant_features(self, value: float, options) -> None:
        statistics = Statistics(np.full((40, 5), value), np.arange(40) % 3)
        assert parc(statistics, **options) == 0.0
        assert get_spec("parc").null(statistics, **options).z(0.0) == 0.0

    def test_options_out_of_range(self) -> None:
        problem = draw_problem(0)
        with pytest.raises(UsageError, match=r"^n_components must be a whole number of at least 1, got 0$"):
            parc(problem.features, problem.labels, n_components=0)
        with pytest.raises(UsageError, match=r"^compat must be one of None, 'authors', got 'theirs'$"):
            parc(problem.features, problem.labels, compat="theirs")

    @pytest.mark.parametrize("labels", [[0, 0, 0, 1, 1, 2], [0, 0, 0, 0, 0, 1]])
    @pytest.mark.parametrize("options", [{}, {"compat": "authors"}])
    def test_null_is_that_of_all_orders(self, labels: list[int], options) -> None:
        statistics = Statistics(draw_problem(0, n_samples=6, n_features=3).features, labels)
        found = get_spec("parc").null(statistics, **options)
        assert (found.mean, found.standard_deviation) == pytest.approx(
            over_all_orders("parc", statistics, **options), rel=1e-9, abs=1e-10
        )
        assert found.method == "analytic"

    def test_null_of_many_samples(self) -> None:
        statistics = draw_problem(0, n_samples=1200, n_features=5, n_classes=6).statistics()
        found = get_spec("parc").null(statistics)
        rng = np.random.default_rng(0)
        drawn = [parc(statistics.relabelled(rng.permutation(statistics.codes))) for _ in range(150)]
        assert np.mean(drawn) == pytest.approx(found.mean, abs=4 * found.standard_deviation / 150**0.5)
        assert np.std(drawn) == pytest.approx(found.standard_deviation, rel=0.25)


class TestLfc:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("seed", [0, 1])
    @pytest.mark.parametrize(("options", "centred"), [({}, True), ({"compat": "authors"}, False)])
    def test_is_the_cosine_of_both_gram_matrices(self, shape, seed: int, options, centred: bool) -> None:
        problem = draw_problem(seed, **shape)
        expected = naive_lfc(problem.features, problem.labels, centred=centred)
        assert lfc(problem.features, problem.labels, **options) == pytest.approx(expected, rel=1e-9, abs=1e-12)

    def test_the_authors_value_is_pressed_down_by_the_mean(self) -> None:
        problem = draw_problem(0)
        far = problem.features + 100
        assert lfc(far, problem.labels) == pytest.approx(lfc(problem.features, problem.labels), rel=1e-9)
        assert abs(lfc(far, problem.labels, compat="authors")) < 0.2 * lfc(far, problem.labels)

    def test_features_that_are_the_labels_are_perfect(self) -> None:
        labels = np.arange(12) % 2
        assert lfc(labels[:, None].astype(float), labels) == pytest.approx(1)

    @pytest.mark.parametrize("options", [{}, {"compat": "authors"}])
    @pytest.mark.parametrize("width", [3, 60])
    @pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
    def test_constant_features(self, value: float, width: int, options) -> None:
        statistics = Statistics(np.full((40, width), value), np.arange(40) % 3)
        assert lfc(statistics, **options) == 0.0
        assert get_spec("lfc").null(statistics, **options).z(0.0) == 0.0

    def test_options_out_of_range(self) -> None:
        with pytest.raises(UsageError, match=r"^compat must be one of None, 'authors', got 'theirs'$"):
            lfc(draw_problem(0).features, draw_problem(0).labels, compat="theirs")

    @pytest.mark.parametrize("width", [3, 20])
    @pytest.mark.parametrize("labels", [[0, 0, 0, 1, 1, 2], [0, 0, 0, 0, 0, 1]])
    @pytest.mark.parametrize("options", [{}, {"compat": "authors"}])
    def test_null_is_that_of_all_orders(self, width: int, labels: list[int], options) -> None:
        statistics = Statistics(draw_problem(0, n_samples=6, n_features=width).features, labels)
        found = get_spec("lfc").null(statistics, **options)
        expected = over_all_orders("lfc", statistics, **options)
        assert (found.mean, found.standard_deviation) == pytest.approx(expected, rel=1e-8)

    @pytest.mark.parametrize("width", [6, 150])
    def test_terms_are_the_influence_of_each_sample(self, width: int) -> None:
        problem = draw_problem(0, n_samples=60, n_features=width, signal=0.8)
        estimate = problem.estimate(get_spec("lfc"))
        terms = estimate.terms()
        copies = np.tile(np.arange(60), 5)  # copies of all change nothing, and make one more of one a small step
        more, less = (
            np.array([lfc(problem.features[rows], problem.labels[rows]) for rows in map(change, range(60))])
            for change in (lambda i: np.append(copies, i), lambda i: np.delete(copies, i))
        )
        influence = len(copies) * (more - less) / 2
        assert terms - terms.mean() == pytest.approx(influence - influence.mean(), abs=0.01 * terms.std())

    def test_standard_error_is_that_of_fresh_samples(self) -> None:
        pool = draw_problem(3, n_samples=8000, signal=0.8)
        found = [pool.rows(np.arange(i, i + 100)).estimate(get_spec("lfc")) for i in range(0, 8000, 100)]
        true = np.std([estimate.value for estimate in found], ddof=1)
        assert np.mean([estimate.standard_error() for estimate in found]) == pytest.approx(true, rel=0.3)

    def test_float32_products(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(0, n_samples=500)
        expected = lfc(problem.features, problem.labels)
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 1)
        assert lfc(problem.features.astype(np.float32), problem.labels) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["parc", "lfc"])
class TestBoth:
    def test_contract(self, name: str) -> None:
        check_score(name)

    @pytest.mark.parametrize("library", MAKERS)
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("sorted_samples", [0, 1024])
    def test_array_libraries_agree(
        self, name: str, library: str, shape, sorted_samples: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_pair_ranks, "_SORTED_SAMPLES", sorted_samples)
        problem, spec = draw_problem(1, **shape), get_spec(name)
        for options in ({}, {"compat": "authors"}):
            plain = problem.statistics()
            other = Statistics(MAKERS[library](problem.features), problem.labels)
            expected, found = (spec.estimate(statistics, **options) for statistics in (plain, other))
            assert found.value == pytest.approx(expected.value, rel=1e-9, abs=1e-9)
            if expected.terms is not None:
                assert found.terms() == pytest.approx(expected.terms(), rel=1e-7, abs=1e-9)
            nulls = [spec.null(statistics, **options) for statistics in (plain, other)]
            assert nulls[1].mean == pytest.approx(nulls[0].mean, rel=1e-9)
            assert nulls[1].standard_deviation == pytest.approx(nulls[0].standard_deviation, rel=1e-9)

    def test_ten_thousand_classes_need_no_square_of_them(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 8 * 2**20)
        rng = np.random.default_rng(0)
        labels = rng.permutation(np.r_[np.arange(10_000), np.arange(200)])
        statistics = Statistics(rng.standard_normal((len(labels), 3)).astype(np.float32), labels)
        tracemalloc.start()
        value = get_spec(name).estimate(statistics).value
        null = get_spec(name).null(statistics)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert abs(null.z(value)) < 5
        assert peak < 160 * 2**20
