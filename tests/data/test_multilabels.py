from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data import multilabels
from hubscout.data.labels import EncodedLabels
from hubscout.data.multilabels import encode_multilabels
from hubscout.errors import DataError

ITEMS = ["red", "round", "Sweet 10", "Sweet 9", "naïve", "حلو", "酸い", "👍🏽"]


def encode(raw: list[object], **options: object) -> EncodedLabels:
    return encode_multilabels(raw, source="'x.csv'", **options)


def refusal(raw: list[object], **options: object) -> str:
    with pytest.raises(DataError) as caught:
        encode(raw, **options)
    assert caught.value.exit_code == 4
    return str(caught.value)


def sets_of(encoded: EncodedLabels) -> list[set[str]]:
    """The labels of each sample, read back one cell at a time."""
    return [{name for name, has in zip(encoded.names, row, strict=True) if has == 1} for row in encoded.values.tolist()]


class TestLists:
    @pytest.mark.parametrize(
        "make", [list, tuple, set, frozenset, np.array, lambda items: np.array(items, dtype=object)]
    )
    def test_any_container(self, make) -> None:
        encoded = encode([make(["dog", "cat"]), make(["cat", "cow"]), make([]), make(["cow"])])
        assert (encoded.kind, encoded.names) == ("multilabel", ("cat", "cow", "dog"))
        assert encoded.values.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0], [0, 1, 0]]
        assert encoded.values.dtype == np.int8
        assert (encoded.kept.tolist(), encoded.problems) == ([0, 1, 2, 3], ())
        assert encoded.notes == ("1 of 4 samples have no label of any class",)

    def test_one_class_is_a_list_of_one(self) -> None:
        assert sets_of(encode(["a", ["a", "b"], np.str_("b"), b"a", 7, ["7"], 7.0])) == [
            {"a"}, {"a", "b"}, {"b"}, {"a"}, {"7"}, {"7"}, {"7"},
        ]  # fmt: skip

    def test_a_class_twice_is_there_once(self) -> None:
        assert encode([["a", "a"], ["b"], ["a", " b "]]).values.tolist() == [[1, 0], [0, 1], [1, 1]]

    def test_names_are_in_natural_order(self) -> None:
        assert encode([["c10", "c9"], ["c9"], ["c10"]]).names == ("c9", "c10")

    @pytest.mark.parametrize("missing", [None, np.nan, float("nan"), np.float32("nan")])
    def test_missing(self, missing: object) -> None:
        encoded = encode([["a"], missing, ["a", "b"], []])
        assert (encoded.problems, encoded.kept.tolist()) == (((1, "label is missing"),), [0, 2, 3])
        assert len(encoded.values) == 3

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            ([["a"]], "a label in the list is a list itself"),
            (["a", None], "a label in the list is missing"),
            (["a", " "], "a label in the list is missing"),
            ({"a": 1}, "labels are of type dict, not a list"),
        ],
    )
    def test_faults(self, bad: object, reason: str) -> None:
        assert encode([["a"], bad, ["b"], ["a", "b"]]).problems == ((1, reason),)


class TestStrings:
    @pytest.mark.parametrize("separator", [";", "|", ","])
    def test_separators(self, separator: str) -> None:
        raw = [f"red{separator} round ", "red", "", " ", f"round{separator}{separator}"]
        encoded = encode(raw)
        assert sets_of(encoded) == [{"red", "round"}, {"red"}, set(), set(), {"round"}]
        assert encoded.notes == (
            f"the labels of a sample are separated by {separator!r}",
            "2 of 5 samples have no label of any class",
        )

    @pytest.mark.parametrize(
        ("raw", "names"),
        [
            (["a,b;c", "c", "a,b"], ("a,b", "c")),
            (["a,b|c", "c", "a,b"], ("a,b", "c")),
            (["a|b;c", "c", "a|b"], ("a|b", "c")),
        ],
    )
    def test_the_first_separator_alone_is_one(self, raw: list[object], names: tuple[str, ...]) -> None:
        assert encode(raw).names == names

    @given(
        st.lists(st.lists(st.sampled_from(ITEMS), unique=True, max_size=4), max_size=20),
        st.sampled_from([lambda row: json.dumps(row), lambda row: json.dumps(row, ensure_ascii=False), str]),
    )
    def test_lists_written_as_text_are_the_lists(self, rows: list[list[str]], write) -> None:
        # Two labels that samples share, so that there is always something to encode.
        rows = [["p"], ["q", "p"], ["q"], *rows]
        expected, encoded = encode(rows), encode([write(row) for row in rows])
        assert (encoded.names, encoded.values.tolist()) == (expected.names, expected.values.tolist())
        assert encoded.notes[0] == "the labels of a sample are read as a list in brackets"

    def test_quotes_within_lists(self) -> None:
        encoded = encode(["""["it's", 'say "x"', bare word ]""", r"['it\'s', 1]", "[1,]", "[ ]"])
        assert sets_of(encoded) == [{"it's", 'say "x"', "bare word"}, {"it's", "1"}, {"1"}, set()]

    @pytest.mark.parametrize("bad", ["['a]", "['a' 'b']", "[['a']]", "[" * 100_000 + "]", r"['\x']", "['a',,'b']"])
    def test_lists_that_cannot_be_read(self, bad: str) -> None:
        position, reason = encode(["['a']", bad, "['b']", "['a', 'b']"]).problems[0]
        assert position == 1
        assert reason.startswith("labels ")
        assert reason.endswith(" are no list that can be read")
        assert len(reason) < 150

    def test_a_long_list_is_read_in_one_pass(self) -> None:
        text = "[" + ", ".join(f"'c{i}'" for i in range(40_000)) + "]"
        assert encode([text, text, "['c0']", "[]"]).values.sum() == 80_001


class TestCodes:
    def test_codes_and_names(self) -> None:
        encoded = encode([[0, 2], ["c"], [2.0, np.int64(0)], []], names=["a", "b", "c"])
        assert (encoded.names, encoded.values.tolist()) == (("a", "c"), [[1, 1], [0, 1], [1, 1], [0, 0]])
        assert encoded.notes[-1] == "the label 'b' was left out: no sample has it"

    def test_a_name_with_a_separator_is_one_label(self) -> None:
        encoded = encode(["a, b", "c", "c, c", "a, b,c"], names=["a, b", "c"])
        assert encoded.values.tolist() == [[1, 0], [0, 1], [0, 1]]
        assert encoded.problems == ((3, "label 'a' is none of the 2 classes"),)

    @pytest.mark.parametrize("bad", [3, -1, 0.5, "d", np.inf])
    def test_faults(self, bad: object) -> None:
        encoded = encode([[0], [0, bad], [1], [1, 2]], names=["a", "b", "c"])
        assert encoded.problems == ((1, f"label {bad!r} is none of the 3 classes"),)

    def test_minus_one_alone_is_missing(self) -> None:
        assert encode([0, -1, [0, 1]], names=["a", "b"]).problems == ((1, "label is missing"),)

    def test_names_twice(self) -> None:
        assert refusal([[0], [1]], names=["a", "a"]) == (
            "the class names of 'x.csv' must differ from each other, got ('a', 'a'); rename the repeated ones"
        )


class TestUsableLabels:
    def test_labels_of_all_or_none_are_left_out(self) -> None:
        encoded = encode([["a", "z"], ["b", "z"], ["a", "z"], ["z"]], names=["a", "b", "q", "r", "z"])
        assert (encoded.names, encoded.values.tolist()) == (("a", "b"), [[1, 0], [0, 1], [1, 0], [0, 0]])
        assert encoded.notes == (
            "the 2 labels 'q', 'r' were left out: no sample has them",
            "the label 'z' was left out: all samples have it",
        )

    def test_many_are_not_all_listed(self) -> None:
        names = [f"n{i}" for i in range(9)]
        assert encode([[0], [1], [0, 1]], names=names).notes == (
            "the 7 labels 'n2', 'n3', 'n4', 'n5', 'n6' and 2 more were left out: no sample has them",
        )

    def test_one_label_a_sample_is_noted(self) -> None:
        assert encode([["a"], ["b"], ["a"]]).notes == (
            "each sample has exactly one label; give --task classification if the classes exclude each other",
        )

    def test_one_label_is_enough(self) -> None:
        assert encode([["a"], [], []]).values.tolist() == [[1], [0], [0]]

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (
                [["a", "b"], ["b", "a"]],
                (
                    "'x.csv' must hold a label that some samples have and others have not, got 2 that all 2 samples "
                    "have; give other labels"
                ),
            ),
            (
                [[], "", []],
                ("'x.csv' must hold a label that some samples have and others have not, got none; give other labels"),
            ),
            (
                [["a"], ["b", "c"], []],
                (
                    "the labels of 'x.csv' must repeat, got 3 labels that one sample each has, as an id would give; "
                    "give labels that several samples share"
                ),
            ),
            ([None, None], "'x.csv' must hold samples with a label, got none; the first problem: label is missing"),
        ],
    )
    def test_errors(self, raw: list[object], message: str) -> None:
        assert refusal(raw) == message

    def test_a_matrix_too_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(multilabels, "MAX_CELLS", 5)
        assert refusal([["a"], ["b"], ["a", "b"]]) == (
            "the labels of 'x.csv' must fit into a matrix of 0 GB, got 3 samples with 2 labels; leave out rare labels, "
            "or give fewer samples"
        )


@given(st.lists(st.frozensets(st.sampled_from("abcd")), min_size=1, max_size=12))
def test_each_cell_says_whether_the_sample_has_the_label(rows: list[frozenset[str]]) -> None:
    try:
        encoded = encode(list(rows))
    except DataError:
        counts = [sum(name in row for row in rows) for name in "abcd"]
        usable = [count for count in counts if 0 < count < len(rows)]
        assert not usable or (max(usable) == 1 and len(usable) > 1)
        return
    for (i, row), (j, name) in product(enumerate(rows), enumerate(encoded.names)):
        assert encoded.values[i, j] == (name in row)


_ANY = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.binary(max_size=3), st.dates(),
    st.sampled_from(["[a]", "a;b", "a|b,c", "[", "]", "\ud800", "['\\ud800']"]),
)  # fmt: skip


@given(st.lists(st.one_of(_ANY, st.lists(_ANY, max_size=3)), max_size=12), st.sampled_from([None, ["a", "b", "c"]]))
def test_any_labels_are_encoded_or_refused(raw: list[object], names: list[str] | None) -> None:
    try:
        encoded = encode(raw, names=names)
    except DataError:
        return
    assert encoded.values.shape == (len(encoded.kept), len(encoded.names))
    assert sorted([*encoded.kept.tolist(), *(position for position, _ in encoded.problems)]) == list(range(len(raw)))
    assert ((encoded.values.sum(axis=0) > 0) & (encoded.values.sum(axis=0) < len(encoded.values))).all()
    assert "".join(encoded.names).encode()
