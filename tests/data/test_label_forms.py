from __future__ import annotations

import numpy as np
import pytest

from hubscout.data.label_forms import encode_any_labels
from hubscout.data.labels import EncodedLabels, encode_labels
from hubscout.data.multilabels import encode_multilabels
from hubscout.errors import DataError, UsageError


def encode(raw: object, **options: object) -> EncodedLabels:
    return encode_any_labels(raw, source="'x'", **options)


class TestForms:
    def test_one_value_a_sample(self) -> None:
        for raw, kind in ((["a", "b", "a"], None), ([1.5, 2, 3], None), ([1, 2, 3], "regression")):
            found, expected = encode(raw, kind=kind), encode_labels(raw, source="'x'", kind=kind)
            assert found.values.tolist() == expected.values.tolist()
            assert (found.kind, found.names, found.notes) == (expected.kind, expected.names, expected.notes)

    def test_strings_have_several_labels_when_asked(self) -> None:
        raw = ["a;b", "a", "b", "a"]
        assert encode(raw).kind == "classification"
        found, expected = encode(raw, kind="multilabel"), encode_multilabels(raw, source="'x'")
        assert (found.kind, found.values.tolist()) == ("multilabel", expected.values.tolist())

    @pytest.mark.parametrize("kind", [None, "multilabel"])
    def test_lists_are_several_labels(self, kind: str | None) -> None:
        found = encode([["a", "b"], ("b",), [], None], kind=kind)
        assert (found.kind, found.values.tolist()) == ("multilabel", [[1, 1], [0, 1], [0, 0]])
        assert found.problems == ((3, "label is missing"),)

    def test_lists_of_codes(self) -> None:
        assert encode([[0, 1], [1], [2, 0]], names=["a", "b", "c"]).names == ("a", "b", "c")

    def test_columns(self) -> None:
        found = encode(np.array([[0, 1], [1, 0], [1, 1]]), columns=("p", "q"))
        assert (found.kind, found.names) == ("multilabel", ("p", "q"))

    def test_lists_of_one_class_are_classes_when_asked(self) -> None:
        found = encode([["a"], ["b"], ["a"], "b"], kind="classification")
        assert (found.kind, found.values.tolist()) == ("classification", [0, 1, 0, 1])
        with pytest.raises(DataError, match="must be one value a sample, got a list"):
            encode([["a"], ["b", "a"], ["a"]], kind="classification")


class TestListsOfNumbers:
    @pytest.mark.parametrize("make", [list, tuple, np.array])
    def test_fractions_are_targets(self, make) -> None:
        found = encode([make([0.5, 1.0]), make([1.5, 3.0]), None, make([2.0, 4.0])])
        assert (found.kind, found.target_names) == ("regression", ("0", "1"))
        assert found.values.tolist() == [[0.5, 1.0], [1.5, 3.0], [2.0, 4.0]]
        assert found.problems == ((2, "'0' is missing"),)
        assert found.notes == ("the labels are lists of 2 numbers, read as several targets (--task regression)",)

    def test_whole_numbers_are_targets_when_asked(self) -> None:
        found = encode([[3, 1], [2, 7], [2, 6]], kind="regression")
        assert (found.values.tolist(), found.notes) == ([[3.0, 1.0], [2.0, 7.0], [2.0, 6.0]], ())
        assert encode([[3, 1], [2, 7], [2, 3]]).names == ("1", "2", "3", "7")

    @pytest.mark.parametrize("rows", [[[0, 1, 0], [1, 1, 0], [0, 1, 1]], [[0.0, 1.0, 0.0], [1, 1, 0], [False, 1, 1]]])
    def test_zero_or_one_for_each_label(self, rows: list[object]) -> None:
        found = encode(rows)
        assert (found.names, found.values.tolist()) == (("0", "2"), [[0, 0], [1, 0], [0, 1]])
        assert found.notes == (
            "the labels are lists of 3 times 0 or 1, read as labels that a sample has or has not",
            "the label '1' was left out: all samples have it",
        )
        assert encode(rows, names=["a", "b", "c"]).names == ("a", "c")

    def test_zero_and_one_can_be_codes(self) -> None:
        # No list repeats a value, as lists of classes never do.
        assert encode([[0, 1], [1, 0], [1], [0]], names=["a", "b"]).values.tolist() == [[1, 1], [1, 1], [0, 1], [1, 0]]

    def test_lists_of_different_length_have_no_targets(self) -> None:
        with pytest.raises(DataError, match="must be one value a sample, got a list"):
            encode([[0.5], [1.5, 2.5]], kind="regression")


@pytest.mark.parametrize("kind", ["detection", "token_classification", "segmentation", "nonsense"])
def test_kinds_of_parts(kind: str) -> None:
    with pytest.raises(UsageError) as caught:
        encode(["a", "b", "a"], kind=kind)
    assert str(caught.value) == (
        f"kind (--task) must be 'classification', 'multilabel' or 'regression' for 'x', got {kind!r}"
    )
