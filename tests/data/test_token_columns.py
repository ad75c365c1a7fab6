from __future__ import annotations

import pytest

from hubscout.data.columns import ColumnRequest
from hubscout.data.token_columns import choose_token_columns, has_token_columns
from hubscout.errors import UsageError


def refusal(lists: list[str], request: ColumnRequest | None = None, **options: list[str]) -> str:
    with pytest.raises(UsageError) as caught:
        choose_token_columns(lists, request or ColumnRequest(), "'x'", **options)
    return str(caught.value)


class TestGuesses:
    @pytest.mark.parametrize(
        ("lists", "words", "tags"),
        [
            (["tokens", "ner_tags"], "tokens", "ner_tags"),
            (["Labels", "Words"], "Words", "Labels"),
            (["input_ids", "tokens", "tags"], "tokens", "tags"),
            (["sentence", "tags"], "sentence", "tags"),
            (["tokens", "kinds"], "tokens", "kinds"),
        ],
    )
    def test_the_only_one_that_fits(self, lists: list[str], words: str, tags: str) -> None:
        columns = choose_token_columns(lists, ColumnRequest(), "'x'")
        assert (columns.words, columns.tags) == (words, tags)
        assert columns.notes == (f"columns guessed: text {words!r}, label {tags!r}",)

    def test_typed_classes_win_over_names(self) -> None:
        columns = choose_token_columns(["tokens", "kind", "tags"], ColumnRequest(), "'x'", typed=["kind"])
        assert columns.tags == "kind"

    def test_named_columns(self) -> None:
        columns = choose_token_columns(["a", "b", "c"], ColumnRequest(text="c", label="a"), "'x'")
        assert (columns.words, columns.tags, columns.notes) == ("c", "a", ())
        columns = choose_token_columns(["tokens", "pos_tags", "ner_tags"], ColumnRequest(label="pos_tags"), "'x'")
        assert (columns.words, columns.tags, columns.notes) == (
            "tokens",
            "pos_tags",
            ("columns guessed: text 'tokens'",),
        )

    def test_what_looks_like_words_with_tags(self) -> None:
        assert has_token_columns(["id", "Tokens", "POS_tags"])
        assert not has_token_columns(["tokens"])
        assert not has_token_columns(["labels", "boxes"])


class TestErrors:
    def test_several_tags_fit(self) -> None:
        assert refusal(["tokens", "pos_tags", "ner_tags"]) == (
            "the column with the tags of 'x' must be the only column of lists that fits, but 'pos_tags', 'ner_tags' "
            "fit; name it with label_column (--label-column)"
        )
        assert "'a', 'b' fit" in refusal(["tokens", "a", "b", "tags"], typed=["a", "b"])

    def test_several_words_fit(self) -> None:
        assert refusal(["tokens", "words", "tags"]) == (
            "the column with the words of 'x' must be the only column of lists that fits, but 'tokens', 'words' fit; "
            "name it with text_column (--text-column)"
        )

    def test_none_fits(self) -> None:
        assert "the words of 'x' must be the only column of lists that fits, but none fits" in refusal([])
        assert "the words of 'x' must be the only column of lists that fits, but none fits" in refusal(["labels"])
        assert "the tags of 'x' must be the only column of lists that fits, but none fits" in refusal(["tokens"])

    def test_absent(self) -> None:
        assert refusal([f"c{i}" for i in range(12)], ColumnRequest(label="y")) == (
            "label_column (--label-column) must name a column of lists of 'x', got 'y'; its columns of lists are "
            "'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9' and 2 more"
        )
        assert "its columns of lists are none" in refusal([], ColumnRequest(text="y"))

    def test_the_same_twice(self) -> None:
        assert refusal(["a"], ColumnRequest(text="a", label="a")) == (
            "the words and the tags of 'x' must be different columns, got 'a' for both"
        )

    def test_images(self) -> None:
        assert refusal(["tokens", "tags"], ColumnRequest(image="tokens")) == (
            "image_column (--image-column) does not fit the words of 'x', got 'tokens'; name the words with "
            "text_column (--text-column)"
        )

    def test_pairs(self) -> None:
        assert refusal(["tokens", "tags"], ColumnRequest(pair="tokens")) == (
            "pair_column (--pair-column) does not fit the words of 'x', got 'tokens'; leave it out"
        )
