from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.label_columns import encode_label_columns
from hubscout.data.labels import EncodedLabels
from hubscout.errors import DataError, UsageError

NAMES = ("x", "y")


def encode(rows: object, names: tuple[str, ...] = NAMES, **options: object) -> EncodedLabels:
    return encode_label_columns(rows, names, source="'x.csv'", **options)


def refusal(error: type[Exception], rows: object, names: tuple[str, ...] = NAMES, **options: object) -> str:
    with pytest.raises(error) as caught:
        encode(rows, names, **options)
    return str(caught.value)


class TestIndicators:
    @pytest.mark.parametrize(
        "rows",
        [
            [[0, 1], [1, 1], [0, 0]],
            [["0", "1"], ["1", "1"], ["0", " 0 "]],
            [["false", "TRUE"], ["True", "1"], ["0", "False"]],
            [[False, True], [True, 1], [0, np.False_]],
            np.array([[0, 1], [1, 1], [0, 0]], dtype=np.uint8),
            np.array([[0, 1], [1, 1], [0, 0]], dtype=bool),
            np.array([["0", "1"], ["1", "1"], ["0", "0"]]),
        ],
    )
    @pytest.mark.parametrize("kind", [None, "multilabel"])
    def test_zero_and_one_of_any_type(self, rows: object, kind: str | None) -> None:
        encoded = encode(rows, kind=kind)
        assert (encoded.kind, encoded.names, encoded.target_names) == ("multilabel", ("x", "y"), ())
        assert encoded.values.tolist() == [[0, 1], [1, 1], [0, 0]]
        assert encoded.values.dtype == np.int8
        note = (
            "the 2 label columns hold only 0 and 1, read as labels that a sample has or has not; give --task "
            "regression if they are quantities"
        )
        assert encoded.notes == (() if kind else (note,))

    def test_with_fractions_when_asked(self) -> None:
        assert encode([["0.0", 1.0], [1.0, "1"], [0, 0]], kind="multilabel").values.tolist() == [[0, 1], [1, 1], [0, 0]]

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            ([None, 1], "'x' is missing"),
            ([1, ""], "'y' is missing"),
            ([np.nan, np.nan], "'x' is missing"),
            ([2, 1], "'x' is 2.0, neither 0 nor 1"),
            (["maybe", 1], "'x' is 'maybe', not a number"),
            ([1, [1]], "'y' is of type list, not a number"),
            ([1, np.inf], "'y' is not a finite number"),
        ],
    )
    def test_faults(self, bad: list[object], reason: str) -> None:
        encoded = encode([[0, 1], bad, [1, 1], [0, 0]], kind="multilabel")
        assert (encoded.problems, encoded.kept.tolist()) == (((1, reason),), [0, 2, 3])

    def test_columns_of_one_value_are_left_out(self) -> None:
        encoded = encode([[0, 1, 0], [1, 1, 0], [0, 1, 0]], ("a", "b", "c"))
        assert (encoded.names, encoded.values.tolist()) == (("a",), [[0], [1], [0]])
        assert encoded.notes[1:] == (
            "the label 'c' was left out: no sample has it",
            "the label 'b' was left out: all samples have it",
        )

    def test_nothing_to_tell_apart(self) -> None:
        assert refusal(DataError, [[1, 0], [1, 0]]) == (
            "'x.csv' must hold a label that some samples have and others have not, got 1 that all 2 samples have; "
            "give other labels"
        )


class TestTargets:
    @pytest.mark.parametrize("kind", [None, "regression"])
    @pytest.mark.parametrize(
        "rows",
        [
            [[0.5, 3], [1.5, 4], [2, 5]],
            [["0.5", "3"], ["1.5", "4"], [2, "5.0"]],
            np.array([[0.5, 3], [1.5, 4], [2, 5]]),
        ],
    )
    def test_quantities(self, rows: object, kind: str | None) -> None:
        encoded = encode(rows, kind=kind)
        assert (encoded.kind, encoded.names, encoded.target_names) == ("regression", (), NAMES)
        assert encoded.values.tolist() == [[0.5, 3.0], [1.5, 4.0], [2.0, 5.0]]
        assert encoded.values.dtype == np.float64
        note = "the 2 label columns hold numbers, read as quantities (--task regression)"
        assert encoded.notes == (() if kind else (note,))

    def test_whole_numbers_when_asked(self) -> None:
        encoded = encode([["007", True], [Decimal("2.5"), 0], [np.int8(3), 9]], kind="regression")
        assert encoded.values.tolist() == [[7.0, 1.0], [2.5, 0.0], [3.0, 9.0]]

    def test_a_row_without_one_target_is_a_problem(self) -> None:
        rows = [[0.5, 1], [None, 2], [1.5, "n/a"], [10**400, 4], [2.5, "-inf"], *([i / 7, i] for i in range(30))]
        encoded = encode(rows)
        assert encoded.problems == (
            (1, "'x' is missing"),
            (2, "'y' is 'n/a', not a number"),
            (3, "'x' is not a finite number"),
            (4, "'y' is not a finite number"),
        )
        assert encoded.kept.tolist() == [0, *range(5, 35)]

    def test_of_an_array(self) -> None:
        array = np.array([[0.5, 1], [np.nan, np.nan], [1.5, np.inf], [2.5, 3]], dtype=np.float32)
        encoded = encode(array)
        assert encoded.problems == ((1, "'x' is missing"), (2, "'y' is not a finite number"))
        assert (encoded.values.dtype, encoded.values.tolist()) == (np.float64, [[0.5, 1.0], [2.5, 3.0]])

    def test_a_constant_target(self) -> None:
        assert refusal(DataError, [[0.5, 2], [1.5, 2]], kind="regression") == (
            "the targets 'y' of 'x.csv' must differ, got 2.0 for all 2 samples; leave that column out"
        )

    def test_nothing_left(self) -> None:
        assert refusal(DataError, [[None, 1.5], [2.5, None]], kind="regression") == (
            "'x.csv' must hold samples with a label, got none; the first problem: 'x' is missing"
        )


class TestQuestions:
    @pytest.mark.parametrize(
        ("rows", "found"),
        [
            ([[3, 1], [2, 7]], "whole numbers"),
            (np.array([[3, 1], [2, 7]]), "whole numbers"),
            ([["0.0", "1.0"], ["1.0", "0.0"]], "0 and 1 written with fractions"),
            (np.eye(2), "0 and 1 written with fractions"),
            ([[0.5, 1], [2.5, 0]], "quantities beside columns of only 0 and 1"),
        ],
    )
    def test_labels_or_quantities(self, rows: object, found: str) -> None:
        assert refusal(UsageError, rows) == (
            f"the label columns 'x', 'y' of 'x.csv' hold {found}, which could be labels or quantities; give kind "
            "(--task) as 'multilabel' or 'regression'"
        )

    def test_words(self) -> None:
        assert refusal(UsageError, [["1.5", "cat"], ["2.5", "dog"]]) == (
            "the label columns 'x', 'y' of 'x.csv' must hold quantities, or 0 and 1, but 'y' is 'cat', not a number; "
            "name one label column, or give kind (--task) as 'multilabel' or 'regression'"
        )

    @pytest.mark.parametrize("kind", ["classification", "detection"])
    def test_other_kinds(self, kind: str) -> None:
        assert refusal(UsageError, [[0, 1], [1, 0]], kind=kind) == (
            "kind (--task) must be 'multilabel' or 'regression' for the 2 label columns of 'x.csv', got "
            f"{kind!r}; name one label column"
        )

    def test_long_words_are_cut(self) -> None:
        rows = [["x" * 10_000, 1.5], *([i / 7, i] for i in range(30))]
        assert len(encode(rows).problems[0][1]) < 120

    def test_names_twice(self) -> None:
        assert "must differ from each other, got ('x', 'x')" in refusal(DataError, [[0, 1]], ("x", "x"))


_CELL = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.sampled_from(["1", "0", "nan", "٣"])
)


@given(st.lists(st.tuples(_CELL, _CELL), max_size=15), st.sampled_from([None, "multilabel", "regression"]))
def test_any_cells_are_encoded_or_refused(rows: list[tuple[object, object]], kind: str | None) -> None:
    try:
        encoded = encode(rows, kind=kind)
    except (DataError, UsageError):
        return
    assert np.isfinite(encoded.values).all()
    assert sorted([*encoded.kept.tolist(), *(position for position, _ in encoded.problems)]) == list(range(len(rows)))
    assert encoded.values.shape == (len(encoded.kept), len(encoded.names) + len(encoded.target_names))
