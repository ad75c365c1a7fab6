from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feature_fakes import FakeEncoder, FaultyOs, features_of, full_disk, make_probe, with_features

from hubscout.errors import CandidateError, DataError, StoreError, UsageError
from hubscout.features import durable
from hubscout.features.extract import extract
from hubscout.features.store import FeatureStore

N = 3000
EXPECTED = features_of(range(N), 3)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


@pytest.fixture(scope="module")
def probe() -> Any:
    return make_probe(range(N))


def entry_folder(store: FeatureStore) -> Path:
    (key,) = store.entry_keys()
    return store.directory(key)


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 16
    path.write_bytes(data)


def stop_after(rows: int, error: BaseException) -> FakeEncoder:
    """Make a model that stops after so many rows."""

    def stop(batch, call):
        if call > rows // 32 + 1:
            raise error
        return batch

    return FakeEncoder(change=stop)


class TestFirstRun:
    def test_gives_features_labels_logits_and_provenance(self, store, probe):
        encoder = FakeEncoder(device="cpu")
        found = extract(encoder, probe, store)
        np.testing.assert_array_equal(found.features, EXPECTED)
        np.testing.assert_array_equal(found.source_logits, features_of(np.arange(N) + 0.5, 2))
        assert found.labels is probe.labels
        assert not found.features.flags.writeable
        (key,) = store.entry_keys()
        facts = dict(found.provenance)
        assert facts.pop("seconds") > 0
        assert facts.pop("samples_per_second") > 0
        assert facts == {
            "card": encoder.card.to_dict(),
            "key": key,
            "probe_fingerprint": probe.fingerprint,
            "rows_cached": 0,
            "rows_computed": N,
            "rows_repaired": 0,
            "device": "cpu",
            "batch_size": 32,
            "notes": [],
        }
        assert json.loads(json.dumps(found.provenance))["card"]["address"] == "bundled:fake"

    def test_progress_reaches_the_total(self, store, probe):
        seen: list[tuple[int, int]] = []
        extract(FakeEncoder(), probe, store, progress=lambda done, total: seen.append((done, total)))
        assert seen == sorted(set(seen))
        assert seen[-1] == (N, N)
        assert len(seen) == -(-N // 32)

    def test_texts_default_to_batches_of_64(self, store):
        texts = ["ab" * (i % 9 + 1) for i in range(300)]
        encoder = FakeEncoder(modality="text")
        found = extract(encoder, make_probe(texts, "text"), store)
        assert found.provenance["batch_size"] == 64
        assert encoder.sizes == [64, 64, 64, 64, 64, 44]
        expected = features_of([float(sum(map(ord, text))) for text in texts], 3)
        np.testing.assert_array_equal(found.features, expected)

    def test_half_precision_on_request(self, store, probe):
        found = extract(FakeEncoder(), probe, store, dtype="float16")
        assert found.features.dtype == np.float16
        np.testing.assert_array_equal(found.features, EXPECTED.astype(np.float16))
        assert extract(FakeEncoder(), probe, store).features.dtype == np.float32

    def test_the_safe_batch_size_is_reported_and_noted(self, store, probe):
        found = extract(FakeEncoder(fits=10), probe, store)
        np.testing.assert_array_equal(found.features, EXPECTED)
        assert found.provenance["batch_size"] == 8
        assert found.provenance["notes"] == ["memory did not suffice for a batch of 16, so batches of 8 were run"]

    def test_one_row(self, store):
        found = extract(FakeEncoder(), make_probe([5]), store)
        np.testing.assert_array_equal(found.features, features_of([5], 3))


class TestSecondRun:
    def test_takes_all_rows_from_the_store(self, store, probe):
        first = extract(FakeEncoder(), probe, store)
        encoder = FakeEncoder()
        seen: list[tuple[int, int]] = []
        again = extract(encoder, probe, store, progress=lambda done, total: seen.append((done, total)))
        assert encoder.sizes == []
        np.testing.assert_array_equal(again.features, first.features)
        np.testing.assert_array_equal(again.source_logits, first.source_logits)
        assert again.provenance["rows_cached"] == N
        assert again.provenance["rows_computed"] == 0
        assert again.provenance["seconds"] == 0.0
        assert again.provenance["samples_per_second"] == first.provenance["samples_per_second"]
        assert seen == [(N, N)]

    def test_labels_are_those_of_the_probe(self, store, probe):
        extract(FakeEncoder(), probe, store)
        labels = np.zeros(N)
        again = extract(FakeEncoder(), make_probe(range(N), labels=labels), store)
        assert again.provenance["rows_cached"] == N
        assert again.labels is labels

    def test_another_device_takes_them_too_and_says_where_they_were_computed(self, store, probe):
        extract(FakeEncoder(device="cuda:0"), probe, store)
        again = extract(FakeEncoder(device="cpu"), probe, store)
        assert again.provenance["rows_cached"] == N
        assert again.provenance["device"] == "cuda:0"

    def test_notes_on_the_model_stay_with_the_features(self, store, probe):
        def noisy(batch, call):
            return with_features(batch, batch.features + np.float32(call))

        first = extract(FakeEncoder(change=noisy), probe, store)
        again = extract(FakeEncoder(change=noisy), probe, store)
        assert first.provenance["notes"] == again.provenance["notes"]
        assert again.provenance["notes"][0].startswith("not deterministic")

    def test_other_rows_or_another_model_are_computed(self, store, probe):
        extract(FakeEncoder(), probe, store)
        assert extract(FakeEncoder(), make_probe(range(1, N + 1)), store).provenance["rows_cached"] == 0
        assert extract(FakeEncoder(identity="sha256:01"), probe, store).provenance["rows_cached"] == 0


class TestResumedRun:
    @pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("device lost")])
    def test_whole_batches_before_a_stop_are_kept(self, store, probe, error):
        with pytest.raises((KeyboardInterrupt, CandidateError)):
            extract(stop_after(1600, error), probe, store)
        assert [t.name for t in threading.enumerate() if t.name.startswith("hubscout-loader")] == []
        seen: list[tuple[int, int]] = []
        found = extract(FakeEncoder(), probe, store, progress=lambda done, total: seen.append((done, total)))
        np.testing.assert_array_equal(found.features, EXPECTED)
        assert found.provenance["rows_cached"] == 1600
        assert found.provenance["rows_computed"] == N - 1600
        assert seen[0] == (1600, N)
        assert seen[-1] == (N, N)

    def test_another_batch_size_goes_on_inside_its_grid(self, store, probe):
        with pytest.raises(KeyboardInterrupt):
            extract(stop_after(1600, KeyboardInterrupt()), probe, store)
        found = extract(FakeEncoder(), probe, store, batch_size=47)
        assert found.provenance["rows_cached"] == 1600
        np.testing.assert_array_equal(found.features, EXPECTED)

    def test_padded_texts_come_out_with_the_same_bytes(self, tmp_path):
        texts = ["x" * (i * 7919 % 40 + 1) for i in range(1500)]
        probe = make_probe(texts, "text")
        whole = extract(FakeEncoder(modality="text", padded=True), probe, FeatureStore(tmp_path / "a"))
        store = FeatureStore(tmp_path / "b")

        def stop(batch, call):
            if call > 15:
                raise KeyboardInterrupt
            return batch

        with pytest.raises(KeyboardInterrupt):
            extract(FakeEncoder(modality="text", padded=True, change=stop), probe, store)
        found = extract(FakeEncoder(modality="text", padded=True), probe, store)
        assert found.provenance["rows_cached"] == 768
        np.testing.assert_array_equal(found.features, whole.features)

    def test_the_safe_batch_size_is_not_found_out_again(self, store, probe):
        def stop(batch, call):
            if call > 40:
                raise KeyboardInterrupt
            return batch

        with pytest.raises(KeyboardInterrupt):
            extract(FakeEncoder(fits=8, change=stop), probe, store)
        encoder = FakeEncoder(fits=8)
        extract(encoder, probe, store)
        assert max(encoder.sizes) == 8

    def test_damaged_committed_rows_are_said(self, store, probe):
        with pytest.raises(KeyboardInterrupt):
            extract(stop_after(2400, KeyboardInterrupt()), probe, store)
        flip(entry_folder(store) / "features.npy.part", 20_000)
        found = extract(FakeEncoder(), probe, store)
        np.testing.assert_array_equal(found.features, EXPECTED)
        assert found.provenance["rows_repaired"] == 2400 - 1024
        assert found.provenance["notes"] == ["1376 stored rows were damaged and were computed again"]


class TestDamagedEntry:
    @pytest.mark.parametrize("name", ["features.npy", "logits.npy"])
    def test_only_the_damaged_block_is_computed_again(self, store, probe, name):
        extract(FakeEncoder(), probe, store)
        before = {path.name: path.read_bytes() for path in entry_folder(store).iterdir()}
        flip(entry_folder(store) / name, 128 + 1500 * 8)
        encoder = FakeEncoder()
        found = extract(encoder, probe, store)
        np.testing.assert_array_equal(found.features, EXPECTED)
        assert sum(encoder.sizes[1:]) == 1024
        assert found.provenance["rows_repaired"] == found.provenance["rows_computed"] == 1024
        assert found.provenance["rows_cached"] == N - 1024
        assert found.provenance["notes"] == ["1024 stored rows were damaged and were computed again"]
        assert {path.name: path.read_bytes() for path in entry_folder(store).iterdir()} == before
        assert extract(FakeEncoder(), probe, store).provenance["rows_cached"] == N

    def test_truncation_is_mended(self, store, probe):
        extract(FakeEncoder(), probe, store)
        path = entry_folder(store) / "features.npy"
        path.write_bytes(path.read_bytes()[:-1])
        found = extract(FakeEncoder(), probe, store)
        np.testing.assert_array_equal(found.features, EXPECTED)
        assert found.provenance["rows_repaired"] == N - 2048

    def test_a_batch_size_off_the_grid_mends_too(self, store, probe):
        extract(FakeEncoder(), probe, store)
        flip(entry_folder(store) / "features.npy", 128 + 1500 * 12)
        found = extract(FakeEncoder(), probe, store, batch_size=100)
        np.testing.assert_array_equal(found.features, EXPECTED)
        assert found.provenance["rows_repaired"] == 1024

    def test_a_damaged_header_costs_no_row(self, store, probe):
        extract(FakeEncoder(), probe, store)
        flip(entry_folder(store) / "features.npy", 40)
        encoder = FakeEncoder()
        found = extract(encoder, probe, store)
        assert encoder.sizes == []
        assert found.provenance["notes"] == ["the frame of the stored files was damaged and was rewritten"]
        np.testing.assert_array_equal(np.load(entry_folder(store) / "features.npy"), EXPECTED)

    @pytest.mark.parametrize("damage", [b"", b"garbage"])
    def test_a_damaged_record_costs_no_row(self, store, probe, damage):
        extract(FakeEncoder(), probe, store)
        (entry_folder(store) / "meta.json").write_bytes(damage)
        assert extract(FakeEncoder(), probe, store).provenance["rows_cached"] == N

    def test_both_records_lost_computes_all(self, store, probe):
        extract(FakeEncoder(), probe, store)
        (entry_folder(store) / "meta.json").unlink()
        (entry_folder(store) / "progress.json").unlink()
        found = extract(FakeEncoder(), probe, store)
        np.testing.assert_array_equal(found.features, EXPECTED)
        assert found.provenance["rows_computed"] == N

    def test_a_newer_entry_is_refused(self, store, probe):
        extract(FakeEncoder(), probe, store)
        (entry_folder(store) / "meta.json").write_text('{"format": 99}')
        with pytest.raises(StoreError, match="have format 99 of a newer hubscout and this one reads format 1;"):
            extract(FakeEncoder(), probe, store)


class TestStoreTrouble:
    def test_a_full_disk_is_a_sentence_and_the_next_run_goes_on(self, store, probe, monkeypatch):
        monkeypatch.setattr(durable, "os", FaultyOs(150, full_disk(), watched=["write"]))
        with pytest.raises(StoreError, match=r"^the disk of the feature store is full at '"):
            extract(FakeEncoder(), probe, store)
        monkeypatch.undo()
        assert not (entry_folder(store) / "meta.json").exists()
        found = extract(FakeEncoder(), probe, store)
        assert found.provenance["rows_cached"] > 0
        np.testing.assert_array_equal(found.features, EXPECTED)

    def test_a_read_only_store_is_worked_around_with_a_note(self, store, probe, monkeypatch):
        read_only = OSError(errno.EROFS, os.strerror(errno.EROFS))

        class ReadOnly(FaultyOs):
            def __getattr__(self, name: str) -> Any:
                if name != "mkdir":
                    return getattr(os, name)

                def mkdir(path, mode):
                    if Path(path).is_relative_to(store.root):
                        raise read_only
                    Path(path).mkdir(mode)

                return mkdir

        monkeypatch.setattr(durable, "os", ReadOnly(None, read_only))
        found = extract(FakeEncoder(), probe, store)
        np.testing.assert_array_equal(found.features, EXPECTED)
        np.testing.assert_array_equal(found.source_logits, features_of(np.arange(N) + 0.5, 2))
        assert found.provenance["notes"] == [
            (
                "features were not stored: the feature store cannot be written at "
                f"{str(store.directory(found.provenance['key']).parent)!r} (Read-only file system); set HUBSCOUT_HOME "
                "to "
                "a folder of yours"
            )
        ]
        assert not store.root.exists()

    def test_a_complete_entry_of_a_read_only_store_is_used(self, store, probe, monkeypatch):
        extract(FakeEncoder(), probe, store)
        monkeypatch.setattr(durable, "os", FaultyOs(0, OSError(errno.EROFS, "Read-only file system")))
        found = extract(FakeEncoder(), probe, store)
        assert found.provenance["rows_cached"] == N
        assert found.provenance["notes"] == []

    def test_a_folder_deleted_in_the_middle_is_a_sentence(self, store, probe):
        import shutil

        def delete(batch, call):
            if call == 60:
                shutil.rmtree(store.root)
            return batch

        with pytest.raises(StoreError, match=r"^the feature store failed at '.*No such file or directory"):
            extract(FakeEncoder(change=delete), probe, store)
        assert extract(FakeEncoder(), probe, store).provenance["rows_computed"] == N

    def test_a_second_thread_waits_and_finds_the_work_done(self, store, probe):
        results: list[dict[str, Any]] = []

        def work() -> None:
            results.append(extract(FakeEncoder(delay=0.003), probe, store).provenance)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        first, second = sorted(results, key=lambda facts: facts["rows_cached"])
        assert (first["rows_computed"], second["rows_cached"]) == (N, N)
        assert second["notes"] == ["waited for another process that was extracting the same features"]


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"batch_size": 0}, "batch_size must be at least 1, or None for the default, got 0"),
            ({"loader_threads": 0}, "loader_threads must be at least 1, or None for the default, got 0"),
            ({"dtype": "int8"}, "dtype must be 'float32' or 'float16', got 'int8'"),
        ],
    )
    def test_options(self, store, probe, options, text):
        with pytest.raises(UsageError) as caught:
            extract(FakeEncoder(), probe, store, **options)
        assert str(caught.value) == text

    def test_an_empty_probe(self, store):
        with pytest.raises(DataError) as caught:
            extract(FakeEncoder(), make_probe([]), store)
        assert str(caught.value) == "the probe of 'fake' must hold samples, got none; draw it from another target"

    def test_a_candidate_of_another_kind(self, store, probe):
        with pytest.raises(CandidateError) as caught:
            extract(FakeEncoder(modality="text"), probe, store)
        assert str(caught.value) == (
            "candidate 'bundled:fake' takes text inputs and the target 'fake' holds image; choose candidates of the "
            "target's kind"
        )

    def test_nothing_of_a_model_that_returns_nan_is_complete(self, store, probe):
        def poison(batch, call):
            return with_features(batch, batch.features * np.float32(np.nan)) if call == 50 else batch

        with pytest.raises(CandidateError, match="returned nan in column 0 of the features of sample 'sample 1536'"):
            extract(FakeEncoder(change=poison), probe, store)
        assert not (entry_folder(store) / "meta.json").exists()
