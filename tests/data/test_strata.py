from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hubscout.data.allocation import allocate, draw_rows, quantile_bins
from hubscout.data.samples import RowNumbers
from hubscout.data.strata import draw_samples, principal_scores
from hubscout.data.task import Target, Task
from hubscout.errors import UsageError


def target(labels: object, kind: str, unit_counts: list[int] | None = None) -> Target:
    array = np.asarray(labels)
    n = len(array) if unit_counts is None else len(unit_counts)
    names = tuple(f"c{code}" for code in range(12)) if kind != "regression" else ()
    counts = None if unit_counts is None else np.array(unit_counts, dtype=np.intp)
    return Target(Task("t", kind, "features", names), RowNumbers(tuple(range(n))), array, "all", unit_counts=counts)


class TestDrawSamples:
    def test_classes_are_drawn_as_before(self) -> None:
        labels = np.arange(60) % 3
        rows, by = draw_samples(target(labels, "classification"), 10, 4)
        assert (rows.tolist(), by) == (draw_rows(labels, 10, 4).tolist(), "class")

    def test_one_target_is_drawn_as_before(self) -> None:
        labels = np.random.default_rng(0).normal(size=60)
        rows, by = draw_samples(target(labels, "regression"), 10, 4)
        assert (rows.tolist(), by) == (draw_rows(quantile_bins(labels, 10), 10, 4).tolist(), "target")

    def test_labels_by_the_rarest(self) -> None:
        # 90 samples with label 0, ten of which have label 1 too, and ten without any.
        labels = np.zeros((100, 2), dtype=np.int8)
        labels[:90, 0], labels[:10, 1] = 1, 1
        rows, by = draw_samples(target(labels, "multilabel"), 20, 0)
        assert by == "the rarest label of each"
        drawn = labels[rows]
        counts = [(drawn[:, 0] > drawn[:, 1]).sum(), drawn[:, 1].sum(), (~drawn.any(axis=1)).sum()]
        assert counts == allocate(np.array([80, 10, 10]), 20).tolist()

    def test_a_label_that_is_never_the_rarest_keeps_a_few_too(self) -> None:
        # Label 0 stands in ten samples, each with another label that has nine.
        labels = np.zeros((200, 11), dtype=np.int8)
        labels[np.arange(90), 1 + np.arange(90) % 10] = 1
        labels[:10, 0] = 1
        for seed in range(20):
            rows, _ = draw_samples(target(labels, "multilabel"), 60, seed)
            assert len(rows) == 60
            assert (labels[rows].sum(axis=0) >= 5).all()

    def test_units_by_the_rarest_class_among_them(self) -> None:
        # One in fifty images has a box of class 1 among many of class 0.
        rows = [[0, 0, 1] if i % 50 == 0 else [0] * (1 + i % 4) for i in range(300)]
        labels = [code for row in rows for code in row]
        found, by = draw_samples(target(labels, "detection", [len(row) for row in rows]), 30, 1)
        assert by == "the rarest class in each"
        assert len(found) == 30
        assert sum(i % 50 == 0 for i in found.tolist()) == 5

    def test_several_targets_by_their_main_direction(self) -> None:
        generator = np.random.default_rng(0)
        hidden = generator.normal(size=1000)
        labels = np.column_stack([hidden * 100 + 5, -hidden + generator.normal(size=1000) / 10])
        rows, by = draw_samples(target(labels, "regression"), 100, 0)
        assert by == "the main direction of the targets"
        tenths = np.searchsorted(np.quantile(hidden, np.arange(1, 10) / 10), hidden[rows])
        assert np.abs(np.bincount(tenths, minlength=10) - 10).max() <= 2

    def test_all_when_there_are_no_more(self) -> None:
        assert draw_samples(target(np.eye(3, dtype=np.int8), "multilabel"), 3, 0)[0].tolist() == [0, 1, 2]

    @pytest.mark.parametrize(
        ("data", "by"),
        [
            (target(np.eye(12, dtype=np.int8), "multilabel"), "the rarest label of each sample"),
            (target(np.arange(12), "segmentation", [1] * 12), "the rarest class in each sample"),
        ],
    )
    def test_more_strata_than_samples(self, data: Target, by: str) -> None:
        with pytest.raises(UsageError) as caught:
            draw_samples(data, 5, 0)
        assert str(caught.value) == (
            f"probe size (--probe-size) must be at least the number of strata ({by}), 12, got 5; raise it, or check "
            "that the labels are not ids"
        )

    @pytest.mark.parametrize(
        "data",
        [
            target(np.random.default_rng(0).random((300, 4)) < 0.1, "multilabel"),
            target(np.random.default_rng(0).normal(size=(300, 2)), "regression"),
            target(np.random.default_rng(0).integers(0, 4, 600), "detection", [2] * 300),
        ],
    )
    def test_by_seed(self, data: Target) -> None:
        one, same, other = (draw_samples(data, 40, seed)[0].tolist() for seed in (3, 3, 4))
        assert one == same != other
        assert one == sorted(set(one))


class TestPrincipalScores:
    @given(arrays(np.int64, (12, 3), elements=st.integers(-1000, 1000)))
    def test_no_other_direction_varies_more(self, targets: np.ndarray) -> None:
        spread = targets.std(axis=0)
        standard = (targets - targets.mean(axis=0)) / np.where(spread > 0, spread, 1)
        directions = np.random.default_rng(0).normal(size=(3, 200))
        directions /= np.linalg.norm(directions, axis=0)
        assert principal_scores(targets).var() >= (standard @ directions).var(axis=0).max() - 1e-6

    def test_scale_and_shift_of_a_target_do_not_matter(self) -> None:
        targets = np.random.default_rng(1).normal(size=(50, 3))
        assert np.allclose(
            principal_scores(targets), principal_scores(targets * [1, 1e200, 1e-200] + [7, 0, 0]), atol=1e-8
        )

    def test_a_constant_target_does_not_count(self) -> None:
        targets = np.column_stack([np.arange(5.0), np.full(5, 3.0)])
        assert np.allclose(principal_scores(targets), (np.arange(5) - 2) / np.sqrt(2))
