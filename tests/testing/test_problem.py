from __future__ import annotations

import numpy as np
import pytest

import hubscout.testing
from hubscout.errors import UsageError
from hubscout.scores import INVARIANCES, get_spec
from hubscout.testing import FEATURE_INVARIANCES, draw_problem, transform


def test_exports_are_sorted() -> None:
    assert hubscout.testing.__all__ == sorted(hubscout.testing.__all__)


class TestDrawProblem:
    def test_the_seed_decides(self) -> None:
        first, again, other = draw_problem(3), draw_problem(3), draw_problem(4)
        np.testing.assert_array_equal(first.features, again.features)
        np.testing.assert_array_equal(first.labels, again.labels)
        assert not np.array_equal(first.features, other.features)

    @pytest.mark.parametrize("n_classes", [2, 7, 29, 50])
    def test_every_class_is_there_and_one_twice(self, n_classes: int) -> None:
        problem = draw_problem(0, n_samples=30, n_classes=n_classes)
        counts = np.bincount(problem.labels)
        assert len(counts) == min(n_classes, 29)
        assert counts.min() >= 1
        assert counts.max() >= 2

    def test_dead_features(self) -> None:
        assert (draw_problem(n_dead=3).features == 0).all(axis=0).sum() == 3

    def test_source_probs_are_distributions(self) -> None:
        probs = draw_problem().source_probs
        assert (probs > 0).all()
        np.testing.assert_allclose(probs.sum(axis=1), 1)

    def test_regression(self) -> None:
        assert draw_problem(task="regression").labels.shape == (60, 2)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"n_samples": 2}, "n_samples must be a whole number of at least 3, got 2"),
            ({"n_classes": 1}, "n_classes must be a whole number of at least 2, got 1"),
            ({"signal": -1}, "signal must be a finite number at least 0, got -1"),
            ({"task": "detection"}, "task must be one of 'classification', 'regression', got 'detection'"),
        ],
    )
    def test_bad_options(self, options, text: str) -> None:
        with pytest.raises(UsageError) as error:
            draw_problem(**options)
        assert str(error.value) == text


class TestTransform:
    @pytest.mark.parametrize("invariance", INVARIANCES)
    def test_each_changes_what_it_says_and_nothing_else(self, invariance: str) -> None:
        problem = draw_problem(0)
        changed = transform(problem, invariance, seed=1)
        is_same_features = np.array_equal(changed.features, problem.features)
        is_same_labels = np.array_equal(changed.labels, problem.labels)
        assert not (is_same_features and is_same_labels)
        if invariance in FEATURE_INVARIANCES:
            assert is_same_labels
            np.testing.assert_array_equal(changed.source_probs, problem.source_probs)
        if invariance == "label_names":
            assert is_same_features

    def test_rotation_keeps_distances(self) -> None:
        problem = draw_problem(0)
        changed = transform(problem, "rotation")
        np.testing.assert_allclose(changed.features @ changed.features.T, problem.features @ problem.features.T)

    def test_order_moves_rows_together(self) -> None:
        problem = draw_problem(0)
        changed = transform(problem, "sample_order")
        found = {tuple(row): label for row, label in zip(changed.features.tolist(), changed.labels, strict=True)}
        for row, label in zip(problem.features.tolist(), problem.labels, strict=True):
            assert found[tuple(row)] == label

    def test_unknown(self) -> None:
        with pytest.raises(UsageError, match="invariance must be one of"):
            transform(draw_problem(), "colour")


class TestLabelEmbeddings:
    def test_a_mean_a_class_in_sorted_order(self) -> None:
        problem = draw_problem(0, n_samples=30, n_classes=3)
        found = problem.label_embeddings
        assert found.shape == (3, 6)
        np.testing.assert_allclose(found[1], problem.source_probs[problem.labels == 1].mean(axis=0))

    def test_they_follow_the_names(self) -> None:
        problem = draw_problem(0, n_classes=3)
        renamed = transform(problem, "label_names", seed=1)
        order = np.argsort([renamed.labels[problem.labels == code][0] for code in range(3)])
        np.testing.assert_array_equal(renamed.label_embeddings, problem.label_embeddings[order])

    def test_only_scores_that_require_them_get_them(self) -> None:
        problem = draw_problem(0)
        assert problem.options(get_spec("knn"), {"k": 3}) == {"k": 3}
