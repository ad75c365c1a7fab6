from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.memberships import Memberships, memberships, rarest_classes, with_each_class
from hubscout.data.samples import RowNumbers
from hubscout.data.task import Target, Task

ROWS = st.lists(st.frozensets(st.integers(0, 4)), min_size=1, max_size=40)


def multilabel(rows: list[frozenset[int]], n_labels: int = 5) -> Target:
    labels = np.array([[code in row for code in range(n_labels)] for row in rows], dtype=np.int8)
    names = tuple(f"l{code}" for code in range(n_labels))
    return Target(Task("t", "multilabel", "features", names), RowNumbers(tuple(range(len(rows)))), labels, "all")


def with_units(rows: list[list[int]]) -> Target:
    labels = np.array([code for row in rows for code in row], dtype=np.intp)
    names = tuple(f"c{code}" for code in range(9))
    return Target(
        Task("t", "segmentation", "features", names), RowNumbers(tuple(range(len(rows)))), labels, "all",
        unit_counts=np.array([len(row) for row in rows], dtype=np.intp),
    )  # fmt: skip


def sets_of(found: Memberships) -> list[set[int]]:
    return [set(found.classes[found.samples == sample].tolist()) for sample in range(found.n_samples)]


def floor(n_classes: int, size: int) -> int:
    return max(1, min(5, size // n_classes))


class TestMemberships:
    @given(ROWS)
    def test_of_labels(self, rows: list[frozenset[int]]) -> None:
        found = memberships(multilabel(rows))
        assert sets_of(found) == [set(row) or {5} for row in rows]
        assert found.counts.tolist() == [
            *(sum(code in row for row in rows) for code in range(5)),
            rows.count(frozenset()),
        ]

    @given(st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=6), min_size=1, max_size=20))
    def test_of_units(self, rows: list[list[int]]) -> None:
        found = memberships(with_units(rows))
        assert sets_of(found) == [set(row) for row in rows]
        assert len(found.samples) == sum(len(set(row)) for row in rows)
        assert (np.diff(found.samples) >= 0).all()


class TestRarestClasses:
    @given(ROWS)
    def test_no_class_of_the_sample_is_rarer(self, rows: list[frozenset[int]]) -> None:
        having = [frozenset(row) or frozenset({5}) for row in rows]
        counts = {code: sum(code in row for row in having) for code in range(6)}
        expected = [min(row, key=lambda code: (counts[code], code)) for row in having]
        assert rarest_classes(memberships(multilabel(rows))).tolist() == expected


class TestWithEachClass:
    @pytest.mark.parametrize("size", [6, 12, 30])
    @given(rows=ROWS, seed=st.integers(0, 9))
    def test_each_class_keeps_a_few(self, size: int, rows: list[frozenset[int]], seed: int) -> None:
        found = memberships(multilabel(rows))
        drawn = np.arange(min(size, len(rows)))  # the worst draw: the first samples
        kept = with_each_class(drawn, found, seed)
        assert len(kept) == len(drawn)
        assert (np.diff(kept) > 0).all()
        assert np.array_equal(kept, with_each_class(drawn, found, seed))
        having = [set(row) or {5} for row in rows]
        n_classes = len(set().union(*having))
        for code in set().union(*having):
            before = sum(code in having[row] for row in drawn)
            after = sum(code in having[row] for row in kept)
            wanted = min(sum(code in row for row in having), floor(n_classes, len(drawn)))
            assert after >= min(before, wanted)

    def test_a_common_class_behind_rarer_ones(self) -> None:
        # Class 0 stands in ten samples, each with one of four rarer classes, and would have none in this draw.
        rows = (
            [frozenset({0, 1 + i % 4}) for i in range(10)]
            + [frozenset({1 + i % 4}) for i in range(12)]
            + [frozenset()] * 30
        )
        found = memberships(multilabel(rows))
        drawn = np.arange(10, 40)
        kept = with_each_class(drawn, found, 0)
        assert (np.bincount(found.classes[np.isin(found.samples, drawn)], minlength=6) < 5).any()
        assert (np.bincount(found.classes[np.isin(found.samples, kept)], minlength=6) >= 5).all()
        # Samples without labels were the ones to spare.
        assert set(drawn.tolist()) - set(kept.tolist()) <= set(range(22, 40))

    def test_a_draw_that_lacks_nothing_is_left_alone(self) -> None:
        rows = [frozenset({i % 2}) for i in range(40)]
        drawn = np.arange(10)
        assert with_each_class(drawn, memberships(multilabel(rows)), 0) is drawn

    def test_nothing_to_spare(self) -> None:
        # Two rows, three classes of one sample each: no exchange helps, and the draw stays as it is.
        found = memberships(multilabel([frozenset({0}), frozenset({1}), frozenset({2})]))
        assert with_each_class(np.array([0, 1]), found, 0).tolist() == [0, 1]

    def test_global_random_state_is_left_alone(self) -> None:
        before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state under test
        rows = [frozenset({0})] * 20 + [frozenset({1})] * 3
        kept = with_each_class(np.arange(20), memberships(multilabel(rows)), 0)
        assert {20, 21, 22} <= set(kept.tolist())
        assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
