from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from feature_fakes import WATCHED, CrashError, FaultyOs, full_disk
from stored_entry import CARD_DICT, FEATURES, LOGITS, N, make_key, write_all, write_rows

from hubscout.errors import StoreError
from hubscout.features import durable, keys
from hubscout.features.durable import read_record, write_record
from hubscout.features.finished import FinishedEntry
from hubscout.features.partial import PartialEntry


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "entry").mkdir()
    return tmp_path / "entry"


class TestAppendAndCommit:
    def test_committed_rows_are_resumed_and_the_rest_is_cut_off(self, folder):
        with PartialEntry(folder, make_key()) as entry:
            write_rows(entry, 1500)
            entry.append(FEATURES[1500:1600], LOGITS[1500:1600])
        size = (folder / "features.npy.part").stat().st_size
        with PartialEntry(folder, make_key()) as entry:
            assert (entry.rows, entry.committed, entry.lost_rows) == (1500, 1500, 0)
        assert (folder / "features.npy.part").stat().st_size == size - 100 * 3 * 4

    def test_files_never_grow_beyond_written_rows(self, folder):
        with PartialEntry(folder, make_key()) as entry:
            entry.append(FEATURES[:10], LOGITS[:10])
            assert (folder / "features.npy.part").stat().st_size == entry.layouts["features"].offset(10)

    def test_finished_files_load_with_numpy(self, folder):
        write_all(folder)
        np.testing.assert_array_equal(np.load(folder / "features.npy"), FEATURES)
        np.testing.assert_array_equal(np.load(folder / "logits.npy"), LOGITS)

    def test_facts_are_resumed(self, folder):
        with PartialEntry(folder, make_key()) as entry:
            entry.facts.seconds, entry.facts.rows, entry.facts.notes = 1.5, 300, ["said before"]
            write_rows(entry, 300)
        with PartialEntry(folder, make_key()) as entry:
            assert entry.facts.samples_per_second == 200.0
            assert entry.facts.notes == ["said before"]


class TestResume:
    def test_a_damaged_block_is_dropped_with_all_after_it(self, folder):
        with PartialEntry(folder, make_key()) as entry:
            write_rows(entry, 2400)
            offset = entry.layouts["logits"].offset(1100)
        data = bytearray((folder / "logits.npy.part").read_bytes())
        data[offset] ^= 1
        (folder / "logits.npy.part").write_bytes(data)
        with PartialEntry(folder, make_key()) as entry:
            assert (entry.rows, entry.lost_rows) == (1024, 1376)
            write_rows(entry, N)
            entry.finish(CARD_DICT)
        finished = FinishedEntry.load(folder, make_key())
        assert finished is not None
        assert not finished.damage()
        np.testing.assert_array_equal(finished.arrays()[1], LOGITS)

    def test_a_damaged_header_is_rewritten(self, folder):
        with PartialEntry(folder, make_key()) as entry:
            write_rows(entry, 300)
        data = bytearray((folder / "features.npy.part").read_bytes())
        data[30] ^= 1
        (folder / "features.npy.part").write_bytes(data)
        with PartialEntry(folder, make_key()) as entry:
            assert entry.rows == 300
            write_rows(entry, N)
            entry.finish(CARD_DICT)
        np.testing.assert_array_equal(np.load(folder / "features.npy"), FEATURES)

    def test_rows_of_another_feature_version_are_ignored(self, folder, monkeypatch):
        with PartialEntry(folder, make_key()) as entry:
            write_rows(entry, 300)
        record = read_record(folder / "progress.json")
        assert record is not None
        write_record(folder / "progress.json", {**record, "feature_version": 0})
        with PartialEntry(folder, make_key()) as entry:
            assert entry.rows == 0
        assert contents(folder) == {}
        assert keys.FEATURE_VERSION == 1

    @pytest.mark.parametrize("damage", [b"", b"{}", b"garbage"])
    def test_a_damaged_record_starts_over(self, folder, damage):
        with PartialEntry(folder, make_key()) as entry:
            write_rows(entry, 300)
        (folder / "progress.json").write_bytes(damage)
        with PartialEntry(folder, make_key()) as entry:
            assert entry.rows == 0

    def test_a_missing_data_file_starts_over(self, folder):
        with PartialEntry(folder, make_key()) as entry:
            write_rows(entry, 300)
        (folder / "logits.npy.part").unlink()
        with PartialEntry(folder, make_key()) as entry:
            assert (entry.rows, entry.lost_rows) == (0, 300)
            write_rows(entry, N)
            entry.finish(CARD_DICT)
        np.testing.assert_array_equal(np.load(folder / "logits.npy"), LOGITS)

    def test_a_damaged_record_of_a_complete_entry_costs_no_rows(self, folder):
        write_all(folder)
        before = contents(folder)
        (folder / "meta.json").write_bytes(b"{}")
        assert FinishedEntry.load(folder, make_key()) is None
        with PartialEntry(folder, make_key()) as entry:
            assert (entry.rows, entry.lost_rows) == (N, 0)
            entry.finish(CARD_DICT)
        assert contents(folder) == before


def count_calls(folder: Path, monkeypatch: pytest.MonkeyPatch, watched: Sequence[str] = WATCHED) -> int:
    folder.mkdir()
    counter = FaultyOs(None, CrashError(), watched=watched)
    monkeypatch.setattr(durable, "os", counter)
    write_all(folder)
    monkeypatch.undo()
    return counter.calls


def write_until_it_fails(folder: Path) -> None:
    with PartialEntry(folder, make_key()) as entry:
        try:
            write_rows(entry, N)
            entry.finish(CARD_DICT)
        except StoreError:
            entry.abandon()
            raise


class TestFailingSystemCalls:
    def test_a_crash_at_any_call_is_resumed_to_the_same_bytes(self, tmp_path, monkeypatch):
        reference = tmp_path / "reference"
        n_calls = count_calls(reference, monkeypatch)
        assert n_calls > 60
        for at in range(n_calls):
            folder = tmp_path / str(at)
            folder.mkdir()
            monkeypatch.setattr(durable, "os", FaultyOs(at, CrashError()))
            with pytest.raises(CrashError):
                write_all(folder)
            monkeypatch.undo()
            finished = FinishedEntry.load(folder, make_key())
            assert finished is None or not finished.damage()
            if finished is None:
                write_all(folder)
            assert contents(folder) == contents(reference)

    def test_a_full_disk_at_any_call_is_a_sentence_and_never_a_complete_entry(self, tmp_path, monkeypatch):
        reference = tmp_path / "reference"
        watched = [name for name in WATCHED if name != "unlink"]
        n_calls = count_calls(reference, monkeypatch, watched)
        for at in range(0, n_calls, 2):
            folder = tmp_path / str(at)
            folder.mkdir()
            monkeypatch.setattr(durable, "os", FaultyOs(at, full_disk(), watched=watched))
            with pytest.raises(StoreError, match=r"^the disk of the feature store is full at '") as caught:
                write_until_it_fails(folder)
            assert "\n" not in str(caught.value)
            monkeypatch.undo()
            finished = FinishedEntry.load(folder, make_key())
            assert finished is None or not finished.damage()
            if finished is None:
                write_all(folder)
            assert contents(folder) == contents(reference)
