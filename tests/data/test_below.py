from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.below import (
    bytes_below,
    files_below,
    folders_below,
    holds_file,
    open_below,
    relative_path,
    text_below,
)
from hubscout.errors import DataError


def reason(root: Path, relative: str, limit: int = 100) -> str:
    with pytest.raises(DataError) as caught:
        bytes_below(root, relative, limit)
    return str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write a folder with files, links and a folder beside it."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "a.txt").write_bytes(b"content")
    (tmp_path / "in" / "deep" / "b10.TXT").write_bytes(b"\xef\xbb\xbfb")
    (tmp_path / "in" / "deep" / "b9.txt").write_bytes(b"\xff")
    (tmp_path / "out" / "secret.txt").write_bytes(b"secret")
    (tmp_path / "in" / "link.txt").symlink_to("../out/secret.txt")
    (tmp_path / "in" / "inner.txt").symlink_to("a.txt")
    (tmp_path / "in" / "way").symlink_to("../out")
    return tmp_path / "in"


class TestReading:
    def test_a_file(self, root: Path) -> None:
        assert bytes_below(root, "a.txt", 7) == b"content"
        assert bytes_below(root, "deep/../inner.txt", 7) == b"content"
        assert text_below(root, "deep/b10.TXT", 9) == "b"
        with open_below(root, "a.txt") as file:
            assert file.read(3) == b"con"

    def test_files_that_are_refused(self, root: Path) -> None:
        os.mkfifo(root / "pipe")
        assert reason(root, "none") == "file does not exist"
        assert reason(root, "../out/secret.txt") == "path leads out of the folder"
        assert reason(root, "link.txt") == "path leads out of the folder"
        assert reason(root, "way/secret.txt") == "path leads out of the folder"
        assert reason(root, "deep") == "not a regular file"
        assert reason(root, "pipe") == "not a regular file"
        assert reason(root, "a\0b") == "path is not valid"
        assert reason(root, "\ud800") == "path is not valid"
        assert reason(root, "x" * 5000) == "file cannot be read (File name too long)"
        assert reason(root, "a.txt", 6) == "file is larger than 0 MB"

    def test_no_text(self, root: Path) -> None:
        with pytest.raises(DataError, match=r"^file is not UTF-8 text$"):
            text_below(root, "deep/b9.txt", 9)

    def test_nothing_stays_open(self, root: Path) -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            reason(root, "deep")
            bytes_below(root, "a.txt", 9)
        assert len(list(Path("/proc/self/fd").iterdir())) == before


class TestListing:
    def test_files(self, root: Path) -> None:
        (root / ".hidden.txt").touch()
        (root / "__MACOSX").mkdir()
        (root / "__MACOSX" / "x.txt").touch()
        flat = ["a.txt", "inner.txt", "link.txt"]
        assert files_below(root, "", (".txt",), deep=False) == flat
        assert files_below(root, "", (".txt",)) == ["a.txt", "deep/b9.txt", "deep/b10.TXT", *flat[1:]]
        assert files_below(root, "deep", (".txt",)) == ["deep/b9.txt", "deep/b10.TXT"]
        assert files_below(root, "none", (".txt",)) == []
        assert files_below(root, "way", (".txt",)) == []
        assert files_below(root, "../out", (".txt",)) == []

    def test_folders(self, root: Path) -> None:
        assert folders_below(root) == ["deep"]
        assert folders_below(root, "none") == []
        assert holds_file(root, "deep", (".txt",))
        assert not holds_file(root, "deep", (".png",))
        assert not holds_file(root, "none", (".txt",))


@given(st.text(alphabet="ab./\\ \0", max_size=12))
def test_settled_paths_never_lead_out(path: str) -> None:
    try:
        settled = relative_path(path)
    except DataError:
        return
    assert os.path.normpath("/x/" + settled).startswith("/x/")
    assert "\\" not in settled
