from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubscout.stats import Moments
from hubscout.stats.moments import centred_target_sums, class_means
from hubscout.stats.target_sums import segment_sums

ATTRIBUTES = ("n_samples", "mean", "scatter", "target_totals", "target_squares", "target_sums")


def draw(seed: int, n: int = 37, d: int = 5, c: int = 3, offset: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) + offset, rng.integers(0, c, n)


def moments_of(rows: np.ndarray, targets: np.ndarray, edges: Sequence[int] = (), n_targets: int = 3) -> Moments:
    found = Moments(n_targets)
    for part in np.split(np.arange(len(rows)), edges):
        if len(part):
            found.update(rows[part], targets[part])
    return found


def assert_same(left: Moments, right: Moments, rtol: float = 1e-11) -> None:
    for name in ATTRIBUTES:
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), rtol=rtol, atol=rtol, err_msg=name)


edges_strategy = st.lists(st.integers(0, 37), max_size=6).map(sorted)


class TestUpdate:
    def test_one_pass_is_the_definition(self) -> None:
        rows, codes = draw(0)
        found = moments_of(rows, codes)
        one_hot = np.eye(3)[codes]
        assert found.n_samples == 37
        np.testing.assert_allclose(found.mean, rows.mean(axis=0))
        centred = rows - rows.mean(axis=0)
        np.testing.assert_allclose(found.scatter, centred.T @ centred)
        np.testing.assert_allclose(found.target_sums, one_hot.T @ rows)
        np.testing.assert_array_equal(found.target_totals, np.bincount(codes))
        np.testing.assert_array_equal(found.target_squares, np.bincount(codes))

    def test_regression_targets(self) -> None:
        rows, _ = draw(1)
        targets = np.random.default_rng(2).standard_normal((37, 2)) + 5
        found = moments_of(rows, targets, [10, 11], n_targets=2)
        np.testing.assert_allclose(found.target_sums, targets.T @ rows)
        np.testing.assert_allclose(found.target_totals, targets.sum(axis=0))
        np.testing.assert_allclose(found.target_squares, (targets**2).sum(axis=0))

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 100), edges_strategy)
    def test_any_split_equals_one_pass(self, seed: int, edges: list[int]) -> None:
        rows, codes = draw(seed)
        assert_same(moments_of(rows, codes, edges), moments_of(rows, codes))

    @pytest.mark.parametrize("edges", [[], [1], [5, 20]])
    def test_a_large_offset_costs_no_digits(self, edges: list[int]) -> None:
        rows, codes = draw(3, offset=0.0)
        rows = np.round(rows * 2**10) / 2**10  # so that the offset itself is added without rounding
        plain, far = moments_of(rows, codes, edges), moments_of(rows + 2.0**33, codes, edges)
        np.testing.assert_allclose(far.scatter, plain.scatter, rtol=1e-6, atol=1e-4)
        sums = centred_target_sums(plain)
        # Sums of the features themselves are large, so their centred form keeps the digits of 2**33 * eps.
        np.testing.assert_allclose(centred_target_sums(far), sums, atol=1e-3)

    @pytest.mark.parametrize("edges", [[], [1], [5, 20]])
    def test_float32_chunks_are_summed_in_double(self, edges: list[int]) -> None:
        rows, codes = draw(4, offset=100.0)
        single = rows.astype(np.float32)
        found = moments_of(single, codes, edges)
        exact = moments_of(single.astype(np.float64), codes, edges)
        assert found.scatter.dtype == np.float64
        np.testing.assert_allclose(found.mean, exact.mean, rtol=1e-15)
        np.testing.assert_allclose(found.scatter, exact.scatter, rtol=1e-5, atol=1e-5 * np.trace(exact.scatter))
        np.testing.assert_allclose(found.target_sums, exact.target_sums, rtol=1e-7)

    @pytest.mark.parametrize("edges", [[], [7, 30]])
    def test_columns_of_one_value_centre_to_zero_exactly(self, edges: list[int]) -> None:
        rows, codes = draw(5)
        rows[:, 1], rows[:, 3] = 0.1, -1e9 / 7
        found = moments_of(rows, codes, edges)
        assert found.mean[1] == 0.1
        assert found.mean[3] == -1e9 / 7
        assert not found.scatter[[1, 3]].any()

    def test_a_nearly_constant_column_keeps_its_mean(self) -> None:
        rows = np.full((8, 1), 1.0)
        rows[1:] += 1e-13
        found = moments_of(rows, np.zeros(8, dtype=int))
        assert found.mean[0] == pytest.approx(1 + 0.875e-13, abs=1e-16)

    def test_input_is_not_written_to(self) -> None:
        rows, codes = draw(6)
        rows.setflags(write=False)
        moments_of(rows, codes, [4])

    def test_without_scatter(self) -> None:
        found = Moments(3, has_scatter=False)
        found.update(*draw(0))
        assert found.scatter is None
        assert found.n_samples == 37


class TestMerge:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 100), st.integers(0, 37), st.integers(0, 37))
    def test_commutative_and_associative(self, seed: int, first: int, second: int) -> None:
        rows, codes = draw(seed)
        first, second = sorted((first, second))
        parts = [
            moments_of(rows[part], codes[part]) for part in (slice(first), slice(first, second), slice(second, 37))
        ]
        a, b, c = parts
        whole = moments_of(rows, codes)
        assert_same(a.merge(b).merge(c), whole)
        assert_same(a.merge(b.merge(c)), whole)
        assert_same(c.merge(b).merge(a), whole)

    def test_operands_stay(self) -> None:
        rows, codes = draw(0)
        left, right = moments_of(rows[:9], codes[:9]), moments_of(rows[9:], codes[9:])
        left.merge(right).update(rows, codes)
        assert_same(left, moments_of(rows[:9], codes[:9]))
        assert_same(right, moments_of(rows[9:], codes[9:]))

    def test_nothing_is_neutral(self) -> None:
        whole = moments_of(*draw(0))
        assert_same(whole.merge(Moments(3)), whole)
        assert_same(Moments(3).merge(whole), whole)

    def test_a_side_without_scatter_gives_none(self) -> None:
        rows, codes = draw(0)
        bare = Moments(3, has_scatter=False)
        bare.update(rows, codes)
        assert bare.merge(moments_of(rows, codes)).scatter is None


class TestSegmentSums:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_equals_a_loop(self, dtype: type) -> None:
        rng = np.random.default_rng(0)
        rows, codes = (100 * rng.standard_normal((3000, 4))).astype(dtype), rng.integers(0, 6, 3000)
        expected = [rows[codes == c].sum(axis=0, dtype=np.float64) for c in range(7)]
        found = segment_sums(rows, codes, 7)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=1e-12 if dtype is np.float64 else 1e-5, atol=1e-2)

    def test_torch(self) -> None:
        import torch

        rng = np.random.default_rng(0)
        rows, codes = rng.standard_normal((50, 4)), rng.integers(0, 3, 50)
        np.testing.assert_allclose(segment_sums(torch.tensor(rows), codes, 3), segment_sums(rows, codes, 3), rtol=1e-12)


def test_class_means_are_about_the_global_mean() -> None:
    rows, codes = draw(0)
    expected = [rows[codes == c].mean(axis=0) - rows.mean(axis=0) for c in range(3)]
    np.testing.assert_allclose(class_means(moments_of(rows, codes)), expected, atol=1e-13)


def test_a_chunk_is_left_alone_unless_it_may_be_centred_in_place() -> None:
    rows, codes = np.random.default_rng(0).standard_normal((9, 3)), np.arange(9) % 2
    expected, found, kept = Moments(2), Moments(2), rows.copy()
    expected.update(rows, codes)
    np.testing.assert_array_equal(rows, kept)
    found.update(rows, codes, overwrite=True)
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(found.scatter, expected.scatter)
    np.testing.assert_array_equal(found.target_sums, expected.target_sums)
