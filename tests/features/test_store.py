from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from stored_entry import make_key, write_all

from hubscout.errors import StoreError
from hubscout.features import store as store_module
from hubscout.features.durable import ReadOnlyStoreError
from hubscout.features.store import EntryBusyError, FeatureStore, default_root, temporary_store

KEY = make_key()


class TestDefaultRoot:
    def test_follows_the_environment(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HUBSCOUT_HOME", str(tmp_path))
        assert default_root() == tmp_path / "features"
        assert FeatureStore().root == tmp_path / "features"
        monkeypatch.setenv("HUBSCOUT_HOME", "~/scout")
        assert default_root() == Path.home() / "scout" / "features"

    def test_is_the_users_cache_folder_otherwise(self, monkeypatch, tmp_path):
        monkeypatch.delenv("HUBSCOUT_HOME", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert default_root() == tmp_path / "hubscout" / "features"
        monkeypatch.setenv("HUBSCOUT_HOME", "")
        assert default_root() == tmp_path / "hubscout" / "features"


class TestEntryKeys:
    def test_lists_entries_and_ignores_everything_else(self, tmp_path):
        store = FeatureStore(tmp_path / "store")
        assert store.entry_keys() == []
        with store.lock(KEY.digest) as directory:
            write_all(directory)
        (store.root / "note.txt").write_text("")
        (store.root / "zz").mkdir()
        (store.root / "zz" / "folder").mkdir()
        (store.root / "zz" / ("a" * 64)).mkdir()
        (store.root / KEY.digest[:2] / (KEY.digest[:2] + "0" * 62)).symlink_to(tmp_path)
        assert store.entry_keys() == [KEY.digest]


class TestRead:
    def test_gives_only_whole_entries(self, tmp_path):
        store = FeatureStore(tmp_path / "store")
        assert store.read(KEY) is None
        with store.lock(KEY.digest) as directory:
            write_all(directory)
        assert store.read(KEY) is not None
        path = directory / "features.npy"
        path.write_bytes(path.read_bytes()[:-4])
        assert store.read(KEY) is None


class TestLock:
    def test_folders_are_private(self, tmp_path):
        store = FeatureStore(tmp_path / "home" / "features")
        with store.lock(KEY.digest) as directory:
            folders = [directory, *directory.parents]
        for folder in folders[: folders.index(tmp_path)]:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_excludes_others_until_it_is_left(self, tmp_path):
        store = FeatureStore(tmp_path)
        with store.lock(KEY.digest), pytest.raises(EntryBusyError, match=r"^another process writes the entry"):
            store.lock(KEY.digest, wait=False).__enter__()
        with store.lock(KEY.digest, wait=False):
            pass

    def test_other_entries_are_free(self, tmp_path):
        store = FeatureStore(tmp_path)
        with store.lock(KEY.digest), store.lock("ab" * 32, wait=False):
            pass

    def test_a_dead_process_blocks_nobody(self, tmp_path):
        code = (
            "import sys, time; from hubscout.features import FeatureStore\n"
            f"with FeatureStore(sys.argv[1]).lock({KEY.digest!r}):\n"
            "    print('held', flush=True); time.sleep(60)"
        )
        child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"held\n"
            store = FeatureStore(tmp_path)
            with pytest.raises(EntryBusyError), store.lock(KEY.digest, wait=False):
                pass
            child.send_signal(signal.SIGKILL)
        with store.lock(KEY.digest, wait=False) as directory:
            assert directory.is_dir()

    def test_a_store_that_cannot_be_written_is_told_apart(self, tmp_path, monkeypatch):
        store = FeatureStore(tmp_path)
        monkeypatch.setattr(store_module.os, "access", lambda *_: False)
        with pytest.raises(ReadOnlyStoreError) as caught, store.lock(KEY.digest):
            pass
        assert str(caught.value) == (
            f"the feature store cannot be written at {str(store.directory(KEY.digest))!r}; set HUBSCOUT_HOME to a "
            "folder of yours"
        )

    def test_a_lock_file_that_cannot_be_made_is_a_sentence(self, tmp_path, monkeypatch):
        import filelock

        def refuse(*args, **options):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
        with pytest.raises(ReadOnlyStoreError, match="Read-only file system"):
            FeatureStore(tmp_path).lock(KEY.digest).__enter__()


class TestTemporaryStore:
    def test_is_deleted_on_leaving(self):
        with temporary_store() as store, store.lock(KEY.digest) as directory:
            assert directory.is_dir()
        assert not store.root.parent.exists()

    def test_no_temporary_folder_is_a_sentence(self, monkeypatch):
        def refuse(**options):
            raise PermissionError

        monkeypatch.setattr(store_module.tempfile, "mkdtemp", refuse)
        with pytest.raises(StoreError) as caught, temporary_store():
            pass
        assert str(caught.value) == (
            "neither the feature store nor a temporary folder can be written (PermissionError); set HUBSCOUT_HOME "
            "to a folder of yours"
        )
