from __future__ import annotations

import csv
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubscout.data.table_files import open_table, peek
from hubscout.errors import DataError, MissingExtraError


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(path: Path) -> list[object]:
    return list(open_table(path).rows())


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        rows(path)
    return str(caught.value)


class TestDelimited:
    @pytest.mark.parametrize(
        "content",
        [
            "a,b\n1,2\n",
            "a,b\r\n1,2\r\n",
            "\ufeffa,b\n1,2",
            " a , b\n1,2\n",
            "\na,b\n\n1,2\n\n",
            "a;b\n1;2\n",
            "a\tb\n1\t2\n",
        ],
    )
    def test_dialects(self, tmp_path: Path, content: str) -> None:
        assert rows(write(tmp_path / "x.csv", content)) == [(1, {"a": "1", "b": "2"})]

    def test_tabs(self, tmp_path: Path) -> None:
        assert rows(write(tmp_path / "x.tsv", "a\tb\n1,5\t2\n")) == [(1, {"a": "1,5", "b": "2"})]

    def test_quoted_newlines_and_commas(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.csv", 'a,b\n"one\ntwo, ""three""",2\n3,4\n')
        assert rows(path) == [(1, {"a": 'one\ntwo, "three"', "b": "2"}), (2, {"a": "3", "b": "4"})]

    def test_ragged_rows_are_reasons(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.csv", "a,b\n1\n1,2\n1,2,3\n")
        assert rows(path) == [
            (1, "row has 1 fields, the header has 2"),
            (2, {"a": "1", "b": "2"}),
            (3, "row has 3 fields, the header has 2"),
        ]

    def test_a_text_of_a_megabyte(self, tmp_path: Path) -> None:
        before = csv.field_size_limit()
        assert len(rows(write(tmp_path / "x.csv", f"a,b\n{'x' * 1_000_000},2\n"))[0][1]["a"]) == 1_000_000
        assert csv.field_size_limit() == before

    @pytest.mark.parametrize("content", ["", "\n\n", ",,\n1,2,3\n"])
    def test_no_header(self, tmp_path: Path, content: str) -> None:
        assert refusal(write(tmp_path / "x.csv", content)) == (
            "'x.csv' must start with a header row, got an empty one; add a row with column names"
        )

    def test_a_column_twice(self, tmp_path: Path) -> None:
        assert refusal(write(tmp_path / "x.csv", "a,b, a\n1,2,3\n")) == (
            "the columns of 'x.csv' must have different names, got 'a' twice; rename one"
        )

    def test_columns_without_a_name_may_repeat(self, tmp_path: Path) -> None:
        assert rows(write(tmp_path / "x.csv", ",a,\n0,1,\n"))[0][1]["a"] == "1"

    def test_latin_1(self, tmp_path: Path) -> None:
        assert refusal(write(tmp_path / "x.csv", "a,b\nf\xe4n,2\n".encode("latin-1"))) == (
            "'x.csv' must be UTF-8, got the byte 0xe4, perhaps of LATIN1; "
            "convert it, for example with iconv -f LATIN1 -t UTF-8"
        )

    def test_utf_16(self, tmp_path: Path) -> None:
        assert refusal(write(tmp_path / "x.csv", "a,b\n1,2\n".encode("utf-16"))) == (
            "'x.csv' must be UTF-8, got the byte 0xff, perhaps of UTF-16; "
            "convert it, for example with iconv -f UTF-16 -t UTF-8"
        )

    def test_a_file_that_vanishes(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.csv", "a,b\n1,2\n")
        table = open_table(path)
        path.unlink()
        with pytest.raises(DataError) as caught:
            peek(table)
        assert str(caught.value) == "'x.csv' must be a file that can be read, got 'No such file or directory'"


class TestJsonLines:
    def test_rows_are_lines(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.jsonl", '\ufeff{"a": 1}\n\n{"b": [2]}\r\n')
        table = open_table(path)
        assert table.columns == ["a", "b"]
        assert list(table.rows()) == [(1, {"a": 1}), (3, {"b": [2]})]

    def test_broken_lines_are_reasons(self, tmp_path: Path) -> None:
        deep = b"[" * 100_000
        path = write(tmp_path / "x.jsonl", b'{"a": 1}\n{"a": \n[1]\n{"a": "\xff"}\n' + deep + b"\n" + b"9" * 5000)
        assert rows(path) == [
            (1, {"a": 1}),
            (2, "line is not valid JSON"),
            (3, "line is not a JSON object"),
            (4, "line is not UTF-8"),
            (5, "line is not valid JSON"),
            (6, "line is not valid JSON"),
        ]

    @pytest.mark.parametrize(
        ("content", "found"),
        [("", "the file is empty"), ("[1]\n[2]\n", "line is not a JSON object"), ("{}\n", "objects without keys")],
    )
    def test_no_columns(self, tmp_path: Path, content: str, found: str) -> None:
        assert refusal(write(tmp_path / "x.jsonl", content)) == (
            f"'x.jsonl' must hold one JSON object a line, got none in its first rows ({found})"
        )


class TestParquet:
    def test_reads(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"text": ["a", None], "y": [1.5, 2]}), tmp_path / "x.parquet")
        assert rows(tmp_path / "x.parquet") == [(1, {"text": "a", "y": 1.5}), (2, {"text": None, "y": 2.0})]

    def test_reads_the_wanted_columns_alone(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "x.parquet")
        assert list(open_table(tmp_path / "x.parquet").rows(["b"])) == [(1, {"b": 2})]

    def test_damaged(self, tmp_path: Path) -> None:
        message = refusal(write(tmp_path / "x.parquet", b"PAR1 not really PAR1"))
        assert message.startswith("'x.parquet' must be a Parquet file that can be read, got ")
        assert message.endswith("; write it again")

    def test_truncated_pages(self, tmp_path: Path) -> None:
        pq.write_table(
            pa.table({"text": [f"text {i}" for i in range(5000)]}), tmp_path / "x.parquet", compression="none"
        )
        content = bytearray((tmp_path / "x.parquet").read_bytes())
        content[4:200] = bytes(196)
        assert refusal(write(tmp_path / "x.parquet", bytes(content))).startswith("'x.parquet' must be a Parquet file")

    def test_without_pyarrow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        with pytest.raises(MissingExtraError) as caught:
            open_table(write(tmp_path / "x.parquet", b""))
        assert str(caught.value) == "reading Parquet needs pyarrow; install it with pip install 'hubscout[data]'"
        assert caught.value.exit_code == 2


def test_peek_leaves_broken_rows_out(tmp_path: Path) -> None:
    assert peek(open_table(write(tmp_path / "x.csv", "a,b\n1\n1,2\n"))) == [{"a": "1", "b": "2"}]
