from __future__ import annotations

import naive_scores
import numpy as np
import pytest
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from hubscout.errors import DataError, UsageError
from hubscout.scores import _neighbours, knn, linear_probe, nearest_centroid
from hubscout.scores._neighbours import nearest_neighbours
from hubscout.stats import Statistics, chunks, passes
from hubscout.testing import draw_problem

SHAPES = [
    {"n_samples": 45, "n_features": 4},
    {"n_samples": 20, "n_features": 30},
    {"n_samples": 50, "n_features": 9, "n_dead": 4, "n_classes": 7},
]


class TestNearestCentroid:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_equals_a_loop(self, shape, seed: int) -> None:
        problem = draw_problem(seed, **shape)
        expected = naive_scores.nearest_centroid(problem.features, problem.labels)
        assert nearest_centroid(problem.features, problem.labels) == expected

    def test_a_class_of_one_sample_is_never_right(self) -> None:
        assert nearest_centroid([[0.0], [0.1], [9.0]], ["a", "a", "b"]) == pytest.approx(2 / 3)

    def test_a_tie_is_wrong(self) -> None:
        assert nearest_centroid([[0.0], [2.0], [2.0], [0.0]], ["a", "a", "b", "b"]) == 0.0

    @pytest.mark.parametrize("value", [0.0, 0.1])
    def test_constant_features_give_zero(self, value: float) -> None:
        assert nearest_centroid(np.full((20, 4), value), np.arange(20) % 2) == 0.0


class TestNeighbours:
    @pytest.mark.parametrize(("limit", "block"), [(1, 7), (900, 7), (900, 64), (10**8, 7), (10**8, 64)])
    @pytest.mark.parametrize("k", [1, 4, 44])
    def test_equals_sorting(self, monkeypatch: pytest.MonkeyPatch, limit: int, block: int, k: int) -> None:
        monkeypatch.setattr(_neighbours, "_BLOCK", block)
        problem = draw_problem(0, n_samples=45, n_features=4)
        distances = np.linalg.norm(problem.features[:, None] - problem.features[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        expected = np.argsort(distances, axis=1)[:, :k]
        monkeypatch.setattr(chunks, "CHUNK_BYTES", limit)
        index, found = nearest_neighbours(problem.statistics(), k)
        np.testing.assert_array_equal(index, expected)
        np.testing.assert_allclose(found, np.take_along_axis(distances, expected, axis=1), rtol=1e-7)

    @pytest.mark.parametrize("block", [97, 250, 2560])
    def test_equals_sorting_where_groups_bound_the_nearest(self, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
        monkeypatch.setattr(_neighbours, "_BLOCK", block)
        features = np.random.default_rng(1).standard_normal((500, 3))
        distances = np.linalg.norm(features[:, None] - features[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        index, _ = nearest_neighbours(Statistics(features), 2)
        np.testing.assert_array_equal(index, np.argsort(distances, axis=1)[:, :2])

    @pytest.mark.parametrize(("limit", "block"), [(1, 7), (8 * 60, 7), (10**8, 7), (10**8, 64)])
    def test_equally_far_samples_keep_their_order(
        self, monkeypatch: pytest.MonkeyPatch, limit: int, block: int
    ) -> None:
        monkeypatch.setattr(_neighbours, "_BLOCK", block)
        monkeypatch.setattr(chunks, "CHUNK_BYTES", limit)
        index, found = nearest_neighbours(Statistics(np.full((90, 1), 0.1)), 3)
        assert index[:4].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
        assert (index[4:] == [0, 1, 2]).all()
        assert not found.any()

    def test_large_float32_features_have_the_same_neighbours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(0, n_samples=60)
        expected, _ = nearest_neighbours(problem.statistics(), 5)
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 0)
        found, distances = nearest_neighbours(Statistics(problem.features.astype(np.float32), problem.labels), 5)
        np.testing.assert_array_equal(found, expected)
        assert distances.dtype == np.float64

    def test_ties_at_the_last_place_go_to_the_first_samples(self) -> None:
        # A line of whole numbers, centred exactly: for every sample many others are equally far.
        values = np.random.default_rng(0).permutation(np.repeat([-1.0, 0.0, 1.0], 100))
        index, _ = nearest_neighbours(Statistics(values[:, None]), 150)
        distances = np.abs(values[:, None] - values[None])
        np.fill_diagonal(distances, np.inf)
        np.testing.assert_array_equal(index, np.argsort(distances, axis=1, kind="stable")[:, :150])


class TestKnn:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("k", [1, 5])
    def test_equals_a_loop(self, shape, k: int) -> None:
        for seed in range(3):
            problem = draw_problem(seed, **shape)
            expected = naive_scores.knn(problem.features, problem.labels, k)
            assert knn(problem.features, problem.labels, k=k) == expected

    @pytest.mark.parametrize("k", [1, 3])
    def test_equals_scikit_learn_left_one_out(self, k: int) -> None:
        problem = draw_problem(0, n_samples=40, n_classes=2, signal=0.5)  # two classes and an odd k: no ties
        model = KNeighborsClassifier(k)
        predicted = cross_val_predict(model, problem.features, problem.labels, cv=LeaveOneOut())
        assert knn(problem.features, problem.labels, k=k) == np.mean(predicted == problem.labels)

    def test_regression_equals_scikit_learn_left_one_out(self) -> None:
        problem = draw_problem(0, n_samples=40, task="regression")
        predicted = cross_val_predict(KNeighborsRegressor(4), problem.features, problem.labels, cv=LeaveOneOut())
        expected = np.mean(1 - np.mean((predicted - problem.labels) ** 2, axis=0) / problem.labels.var(axis=0))
        assert knn(problem.features, problem.labels, k=4, task="regression") == pytest.approx(expected, rel=1e-12)
        naive = naive_scores.knn_regression(problem.features, problem.labels, 4)
        assert naive == pytest.approx(expected, rel=1e-12)

    def test_tied_votes_go_to_the_nearer_label(self) -> None:
        features = [[0.0], [1.0], [1.2], [-2.0], [-2.1], [50.0], [51.0]]
        labels = ["a", "a", "a", "b", "b", "c", "c"]
        assert knn(features[:5], labels[:5], k=4) == pytest.approx(3 / 5)

    def test_votes_in_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = draw_problem(1, n_samples=45, n_classes=5)
        whole = [knn(problem.features, problem.labels, k=k) for k in (5, 20)]
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 7000)
        assert [knn(problem.features, problem.labels, k=k) for k in (5, 20)] == whole

    @pytest.mark.parametrize(("k", "text"), [(0, "0"), ("five", "'five'"), (2.0, "2.0"), (True, "True")])
    def test_bad_k(self, k, text: str) -> None:
        problem = draw_problem(0)
        with pytest.raises(UsageError, match=f"^k must be a whole number of at least 1, got {text}$"):
            knn(problem.features, problem.labels, k=k)

    def test_k_beyond_the_samples(self) -> None:
        problem = draw_problem(0)
        with pytest.raises(DataError, match=r"^k must be below the number of samples, 60, got 60$"):
            knn(problem.features, problem.labels, k=60)


class TestLinearProbe:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("seed", [0, 1])
    def test_equals_refits_without_each_sample(self, shape, seed: int) -> None:
        problem = draw_problem(seed, signal=0.6, **shape)
        expected = naive_scores.linear_probe(problem.features, problem.labels)
        assert linear_probe(problem.features, problem.labels) == expected

    @pytest.mark.parametrize("shape", SHAPES[:2])
    def test_of_regression(self, shape) -> None:
        problem = draw_problem(3, signal=0.6, task="regression", **shape)
        expected = naive_scores.linear_probe(problem.features, targets=problem.labels)
        found = linear_probe(problem.features, problem.labels, task="regression")
        assert found == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("value", [0.0, 0.1])
    def test_constant_features(self, value: float) -> None:
        features = np.full((20, 3), value)
        assert linear_probe(features, [0] * 12 + [1] * 8) == 0.6
        assert linear_probe(features, np.arange(20.0), task="regression") == pytest.approx(0, abs=1e-12)
