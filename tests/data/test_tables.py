from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubscout.data.columns import ColumnRequest
from hubscout.data.splits import TEST_NOTE
from hubscout.data.tables import table_target
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, HubscoutError, UsageError


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, **options: object) -> Target:
    return table_target(path, name=path.stem, **options)


def texts(target: Target) -> list[str]:
    return [target.samples[i] for i in range(len(target.samples))]


GOOD = "text,label\nfine,pos\nbad,neg\nok,pos\n"


class TestTexts:
    def test_reads(self, tmp_path: Path) -> None:
        target = read(write(tmp_path / "x.csv", GOOD))
        assert (texts(target), target.labels.tolist()) == (["fine", "bad", "ok"], [1, 0, 1])
        assert (target.task.modality, target.task.label_names, target.split) == ("text", ("neg", "pos"), "all")
        assert target.notes == ("columns guessed: text 'text', label 'label'",)
        assert [target.samples.name(i) for i in range(3)] == ["row 1", "row 2", "row 3"]

    def test_regression(self, tmp_path: Path) -> None:
        target = read(write(tmp_path / "x.csv", "text,score\nfine,0.9\nbad,0.1\nok,\nhm,inf\n"))
        assert (target.task.kind, target.labels.tolist()) == ("regression", [0.9, 0.1])
        assert target.problems == (
            RowProblem("row 3", "label is missing"),
            RowProblem("row 4", "label is not a finite number"),
        )

    def test_faults_are_counted_by_row(self, tmp_path: Path) -> None:
        content = 'text,label\nfine,pos\n,neg\n"  ",neg\nnul\0,neg\nbad,\nbad,neg\nx,y,z\n\nlone\ngood,pos\n'
        target = read(write(tmp_path / "x.csv", content))
        assert texts(target) == ["fine", "bad", "good"]
        assert [target.samples.name(i) for i in range(3)] == ["row 1", "row 6", "row 9"]
        assert target.problems == (
            RowProblem("row 2", "text is empty"),
            RowProblem("row 3", "text is empty"),
            RowProblem("row 4", "text holds a NUL character"),
            RowProblem("row 7", "row has 3 fields, the header has 2"),
            RowProblem("row 8", "row has 1 fields, the header has 2"),
            RowProblem("row 5", "label is missing"),
        )

    def test_numbers_are_texts_when_the_user_says_so(self, tmp_path: Path) -> None:
        path = write(
            tmp_path / "x.jsonl",
            '{"a": 1, "y": "p"}\n{"a": 2.5, "y": "n"}\n{"a": null, "y": "n"}\n{"a": 3, "y": "n"}\n',
        )
        target = read(path, request=ColumnRequest(text="a"))
        assert texts(target) == ["1", "2.5", "3"]
        assert target.problems == (RowProblem("row 3", "text is missing"),)

    def test_missing_keys_are_missing_labels(self, tmp_path: Path) -> None:
        target = read(
            write(
                tmp_path / "x.jsonl",
                '{"text": "a", "label": 1}\n{"text": "b"}\n{"text": "c", "label": 0}\n{"text": "d", "label": 0}\n',
            )
        )
        assert target.problems == (RowProblem("row 2", "label is missing"),)


class TestImages:
    def test_paths_are_relative_to_the_file(self, tmp_path: Path, folder: Callable[..., Path]) -> None:
        root = folder("img/a.png", "img/b.png", "c.png")
        target = read(write(root / "x.csv", f"path,label\nimg/a.png,0\n./img/../img/b.png,1\n{root / 'c.png'},1\n"))
        assert [target.samples.name(i) for i in range(3)] == ["img/a.png", "img/b.png", "c.png"]
        assert target.samples[1].size == (12, 10)
        assert target.task.modality == "image"

    def test_paths_that_leave_the_folder_are_problems(self, folder: Callable[..., Path]) -> None:
        root = folder("a.png", "b.png", "c.png")
        content = "image,label\na.png,0\nb.png,1\nc.png,1\n../secret.png,1\n/etc/passwd,1\n,1\n.,1\nnul\0.png,1\n"
        target = read(write(root / "x.csv", content))
        assert len(target.labels) == 3
        assert target.problems == (
            RowProblem("row 4", "image path leads out of the table's folder"),
            RowProblem("row 5", "image path leads out of the table's folder"),
            RowProblem("row 6", "image path is missing"),
            RowProblem("row 7", "image path leads out of the table's folder"),
            RowProblem("row 8", "image path holds a NUL character"),
        )

    def test_a_link_out_of_the_folder_is_refused_when_it_is_read(self, folder: Callable[..., Path]) -> None:
        root = folder("a.png", "b.png", "c.png")
        elsewhere = folder("x.png", root="elsewhere")
        (root / "link.png").symlink_to(elsewhere / "x.png")
        target = read(write(root / "x.csv", "image,label\na.png,0\nb.png,1\nlink.png,1\n"))
        with pytest.raises(DataError) as caught:
            target.samples[2]
        assert str(caught.value) == "sample 'link.png' cannot be used: path leads out of the folder"

    def test_paths_of_another_type_are_problems(self, folder: Callable[..., Path]) -> None:
        root = folder("a.png", "b.png", "c.png")
        content = (
            '{"image": "a.png", "y": 0}\n{"image": 5, "y": 0}\n{"image": "b.png", "y": 1}\n{"image": "c.png", "y": 1}\n'
        )
        target = read(write(root / "x.jsonl", content))
        assert target.problems == (RowProblem("row 2", "image path is of type int, not a string"),)

    def test_regression(self, folder: Callable[..., Path]) -> None:
        root = folder("a.png", "b.png", "c.png")
        target = read(write(root / "x.csv", "image,age\na.png,0.5\nb.png,3\nc.png,4\n"))
        assert (target.task.kind, target.task.modality) == ("regression", "image")

    def test_pixels_in_a_column(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.jsonl", '{"image": {"bytes": "x"}, "label": 1}\n')
        with pytest.raises(DataError) as caught:
            read(path, request=ColumnRequest(image="image"))
        assert str(caught.value) == (
            "the column 'image' of 'x.jsonl' must hold image paths, got pixels or bytes; load the table with "
            "datasets.load_dataset, save it with save_to_disk, and give that folder"
        )


class TestSplits:
    CONTENT = "text,label,split\na,0,train\nb,1,train\nc,1,Train\nd,0,test\ne,1,test\nf,1,\ng,1,test\n"

    def test_train_by_default(self, tmp_path: Path) -> None:
        target = read(write(tmp_path / "x.csv", self.CONTENT))
        assert (texts(target), target.split) == (["a", "b", "c"], "train")
        assert target.problems == (RowProblem("row 6", "split is missing"),)
        assert target.notes[1] == "the column 'split' names the split of each row"

    def test_rows_of_splits_that_resemble_the_asked_one_are_left_out(self, tmp_path: Path) -> None:
        content = "text,label,split\na,0,dev\n,0,dev\nb,1,val\nc,0,val\nd,1,dev\ne,1,dev\nf,1,val\n"
        path = write(tmp_path / "x.csv", content)
        target = read(path, split="dev")
        assert (texts(target), target.labels.tolist()) == (["a", "d", "e"], [0, 1, 1])
        assert [target.samples.name(i) for i in range(3)] == ["row 1", "row 5", "row 6"]
        assert len(read(path, split="validation").labels) == 6

    def test_test_is_noted(self, tmp_path: Path) -> None:
        target = read(write(tmp_path / "x.csv", self.CONTENT), split="test")
        assert (texts(target), target.split, target.notes[-1]) == (["d", "e", "g"], "test", TEST_NOTE)

    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as caught:
            read(write(tmp_path / "x.csv", self.CONTENT), split="dev")
        assert str(caught.value) == (
            "'x.csv' has no split 'dev'; name one of its splits ('Train', 'test', 'train') with split (--split)"
        )

    def test_a_table_without_splits(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"'x.csv' has no splits, but split='test' was asked for"):
            read(write(tmp_path / "x.csv", GOOD), split="test")


class TestErrors:
    def test_all_rows_bad(self, tmp_path: Path) -> None:
        with pytest.raises(DataError) as caught:
            read(write(tmp_path / "x.csv", "text,label\n,a\n ,b\n"))
        assert str(caught.value) == (
            "'x.csv' must hold samples that can be used, got none; the first of 2 problems is 'row 1': text is empty"
        )

    def test_a_header_alone(self, tmp_path: Path) -> None:
        with pytest.raises(DataError) as caught:
            read(write(tmp_path / "x.csv", "text,label\n"), request=ColumnRequest(text="text"))
        assert str(caught.value) == (
            "'x.csv' must hold samples that can be used, got none; check that it is the right one"
        )

    def test_ids_as_labels(self, tmp_path: Path) -> None:
        content = "text,label\n" + "".join(f"t{i},{i}\n" for i in range(30))
        with pytest.raises(UsageError, match="whole numbers with 30 different values in 30 samples"):
            read(write(tmp_path / "x.csv", content))


_SOUP = st.lists(
    st.sampled_from(
        [
            b"text",
            b"label",
            b"split",
            b"train",
            b",",
            b"\n",
            b"\r\n",
            b'"',
            b"\0",
            b"\xff",
            b"\xef\xbb\xbf",
            b"{",
            b"}",
            b":",
            b'{"text": "a", "label": 1}\n',
            b'{"text": "b", "label": 0}\n',
            b"a,b\n",
            b"c,d\n",
            b"1",
            b";",
            b"\t",
        ]
    ),
    max_size=40,
).map(b"".join)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(content=st.one_of(st.binary(max_size=120), _SOUP))
def test_any_bytes_give_a_target_or_one_sentence(tmp_path: Path, suffix: str, content: bytes) -> None:
    try:
        target = read(write(tmp_path / f"x.{suffix}", content))
    except HubscoutError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message
    assert message or len(target.samples) == len(target.labels) > 0
