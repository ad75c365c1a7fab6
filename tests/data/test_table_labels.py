"""Tables with several labels, several targets and pairs of texts."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_datasets import saved_target
from hubscout.data.parts import TextPair, TextPairs
from hubscout.data.tables import table_target
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, UsageError

Rows = dict[str, list[Any]]

# Arabic, Chinese, Thai, emoji with a joiner and a skin tone, a combining mark, right-to-left marks, a line break.
WORLD = [
    "هذا فيلم رائع — حقًّا!",
    "这部电影很好，我喜欢。",  # noqa: RUF001
    "หนังเรื่องนี้ดีมาก ๆ",
    "\U0001f469\U0001f3fd\u200d\U0001f680 took \U0001f1f9\U0001f1ed home",
    "Cafe\u0301 is not Caf\u00e9",
    "\u200fמעורב with English\u200e",  # noqa: RUF001
    'line one\nline "two",\tthree',
    "  𠮷 outside of the basic plane\u3000",
]


def write_delimited(path: Path, rows: Rows, delimiter: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(rows)
        writer.writerows(zip(*rows.values(), strict=True))


def write_json_lines(path: Path, rows: Rows, *, ascii_only: bool) -> None:
    lines = [
        json.dumps(dict(zip(rows, values, strict=True)), ensure_ascii=ascii_only)
        for values in zip(*rows.values(), strict=True)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


WRITERS: dict[str, Callable[[Path, Rows], Any]] = {
    "csv": lambda path, rows: write_delimited(path, rows, ","),
    "tsv": lambda path, rows: write_delimited(path, rows, "\t"),
    "jsonl": lambda path, rows: write_json_lines(path, rows, ascii_only=False),
    "ndjson": lambda path, rows: write_json_lines(path, rows, ascii_only=True),
    "parquet": lambda path, rows: pq.write_table(pa.table(rows), path),
    "hf": lambda path, rows: datasets.Dataset.from_dict(rows).save_to_disk(str(path)),
}
LISTS = ("jsonl", "ndjson", "parquet", "hf")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    datasets.disable_progress_bars()


@pytest.fixture(params=list(WRITERS))
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def load(
    folder: Path, form: str, rows: Rows, *, kind: str | None = None, split: str = "train", **columns: str
) -> Target:
    path = folder / f"x.{form}"
    WRITERS[form](path, rows)
    read = saved_target if form == "hf" else table_target
    return read(path, name="x", kind=kind, split=split, request=ColumnRequest(**columns))


class TestAnyLanguage:
    def test_texts(self, tmp_path: Path, form: str) -> None:
        target = load(tmp_path, form, {"text": WORLD, "label": ["ดี", "坏"] * 4})
        assert [target.samples[i] for i in range(len(WORLD))] == WORLD
        assert target.task.label_names == ("ดี", "坏")
        assert target.samples.content(4) == WORLD[4].encode()

    def test_pairs(self, tmp_path: Path, form: str) -> None:
        rows = {"premise": WORLD, "hypothesis": WORLD[::-1], "label": ["ใช่", "ไม่"] * 4}
        target = load(tmp_path, form, rows)
        assert [target.samples[i] for i in range(8)] == [
            TextPair(*pair) for pair in zip(WORLD, WORLD[::-1], strict=True)
        ]
        assert target.samples.content(1) == f"{WORLD[1]}\0{WORLD[6]}".encode()

    def test_several_labels(self, tmp_path: Path, form: str) -> None:
        labels = [["好", "坏"], ["坏"], ["👍🏽"], ["好", "👍🏽"]] * 2
        rows = {"text": WORLD, "label": labels if form in LISTS else [";".join(row) for row in labels]}
        target = load(tmp_path, form, rows, kind="multilabel")
        assert target.task.label_names == ("坏", "好", "👍🏽")
        assert target.labels.tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1]] * 2


class TestPairs:
    ROWS: Rows = {  # noqa: RUF012 - never written to
        "idx": [0, 1, 2, 3, 4],
        "premise": ["a man", "a cat", " ", "a dog", "a cow"],
        "hypothesis": ["a person", "an animal", "x", "", "a plant"],
        "label": ["yes", "yes", "no", "no", "no"],
    }

    def test_reads(self, tmp_path: Path, form: str) -> None:
        target = load(tmp_path, form, self.ROWS)
        assert isinstance(target.samples, TextPairs)
        assert (target.task.is_pair, target.task.unit, target.task.modality) == (True, "pair", "text")
        assert [target.samples[i] for i in range(3)] == [
            TextPair("a man", "a person"),
            TextPair("a cat", "an animal"),
            TextPair("a cow", "a plant"),
        ]
        assert [target.samples.name(i) for i in range(3)] == ["row 1", "row 2", "row 5"]
        assert target.problems == (
            RowProblem("row 3", "text is empty in 'premise'"),
            RowProblem("row 4", "text is empty in 'hypothesis'"),
        )
        assert target.notes == ("columns guessed: pair 'premise' and 'hypothesis', label 'label'",)
        assert target.labels.tolist() == [1, 1, 0]

    def test_of_named_columns(self, tmp_path: Path, form: str) -> None:
        rows = {"a": ["x", "y", "z"], "b": ["p", "q", "r"], "c": ["u", "v", "w"], "stars": [0.5, 1.5, 4.0]}
        target = load(tmp_path, form, rows, text="c", pair="a", label="stars")
        assert [target.samples[i] for i in range(3)] == [TextPair("u", "x"), TextPair("v", "y"), TextPair("w", "z")]
        assert (target.task.kind, target.labels.tolist()) == ("regression", [0.5, 1.5, 4.0])

    def test_similarity_is_a_quantity(self, tmp_path: Path, form: str) -> None:
        rows = {"sentence1": ["x", "y", "z"], "sentence2": ["p", "q", "r"], "score": [0.2, 3.8, 5.0]}
        target = load(tmp_path, form, rows)
        assert (target.task.kind, target.task.is_pair) == ("regression", True)

    def test_of_a_split(self, tmp_path: Path) -> None:
        rows = {"text1": list("abcdef"), "text2": list("ghijkl"), "label": range(6), "split": ["dev", "test"] * 3}
        rows["text2"][2] = ""
        target = load(tmp_path, "csv", rows, kind="regression", split="test")
        assert [target.samples[i] for i in range(3)] == [TextPair("b", "h"), TextPair("d", "j"), TextPair("f", "l")]

    def test_a_text_alone_is_no_pair(self, tmp_path: Path, form: str) -> None:
        target = load(tmp_path, form, self.ROWS, text="hypothesis")
        assert (target.task.is_pair, target.samples[0]) == (False, "a person")

    def test_a_missing_second_text(self, tmp_path: Path) -> None:
        rows = {"text_a": ["a", "b", "c"], "text_b": ["x", None, "z"], "label": [0.5, 1.5, 2.5]}
        assert load(tmp_path, "parquet", rows).problems == (RowProblem("row 2", "text is missing in 'text_b'"),)


class TestSeveralLabels:
    TEXTS = ("a", "b", "c", "d")

    def test_lists(self, tmp_path: Path) -> None:
        for form in LISTS:
            rows = {"text": self.TEXTS, "genres": [["drama", "war"], ["war"], [], None]}
            target = load(tmp_path, form, rows)
            assert (target.task.kind, target.task.label_names) == ("multilabel", ("drama", "war"))
            assert target.labels.tolist() == [[1, 1], [0, 1], [0, 0]]
            assert target.problems == (RowProblem("row 4", "label is missing"),)
            assert target.notes[0] == "columns guessed: text 'text', label 'genres'"

    def test_strings_when_asked(self, tmp_path: Path, form: str) -> None:
        rows = {"text": self.TEXTS, "label": ["drama|war", "war", "", "drama"]}
        target = load(tmp_path, form, rows, kind="multilabel")
        assert target.labels.tolist() == [[1, 1], [0, 1], [0, 0], [1, 0]]
        assert target.notes[1] == "the labels of a sample are separated by '|'"
        assert load(tmp_path, "csv", rows | {"label": ["x|y", "x|y", "x", "x"]}).task.kind == "classification"

    @pytest.mark.parametrize("kind", [None, "multilabel"])
    def test_columns_of_zero_and_one(self, tmp_path: Path, form: str, kind: str | None) -> None:
        rows = {"text": self.TEXTS, "toxic": [1, 0, 1, 0], "rude, really": [0, 0, 1, 1], "other": [5, 6, 7, 8]}
        target = load(tmp_path, form, rows, kind=kind, label="toxic,rude, really")
        assert (target.task.kind, target.task.label_names) == ("multilabel", ("toxic", "rude, really"))
        assert target.labels.tolist() == [[1, 0], [0, 0], [1, 1], [0, 1]]
        assert target.notes[0] == "columns guessed: text 'text'"

    def test_columns_of_images(self, folder: Callable[..., Path]) -> None:
        root = folder("a.png", "b.png", "c.png")
        rows = {"image": ["a.png", "b.png", "c.png"], "x": [1, 0, 1], "y": ["True", "true", "false"]}
        target = load(root, "csv", rows, label="x,y")
        assert (target.task.modality, target.labels.tolist()) == ("image", [[1, 1], [0, 1], [1, 0]])


class TestSeveralTargets:
    def test_reads(self, tmp_path: Path, form: str) -> None:
        rows = {"text": ["a", "b", "c", "d"], "x": [0.5, 1.5, None, 2.5], "y": [3, 4, 5, 6], "z": [0.25, 9, 1, 7]}
        target = load(tmp_path, form, rows, label="z,x,y")
        assert (target.task.kind, target.task.target_names, target.task.label_names) == (
            "regression",
            ("z", "x", "y"),
            (),
        )
        assert target.labels.tolist() == [[0.25, 0.5, 3.0], [9.0, 1.5, 4.0], [7.0, 2.5, 6.0]]
        assert target.problems == (RowProblem("row 3", "'x' is missing"),)

    def test_of_lists(self, tmp_path: Path) -> None:
        for form in LISTS:
            target = load(tmp_path, form, {"text": ["a", "b", "c"], "label": [[0.5, 2.0], [1.5, 3.0], [2.5, 3.0]]})
            assert (target.task.kind, target.task.target_names) == ("regression", ("0", "1"))


class TestErrors:
    def test_columns_of_words(self, tmp_path: Path, form: str) -> None:
        rows = {"text": ["a", "b", "c"], "x": ["p", "q", "p"], "y": ["r", "s", "r"]}
        with pytest.raises(
            UsageError, match=r"must hold quantities, or 0 and 1, but 'x' is 'p', not a number; name one"
        ):
            load(tmp_path, form, rows, label="x,y")

    def test_other_kinds(self, tmp_path: Path) -> None:
        with pytest.raises(
            UsageError, match=r"must be 'classification', 'multilabel' or 'regression' for 'x.csv', got 'd"
        ):
            load(tmp_path, "csv", {"text": ["a", "b", "c"], "label": [0, 1, 0]}, kind="detection")

    def test_lists_are_no_classes(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="must be one value a sample, got a list"):
            load(tmp_path, "jsonl", {"text": ["a", "b"], "label": [["a"], ["a", "b"]]}, kind="classification")
