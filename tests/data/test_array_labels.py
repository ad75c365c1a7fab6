"""Arrays of several labels or targets a sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hubscout.data.arrays import array_target
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, UnsafeFileError, UsageError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.npz"


def read(path: Path, *, kind: str | None = None, split: str = "train", **arrays: object) -> Target:
    np.savez(path, **{key: np.asarray(value) for key, value in arrays.items()})
    return array_target(path, name="x", kind=kind, split=split)


def refusal(error: type[Exception], path: Path, **options: object) -> str:
    with pytest.raises(error) as caught:
        read(path, **options)
    return str(caught.value)


class TestLabels:
    @pytest.mark.parametrize("dtype", ["bool", "int64", "uint8"])
    @pytest.mark.parametrize("kind", [None, "multilabel"])
    def test_zero_and_one(self, path: Path, dtype: str, kind: str | None) -> None:
        labels = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=dtype)
        target = read(path, labels=labels, features=np.zeros((3, 2)), kind=kind)
        assert (target.task.kind, target.task.modality) == ("multilabel", "features")
        assert (target.task.label_names, target.labels.tolist()) == (("0", "1"), [[0, 1], [1, 1], [0, 0]])
        assert target.notes[-1] == "the label '2' was left out: no sample has it"

    def test_names(self, path: Path) -> None:
        names = np.array(["caf\u00e9".encode(), b"bar"])
        target = read(path, labels=[[0, 1], [1, 1], [0, 0]], label_names=names)
        assert target.task.label_names == ("caf\u00e9", "bar")

    def test_one_column(self, path: Path) -> None:
        assert read(path, labels=[[0], [1], [0]]).task.kind == "classification"
        target = read(path, labels=[[0], [1], [0]], kind="multilabel", label_names=["wings"])
        assert (target.task.label_names, target.labels.tolist()) == (("wings",), [[0], [1], [0]])

    def test_strings_of_several_classes(self, path: Path) -> None:
        target = read(path, labels=["a;b", "", "b", "a"], texts=list("wxyz"), kind="multilabel")
        assert (target.task.label_names, target.labels.tolist()) == (("a", "b"), [[1, 1], [0, 0], [0, 1], [1, 0]])

    def test_rows_of_a_split_and_without_text(self, path: Path) -> None:
        labels = [[1, 0], [0, 1], [1, 0], [1, 0]]
        np.savez(path, labels=labels, texts=["a", "b", "", "d"], split=["train", "dev", "dev", "dev"])
        target = array_target(path, name="x", split="dev")
        assert (target.labels.tolist(), target.samples[1]) == ([[0, 1], [1, 0]], "d")
        assert target.problems == (RowProblem("row 3", "text is empty"),)


class TestTargets:
    @pytest.mark.parametrize("kind", [None, "regression"])
    def test_fractions(self, path: Path, kind: str | None) -> None:
        labels = np.array([[0.5, 1], [np.nan, 2], [1.5, 3], [2.5, np.inf]], dtype=np.float32)
        target = read(path, labels=labels, features=np.zeros((4, 2)), kind=kind)
        assert (target.task.kind, target.task.target_names) == ("regression", ("0", "1"))
        assert (target.labels.dtype, target.labels.tolist()) == (np.float64, [[0.5, 1.0], [1.5, 3.0]])
        assert [target.samples[i] for i in range(2)] == [0, 2]
        assert target.problems == (
            RowProblem("row 2", "'0' is missing"),
            RowProblem("row 4", "'1' is not a finite number"),
        )

    def test_names(self, path: Path) -> None:
        labels = np.arange(6.0).reshape(3, 2)
        assert read(path, labels=labels, target_names=["x", "y"]).task.target_names == ("x", "y")
        assert read(path, labels=labels, label_names=["x", "y"]).task.target_names == ("x", "y")

    def test_a_column_is_one_target(self, path: Path) -> None:
        target = read(path, labels=[[0.5], [1.5]], target_names=["x"])
        assert (target.labels.tolist(), target.task.target_names) == ([0.5, 1.5], ())


class TestErrors:
    @pytest.mark.parametrize(
        ("labels", "found"),
        [(np.eye(3, 2), "0 and 1 written with fractions"), (np.arange(6).reshape(3, 2), "whole numbers")],
    )
    def test_labels_or_targets(self, path: Path, labels: np.ndarray, found: str) -> None:
        assert refusal(UsageError, path, labels=labels) == (
            f"the label columns '0', '1' of 'x.npz' hold {found}, which could be labels or quantities; give kind "
            "(--task) as 'multilabel' or 'regression'"
        )
        assert read(path, labels=labels, kind="regression").task.kind == "regression"

    def test_classes(self, path: Path) -> None:
        assert refusal(UsageError, path, labels=np.eye(3, 2, dtype=int), kind="classification") == (
            "kind (--task) must be 'multilabel' or 'regression' for the 2 label columns of 'x.npz', got "
            "'classification'; name one label column"
        )

    @pytest.mark.parametrize("key", ["label_names", "target_names"])
    def test_a_name_too_few(self, path: Path, key: str) -> None:
        assert refusal(DataError, path, labels=np.eye(3, 2, dtype=int), **{key: ["a"]}) == (
            f"{key} of 'x.npz' must have one name a column of labels (2), got 1"
        )

    @pytest.mark.parametrize("shape", [(3, 0), (3, 2, 2), ()])
    def test_shapes(self, path: Path, shape: tuple[int, ...]) -> None:
        assert refusal(DataError, path, labels=np.zeros(shape)) == (
            f"labels of 'x.npz' must have shape (n,), got {shape}; give one value a sample"
        )

    def test_words(self, path: Path) -> None:
        assert "must hold quantities, or 0 and 1, but '0' is 'a'" in refusal(
            UsageError, path, labels=[["a", "b"], ["b", "a"]]
        )

    def test_pickled_objects(self, path: Path) -> None:
        assert "was refused" in refusal(UnsafeFileError, path, labels=np.array([[None, 1]], dtype=object))
