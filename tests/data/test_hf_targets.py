from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_targets import dataset_target
from hubscout.data.parts import TextPair
from hubscout.data.task import RowProblem, Target
from hubscout.errors import UsageError


@pytest.fixture(autouse=True)
def _quiet() -> None:
    datasets.disable_progress_bars()


def read(dataset: Dataset, **options: object) -> Target:
    return dataset_target(dataset, name="x", source="the data set 'x'", split="train", **options)


def test_lists_of_classes_have_their_names() -> None:
    features = Features({"text": Value("string"), "tags": List(ClassLabel(names=["war", "love", "none"]))})
    data = Dataset.from_dict({"text": list("abcd"), "tags": [[1, 0], [1], [], [0]]}, features=features)
    target = read(data)
    assert (target.task.kind, target.task.label_names) == ("multilabel", ("war", "love"))
    assert target.labels.tolist() == [[1, 1], [0, 1], [0, 0], [1, 0]]
    assert target.notes[-1] == "the label 'none' was left out: no sample has it"


def test_several_columns_of_classes() -> None:
    features = Features({"text": Value("string"), "a": ClassLabel(names=["no", "yes"]), "b": Value("bool")})
    data = Dataset.from_dict({"text": list("abc"), "a": [0, 1, 1], "b": [True, None, False]}, features=features)
    target = read(data, request=ColumnRequest(label="a,b"))
    assert (target.task.label_names, target.labels.tolist()) == (("a", "b"), [[0, 1], [1, 0]])
    assert target.problems == (RowProblem("row 2", "'b' is missing"),)


def test_pairs_with_classes() -> None:
    features = Features({name: Value("string") for name in ("premise", "hypothesis")} | {"label": ClassLabel(2)})
    rows = {"premise": list("abcde"), "hypothesis": ["x", None, "z", "w", "v"], "label": [0, 1, 1, -1, 0]}
    target = read(Dataset.from_dict(rows, features=features))
    assert [target.samples[i] for i in range(2)] == [TextPair("a", "x"), TextPair("c", "z")]
    assert target.problems == (
        RowProblem("row 2", "text is missing in 'hypothesis'"),
        RowProblem("row 4", "label is missing"),
    )
    assert (target.task.is_pair, target.task.label_names, target.split) == (True, ("0", "1"), "train")


def test_a_format_of_the_data_set_does_not_matter() -> None:
    data = Dataset.from_dict({"text": list("abc"), "label": [[0.5, 1.0], [1.5, 2.0], [2.5, 1.0]]}).with_format("numpy")
    assert read(data).labels.tolist() == [[0.5, 1.0], [1.5, 2.0], [2.5, 1.0]]


@pytest.mark.parametrize(
    ("kind", "module", "function"),
    [
        ("detection", "hf_boxes", "hub_boxes_target"),
        ("segmentation", "hf_masks", "hub_masks_target"),
        ("token_classification", "hf_tokens", "hub_tokens_target"),
    ],
)
def test_parts_have_readers_of_their_own(
    monkeypatch: pytest.MonkeyPatch, kind: str, module: str, function: str
) -> None:
    asked: list[dict[str, Any]] = []
    stand_in = ModuleType(module)
    setattr(stand_in, function, lambda dataset, **options: asked.append({"dataset": dataset} | options) or "target")
    monkeypatch.setitem(sys.modules, f"hubscout.data.{module}", stand_in)
    data, request = Dataset.from_dict({"text": ["a"]}), ColumnRequest(text="text")
    assert read(data, kind=kind, request=request) == "target"
    assert [options.pop("dataset")[:] for options in asked] == [{"text": ["a"]}]
    assert asked == [{"name": "x", "source": "the data set 'x'", "split": "train", "request": request}]
    assert read(data, kind=kind) == "target"
    assert asked[1]["request"] == ColumnRequest()


def test_an_absent_column() -> None:
    data = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    with pytest.raises(
        UsageError, match=r"pair_column \(--pair-column\) must name a column of the data set 'x', got 'z'"
    ):
        read(data, request=ColumnRequest(pair="z"))
