from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubscout.errors import DataError, HubscoutError, StoreError, UnsafeFileError
from hubscout.features import npy_reader
from hubscout.features.npy_reader import read_arrays, scratch_array

ARRAY = np.arange(3000, dtype=np.float32).reshape(1000, 3)


def read_all(path: Path) -> dict[str, np.ndarray]:
    return read_arrays(path, lambda names: names)


class TestReadArrays:
    @pytest.mark.parametrize(
        "array",
        [
            ARRAY,
            np.asfortranarray(ARRAY),
            ARRAY.astype(">f8"),
            ARRAY.astype(np.float16),
            np.array(["a", "bé"]),
            np.zeros((0, 3)),
            np.arange(5),
        ],
    )
    @pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
    def test_reads_what_numpy_wrote(self, tmp_path, array, kind):
        path = tmp_path / "a.file"
        with path.open("wb") as file:
            if kind == "npy":
                np.save(file, array)
            else:
                (np.savez if kind == "npz" else np.savez_compressed)(file, other=np.ones(3), x=array)
        read = read_all(path)["" if kind == "npy" else "x"]
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype
        assert not read.flags.writeable

    @pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
    def test_arrays_are_mapped(self, tmp_path, kind):
        path = tmp_path / "a.file"
        with path.open("wb") as file:
            {"npy": np.save, "npz": np.savez, "compressed": np.savez_compressed}[kind](file, ARRAY)
        assert all(isinstance(array.base, np.memmap) for array in read_all(path).values())

    def test_only_wanted_members_are_read(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=ARRAY, y=np.array([None]))
        assert list(read_arrays(tmp_path / "a.npz", lambda names: ["x"])) == ["x"]

    def test_objects_are_refused(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([{}, None]))
        np.savez(tmp_path / "a.npz", x=np.array([{}, None]))
        with pytest.raises(UnsafeFileError) as caught:
            read_all(tmp_path / "a.npy")
        assert str(caught.value) == (
            f"the array of {str(tmp_path / 'a.npy')!r} holds Python objects, which could run code when they are "
            "loaded; "
            "save numbers or strings instead"
        )
        with pytest.raises(UnsafeFileError, match=r"^the array 'x' of '.*a.npz' holds Python objects"):
            read_all(tmp_path / "a.npz")

    def test_pickles_are_refused_unread(self, tmp_path):
        path = tmp_path / "a.npy"
        path.write_bytes(pickle.dumps(ARRAY))
        with pytest.raises(UnsafeFileError) as caught:
            read_all(path)
        assert str(caught.value) == (
            f"the feature file {str(path)!r} is a pickle, which could run code when it is loaded; save the arrays "
            "with numpy.savez"
        )
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", b"")
        with pytest.raises(UnsafeFileError, match="holds a pickle, which could run code"):
            read_all(path)

    def test_other_files_are_one_sentence(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_text("hello")
        with pytest.raises(DataError) as caught:
            read_all(path)
        assert str(caught.value) == (
            f"the feature file {str(path)!r} must be a .npz or .npy file, and is neither; save it with numpy.savez"
        )
        with pytest.raises(DataError) as caught:
            read_all(tmp_path / "none.npz")
        assert str(caught.value) == (
            f"the feature file {str(tmp_path / 'none.npz')!r} does not exist; check the path, which is relative to the "
            "current folder"
        )
        with pytest.raises(DataError, match=r"cannot be read \(Is a directory\); give a .npz or .npy file$"):
            read_all(tmp_path)

    def test_truncated_files_are_one_sentence(self, tmp_path):
        np.save(tmp_path / "a.npy", ARRAY)
        np.savez(tmp_path / "a.npz", x=ARRAY)
        for name, text in (("a.npy", "ends before its array does"), ("a.npz", r"is damaged \(BadZipFile\)")):
            path = tmp_path / name
            path.write_bytes(path.read_bytes()[:-50])
            with pytest.raises(DataError, match=text):
                read_all(path)

    def test_a_flipped_bit_in_an_archive_is_found_though_it_is_mapped(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=ARRAY)
        data = bytearray(path.read_bytes())
        data[5000] ^= 1
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"is damaged \(BadZipFile\)"):
            read_all(path)

    def test_a_member_longer_than_its_array_is_refused(self, tmp_path):
        buffer = io.BytesIO()
        np.save(buffer, ARRAY)
        with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", buffer.getvalue() + bytes(1000))
        with pytest.raises(DataError, match=r"the array 'x' of '.*' is not as long as its shape"):
            read_all(tmp_path / "a.npz")

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
    @given(data=st.data())
    def test_no_damage_is_a_crash(self, tmp_path, data):
        path = tmp_path / "fuzz"
        buffer = io.BytesIO()
        data.draw(st.sampled_from([np.save, np.savez, np.savez_compressed]))(buffer, ARRAY[:20])
        raw = bytearray(buffer.getvalue())
        for _ in range(data.draw(st.integers(1, 3))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
        with contextlib.suppress(HubscoutError):
            assert all(isinstance(array, np.ndarray) for array in read_all(path).values())


class TestScratchArray:
    def test_collects_chunks(self):
        array = scratch_array(ARRAY[i : i + 300] for i in range(0, 1000, 300))
        np.testing.assert_array_equal(array, ARRAY)
        assert not array.flags.writeable

    def test_a_full_temporary_folder_is_a_sentence(self, monkeypatch):
        class Full(io.BytesIO):
            def write(self, data):
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(npy_reader.tempfile, "TemporaryFile", lambda **options: Full())
        with pytest.raises(StoreError) as caught:
            scratch_array([ARRAY])
        assert str(caught.value) == (
            "the temporary folder cannot take the features (OSError); set TMPDIR to a larger disk"
        )
