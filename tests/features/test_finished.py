from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_entry import CARD_DICT, FEATURES, LOGITS, N, make_key, write_all

from hubscout.errors import StoreError
from hubscout.features.finished import Damage, FinishedEntry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "entry").mkdir()
    write_all(tmp_path / "entry")
    return tmp_path / "entry"


def load(folder: Path) -> FinishedEntry:
    entry = FinishedEntry.load(folder, make_key())
    assert entry is not None
    return entry


def flip(path: Path, position: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


class TestLoad:
    def test_unfinished_and_foreign_entries_are_none(self, tmp_path, folder):
        assert FinishedEntry.load(tmp_path / "nothing", make_key()) is None
        assert FinishedEntry.load(folder, make_key(N + 1)) is None

    def test_a_newer_format_is_refused_with_a_sentence(self, folder):
        (folder / "meta.json").write_text(json.dumps({"format": 2}))
        with pytest.raises(StoreError) as caught:
            FinishedEntry.load(folder, make_key())
        assert str(caught.value) == (
            f"the stored features in {str(folder)!r} have format 2 of a newer hubscout and this one reads format 1; "
            "upgrade hubscout, or prune with `hubscout cache`"
        )


class TestDamage:
    def test_a_whole_entry_has_none(self, folder):
        assert not load(folder).damage()

    def test_a_damaged_header_or_a_longer_file_is_damage_of_the_frame(self, folder):
        flip(folder / "features.npy", 40)
        assert load(folder).damage() == Damage((), frame=True)
        flip(folder / "features.npy", 40)
        with (folder / "logits.npy").open("ab") as file:
            file.write(b"more")
        assert load(folder).damage() == Damage((), frame=True)

    def test_truncation_damages_the_blocks_it_touches(self, folder):
        path = folder / "features.npy"
        path.write_bytes(path.read_bytes()[:-1])
        assert load(folder).damage() == Damage((2,), frame=True)

    def test_a_missing_file_damages_all(self, folder):
        (folder / "logits.npy").unlink()
        assert load(folder).damage() == Damage((0, 1, 2), frame=True)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(data=st.data())
    def test_any_flipped_bit_is_found(self, folder, data):
        path = folder / data.draw(st.sampled_from(["features.npy", "logits.npy"]))
        position = data.draw(st.integers(0, path.stat().st_size - 1))
        bit = data.draw(st.integers(0, 7))
        flip(path, position, bit)
        assert load(folder).damage()
        flip(path, position, bit)


class TestMend:
    def test_rewritten_blocks_make_the_entry_whole(self, folder):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        path = folder / "features.npy"
        path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])
        flip(folder / "features.npy", 3)
        entry = load(folder)
        damage = entry.damage()
        assert damage == Damage((1, 2), frame=True)
        entry.mend_frame()
        for begin, end in entry.rows_of(damage.blocks):
            entry.overwrite(begin, FEATURES[begin:end], LOGITS[begin:end])
        entry.accept(damage.blocks, CARD_DICT)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    def test_a_crash_before_acceptance_leaves_the_block_damaged(self, folder):
        flip(folder / "features.npy", 5000)
        entry = load(folder)
        entry.mend_frame()
        entry.overwrite(0, FEATURES[:1024] + 1, LOGITS[:1024])
        assert load(folder).damage() == Damage((0,), frame=False)

    def test_other_rounding_is_accepted_with_new_checksums(self, folder):
        flip(folder / "features.npy", 5000)
        entry = load(folder)
        entry.overwrite(0, FEATURES[:1024] + np.float32(1e-6), LOGITS[:1024])
        entry.accept([0], CARD_DICT)
        assert not load(folder).damage()

    def test_mending_the_frame_does_not_make_zeros_pass(self, folder):
        path = folder / "features.npy"
        path.write_bytes(path.read_bytes()[:10_000])
        entry = load(folder)
        entry.mend_frame()
        assert path.stat().st_size == entry.record.layouts["features"].size_bytes
        assert load(folder).damage() == Damage((0, 1, 2), frame=False)


class TestArrays:
    def test_are_mapped_and_read_only(self, folder):
        features, logits = load(folder).arrays()
        np.testing.assert_array_equal(features, FEATURES)
        np.testing.assert_array_equal(logits, LOGITS)
        assert isinstance(features.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            features[0, 0] = 1
