from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.labels import encode_labels
from hubscout.errors import DataError, UsageError


def encode(raw: list[object], **options: object):
    return encode_labels(raw, source="'x.csv'", **options)


class TestClassification:
    def test_strings(self) -> None:
        encoded = encode(["dog", "cat", "dog", "cat"])
        assert (encoded.kind, encoded.names, encoded.values.tolist()) == (
            "classification",
            ("cat", "dog"),
            [1, 0, 1, 0],
        )
        assert encoded.values.dtype == np.intp
        assert (encoded.kept.tolist(), encoded.problems, encoded.notes) == ([0, 1, 2, 3], (), ())

    def test_names_are_in_natural_order(self) -> None:
        assert encode(["c10", "c9", "c9"]).names == ("c9", "c10")

    @pytest.mark.parametrize(
        "raw",
        [
            [0, 2, 0],
            ["0", "2", "0"],
            [0.0, 2.0, 0.0],
            ["0.0", "2.0", "0.0"],
            [np.int8(0), np.float32(2), 0],
            [" 0", "2 ", "0"],
        ],
    )
    def test_whole_numbers_of_any_type_are_the_same_classes(self, raw: list[object]) -> None:
        encoded = encode(raw)
        assert (encoded.kind, encoded.names, encoded.values.tolist()) == ("classification", ("0", "2"), [0, 1, 0])

    @pytest.mark.parametrize("raw", [[True, False, True], [np.True_, np.False_, np.True_], ["True", "False", "True"]])
    def test_booleans(self, raw: list[object]) -> None:
        encoded = encode(raw)
        assert (encoded.names, encoded.values.tolist()) == (("False", "True"), [1, 0, 1])

    def test_leading_zeros_make_codes_of_numbers(self) -> None:
        assert encode(["01", "1", "01"]).names == ("01", "1")

    def test_numbers_and_words_are_names(self) -> None:
        assert encode(["1", "x", 1, 1.0]).names == ("1", "1.0", "x")

    @pytest.mark.parametrize("value", [b"x", datetime.date(2020, 1, 2), "<script>\n", "1_000", "x" * 10_000])
    def test_odd_values(self, value: object) -> None:
        assert encode([value, value, "b"]).kind == "classification"

    def test_many_values_are_noted(self) -> None:
        encoded = encode([value % 40 for value in range(400)])
        assert encoded.kind == "classification"
        assert encoded.notes == (
            (
                "the labels are whole numbers with 40 different values, read as classes; "
                "give --task regression if they are quantities"
            ),
        )
        assert encoded.names[:3] == ("0", "1", "2")

    def test_fractions_can_be_classes_when_asked(self) -> None:
        encoded = encode([0.5, 1.0, 0.5], kind="classification")
        assert (encoded.kind, encoded.names) == ("classification", ("0.5", "1"))

    @given(st.permutations([0, 0, 1, 1, 2]), st.permutations(["a", "b", "c"]))
    def test_codes_name_their_class(self, codes: list[int], names: list[str]) -> None:
        raw = [names[code] for code in codes]
        encoded = encode(raw)
        assert [encoded.names[code] for code in encoded.values] == raw


class TestRegression:
    @pytest.mark.parametrize("raw", [[0.5, 1, 2], ["0.5", "1", "2"], [np.float16(0.5), 1, "2"]])
    def test_fractions_are_quantities(self, raw: list[object]) -> None:
        encoded = encode(raw)
        assert (encoded.kind, encoded.names, encoded.values.tolist()) == ("regression", (), [0.5, 1.0, 2.0])
        assert encoded.values.dtype == np.float64
        assert encoded.notes == ("the labels are numbers with fractions, read as quantities (--task regression)",)

    def test_whole_numbers_when_asked(self) -> None:
        encoded = encode(["3", 1, True, Decimal("2.5"), "007", "x"], kind="regression")
        assert encoded.values.tolist() == [3.0, 1.0, 1.0, 2.5, 7.0]
        assert encoded.problems == ((5, "label 'x' is not a number"),)
        assert encoded.notes == ()

    @pytest.mark.parametrize("bad", [np.inf, -np.inf, "inf", "-Infinity", "1e999", 10**400])
    def test_infinite(self, bad: object) -> None:
        encoded = encode([0.5, bad, 1.5])
        assert encoded.problems == ((1, "label is not a finite number"),)
        assert (encoded.values.tolist(), encoded.kept.tolist()) == ([0.5, 1.5], [0, 2])

    @pytest.mark.parametrize("bad", [None, np.nan, "nan", "", "  ", np.float32("nan")])
    def test_missing(self, bad: object) -> None:
        encoded = encode([0.5, bad, 1.5])
        assert encoded.problems == ((1, "label is missing"),)

    def test_a_few_words_are_faults_of_their_rows(self) -> None:
        encoded = encode([*(str(i / 10) for i in range(18)), "n/a", "?"])
        assert (encoded.kind, len(encoded.values)) == ("regression", 18)
        assert encoded.problems == ((18, "label 'n/a' is not a number"), (19, "label '?' is not a number"))

    def test_many_words_are_names(self) -> None:
        assert encode(["0.5", "0.5", "x", "x"]).kind == "classification"


class TestCodesOfNamedClasses:
    def test_all_names_are_kept(self) -> None:
        encoded = encode([2, 0, 2], names=["a", "b", "c"])
        assert (encoded.names, encoded.values.tolist()) == (("a", "b", "c"), [2, 0, 2])

    def test_names_themselves_are_codes_too(self) -> None:
        assert encode(["c", "a", "c"], names=["a", "b", "c"]).values.tolist() == [2, 0, 2]

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            (-1, "label is missing"),
            (None, "label is missing"),
            (3, "label 3 is none of the 3 classes"),
            (0.5, "label 0.5 is none of the 3 classes"),
            ("d", "label 'd' is none of the 3 classes"),
            (np.inf, "label inf is none of the 3 classes"),
        ],
    )
    def test_faults(self, bad: object, reason: str) -> None:
        encoded = encode([0, bad, 1, 1], names=["a", "b", "c"])
        assert (encoded.problems, encoded.kept.tolist()) == (((1, reason),), [0, 2, 3])

    def test_repeated_names(self) -> None:
        with pytest.raises(DataError) as caught:
            encode([0, 1, 0], names=["a", "a"])
        assert str(caught.value) == (
            "the class names of 'x.csv' must differ from each other, got ('a', 'a'); rename the repeated ones"
        )

    def test_regression_ignores_names(self) -> None:
        assert encode([0, 2, 1], names=["a", "b", "c"], kind="regression").values.tolist() == [0.0, 2.0, 1.0]


class TestErrors:
    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (
                ["a", "a"],
                (
                    "'x.csv' must hold at least two classes, got only 'a' for all 2 samples; "
                    "add another class or give another label column"
                ),
            ),
            (
                ["a", "b", "c"],
                (
                    "the labels of 'x.csv' must repeat, got 3 classes for 3 samples, as an id would give; "
                    "give labels that several samples share, or --task regression if they are quantities"
                ),
            ),
            ([0.5, 0.5], "the targets of 'x.csv' must differ, got 0.5 for all 2 samples; give another label column"),
            ([None, ""], "'x.csv' must hold samples with a label, got none; the first problem: label is missing"),
            (
                [np.inf, -np.inf],
                "'x.csv' must hold samples with a label, got none; the first problem: label is not a finite number",
            ),
            (
                [["a"], ["b"]],
                (
                    "the labels of 'x.csv' must be one value a sample, got a list; "
                    "give a column with one class or one number a row"
                ),
            ),
        ],
    )
    def test_data(self, raw: list[object], message: str) -> None:
        with pytest.raises(DataError) as caught:
            encode(raw)
        assert str(caught.value) == message
        assert caught.value.exit_code == 4

    @pytest.mark.parametrize("raw", [list(range(30)), [*range(25), *range(25)], [str(i) for i in range(30)], [1, 2, 3]])
    def test_whole_numbers_that_could_be_ids(self, raw: list[object]) -> None:
        with pytest.raises(UsageError) as caught:
            encode(raw)
        assert str(caught.value) == (
            f"the labels of 'x.csv' are whole numbers with {len(set(raw))} different values in {len(raw)} "
            "samples, which could be classes, quantities or ids; give kind (--task) as 'classification' or "
            "'regression', or another label column"
        )
        assert encode(raw, kind="regression").kind == "regression"

    def test_ids_are_refused_even_as_classes(self) -> None:
        with pytest.raises(DataError, match="must repeat, got 30 classes for 30 samples"):
            encode(list(range(30)), kind="classification")

    @pytest.mark.parametrize("kind", ["multilabel", "detection", "nonsense"])
    def test_kinds_of_other_data(self, kind: str) -> None:
        with pytest.raises(UsageError) as caught:
            encode(["a", "b", "a"], kind=kind)
        assert str(caught.value) == (
            f"kind (--task) must be 'classification' or 'regression' for 'x.csv', got {kind!r}"
        )


_ANY_LABEL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.binary(max_size=3),
    st.dates(),
    st.sampled_from(["1", "2.5", "nan", "1e400", "٣", "-0", "+1"]),
)


@given(st.lists(_ANY_LABEL, max_size=30), st.sampled_from([None, "classification", "regression"]))
def test_any_labels_are_encoded_or_refused(raw: list[object], kind: str | None) -> None:
    try:
        encoded = encode(raw, kind=kind)
    except (DataError, UsageError):
        return
    assert np.isfinite(encoded.values).all()
    assert sorted([*encoded.kept.tolist(), *(position for position, _ in encoded.problems)]) == list(range(len(raw)))
    if encoded.kind == "classification":
        assert set(encoded.values.tolist()) == set(range(len(encoded.names)))
