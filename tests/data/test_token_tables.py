from __future__ import annotations

import json

import pytest

from hubscout.data import load_target
from hubscout.data.token_tables import looks_like_token_table, token_table_target
from hubscout.errors import DataError, UsageError

ROWS = [
    {"tokens": ["Ada", "写", "кода"], "ner_tags": ["B-PER", "O", "O"], "split": "train"},
    {"tokens": ["in", "Rom"], "ner_tags": ["O", "B-LOC"], "split": "train"},
    {"tokens": ["no"], "ner_tags": ["O"], "split": "test"},
]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class TestTokenTableTarget:
    def test_json_lines(self, tmp_path):
        target = load_target(write(tmp_path / "x.jsonl", ROWS))
        assert (target.task.kind, target.task.unit, target.split) == ("token_classification", "word", "train")
        assert target.samples[0].words == ("Ada", "写", "кода")
        assert target.unit_counts.tolist() == [3, 2]
        names = [target.task.label_names[code] for code in target.labels]
        assert names == ["B-PER", "O", "O", "O", "B-LOC"]

    def test_parquet_is_the_same(self, tmp_path):
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "x.parquet")
        same = load_target(tmp_path / "x.parquet", kind="token_classification")
        lines = load_target(write(tmp_path / "x.jsonl", ROWS))
        assert [same.samples[i] for i in range(2)] == [lines.samples[i] for i in range(2)]
        assert same.labels.tolist() == lines.labels.tolist()

    def test_without_splits_all_rows_are_read(self, tmp_path):
        rows = [{key: row[key] for key in ("tokens", "ner_tags")} for row in ROWS]
        target = token_table_target(write(tmp_path / "x.jsonl", rows), name="x")
        assert (len(target.samples), target.split) == (3, "all")

    def test_bad_rows_are_counted(self, tmp_path):
        bad = [{"tokens": ["a", "b"], "ner_tags": ["O"], "split": "train"}, {"tokens": ["a"], "ner_tags": ["O"]}]
        path = write(tmp_path / "x.jsonl", [*ROWS, *bad])
        with path.open("a") as file:
            file.write("{oops\n")
        target = load_target(path)
        assert len(target.samples) == 2
        assert sorted(problem.row for problem in target.problems) == ["row 5", "row 6", "text 4"]

    def test_nothing_left(self, tmp_path):
        rows = [{"tokens": [], "ner_tags": []}, {"tokens": ["a"], "ner_tags": ["O", "O"]}]
        with pytest.raises(DataError):
            token_table_target(write(tmp_path / "x.jsonl", rows), name="x")

    def test_a_split_that_is_not_there(self, tmp_path):
        with pytest.raises(UsageError):
            load_target(write(tmp_path / "x.jsonl", ROWS), split="extra")


class TestLooksLikeTokenTable:
    def test_needs_lists_named_like_words_and_tags(self, tmp_path):
        assert looks_like_token_table(write(tmp_path / "a.jsonl", ROWS))
        assert not looks_like_token_table(write(tmp_path / "b.jsonl", [{"text": "a b", "labels": ["x"]}]))
        (tmp_path / "c.csv").write_text("tokens,tags\na,b\n")
        assert not looks_like_token_table(tmp_path / "c.csv")
        assert not looks_like_token_table(tmp_path)
