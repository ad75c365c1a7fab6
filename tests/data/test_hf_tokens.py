from __future__ import annotations

from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_tokens import has_tokens, hub_tokens_target
from hubscout.data.splits import TEST_NOTE
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, UsageError

NAMES = ["O", "B-PER", "I-PER"]
TOKENS = [["Ада", "Лавлейс", "пише"], ["李", "讀書"], [], ["x"]]
CODES = [[1, 2, 0], [1, -100], [], [-1]]
FEATURES = Features({"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=NAMES))})


def make(features: Features = FEATURES, **columns: Any) -> Dataset:
    # Codes such as -100 are written past the check of ClassLabel, as files of the hub hold them.
    return Dataset.from_dict({"id": list("abcd"), "tokens": TOKENS, **columns}).cast(features)


@pytest.fixture
def dataset() -> Dataset:
    return make(ner_tags=CODES)


def read(dataset: Dataset, **options: Any) -> Target:
    return hub_tokens_target(dataset, **{"name": "ner", "source": "the data set 'ner'", "split": "train", **options})


def test_class_labels_give_the_classes(dataset: Dataset) -> None:
    target = read(dataset)
    assert (target.task.kind, target.task.label_names) == ("token_classification", tuple(NAMES))
    assert (target.labels.tolist(), target.unit_counts.tolist()) == ([1, 2, 0, 1], [3, 1])
    assert [target.samples[i].words for i in range(2)] == [tuple(words) for words in TOKENS[:2]]
    assert target.samples[1].kept == (0,)
    assert target.problems == (
        RowProblem("text 3", "text has no words"),
        RowProblem("text 4", "none of the words has a tag"),
    )
    assert target.notes == (
        "columns guessed: text 'tokens', label 'ner_tags'",
        "1 of 5 words have no tag: they are read with their texts and give no row",
        "the 3 tags are classes as they are: B- and I- of the same type are two",
    )


def test_strings_are_classes() -> None:
    features = Features({"id": Value("string"), "tokens": List(Value("string")), "upos": List(Value("string"))})
    data = make(features, upos=[["PROPN", "PROPN", "VERB"], ["PROPN", None], [], ["X"]])
    target = read(data, split="test")
    assert target.task.label_names == ("PROPN", "VERB", "X")
    assert (target.labels.tolist(), target.split, target.notes[-1]) == ([0, 0, 1, 0, 2], "test", TEST_NOTE)


def test_numbers_without_names() -> None:
    features = Features({"id": Value("string"), "tokens": List(Value("string")), "tags": List(Value("int64"))})
    target = read(make(features, tags=[[7, 7, 12], [7, -100], [], [12]]))
    assert (target.task.label_names, target.labels.tolist()) == (("7", "12"), [0, 0, 1, 0, 1])


def test_an_index_and_a_format_are_honoured_and_set_aside(dataset: Dataset) -> None:
    target = read(dataset.select([1, 0]).with_format("numpy"))
    assert target.samples[0].words == ("李", "讀書")
    assert target.labels.tolist() == [1, 1, 2, 0]


def test_lists_as_older_releases_write_them(dataset: Dataset) -> None:
    class Older:
        features = {"id": Value("string"), "tokens": [Value("string")], "ner_tags": [ClassLabel(names=NAMES)]}  # noqa: RUF012
        with_format = dataset.with_format

    assert has_tokens(Older.features)
    assert read(Older()).labels.tolist() == [1, 2, 0, 1]


def test_which_columns_look_like_tokens() -> None:
    assert has_tokens(FEATURES)
    assert not has_tokens(Features({"text": Value("string"), "label": ClassLabel(names=NAMES)}))
    assert not has_tokens(Features({"tokens": List(List(Value("string"))), "tags": List(Value("int8"))}))
    assert not has_tokens({"tokens": [], "tags": []})


def test_lists_of_structures_are_no_tags() -> None:
    features = Features({"tokens": List(Value("string")), "labels": List({"x": Value("int8")})})
    data = Dataset.from_dict({"tokens": [["a"]], "labels": [[{"x": 1}]]}, features=features)
    with pytest.raises(UsageError) as caught:
        read(data)
    assert str(caught.value) == (
        "the column with the tags of the data set 'ner' must be the only column of lists that fits, but none fits; "
        "name it with label_column (--label-column)"
    )


def test_named_columns(dataset: Dataset) -> None:
    data = dataset.add_column("pos_tags", [["N", "N", "V"], ["N", "V"], [], ["N"]])
    assert read(data, request=ColumnRequest(label="pos_tags")).task.label_names == ("N", "V")
    with pytest.raises(UsageError, match="must name a column of lists of the data set 'ner', got 'id'"):
        read(data, request=ColumnRequest(label="id"))


def test_one_class(dataset: Dataset) -> None:
    with pytest.raises(DataError) as caught:
        read(make(ner_tags=[[0, 0, 0], [0, 0], [], [0]]))
    assert str(caught.value) == (
        "the words of the data set 'ner' must have at least two different tags, got only 'O' for all 6 words; "
        "give another label column"
    )
