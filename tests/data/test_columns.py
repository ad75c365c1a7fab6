from __future__ import annotations

import pytest

from hubscout.data.column_facts import ColumnFacts
from hubscout.data.columns import ColumnRequest, Columns, choose_columns, split_names
from hubscout.errors import UsageError


def facts(**contents: str) -> list[ColumnFacts]:
    return [ColumnFacts(name, content) for name, content in contents.items()]


def choose(columns: list[ColumnFacts], **request: str) -> Columns:
    return choose_columns(columns, ColumnRequest(**request), "'x.csv'")


def refusal(columns: list[ColumnFacts], **request: str) -> str:
    with pytest.raises(UsageError) as caught:
        choose(columns, **request)
    return str(caught.value)


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


class TestPairs:
    @pytest.mark.parametrize(
        ("first", "second"), [("premise", "hypothesis"), ("sentence1", "sentence2"), ("Query", "Passage")]
    )
    def test_known_pairs(self, first: str, second: str) -> None:
        chosen = choose([*facts(idx="number"), *facts(**{second: "text", first: "text"}), *facts(label="label")])
        assert (chosen.samples, chosen.label, chosen.modality) == ((first, second), "label", "text")
        assert chosen.wanted == [first, second, "label"]
        assert chosen.notes == (f"columns guessed: pair {first!r} and {second!r}, label 'label'",)

    def test_a_pair_whose_names_are_both_those_of_texts(self) -> None:
        chosen = choose(facts(question="text", sentence="text", label="label", idx="number"))
        assert chosen.samples == ("question", "sentence")

    def test_half_a_pair_is_none(self) -> None:
        chosen = choose(facts(premise="text", label="label"))
        assert (chosen.samples, chosen.pair) == (("premise",), None)

    def test_a_named_text_is_alone(self) -> None:
        columns = facts(premise="text", hypothesis="text", label="label")
        assert choose(columns, text="premise").samples == ("premise",)
        assert choose(columns, text="hypothesis", pair="premise", label="label") == Columns(
            "hypothesis", "label", "text", None, (), "premise"
        )

    def test_the_partner_of_a_named_column(self) -> None:
        columns = facts(title="text", premise="text", hypothesis="text", label="label")
        chosen = choose(columns, pair="hypothesis")
        assert (chosen.samples, chosen.notes) == (
            ("premise", "hypothesis"), ("columns guessed: text 'premise', label 'label'",),
        )  # fmt: skip
        assert choose(facts(text="text", other="text", y="number"), pair="other").samples == ("text", "other")

    def test_images_are_no_pair(self) -> None:
        assert choose(facts(photo="image", premise="text", hypothesis="text", label="label")).sample == "photo"
        assert choose(facts(file_name="path", text1="text", text2="text", label="label")).sample == "file_name"

    def test_numbers_are_no_texts(self) -> None:
        assert choose(facts(text="text", text1="number", text2="number", label="label")).samples == ("text",)

    def test_a_rival(self) -> None:
        assert refusal(facts(premise="text", hypothesis="text", text="text", label="label")) == (
            "the columns with the samples of 'x.csv' must be the only ones that fit, but the pair 'premise' and "
            "'hypothesis', 'text' fit; name them with text_column (--text-column) and, for pairs of texts, pair_column "
            "(--pair-column)"
        )
        two = facts(premise="text", hypothesis="text", text1="text", text2="text", label="label")
        assert "but the pair 'premise' and 'hypothesis', the pair 'text1' and 'text2' fit;" in refusal(two)

    def test_the_same_column_twice(self) -> None:
        assert refusal(facts(a="text", b="text"), text="a", pair="a", label="b") == (
            "the two texts of 'x.csv' must be different columns, got 'a' for both"
        )
        assert refusal(facts(a="text", b="text"), text="a", pair="b", label="b") == (
            "the samples and the labels of 'x.csv' must be different columns, got 'b' for both"
        )

    def test_absent(self) -> None:
        assert refusal(facts(a="text", y="number"), text="a", pair="b") == (
            "pair_column (--pair-column) must name a column of 'x.csv', got 'b'; its columns are 'a', 'y'"
        )

    def test_a_pair_of_images(self) -> None:
        assert refusal(facts(a="path", b="text"), image="a", pair="b") == (
            "give one of pair_column (--pair-column) and image_column (--image-column), got both 'b' and 'a'"
        )

    def test_a_request_of_a_pair_is_not_empty(self) -> None:
        assert not ColumnRequest(pair="b").is_empty()
        assert ColumnRequest().is_empty()


class TestSeveralLabels:
    COLUMNS = tuple(ColumnFacts(name, "number") for name in ("x", "y", "y,z", "z"))

    @pytest.mark.parametrize(
        ("given", "labels"),
        [
            ("x", ("x",)),
            ("x,y", ("x", "y")),
            (" x , z ", ("x", "z")),
            ("y,z", ("y,z",)),
            ("x,y,z", ("x", "y,z")),
            ("z,y", ("z", "y")),
        ],
    )
    def test_names(self, given: str, labels: tuple[str, ...]) -> None:
        chosen = choose([*facts(text="text"), *self.COLUMNS], label=given)
        assert (chosen.label, chosen.labels) == (labels[0], labels)
        assert chosen.wanted == ["text", *labels]

    def test_parts_that_are_no_column(self) -> None:
        assert split_names("x,why,", ["x"]) == ("x", "why")
        assert split_names("", ["x"]) == ()
        assert split_names(" ", [""]) == ("",)
        assert "must name a column of 'x.csv', got 'why'; its columns" in refusal(facts(x="number"), label="x,why")
        assert "must name a column of 'x.csv', got ''; its columns" in refusal(facts(x="number"), label="")
        assert "must name a column of 'x.csv', got ''; its columns" in refusal(facts(x="number"), label="x,,y")

    def test_twice(self) -> None:
        assert refusal(facts(text="text", x="number"), label="x,x") == (
            "label_column (--label-column) must name each column of 'x.csv' once, got 'x' twice"
        )

    def test_lists_are_labels_where_nothing_else_is(self) -> None:
        assert choose(facts(text="text", genres="list")).label == "genres"
        assert choose(facts(text="text", stars="number", genres="list")).label == "stars"
        assert choose(facts(text="text", stars="number", labels="list")).label == "labels"
