from __future__ import annotations

import hashlib
import os
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hubscout.errors import CandidateError, UnsafeFileError
from hubscout.models import weights
from hubscout.models.weights import check_safetensors, check_weights, file_digest, read_state_dict, settings_digest


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


class TestFileDigest:
    def test_one_file_has_its_own_sha256(self, tmp_path):
        file = tmp_path / "a"
        file.write_bytes(b"weights")
        assert file_digest([file]) == "sha256:" + hashlib.sha256(b"weights").hexdigest()

    def test_names_and_order_do_not_count_and_contents_do(self, tmp_path):
        files = [tmp_path / name for name in "abc"]
        for file, text in zip(files, ("1", "2", "3"), strict=True):
            file.write_text(text)
        assert file_digest(files[:2]) == file_digest(files[1::-1])
        assert file_digest(files[:2]) != file_digest(files[1:])


class TestSettingsDigest:
    def test_tokenizer_counts_and_weights_do_not(self, tmp_path):
        (tmp_path / "tokenizer.json").write_text("{}")
        before = settings_digest(tmp_path)
        (tmp_path / "model.safetensors").write_bytes(b"x")
        assert settings_digest(tmp_path) == before
        (tmp_path / "tokenizer.json").write_text('{"a": 1}')
        assert settings_digest(tmp_path) != before


class TestSafetensors:
    def test_whole_file_passes(self, tmp_path):
        save_file({"a": torch.zeros(2)}, tmp_path / "w.safetensors")
        check_safetensors(tmp_path / "w.safetensors")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "weights {path!r} are not a whole safetensors file (0 bytes); fetch them again"),
            (
                struct.pack("<Q", 2**40),
                "weights {path!r} have a header of 1099511627776 bytes, more than the 25000000 allowed",
            ),
            (
                struct.pack("<Q", 100) + b"{}",
                "weights {path!r} are not a whole safetensors file (10 bytes); fetch them again",
            ),
            (
                struct.pack("<Q", 4) + b"oops",
                "weights {path!r} have a damaged safetensors header; fetch them again",
            ),
        ],
    )
    def test_broken_headers(self, tmp_path, content, message):
        path = tmp_path / "w.safetensors"
        path.write_bytes(content)
        with pytest.raises(CandidateError) as caught:
            read_state_dict(path)
        assert str(caught.value) == message.format(path=str(path))

    def test_too_many_tensors(self, tmp_path, monkeypatch):
        monkeypatch.setattr(weights, "MAX_TENSORS", 1)
        path = tmp_path / "w.safetensors"
        save_file({"a": torch.zeros(1), "b": torch.zeros(1)}, path)
        with pytest.raises(CandidateError, match="list 2 tensors, more than the 1 allowed"):
            check_weights(path)

    def test_cut_off_and_overlapping_tensors(self, tmp_path):
        path = tmp_path / "w.safetensors"
        save_file({"a": torch.arange(100.0)}, path)
        path.write_bytes(path.read_bytes()[:-8])
        with pytest.raises(CandidateError, match="are damaged"):
            read_state_dict(path)
        header = (
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
            b'"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}'
        )
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(6))
        with pytest.raises(CandidateError, match="are damaged"):
            read_state_dict(path)

    def test_half_precision_is_widened_and_integers_are_kept(self, tmp_path):
        path = tmp_path / "w.safetensors"
        save_file({"a": torch.ones(2, dtype=torch.float16), "n": torch.tensor(3)}, path)
        state = read_state_dict(path)
        assert state["a"].dtype == torch.float32
        assert state["n"].dtype == torch.int64


class TestPickled:
    @pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".pkl", ".ckpt"])
    def test_code_is_refused_and_not_run(self, tmp_path, suffix):
        path, mark = tmp_path / f"evil{suffix}", tmp_path / "executed"
        torch.save({"a": torch.zeros(1), "b": Evil(mark)}, path)
        for read in (read_state_dict, check_weights):
            with pytest.raises(UnsafeFileError) as caught:
                read(path)
            assert str(caught.value) == (
                f"weights {str(path)!r} hold more than tensors and could run code when they are loaded; "
                "convert them to safetensors in a place you trust"
            )
        assert not mark.exists()

    @pytest.mark.parametrize("key", [None, "state_dict", "model"])
    def test_plain_tensors_load(self, tmp_path, key):
        state = {"a": torch.ones(2)}
        torch.save(state if key is None else {key: state, "epoch": 3}, tmp_path / "w.pth")
        assert read_state_dict(tmp_path / "w.pth")["a"].tolist() == [1.0, 1.0]

    def test_something_else(self, tmp_path):
        torch.save([1, 2], tmp_path / "w.pt")
        with pytest.raises(CandidateError, match="must hold a state dict of tensors, got list"):
            read_state_dict(tmp_path / "w.pt")

    def test_garbage(self, tmp_path):
        (tmp_path / "w.pt").write_bytes(np.random.default_rng(0).bytes(100))
        with pytest.raises((CandidateError, UnsafeFileError)):
            read_state_dict(tmp_path / "w.pt")


class TestPaths:
    def test_missing(self):
        with pytest.raises(CandidateError) as caught:
            read_state_dict(weights.Path("nope.safetensors"))
        assert str(caught.value) == (
            "weights 'nope.safetensors' do not exist; check the path, which is relative to the current folder"
        )

    def test_unknown_suffix(self, tmp_path):
        (tmp_path / "w.h5").write_bytes(b"x")
        with pytest.raises(CandidateError, match=r"must be a \.safetensors file, or one of \.bin, "):
            read_state_dict(tmp_path / "w.h5")
