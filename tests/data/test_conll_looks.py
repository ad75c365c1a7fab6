from __future__ import annotations

import os
from pathlib import Path

import pytest

from hubscout.data.conll import looks_like_conll

NAMES = "-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\n"
TREE = "".join(f"{i}\t{word}\t_\tX\t_\t_\t0\t_\t_\t_\n" for i, word in enumerate(("Она", "спит", "."), 1))


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "is_one"),
    [
        ("x.conll", "", True),
        ("x.CONLLU", "", True),
        ("x.txt", NAMES, True),
        ("eng.testa", NAMES, True),
        ("x.txt", TREE, True),
        ("x.txt", f"# a remark\n{TREE[:-1]}", True),
        ("x.tsv", "a\tX\n\nb\tY\n", True),
        ("x.tsv", "text\tlabel\nfine\tpos\nbad\tneg\n", False),
        ("x.txt", "It was the best of times.\nIt was the worst\n\nof times.\n", False),
        ("x.txt", "cat\ndog\n", False),
        ("x.txt", "", False),
        ("x.txt", b"\xff\xfea\0", False),
        ("x.csv", NAMES, False),
        ("x.png", NAMES, False),
    ],
)
def test_files(tmp_path: Path, name: str, content: str | bytes, is_one: bool) -> None:
    path = write(tmp_path / name, content)
    assert looks_like_conll(path) is is_one


def test_a_long_file_cut_in_the_middle_of_a_character(tmp_path: Path) -> None:
    for extra in range(4):
        content = "x" * extra + " X\n" + "文字 X\n\n" * 9000
        assert looks_like_conll(write(tmp_path / "x.txt", content))


def test_folders(tmp_path: Path) -> None:
    write(tmp_path / "a" / "train.txt", NAMES)
    write(tmp_path / "b" / "notes.txt", NAMES)
    write(tmp_path / "c" / "train.txt", "images/1.jpg 0\nimages/2.jpg 1\n")
    write(tmp_path / "d" / "deep" / "x.conll", NAMES)
    assert [looks_like_conll(tmp_path / name) for name in "abcd"] == [True, False, False, False]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.txt")
    assert not looks_like_conll(tmp_path / "x.txt")
    assert not looks_like_conll(tmp_path / "absent.txt")
