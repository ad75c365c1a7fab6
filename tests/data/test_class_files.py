from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.class_files import CLASS_FILES, MaskClasses, find_class_file
from hubscout.data.mask_images import COLOUR, colour_value
from hubscout.errors import DataError


def read(folder: Path, text: str | bytes, name: str = "classes.txt") -> MaskClasses:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    classes = find_class_file(folder)
    assert classes is not None
    return classes


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, text)
    return str(caught.value)


class TestNames:
    def test_a_name_a_line(self, tmp_path: Path) -> None:
        classes = read(tmp_path, "\ufeffsky\r\n road 1 2 \r\nドア\n\n")
        assert (classes.file, classes.names) == ("classes.txt", ("sky", "road 1 2", "ドア"))

    @pytest.mark.parametrize("name", CLASS_FILES)
    def test_names_of_files(self, tmp_path: Path, name: str) -> None:
        assert read(tmp_path, "a\nb", name).file == name

    def test_none(self, tmp_path: Path) -> None:
        assert find_class_file(tmp_path) is None

    def test_grey_colours_are_codes(self, tmp_path: Path) -> None:
        classes = read(tmp_path, "a\nb\nc\n")
        values = np.array([[0, 0x010101, 0x020202, 0x030303, 0xFFFFFF, 0x000001]], np.int32) + COLOUR
        codes = classes.codes(values)
        assert codes.tolist() == [[0, 1, 2, COLOUR + 0x030303, COLOUR + 0xFFFFFF, COLOUR + 1]]

    def test_white_is_the_second_of_two(self, tmp_path: Path) -> None:
        values = np.array([[0, 0xFFFFFF, 0x010101]], np.int32) + COLOUR
        assert read(tmp_path, "no\nyes").codes(values).tolist() == [[0, 1, 1]]

    def test_codes_stay(self, tmp_path: Path) -> None:
        values = np.array([[0, 1, 255]], np.uint8)
        assert read(tmp_path, "no\nyes").codes(values) is values


class TestColours:
    @pytest.mark.parametrize(
        "text",
        [
            "64 128 64\tbig animal\n0 0 7\troad",
            "name,r,g,b\nbig animal,64,128,64\nroad,0,0,7\n",
            "# label:color_rgb:parts:actions\nbig animal:64,128,64::\nroad:0,0,7::\n",
            "big animal 64 128 64\nroad 0 0 7",
            "64, 128, 64, big animal\n0, 0, 7, road",
        ],
    )
    def test_before_or_behind_the_name(self, tmp_path: Path, text: str) -> None:
        classes = read(tmp_path, text)
        assert classes.names == ("big animal", "road")
        assert classes.colours == {colour_value(64, 128, 64): 0, colour_value(0, 0, 7): 1}
        values = np.array([[0x408040, 7], [7, 8]], np.int32) + COLOUR
        assert classes.codes(values).tolist() == [[0, 1], [1, COLOUR + 8]]

    @pytest.mark.parametrize("text", ["a 1 2 3\nb", "a 1 2 256\nb 1 2 3\nc 4 5 6\nd 1 2", "x"])
    def test_only_if_all_lines_have_them(self, tmp_path: Path, text: str) -> None:
        assert read(tmp_path, text).names == tuple(text.split("\n"))

    def test_names_that_are_numbers(self, tmp_path: Path) -> None:
        assert read(tmp_path, "1 2 3 4\n5 6 7 8").names == ("4", "8")

    @given(st.sets(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=30), st.integers(0, 99))
    def test_codes_against_a_naive_mapping(self, colours: set[tuple[int, int, int]], seed: int) -> None:
        order = sorted(colours)
        packed = [colour_value(*colour) for colour in order]
        classes = MaskClasses("x", tuple(map(str, order)), {colour: code for code, colour in enumerate(packed)})
        generator = np.random.default_rng(seed)
        values = generator.choice(np.array([*packed, COLOUR, COLOUR + 0xFFFFFF, 3], np.int32), (5, 4))
        expected = [[packed.index(v) if v in packed else v for v in row] for row in values.tolist()]
        assert classes.codes(values).tolist() == expected


class TestErrors:
    def test_missing_names(self, tmp_path: Path) -> None:
        assert refusal(tmp_path, "a\n\nb\n") == "'classes.txt' must name one class a line, got an empty line at line 2"
        assert refusal(tmp_path, "") == "'classes.txt' must name one class a line, got none"

    def test_repeated(self, tmp_path: Path) -> None:
        assert refusal(tmp_path, "a\nb\na\n") == (
            "the names of classes in 'classes.txt' must differ from each other, got 'a' twice"
        )
        assert refusal(tmp_path, "a 1 2 3\nb 1 2 3\n") == (
            "the colours of classes in 'classes.txt' must differ from each other, got '#010203' twice"
        )

    def test_too_many(self, tmp_path: Path) -> None:
        text = "\n".join(map(str, range(65537)))
        assert refusal(tmp_path, text) == "'classes.txt' must name at most 65536 classes, got 65537"

    def test_unreadable(self, tmp_path: Path) -> None:
        assert refusal(tmp_path, b"caf\xe9") == (
            "'classes.txt' must be a file that can be read, got 'file is not UTF-8 text'"
        )
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "labels.txt").symlink_to(tmp_path / "classes.txt")
        with pytest.raises(DataError, match=r"'labels.txt' must be a file that can be read, got 'path leads out of"):
            find_class_file(tmp_path / "in")
