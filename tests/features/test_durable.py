from __future__ import annotations

import errno
import json
import os
import stat

import pytest
from feature_fakes import FaultyOs, full_disk
from hypothesis import given
from hypothesis import strategies as st

from hubscout.errors import StoreError
from hubscout.features import durable
from hubscout.features.durable import (
    ReadOnlyStoreError,
    make_private_directory,
    open_for_writing,
    read_record,
    store_errors,
    write_at,
    write_record,
)


class TestStoreErrors:
    @pytest.mark.parametrize(
        ("number", "kind", "text"),
        [
            (
                errno.ENOSPC,
                StoreError,
                (
                    "the disk of the feature store is full at {} (No space left on device); free space, prune with "
                    "`hubscout cache`, or set HUBSCOUT_HOME to a folder on another disk, and run again to resume"
                ),
            ),
            (
                errno.EROFS,
                ReadOnlyStoreError,
                (
                    "the feature store cannot be written at {} (Read-only file system); set HUBSCOUT_HOME to a "
                    "folder of yours"
                ),
            ),
            (
                errno.EIO,
                StoreError,
                (
                    "the feature store failed at {} (Input/output error); check that folder, or set HUBSCOUT_HOME "
                    "to another one, and run again to resume"
                ),
            ),
        ],
    )
    def test_each_kind_is_one_sentence(self, tmp_path, number, kind, text):
        path = tmp_path / "line\nbreak"
        with pytest.raises(StoreError) as caught, store_errors(path):
            raise OSError(number, os.strerror(number))
        assert type(caught.value) is kind
        assert str(caught.value) == text.format(repr(str(path)))


class TestMakePrivateDirectory:
    def test_all_new_folders_are_private(self, tmp_path):
        make_private_directory(tmp_path / "a" / "b")
        for folder in (tmp_path / "a", tmp_path / "a" / "b"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_keeps_the_permissions_of_what_exists(self, tmp_path):
        (tmp_path / "a").mkdir(mode=0o755)
        (tmp_path / "a").chmod(0o755)
        make_private_directory(tmp_path / "a")
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755

    def test_a_file_in_the_way_is_a_sentence(self, tmp_path):
        (tmp_path / "a").write_text("")
        with pytest.raises(StoreError, match=r"the feature store failed at .* \(Not a directory\)"):
            make_private_directory(tmp_path / "a" / "b")
        with pytest.raises(StoreError, match=r"the feature store failed at .* \(Not a directory\)"):
            make_private_directory(tmp_path / "a")


class TestWriteAt:
    def test_continues_after_short_writes(self, tmp_path, monkeypatch):
        class ShortOs(FaultyOs):
            def __getattr__(self, name):
                if name == "write":
                    return lambda fd, data: os.write(fd, data[:3])
                return getattr(os, name)

        monkeypatch.setattr(durable, "os", ShortOs(None, full_disk()))
        path = tmp_path / "a"
        fd = open_for_writing(path)
        write_at(fd, b"0123456789", 2, path)
        os.close(fd)
        assert path.read_bytes() == b"\0\x000123456789"

    def test_files_are_private(self, tmp_path):
        os.close(open_for_writing(tmp_path / "a"))
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


class TestRecords:
    def test_round_trip_and_absence(self, tmp_path):
        value = {"format": 1, "b": [1, 2.5, None], "a": {"ü": "\ud800"}}
        write_record(tmp_path / "r.json", value)
        assert read_record(tmp_path / "r.json") == value
        assert read_record(tmp_path / "none.json") is None
        assert sorted(p.name for p in tmp_path.iterdir()) == ["r.json"]

    @given(st.data())
    def test_any_flipped_bit_or_cut_is_noticed(self, tmp_path_factory, data):
        path = tmp_path_factory.mktemp("record") / "r.json"
        value = {"format": 1, "rows": 1024, "crc32": [123, 456], "address": "bundled:a"}
        write_record(path, value)
        raw = bytearray(path.read_bytes())
        if data.draw(st.booleans()):
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        else:
            raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
        path.write_bytes(raw)
        read = read_record(path)
        assert read == {} or (read is not None and read["format"] > 1)

    @given(st.binary(max_size=60))
    def test_garbage_is_never_a_crash(self, tmp_path_factory, raw):
        path = tmp_path_factory.mktemp("record") / "r.json"
        path.write_bytes(raw)
        assert read_record(path) == {}

    def test_deep_nesting_and_other_values_are_damage(self, tmp_path):
        path = tmp_path / "r.json"
        for text in ("[" * 100_000, "[1]", "NaN", '{"a": NaN, "checksum": "x"}'):
            path.write_text(text)
            assert read_record(path) == {}

    def test_a_newer_format_is_returned_as_it_is(self, tmp_path):
        path = tmp_path / "r.json"
        path.write_text(json.dumps({"format": 2, "seal": "of another kind"}))
        assert read_record(path) == {"format": 2, "seal": "of another kind"}

    @pytest.mark.parametrize("at", range(5))
    def test_a_failed_write_leaves_the_old_record(self, tmp_path, monkeypatch, at):
        path = tmp_path / "r.json"
        write_record(path, {"format": 1, "rows": 1})
        faulty = FaultyOs(at, full_disk())
        monkeypatch.setattr(durable, "os", faulty)
        with pytest.raises(StoreError, match="the disk of the feature store is full"):
            write_record(path, {"format": 1, "rows": 2})
        assert faulty.calls == at + 1
        assert read_record(path) == {"format": 1, "rows": 1}
