"""Labels in random order on shared statistics, against statistics made afresh."""

from __future__ import annotations

import numpy as np
import pytest

from hubscout.stats import Statistics, permutation
from hubscout.stats.permutation import permuted
from hubscout.testing import draw_problem

SHAPES = [
    ({}, "classification"),
    ({"n_samples": 20, "n_features": 35}, "classification"),
    ({}, "regression"),
]


def fresh(statistics: Statistics, shuffled: Statistics) -> Statistics:
    return Statistics(statistics.features, shuffled.targets, task=statistics.task)


@pytest.mark.parametrize(("shape", "task"), SHAPES)
@pytest.mark.parametrize("with_sums", [True, False])
class TestPermuted:
    def test_moments_are_those_of_the_new_labels(self, shape, task, with_sums: bool) -> None:
        statistics = draw_problem(0, task=task, **shape).statistics()
        for shuffled in permuted(statistics, 3, 0, with_sums=with_sums):
            expected = fresh(statistics, shuffled).moments()
            found = shuffled.moments()
            for name in ("target_totals", "target_squares", "target_sums", "mean", "scatter"):
                np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-8, err_msg=name)

    def test_scores_are_those_of_the_new_labels(self, shape, task, with_sums: bool) -> None:
        from hubscout.scores import evaluate, list_scores

        statistics = draw_problem(1, task=task, **shape).statistics()
        before = evaluate(statistics, scores="all")
        for shuffled in permuted(statistics, 2, 1, with_sums=with_sums):
            expected = evaluate(fresh(statistics, shuffled), scores="all")
            found = evaluate(shuffled, scores=list(expected))
            for name, value in found.items():
                assert value.value == pytest.approx(expected[name].value, rel=1e-8, abs=1e-8), name
        after = evaluate(statistics, scores="all")
        assert {name: value.value for name, value in after.items()} == {
            name: value.value for name, value in before.items()
        }
        assert set(before) <= set(list_scores(task))


def test_class_and_box_of_a_detection_stay_together() -> None:
    plain = draw_problem(0)
    boxes = np.random.default_rng(0).random((60, 4))
    statistics = Statistics(plain.features, (plain.labels, boxes), task="detection")
    for shuffled in permuted(statistics, 3, 0):
        found = shuffled.parts
        order = [int(np.flatnonzero((boxes == box).all(axis=1))[0]) for box in found["boxes"].targets]
        assert order != list(range(60))
        np.testing.assert_array_equal(found["classes"].codes, plain.labels[order])
        expected = Statistics(plain.features, boxes[order], task="regression").moments()
        np.testing.assert_allclose(found["boxes"].moments().target_sums, expected.target_sums, atol=1e-10)
        assert shuffled.spectrum() is statistics.spectrum()
    np.testing.assert_array_equal(statistics.parts["boxes"].targets, boxes)


def test_the_decomposition_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = draw_problem(0).statistics()
    spectrum = statistics.spectrum()
    monkeypatch.setattr(Statistics, "_decompose", None)
    for shuffled in permuted(statistics, 2, 0):
        assert shuffled.spectrum() is spectrum


def test_many_draws_share_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = draw_problem(0).statistics()
    statistics.moments()
    passes = []
    plain = Statistics.chunks

    def watched(self, **options):
        passes.append(options)
        return plain(self, **options)

    monkeypatch.setattr(Statistics, "chunks", watched)
    whole = [shuffled.moments().target_sums for shuffled in permuted(statistics, 6, 0)]
    assert len(passes) == 1
    bytes_a_draw = 8 * (statistics.n_targets * statistics.n_features + statistics.n_samples)
    monkeypatch.setattr(permutation, "CHUNK_BYTES", 2 * bytes_a_draw)
    parts = [shuffled.moments().target_sums for shuffled in permuted(statistics, 6, 0)]
    assert len(passes) == 4
    np.testing.assert_allclose(parts, whole)


def test_the_seed_decides_and_labels_stay_those_given() -> None:
    statistics = draw_problem(0).statistics()
    first, again, other = (next(permuted(statistics, 1, seed)).codes for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
    assert (np.sort(first) == np.sort(statistics.codes)).all()


def test_what_features_gave_is_remembered_by_all() -> None:
    statistics = draw_problem(0).statistics()
    calls: list[int] = []

    def compute() -> int:
        calls.append(1)
        return 7

    shuffled = next(permuted(statistics, 1, 0))
    assert [shuffled.remember("seven", compute), statistics.remember("seven", compute)] == [7, 7]
    assert len(calls) == 1
    assert draw_problem(0).statistics().remember("seven", lambda: 8) == 8
