from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.features.layout import (
    BLOCK_ROWS,
    HEADER_BYTES,
    ArrayLayout,
    block_checksum,
    damaged_blocks,
    extend_checksums,
    file_size,
    header_is_whole,
)

ROWS = 2 * BLOCK_ROWS + 100


def write_array(path: Path, width: int = 2, dtype: str = "float32") -> tuple[ArrayLayout, np.ndarray]:
    layout = ArrayLayout("features", dtype, ROWS, width)
    array = np.random.default_rng(0).normal(size=(ROWS, width)).astype(dtype)
    path.write_bytes(layout.header + bytes(layout.pack(array)))
    return layout, array


class TestArrayLayout:
    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_file_is_a_plain_npy_file(self, tmp_path, dtype):
        path = tmp_path / "a.npy"
        layout, array = write_array(path, 3, dtype)
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        assert loaded.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(loaded, array)
        assert file_size(path) == layout.size_bytes

    def test_header_has_the_same_length_for_any_shape(self):
        assert len(ArrayLayout("features", "float32", 1, 1).header) == HEADER_BYTES
        assert len(ArrayLayout("features", "float16", 10**12, 10**7).header) == HEADER_BYTES


class TestExtendChecksums:
    @given(st.lists(st.integers(1, 1500), max_size=6))
    def test_equals_the_checksums_of_whole_blocks_however_rows_arrive(self, steps):
        layout = ArrayLayout("features", "float32", sum(steps), 2)
        array = np.random.default_rng(1).normal(size=(sum(steps), 2)).astype(np.float32)
        checksums: tuple[int, ...] = ()
        done = 0
        for step in steps:
            data = layout.pack(array[done : done + step])
            checksums = extend_checksums(checksums, done, data, layout)
            done += step
        expected = [zlib.crc32(array[i : i + BLOCK_ROWS].tobytes()) for i in range(0, len(array), BLOCK_ROWS)]
        assert list(checksums) == expected


class TestDamagedBlocks:
    def test_whole_file_has_none(self, tmp_path):
        layout, array = write_array(tmp_path / "a")
        checksums = extend_checksums((), 0, layout.pack(array), layout)
        assert damaged_blocks(tmp_path / "a", layout, checksums, ROWS) == ()

    @pytest.mark.parametrize(("row", "block"), [(0, 0), (1023, 0), (1024, 1), (ROWS - 1, 2)])
    def test_one_flipped_bit_names_its_block(self, tmp_path, row, block):
        layout, array = write_array(tmp_path / "a")
        checksums = extend_checksums((), 0, layout.pack(array), layout)
        data = bytearray((tmp_path / "a").read_bytes())
        data[layout.offset(row) + 5] ^= 4
        (tmp_path / "a").write_bytes(data)
        assert damaged_blocks(tmp_path / "a", layout, checksums, ROWS) == (block,)

    def test_truncation_and_absence_are_damage(self, tmp_path):
        layout, array = write_array(tmp_path / "a")
        checksums = extend_checksums((), 0, layout.pack(array), layout)
        (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[: layout.offset(1500)])
        assert damaged_blocks(tmp_path / "a", layout, checksums, ROWS) == (1, 2)
        assert damaged_blocks(tmp_path / "missing", layout, checksums, ROWS) == (0, 1, 2)

    def test_checksums_of_another_length_are_damage(self, tmp_path):
        layout, array = write_array(tmp_path / "a")
        checksums = extend_checksums((), 0, layout.pack(array), layout)
        assert damaged_blocks(tmp_path / "a", layout, checksums[:2], ROWS) == (0, 1, 2)

    def test_zeros_do_not_pass_for_rows(self, tmp_path):
        layout, array = write_array(tmp_path / "a")
        checksums = extend_checksums((), 0, layout.pack(array), layout)
        (tmp_path / "a").write_bytes(layout.header + bytes(layout.size_bytes - HEADER_BYTES))
        assert damaged_blocks(tmp_path / "a", layout, checksums, ROWS) == (0, 1, 2)

    def test_checksum_of_wide_rows_is_read_in_pieces(self, tmp_path):
        layout = ArrayLayout("features", "float32", 3, 700_000)
        array = np.arange(3 * 700_000, dtype=np.float32).reshape(3, -1)
        (tmp_path / "a").write_bytes(layout.header + array.tobytes())
        assert block_checksum(tmp_path / "a", layout, 0, 3) == zlib.crc32(array.tobytes())


class TestHeaderIsWhole:
    def test_tells_damage(self, tmp_path):
        layout, _ = write_array(tmp_path / "a")
        assert header_is_whole(tmp_path / "a", layout)
        data = bytearray((tmp_path / "a").read_bytes())
        data[20] ^= 1
        (tmp_path / "a").write_bytes(data)
        assert not header_is_whole(tmp_path / "a", layout)
        assert not header_is_whole(tmp_path / "missing", layout)
