from __future__ import annotations

import pytest

from hubscout.data.conll_layout import Layout, Sentence, find_layout, read_sentences

UNIVERSAL = """\
# sent_id = 1
# text = Vámonos al mar
1-2	Vámonos	_	_	_	_	_	_	_	_
1	Vamos	ir	VERB	V	Mood=Imp	0	root	_	_
2	nos	nosotros	PRON	_	_	1	obj	_	_
2.1	[we]	we	PRON	_	_	_	_	1:nsubj	_
3-4	al	_	_	_	_	_	_	_	_
3	a	a	ADP	_	_	5	case	_	_
4	el	el	DET	_	_	5	det	_	_
5	mar	mar	_	_	_	1	obl	_	SpaceAfter=No
""".splitlines()


def layout_of(*lines: str) -> Layout:
    layout = find_layout(lines)
    assert layout is not None
    return layout


def read(lines: list[str], tag: int = -1) -> list[Sentence]:
    layout = layout_of(*lines)
    return list(read_sentences(lines, layout, tag % layout.width))


class TestLayout:
    def test_blanks_of_any_number_part_columns(self) -> None:
        layout = layout_of("EU   NNP\tORG", "  rejects VBZ  O ")
        assert (layout.width, layout.has_tabs, layout.words, layout.is_universal) == (3, False, 0, False)
        assert layout.split("  rejects VBZ \t O ") == ["rejects", "VBZ", "O"]

    def test_tabs_leave_blanks_to_words(self) -> None:
        layout = layout_of("10 000\tNUM", "a\tDET", "in spite of\tADP")
        assert (layout.width, layout.has_tabs) == (2, True)
        assert layout.split("in spite of \t") == ["in spite of", ""]

    def test_tabs_for_looks_are_blanks(self) -> None:
        layout = layout_of("a\t\t\tDET", "elephant\tNOUN", "cat\t\tNOUN")
        assert (layout.width, layout.has_tabs, layout.share) == (2, False, 1.0)

    @pytest.mark.parametrize("blank", ["\xa0", "\u3000", "\x85", "\u2028", "\x0b", "\x1c"])
    def test_blanks_of_other_scripts_belong_to_words(self, blank: str) -> None:
        assert layout_of(f"a{blank}b X", "c Y").split(f"a{blank}b X") == [f"a{blank}b", "X"]

    def test_most_lines_decide(self) -> None:
        layout = layout_of("a X", "b", "c Y", "d Z")
        assert (layout.width, layout.share) == (2, 0.75)

    def test_a_column_that_numbers_the_words_is_not_theirs(self) -> None:
        assert layout_of("1\tAnna\tB-PER", "2\tsees\tO", "", "1\tLima\tB-LOC").words == 1
        # Two columns are a word and a tag, numbers or not.
        assert layout_of("1 NUM", "2 NUM", "", "1 NUM").words == 0
        assert layout_of("1 NUM X", "2 NUM X", "", "7 NUM X").words == 0

    def test_universal(self) -> None:
        layout = layout_of(*UNIVERSAL)
        assert (layout.width, layout.words, layout.is_universal, layout.is_parted) == (10, 1, True, False)
        assert not layout_of(*["\t".join("abcdefghij")] * 3).is_universal

    def test_what_parts_sentences(self) -> None:
        assert layout_of("a X", " \t", "b Y").is_parted
        assert layout_of("-DOCSTART- -X- O", "a X O").is_parted
        assert not layout_of("", "a X", "b Y", "").is_parted

    @pytest.mark.parametrize("lines", [[], ["", " "], ["one", "two", "three x"], ["# a b", "-DOCSTART- O"]])
    def test_no_columns(self, lines: list[str]) -> None:
        assert find_layout(lines) is None


class TestSentences:
    def test_empty_lines_and_document_marks_part_them(self) -> None:
        lines = ["-DOCSTART- -X- O", "", "EU NNP ORG", "rejects VBZ O", " ", "\t", "", "Peter NNP PER", "-DOCSTART-"]
        lines += ["-DOCSTART-x NNP O"]
        assert read(lines) == [
            Sentence(["EU", "rejects"], ["ORG", "O"], None),
            Sentence(["Peter"], ["PER"], None),
            Sentence(["-DOCSTART-x"], ["O"], None),
        ]
        assert read(lines, 1)[0].tags == ["NNP", "VBZ"]

    def test_lines_of_another_width_spoil_their_sentence_alone(self) -> None:
        lines = ["a X", "b X Y", "c", "", "d X", "", "e"]
        assert read(lines) == [
            Sentence(["a"], ["X"], "line 2 has 3 columns, not 2"),
            Sentence(["d"], ["X"], None),
            Sentence([], [], "line 7 has 1 columns, not 2"),
        ]

    def test_remarks_before_the_first_word(self) -> None:
        lines = ["# a remark of many words", "a X", "", "# X", "# of X", "b X", "", "c X"]
        assert read(lines) == [
            Sentence(["a"], ["X"], None),
            # "#" with a tag is a word, and what follows it in the same sentence has too many columns.
            Sentence(["#", "b"], ["X", "X"], "line 5 has 3 columns, not 2"),
            Sentence(["c"], ["X"], None),
        ]

    def test_remarks_that_all_sentences_begin_with(self) -> None:
        lines = ["# id 1 domain=train", "a _ _ B-X", "# _ _ O", "", "# id 2 domain=train", "b _ _ O"]
        assert read(lines) == [Sentence(["a", "#"], ["B-X", "O"], None), Sentence(["b"], ["O"], None)]

    def test_universal_ranges_and_empty_nodes_are_passed_over(self) -> None:
        (sentence,) = read(UNIVERSAL, 3)
        assert sentence.words == ["Vamos", "nos", "a", "el", "mar"]
        assert sentence.tags == ["VERB", "PRON", "ADP", "DET", None]

    def test_underscores_say_unknown_or_none(self) -> None:
        (sentence,) = read(UNIVERSAL, 4)
        assert sentence.tags == ["V", None, None, None, None]
        (sentence,) = read(UNIVERSAL, 5)
        assert sentence.tags == ["Mood=Imp", "_", "_", "_", "_"]
        assert read(["_ _", "a X"])[0] == Sentence(["_", "a"], ["_", "X"], None)

    def test_universal_faults(self) -> None:
        lines = [*UNIVERSAL, "", UNIVERSAL[3], "x" + UNIVERSAL[4], "", UNIVERSAL[3].removesuffix("\t_"), "# after"]
        assert [sentence.problem for sentence in read(lines + UNIVERSAL * 9)][:3] == [
            None,
            "line 13 does not begin with the number of a word",
            "line 15 has 9 columns, not 10",
        ]
