from __future__ import annotations

import pytest

from hubscout.data.columns import ColumnFacts, ColumnRequest, Columns, choose_columns, describe_column
from hubscout.errors import UsageError


def facts(**contents: str) -> list[ColumnFacts]:
    return [ColumnFacts(name, content) for name, content in contents.items()]


def choose(columns: list[ColumnFacts], **request: str) -> Columns:
    return choose_columns(columns, ColumnRequest(**request), "'x.csv'")


def refusal(columns: list[ColumnFacts], **request: str) -> str:
    with pytest.raises(UsageError) as caught:
        choose(columns, **request)
    return str(caught.value)


class TestDescribeColumn:
    @pytest.mark.parametrize(
        ("values", "content"),
        [
            (["good", "bad"], "text"),
            (["1", "2.5", ""], "number"),
            ([1, 2.5, None], "number"),
            (["a.png", "b/c.JPEG", "odd"], "path"),
            (["a.png", "x", "y"], "text"),
            ([b"x"], "other"),
            ([{"bytes": b""}], "other"),
            ([["a"]], "other"),
            (["a", 1], "text"),
            ([], "number"),
        ],
    )
    def test_content(self, values: list[object], content: str) -> None:
        assert describe_column("c", values) == ColumnFacts("c", content)


class TestGuesses:
    def test_by_name(self) -> None:
        chosen = choose(facts(id="number", Text="text", author="text", Label="text"))
        assert chosen == Columns("Text", "Label", "text", None, ("columns guessed: text 'Text', label 'Label'",))

    def test_image_by_name(self) -> None:
        chosen = choose(facts(image="text", y="number"))
        assert (chosen.sample, chosen.modality, chosen.label) == ("image", "image", "y")

    def test_file_name_wins(self) -> None:
        chosen = choose(facts(file_name="path", text="text", label="number"))
        assert (chosen.sample, chosen.modality) == ("file_name", "image")

    def test_the_only_strings(self) -> None:
        chosen = choose(facts(message="text", score="number"))
        assert (chosen.sample, chosen.modality, chosen.label) == ("message", "text", "score")

    def test_the_only_paths(self) -> None:
        assert choose(facts(where="path", label="text")).modality == "image"

    def test_the_other_one_of_two(self) -> None:
        assert choose(facts(text="text", sentiment="text")).label == "sentiment"
        assert choose(facts(message="text", label="text")).sample == "message"

    def test_index_columns_are_nobodys_label(self) -> None:
        columns = [ColumnFacts("", "number"), *facts(text="text", mood="text")]
        assert choose(columns).label == "mood"
        assert choose(facts(id="number", text="text"), label="id").label == "id"

    def test_typed_columns_win_over_names(self) -> None:
        chosen = choose(facts(photo="image", text="text", label="number", kind="label"))
        assert (chosen.sample, chosen.modality, chosen.label) == ("photo", "image", "kind")

    def test_split_column(self) -> None:
        chosen = choose(facts(text="text", label="text", Split="text"))
        assert chosen.split == "Split"
        assert chosen.wanted == ["text", "label", "Split"]
        assert chosen.notes == (
            "columns guessed: text 'text', label 'label'",
            "the column 'Split' names the split of each row",
        )

    def test_a_split_column_that_is_named_as_the_label_is_the_label(self) -> None:
        chosen = choose(facts(text="text", split="text"), label="split")
        assert (chosen.label, chosen.split) == ("split", None)

    def test_named_columns_need_no_note(self) -> None:
        chosen = choose(facts(a="text", b="text", c="text"), text="a", label="c")
        assert chosen == Columns("a", "c", "text")

    def test_an_image_column_is_what_the_user_says(self) -> None:
        assert choose(facts(a="text", label="text"), image="a").modality == "image"

    def test_half_a_request(self) -> None:
        chosen = choose(facts(a="text", b="text", label="text"), text="b")
        assert (chosen.sample, chosen.label, chosen.notes) == ("b", "label", ("columns guessed: label 'label'",))


class TestRefusals:
    def test_two_samples_fit(self) -> None:
        assert refusal(facts(image="path", text="text", label="text")) == (
            "the column with the samples of 'x.csv' must be the only one that fits, but 'image', 'text' fit; "
            "name it with text_column (--text-column) or image_column (--image-column)"
        )

    def test_no_sample_fits(self) -> None:
        assert refusal(facts(height="number", width="number", label="number")) == (
            "the column with the samples of 'x.csv' must be the only one that fits, but none fits of "
            "'height', 'width', 'label'; name it with text_column (--text-column) or image_column "
            "(--image-column)"
        )

    def test_two_strings_of_unknown_names(self) -> None:
        assert "'message', 'mood' fit" in refusal(facts(message="text", mood="text"))

    def test_two_labels_fit(self) -> None:
        assert refusal(facts(text="text", label="text", target="number")) == (
            "the column with the labels of 'x.csv' must be the only one that fits, but 'label', 'target' "
            "fit; name it with label_column (--label-column)"
        )

    def test_no_label_fits(self) -> None:
        assert refusal(facts(id="number", text="text")) == (
            "the column with the labels of 'x.csv' must be the only one that fits, but none fits; "
            "name it with label_column (--label-column)"
        )

    def test_absent(self) -> None:
        assert refusal(facts(text="text", label="text"), label="lable") == (
            "label_column (--label-column) must name a column of 'x.csv', got 'lable'; its columns are 'text', 'label'"
        )
        many = facts(**{f"c{i}": "text" for i in range(12)})
        assert refusal(many, text="x").endswith("'c8', 'c9' and 2 more")

    def test_both_kinds_of_samples(self) -> None:
        assert refusal(facts(a="text", b="path"), text="a", image="b") == (
            "give one of text_column (--text-column) and image_column (--image-column), got both 'a' and 'b'"
        )

    def test_one_column_for_both(self) -> None:
        assert refusal(facts(a="text", b="path"), text="a", label="a") == (
            "the samples and the labels of 'x.csv' must be different columns, got 'a' for both"
        )
