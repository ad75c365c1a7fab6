from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.allocation import allocate, draw_rows, quantile_bins
from hubscout.errors import UsageError


@st.composite
def strata_and_size(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    counts = draw(st.lists(st.integers(1, 300), min_size=1, max_size=30))
    return np.array(counts), draw(st.integers(len(counts), sum(counts)))


class TestAllocate:
    @pytest.mark.parametrize(
        ("counts", "size", "expected"),
        [
            ([900, 90, 10], 100, [86, 9, 5]),
            ([500, 500], 100, [50, 50]),
            ([50, 50, 50], 100, [34, 33, 33]),
            ([10_000, 1], 100, [99, 1]),
            ([100, 100, 3], 20, [9, 8, 3]),
            ([5, 5], 10, [5, 5]),
            ([100, 1, 1], 3, [1, 1, 1]),
        ],
    )
    def test_examples(self, counts: list[int], size: int, expected: list[int]) -> None:
        assert allocate(np.array(counts), size).tolist() == expected

    def test_imbalance_of_one_to_ten_thousand(self) -> None:
        assert allocate(np.array([10_000_000, 1_000]), 5000).tolist() == [4995, 5]

    @given(strata_and_size())
    def test_sum_bounds_and_floor(self, case: tuple[np.ndarray, int]) -> None:
        counts, size = case
        taken = allocate(counts, size)
        floor = max(1, min(5, size // len(counts)))
        assert taken.sum() == size
        assert (taken <= counts).all()
        assert (taken >= np.minimum(counts, floor)).all()

    @given(strata_and_size())
    def test_larger_strata_never_get_less(self, case: tuple[np.ndarray, int]) -> None:
        counts, size = case
        taken = allocate(counts, size)[np.argsort(counts, kind="stable")]
        # Equal remainders are decided by order, which can move one sample.
        assert (np.diff(taken) >= -1).all()

    @given(st.lists(st.integers(200, 5000), min_size=2, max_size=9))
    def test_without_small_strata_it_is_proportional(self, counts: list[int]) -> None:
        size = 200
        exact = size * np.array(counts) / sum(counts)
        if exact.min() >= 5:
            assert (np.abs(allocate(np.array(counts), size) - exact) < 1).all()


class TestDrawRows:
    def test_all_when_there_are_no_more(self) -> None:
        assert draw_rows(np.array([0, 1, 0]), 3, 0).tolist() == [0, 1, 2]
        assert draw_rows(np.array([0, 1, 0]), 30, 0).tolist() == [0, 1, 2]

    @given(st.lists(st.integers(0, 6), min_size=10, max_size=200), st.integers(7, 60), st.integers(0, 2**32))
    def test_ascending_unique_and_by_seed(self, strata: list[int], size: int, seed: int) -> None:
        rows = draw_rows(np.array(strata), size, seed)
        assert len(rows) == min(size, len(strata))
        assert (np.diff(rows) > 0).all()
        assert set(np.array(strata)[rows]) == set(strata)
        assert np.array_equal(rows, draw_rows(np.array(strata), size, seed))

    def test_seeds_differ(self) -> None:
        strata = np.arange(1000) % 2
        assert draw_rows(strata, 100, 0).tolist() != draw_rows(strata, 100, 1).tolist()

    def test_the_draw_does_not_change_between_versions(self) -> None:
        assert draw_rows(np.arange(40) % 2, 6, 0).tolist() == [1, 3, 20, 24, 30, 39]

    def test_global_random_state_is_left_alone(self) -> None:
        before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state under test
        draw_rows(np.arange(100) % 2, 10, 0)
        assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    def test_rows_of_a_class_are_drawn_equally_often(self) -> None:
        strata = np.array([0] * 8 + [1] * 4)
        hits = np.zeros(12)
        for seed in range(600):
            hits[draw_rows(strata, 6, seed)] += 1
        # Three of eight and three of four, with a standard deviation of at most 12 hits in 600 draws.
        assert (np.abs(hits - np.array([225] * 8 + [450] * 4)) < 60).all()

    def test_more_classes_than_samples(self) -> None:
        with pytest.raises(UsageError) as caught:
            draw_rows(np.arange(100), 50, 0)
        assert str(caught.value) == (
            "probe size (--probe-size) must be at least the number of classes, 100, got 50; raise it, "
            "or check that the labels are not ids"
        )


class TestQuantileBins:
    def test_ten_bins_of_equal_count_in_order(self) -> None:
        targets = np.random.default_rng(0).normal(size=95)
        bins = quantile_bins(targets, 5000)
        assert np.bincount(bins).tolist() == [10, 9, 10, 9, 10, 9, 10, 9, 10, 9]
        assert (np.diff(bins[np.argsort(targets)]) >= 0).all()

    def test_fewer_bins_than_samples(self) -> None:
        assert np.bincount(quantile_bins(np.arange(100.0), 3)).tolist() == [34, 33, 33]
        assert quantile_bins(np.arange(2.0), 100).tolist() == [0, 1]
