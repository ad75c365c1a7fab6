from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.stats import chunks
from hubscout.stats.chunks import column_blocks, row_slices


class TestRowSlices:
    @given(st.integers(1, 5000), st.integers(1, 10**9))
    def test_slices_cover_all_rows_once(self, n_rows: int, bytes_a_row: int) -> None:
        slices = list(row_slices(n_rows, bytes_a_row))
        assert slices[0].start == 0
        assert slices[-1].stop == n_rows
        assert all(a.stop == b.start for a, b in pairwise(slices))
        assert all(part.stop > part.start for part in slices)

    @given(st.integers(1, 5000), st.integers(1, 10**9))
    def test_a_slice_of_more_than_one_row_fits(self, n_rows: int, bytes_a_row: int) -> None:
        for part in row_slices(n_rows, bytes_a_row):
            rows = part.stop - part.start
            # Equal lengths are rounded, by less than one row.
            assert rows == 1 or (rows - 1) * bytes_a_row <= chunks.CHUNK_BYTES

    def test_small_input_is_one_slice(self) -> None:
        assert list(row_slices(10, 8)) == [slice(0, 10)]


class TestColumnBlocks:
    @pytest.mark.parametrize("limit", [1, 8 * 7 * 3, 10**6])
    def test_blocks_are_centred_float64_and_complete(self, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", limit)
        features = np.random.default_rng(0).standard_normal((7, 11)).astype(np.float32)
        mean = features.mean(axis=0, dtype=np.float64)
        blocks = list(column_blocks(features, mean))
        assert all(block.dtype == np.float64 for block in blocks)
        np.testing.assert_allclose(np.concatenate(blocks, axis=1), features - mean, rtol=1e-15)
        assert len(blocks) == {1: 11, 168: 4, 10**6: 1}[limit]

    def test_without_a_mean_values_stay(self) -> None:
        features = np.arange(6.0).reshape(2, 3)
        np.testing.assert_array_equal(np.concatenate(list(column_blocks(features, None)), axis=1), features)
