"""Samples that are parts of one image or text: neighbours, leave-one-out and folds keep off the own group."""

from __future__ import annotations

import naive_kinds
import numpy as np
import pytest

from hubscout.errors import DataError, UsageError
from hubscout.scores import _neighbours, _ridge_residuals, evaluate, get_spec, list_scores
from hubscout.scores._neighbours import nearest_neighbours
from hubscout.stats import Statistics, chunks
from hubscout.testing import draw_problem

RNG = np.random.default_rng(0)
SHAPES = [{"n_samples": 60}, {"n_samples": 40, "n_features": 55}]
CROSS_FITTED = [name for name in list_scores() if "cross_fit" in get_spec(name).options]


def groupings(n: int) -> list[np.ndarray]:
    return [np.arange(n) // 3, RNG.permutation(np.arange(n) % 7), np.minimum(np.arange(n), 5), np.arange(n)]


class TestNeighbours:
    @pytest.mark.parametrize(("limit", "block"), [(900, 7), (900, 64), (10**8, 7), (10**8, 2560)])
    @pytest.mark.parametrize("k", [1, 5])
    def test_are_of_other_groups(self, monkeypatch: pytest.MonkeyPatch, limit: int, block: int, k: int) -> None:
        monkeypatch.setattr(_neighbours, "_BLOCK", block)
        problem = draw_problem(0, n_samples=45, n_features=4)
        for groups in groupings(45):
            distances = np.linalg.norm(problem.features[:, None] - problem.features[None], axis=2)
            distances[groups[:, None] == groups] = np.inf
            if np.isfinite(distances).sum(axis=1).min() < k:
                continue
            expected = np.argsort(distances, axis=1, kind="stable")[:, :k]
            monkeypatch.setattr(chunks, "CHUNK_BYTES", limit)
            index, found = nearest_neighbours(Statistics(problem.features, groups=groups), k)
            np.testing.assert_array_equal(index, expected)
            np.testing.assert_allclose(found, np.take_along_axis(distances, expected, axis=1), rtol=1e-7)

    def test_too_few_outside(self) -> None:
        problem = draw_problem(0)
        groups = np.r_[np.zeros(56, dtype=int), 1, 2, 3, 4]
        found = evaluate(problem.features, problem.labels, ["knn"], groups=groups)["knn"]
        assert found.reason == "k must be at most the number of samples outside of each group, 4, got 5"
        options = {"knn": {"k": 4}}
        assert evaluate(problem.features, problem.labels, ["knn"], groups=groups, options=options)["knn"].value

    def test_copies_within_a_group_have_no_vote(self) -> None:
        problem = draw_problem(0, signal=0.0)
        rows = np.repeat(np.arange(60), 3)
        features, labels = problem.features[rows], problem.labels[rows]
        options = {"knn": {"k": 1}}
        plain = evaluate(features, labels, ["knn"], options=options)["knn"].value
        found = evaluate(features, labels, ["knn"], groups=rows, options=options)["knn"].value
        assert plain == 1.0
        assert found == evaluate(problem.features, problem.labels, ["knn"], options=options)["knn"].value

    def test_of_several_labels(self) -> None:
        problem = draw_problem(1, task="multilabel")
        groups = np.arange(60) // 4
        expected = naive_kinds.knn(problem.features, problem.labels, 5, groups=groups)
        found = evaluate(problem.features, problem.labels, ["knn"], task="multilabel", groups=groups)["knn"]
        assert found.value == pytest.approx(expected, rel=1e-12)


class TestLinearProbe:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("limit", [1000, 10**8])
    @pytest.mark.parametrize("task", ["classification", "regression", "multilabel"])
    def test_equals_refits_without_each_group(self, monkeypatch: pytest.MonkeyPatch, task, limit: int, shape) -> None:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", limit)
        problem = draw_problem(3, task=task, signal=0.7, **shape)
        features, labels = problem.features, problem.labels
        for groups in groupings(len(labels)):
            found = evaluate(features, labels, ["linear_probe"], task=task, groups=groups)["linear_probe"].value
            if task == "multilabel":
                expected = naive_kinds.linear_probe(features, labels, groups=groups)
                assert found == pytest.approx(expected, rel=1e-9)
                continue
            wanted = np.eye(labels.max() + 1)[labels] if task == "classification" else labels
            strengths = naive_kinds.ridge_strengths(features, wanted, is_shared=task == "classification")
            predicted, _ = naive_kinds.ridge_without_groups(features, wanted, groups, strengths)
            if task == "classification":
                assert found == np.mean(predicted.argmax(axis=1) == labels)
            else:
                expected = np.mean(1 - np.mean((wanted - predicted) ** 2, axis=0) / wanted.var(axis=0))
                assert found == pytest.approx(expected, rel=1e-7)

    def test_single_samples_are_as_without_groups(self) -> None:
        for task in ("classification", "regression", "multilabel"):
            problem = draw_problem(4, task=task)
            given = {"scores": ["linear_probe"], "task": task}
            plain, grouped = (
                evaluate(problem.features, problem.labels, groups=groups, **given)["linear_probe"].value
                for groups in (None, np.arange(60))
            )
            assert grouped == pytest.approx(plain, rel=1e-9)

    def test_copies_within_a_group_tell_nothing(self) -> None:
        rng = np.random.default_rng(0)
        features, labels = rng.standard_normal((40, 30)), rng.integers(0, 2, 40)
        rows = np.repeat(np.arange(40), 5)
        near = features[rows] + 0.01 * rng.standard_normal((200, 30))
        plain, grouped = (
            evaluate(near, labels[rows], ["linear_probe"], groups=groups)["linear_probe"].value
            for groups in (None, rows)
        )
        assert plain > 0.85
        assert grouped < 0.7

    def test_both_sides_of_the_solution_agree(self) -> None:
        roots = RNG.standard_normal((3, 12, 5)) / 20
        residuals = RNG.standard_normal((3, 12, 2))
        expected = np.linalg.solve(np.eye(12) - roots @ roots.transpose(0, 2, 1), residuals)
        np.testing.assert_allclose(_ridge_residuals._solved(roots, residuals), expected, atol=1e-12)

    def test_a_single_group_is_refused(self) -> None:
        problem = draw_problem(0)
        found = evaluate(problem.features, problem.labels, ["linear_probe"], groups=["image"] * 60)["linear_probe"]
        assert found.reason == (
            "groups must be at least 2 for this score, got 1, which leaves no other to learn from; leave groups out"
        )


class TestFolds:
    @pytest.mark.parametrize("name", CROSS_FITTED)
    @pytest.mark.parametrize("task", ["classification", "multilabel", "regression", "detection"])
    def test_every_score_deals_whole_groups(self, monkeypatch: pytest.MonkeyPatch, name: str, task) -> None:
        spec = get_spec(name)
        if not spec.applies_to(task):
            return
        problem = draw_problem(0, task=task)
        groups = np.arange(60) // 4
        plain, grouped = (
            spec.estimate(Statistics(problem.features, problem.labels, task=task, groups=own), cross_fit=3).value
            for own in (None, groups)
        )
        assert grouped != plain
        with pytest.raises(UsageError, match="cross_fit must be at most the number of groups, 15, got 20"):
            spec.estimate(Statistics(problem.features, problem.labels, task=task, groups=groups), cross_fit=20)

    def test_near_copies_no_longer_flatter(self) -> None:
        rng = np.random.default_rng(1)
        features, labels = rng.standard_normal((60, 40)), rng.integers(0, 2, 60)
        rows = np.repeat(np.arange(60), 4)
        near = features[rows] + 0.01 * rng.standard_normal((240, 40))
        options = {"disco": {"cross_fit": 5, "n_groups": 1}}
        plain, grouped = (
            evaluate(near, labels[rows], ["disco"], groups=groups, options=options)["disco"].value
            for groups in (None, rows)
        )
        assert plain > 0.8
        assert grouped < 0.65


def test_standard_errors_are_those_of_fresh_groups() -> None:
    """Of images with ten near-equal boxes each: errors of single boxes are far too small."""
    means, stated, single = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(60), 10)
        labels = rng.integers(0, 2, 60)[groups]
        features = (rng.standard_normal((60, 3)) + 1.2 * labels[::10, None])[groups]
        features = features + 0.2 * rng.standard_normal(features.shape)
        found = evaluate(features, labels, ["disco"], groups=groups)["disco"]
        means.append(found.value)
        stated.append(found.standard_error)
        single.append(evaluate(features, labels, ["disco"])["disco"].standard_error)
    assert np.mean(stated) == pytest.approx(np.std(means), rel=0.3)
    assert np.mean(single) < 0.5 * np.std(means)


def test_groups_beside_missing_features() -> None:
    probs = RNG.dirichlet(np.ones(4), 30)
    found = evaluate(None, np.arange(30) % 2, ["leep"], source_probs=probs, groups=np.arange(30) // 2)["leep"]
    assert found.standard_error is not None
    with pytest.raises(DataError, match="groups must hold one row a sample, got 3 rows for 30 samples"):
        evaluate(None, np.arange(30) % 2, ["leep"], source_probs=probs, groups=[1, 2, 3])
