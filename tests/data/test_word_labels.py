from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.parts import WordLists, Words
from hubscout.data.splits import TEST_NOTE
from hubscout.data.task import RowProblem, Target
from hubscout.data.word_labels import token_target
from hubscout.errors import DataError, HubscoutError

GOOD = (["Anna", "sees", "Lima"], ["B-PER", "O", "B-LOC"])


def read(texts: Any, tags: Any, **options: Any) -> Target:
    options = {"name": "ner", "source": "'x.jsonl'", "split": "all", "rows": range(1, len(texts) + 1), **options}
    return token_target(texts, tags, **options)


def with_good(words: Any, tags: Any, **options: Any) -> Target:
    """Read one strange text between two good ones."""
    return read([GOOD[0], words, GOOD[0]], [GOOD[1], tags, GOOD[1]], **options)


def reason(words: Any, tags: Any, **options: Any) -> str:
    """Read one bad text between two good ones, which must survive, and return what is said of it."""
    target = with_good(words, tags, **options)
    assert target.samples.rows == (1, 3)
    assert target.unit_counts.tolist() == [3, 3]
    (problem,) = target.problems
    assert problem.row == "text 2"
    return problem.reason


def refusal(texts: Any, tags: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(texts, tags, **options)
    return str(caught.value)


class TestTexts:
    def test_words_and_codes(self) -> None:
        target = with_good(["Lima"], ["B-LOC"])
        task = target.task
        assert (task.name, task.kind, task.modality, task.unit) == ("ner", "token_classification", "text", "word")
        assert task.label_names == ("B-LOC", "B-PER", "O")
        assert target.labels.tolist() == [1, 2, 0, 0, 1, 2, 0]
        assert (target.labels.dtype, target.unit_counts.dtype) == (np.intp, np.intp)
        assert target.unit_counts.tolist() == [3, 1, 3]
        assert target.samples == WordLists((tuple(GOOD[0]), ("Lima",), tuple(GOOD[0])), (1, 2, 3))
        assert target.samples[1] == Words(("Lima",))
        assert (target.problems, target.notes, target.split) == ((), (), "all")

    def test_rows_name_the_texts(self) -> None:
        target = read([GOOD[0], [], GOOD[0]], [GOOD[1], [], GOOD[1]], rows=[4, 9, 12])
        assert [target.samples.name(i) for i in range(2)] == ["text 4", "text 12"]
        assert target.problems == (RowProblem("text 9", "text has no words"),)

    def test_earlier_problems_and_notes_come_first(self) -> None:
        earlier = RowProblem("row 1", "line is not valid JSON")
        target = with_good([], [], problems=[earlier], notes=["columns guessed"], split="test")
        assert target.problems == (earlier, RowProblem("text 2", "text has no words"))
        assert target.notes == ("columns guessed", TEST_NOTE)

    def test_words_of_all_scripts_survive(self) -> None:
        words = ["東京", "Москва", "القاهرة", "नमस्ते", "e\u0301", "👩‍🚀", "a\xa0b", "\u2028x", "\u200b", "ﬁ"]
        target = with_good(words, ["X"] * len(words))
        assert target.samples[1].words == tuple(words)
        assert target.samples.content(1).decode() == "".join(f"{word}\0" for word in words)

    def test_arrays_and_tuples(self) -> None:
        target = with_good(np.array(["a", "b"]), ("O", np.str_("B-LOC")))
        assert target.labels[3:5].tolist() == [2, 0]
        assert all(type(word) is str for word in target.samples[1].words)

    def test_the_first_fault_of_a_text_is_named(self) -> None:
        assert reason(None, ["O"]) == "words are missing"
        assert reason(float("nan"), ["O"]) == "words are missing"
        assert reason("Anna", ["O"]) == "words are of type str, not a list"
        assert reason({"a": 1}, ["O"]) == "words are of type dict, not a list"
        assert reason(np.array([["a"]]), ["O"]) == "words are of type ndarray, not a list"
        assert reason(["a"], None) == "tags are missing"
        assert reason(["a"], "O") == "tags are of type str, not a list"
        assert reason([], []) == "text has no words"
        assert reason([], ["O"]) == "text has no words"
        assert reason(["a", "b"], ["O"]) == "text has 2 words and 1 tags"
        assert reason(["a", ""], ["O", "O"]) == "word 2 is empty"
        assert reason([" \t", "b"], ["O", "O"]) == "word 1 is empty"
        assert reason(["a", None], ["O", "O"]) == "word 2 is missing"
        assert reason(["a", 7], ["O", "O"]) == "word 2 is of type int, not a string"
        assert reason(["a\0"], ["O"]) == "word 1 holds a NUL character"
        assert reason(["a", "\ud800"], ["O", "O"]) == "word 2 holds half of a surrogate pair"
        assert reason(["a", "b"], ["O", ["O"]]) == "tag 2 is of type list, not one class"


class TestTags:
    @pytest.mark.parametrize("tag", [None, float("nan"), "", "  ", -100, -100.0, np.int64(-100)])
    def test_words_without_a_tag_stay_and_give_no_row(self, tag: object) -> None:
        target = with_good(["Anna", "##a", "sees", "##s"], ["B-PER", tag, "O", tag])
        assert target.unit_counts.tolist() == [3, 2, 3]
        assert target.labels[3:5].tolist() == [1, 2]
        assert target.samples[1] == Words(("Anna", "##a", "sees", "##s"), (0, 2))
        assert len(target.samples[1]) == 2
        assert target.samples[0].kept == (0, 1, 2)
        assert target.notes == ("2 of 10 words have no tag: they are read with their texts and give no row",)

    def test_a_text_without_any_tag(self) -> None:
        assert reason(["a", "b"], [None, -100]) == "none of the words has a tag"

    def test_codes_of_named_classes(self) -> None:
        names = ["O", "PER", "LOC", "MISC"]
        target = read([["a", "b", "c"], ["d", "e"]], [[2, 0, -1], [np.int8(1), 2.0]], class_names=names)
        assert target.task.label_names == tuple(names)
        assert target.labels.tolist() == [2, 0, 1, 2]
        assert target.unit_counts.tolist() == [2, 2]

    def test_names_of_named_classes(self) -> None:
        target = read([["a", "b"], ["c"]], [["LOC", " O "], ["O"]], class_names=["O", "LOC"])
        assert target.labels.tolist() == [1, 0, 0]

    @pytest.mark.parametrize(
        ("tag", "shown"), [(4, "4"), (-2, "-2"), (0.5, "0.5"), ("PERS", "'PERS'"), ("x" * 99, "'" + "x" * 59)]
    )
    def test_no_tag_of_the_named_classes(self, tag: object, shown: str) -> None:
        texts, tags = [["a", "b"], ["a", "b"], ["c"]], [["O", "LOC"], [0, tag], [0]]
        target = read(texts, tags, class_names=["O", "LOC"])
        assert target.problems == (RowProblem("text 2", f"tag 2 is {shown}, none of the 2 classes"),)
        assert target.labels.tolist() == [0, 1, 0]

    def test_codes_without_names_are_classes_in_order(self) -> None:
        target = read([["a", "b", "c", "d"]], [[10, 2, -1, 10.0]])
        assert target.task.label_names == ("2", "10", "-1")
        assert target.labels.tolist() == [1, 0, 2, 1]

    def test_booleans_are_not_numbers(self) -> None:
        assert read([["a", "b", "c", "d"]], [[True, 1, 1.0, False]]).task.label_names == ("1", "False", "True")

    def test_repeated_class_names(self) -> None:
        assert refusal([["a"]], [[0]], class_names=["O", "O"]) == (
            "the class names of 'x.jsonl' must differ from each other, got ['O', 'O']; rename the repeated ones"
        )

    def test_bio_tags_stay_as_they_are(self) -> None:
        target = with_good(["Ada", "King"], ["B-PER", "I-PER"])
        assert target.notes == ("the 4 tags are classes as they are: B- and I- of the same type are two",)

    @given(st.integers(0, 2**32))
    def test_codes_against_a_naive_reading(self, seed: int) -> None:
        generator = random.Random(seed)
        texts = [[generator.choice("abcé") for _ in range(generator.randint(1, 6))] for _ in range(12)]
        tags = [[generator.choice(["N", "V", "x10", "x9", None]) for _ in words] for words in texts]
        tags[0][0], tags[1][0], tags[2][0] = "N", "V", "N"
        target = read(texts, tags)
        rows = [(word, tag) for i, words in enumerate(texts) for word, tag in zip(words, tags[i], strict=True) if tag]
        found = [target.samples[i].words[k] for i in range(len(target.samples)) for k in target.samples[i].kept]
        names = [target.task.label_names[code] for code in target.labels.tolist()]
        assert list(zip(found, names, strict=True)) == rows
        used = {tag for _, tag in rows}
        assert target.task.label_names == tuple(name for name in ("N", "V", "x9", "x10") if name in used)


class TestContents:
    @given(st.lists(st.tuples(st.lists(st.sampled_from(["a", "b", "0", "1,2", "ab"]), min_size=1), st.data())))
    def test_differ_where_words_or_kept_words_differ(self, drawn: list[Any]) -> None:
        samples = []
        for words, data in drawn:
            kept = data.draw(st.sets(st.integers(0, len(words) - 1), min_size=1))
            samples.append((tuple(words), tuple(sorted(kept))))
        lists = WordLists(tuple(w for w, _ in samples), tuple(range(len(samples))), tuple(k for _, k in samples))
        assert len({lists.content(i) for i in range(len(samples))}) == len(set(samples))

    def test_subsets_keep_what_is_kept(self) -> None:
        target = with_good(["a", "b"], [None, "O"])
        subset = target.samples.subset(np.array([2, 1]))
        assert (subset[1], subset.name(1), len(subset)) == (Words(("a", "b"), (1,)), "text 2", 2)
        whole = read([GOOD[0]] * 2, [GOOD[1]] * 2).samples.subset(np.array([1]))
        assert (whole.kept, whole[0]) == ((), Words(tuple(GOOD[0])))

    def test_all_kept_is_the_same_as_nothing_said(self) -> None:
        assert WordLists((("a", "b"),), (1,), ((0, 1),)).content(0) == WordLists((("a", "b"),), (1,)).content(0)


class TestErrors:
    def test_lengths(self) -> None:
        assert refusal([["a"]], [["O"], ["O"]]) == (
            "texts and tags of 'x.jsonl' must be as many as their rows (1), got 1 and 2; "
            "give one list of words and one list of tags a row"
        )

    def test_nothing(self) -> None:
        assert refusal([], []) == (
            "'x.jsonl' must hold texts whose words have tags, got none; check that it is the right one"
        )

    def test_nothing_left(self) -> None:
        assert refusal([["a"], None], [["O", "O"], None]) == (
            "'x.jsonl' must hold texts whose words have tags, got none; "
            "the first of 2 problems is 'text 1': text has 1 words and 2 tags"
        )

    def test_one_class(self) -> None:
        assert refusal([["a", "b"], ["c"]], [["O", "O"], ["O"]]) == (
            "the words of 'x.jsonl' must have at least two different tags, got only 'O' for all 3 words; "
            "give another label column"
        )

    def test_tags_that_never_repeat(self) -> None:
        assert refusal([["a", "b"], ["c"]], [["1", "2"], ["3"]]) == (
            "the tags of 'x.jsonl' must repeat, got 3 classes for 3 words; "
            "give a label column with classes that several words share"
        )

    def test_an_overwhelming_class_is_fine(self) -> None:
        target = read([["a"] * 999, ["b"]], [["O"] * 999, ["X"]])
        assert np.bincount(target.labels).tolist() == [999, 1]

    junk = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=8,
    )

    @given(st.lists(st.tuples(junk, junk), max_size=5), st.sampled_from([None, ["O", "X"]]))
    def test_junk_never_escapes(self, rows: list[Any], names: list[str] | None) -> None:
        try:
            target = read([words for words, _ in rows], [tags for _, tags in rows], class_names=names)
        except HubscoutError:
            return
        assert len(target.samples) + len(target.problems) == len(rows)
