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

    @pytest.mark.parametrize("n_labels", [2, 5, 29])
    def test_every_label_is_there_and_not_everywhere(self, n_labels: int) -> None:
        labels = draw_problem(0, n_samples=30, n_classes=n_labels, task="multilabel").labels
        assert labels.shape == (30, n_labels)
        assert set(np.unique(labels)) == {0, 1}
        assert (labels.sum(axis=0) >= 1).all()
        assert labels[:, 0].sum() == 15

    def test_boxes_lie_in_the_image(self) -> None:
        problem = draw_problem(task="detection")
        left, top, right, bottom = problem.labels[:, 1:].T
        assert (left < right).all()
        assert (top < bottom).all()
        assert problem.labels[:, 1:].min() >= 0
        assert problem.labels[:, 1:].max() <= 1

    @pytest.mark.parametrize("task", ["detection", "token_classification", "segmentation"])
    def test_parts_come_in_groups(self, task) -> None:
        problem, plain = draw_problem(task=task), draw_problem()
        assert np.bincount(problem.groups).max() <= 4
        assert len(np.unique(problem.groups)) < 60
        np.testing.assert_array_equal(problem.features, plain.features)
        assert plain.groups is None

    @pytest.mark.parametrize("task", ["multilabel", "regression", "detection"])
    def test_a_signal_is_in_the_features(self, task) -> None:
        problem = draw_problem(0, n_samples=300, signal=4.0, task=task)
        design = np.c_[np.ones(300), problem.features]
        targets = problem.labels[:, 1:] if task == "detection" else problem.labels
        residuals = targets - design @ np.linalg.lstsq(design, targets)[0]
        assert (residuals.var(axis=0) < 0.7 * targets.var(axis=0)).all()

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"n_samples": 2}, "n_samples must be a whole number of at least 3, got 2"),
            ({"n_classes": 1}, "n_classes must be a whole number of at least 2, got 1"),
            ({"signal": -1}, "signal must be a finite number at least 0, got -1"),
            (
                {"task": "boxes"},
                (
                    "task must be one of 'classification', 'multilabel', 'regression', 'detection', "
                    "'token_classification', 'segmentation', got 'boxes'"
                ),
            ),
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

    @pytest.mark.parametrize("invariance", INVARIANCES)
    @pytest.mark.parametrize("task", ["multilabel", "detection"])
    def test_of_other_kinds(self, task, invariance: str) -> None:
        problem = draw_problem(0, task=task)
        changed = transform(problem, invariance, seed=2)
        n_samples = 120 if invariance == "duplication" else 60
        assert len(changed.features) == len(changed.labels) == n_samples
        assert problem.groups is None or len(changed.groups) == n_samples
        if invariance == "label_names":
            assert not np.array_equal(changed.labels, problem.labels)
            assert np.array_equal(changed.labels[:, 1:], problem.labels[:, 1:]) is (task == "detection")

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
