from __future__ import annotations

import codecs
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.conll import conll_target
from hubscout.data.splits import TEST_NOTE
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, HubscoutError, UsageError

NAMES = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER

明日 NN B-NP O
"""
NAMES_NOTE = (
    "the words are in column 1, the tags in column 4, the last; label_column (--label-column) names another one"
)
PREFIX_NOTE = "the 4 tags are classes as they are: B- and I- of the same type are two"


def universal(*words: tuple[str, str]) -> str:
    return "".join(f"{i}\t{word}\t_\t{tag}\tx{tag}\t_\t0\t_\t_\t_\n" for i, (word, tag) in enumerate(words, 1)) + "\n"


TREE = universal(("Она", "PRON"), ("спит", "VERB"), (".", "PUNCT")) + universal(("मैं", "PRON"), ("।", "PUNCT"))
UNIVERSAL_NOTE = (
    "the words are in column 2, the tags in column 4 (UPOS of CoNLL-U); label_column (--label-column) names another one"
)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "names.conll", NAMES)


def read(path: Path, **options: Any) -> Target:
    return conll_target(path, name=path.stem, **options)


def refusal(path: Path, error: type[Exception], **options: Any) -> str:
    with pytest.raises(error) as caught:
        read(path, **options)
    return str(caught.value)


def texts(target: Target) -> list[tuple[str, ...]]:
    return [target.samples[i].words for i in range(len(target.samples))]


def tags(target: Target) -> list[str]:
    return [target.task.label_names[code] for code in target.labels.tolist()]


class TestFiles:
    def test_names_of_2003(self, file: Path) -> None:
        target = read(file)
        assert texts(target) == [("EU", "rejects"), ("Peter", "Blackburn"), ("明日",)]
        assert tags(target) == ["B-ORG", "O", "B-PER", "I-PER", "O"]
        assert (target.task.name, target.split, target.problems) == ("names", "all", ())
        assert target.notes == (NAMES_NOTE, PREFIX_NOTE)
        assert target.unit_counts.tolist() == [2, 2, 1]

    def test_another_column(self, file: Path) -> None:
        target = read(file, column=" 2 ")
        assert (tags(target), target.notes) == (["NNP", "VBZ", "NNP", "NNP", "NN"], ())

    def test_universal(self, tmp_path: Path) -> None:
        target = read(write(tmp_path / "tree.conllu", f"# text = Она спит.\n{TREE}"))
        assert texts(target) == [("Она", "спит", "."), ("मैं", "।")]
        assert (tags(target), target.notes) == (["PRON", "VERB", "PUNCT", "PRON", "PUNCT"], (UNIVERSAL_NOTE,))
        assert target.task.label_names == ("PRON", "PUNCT", "VERB")

    @pytest.mark.parametrize("column", ["xpos", "XPOS", "5"])
    def test_columns_of_universal_have_names(self, tmp_path: Path, column: str) -> None:
        target = read(write(tmp_path / "tree.conllu", TREE), column=column)
        assert tags(target) == ["xPRON", "xVERB", "xPUNCT", "xPRON", "xPUNCT"]

    def test_two_columns_parted_by_tabs(self, tmp_path: Path) -> None:
        target = read(write(tmp_path / "x.tsv", "New York\tLOC\nis\tO\n\nbig\t\nis\tO\n"))
        assert (texts(target), tags(target)) == ([("New York", "is"), ("big", "is")], ["LOC", "O", "O"])
        assert target.samples[1].kept == (1,)

    def test_numbered_words(self, tmp_path: Path) -> None:
        target = read(write(tmp_path / "x.tsv", "#\thttp://x\t[2010]\n1\tAda\tB-PER\n2\tsleeps\tO\n\n1\tYes\tO\n"))
        assert (texts(target), tags(target)) == ([("Ada", "sleeps"), ("Yes",)], ["B-PER", "O", "O"])
        assert target.notes[0].startswith("the words are in column 2, the tags in column 3, the last;")

    @pytest.mark.parametrize(
        "change",
        [lambda c: c.replace("\n", "\r\n"), lambda c: c.replace("\n", "\r"), lambda c: "\ufeff" + c, str.rstrip],
    )
    def test_line_ends_and_marks_of_other_systems(self, file: Path, change: Any) -> None:
        before = read(file)
        after = read(write(file, change(NAMES)))
        assert (texts(after), tags(after), after.problems) == (texts(before), tags(before), ())

    def test_bad_sentences_are_problems(self, file: Path) -> None:
        target = read(write(file, NAMES.replace("rejects VBZ B-VP O", "rejects VBZ O") + "\nx NN B-NP O\n"))
        assert target.problems == (RowProblem("text 1", "line 4 has 3 columns, not 4"),)
        assert [target.samples.name(i) for i in range(3)] == ["text 2", "text 3", "text 4"]

    def test_words_that_hold_line_ends_of_other_scripts(self, tmp_path: Path) -> None:
        words = ("a\u2028b", "c\x85d", "e\x0cf", "g\xa0h", "\u3000i")
        content = "".join(f"{word} X\n" for word in words) + "\n" + "z Y\n"
        assert texts(read(write(tmp_path / "x.conll", content))) == [words, ("z",)]

    def test_a_link_to_a_file(self, tmp_path: Path, file: Path) -> None:
        blob = tmp_path / "blobs" / "abc"
        blob.parent.mkdir()
        file.rename(blob)
        file.symlink_to(blob)
        assert len(read(file).samples) == 3
        blob.write_bytes(b"\xff")
        assert refusal(file, DataError).startswith("'names.conll' must be UTF-8, got the byte 0xff")

    @given(st.integers(0, 2**32))
    def test_what_is_written_is_read(self, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
        generator = random.Random(seed)
        words = ["Ada", "#", "1", "-", "東京", "naïve", "O", "_", '"', "a/b"]
        sentences = [
            [(generator.choice(words), generator.choice("XYZ")) for _ in range(generator.randint(1, 5))]
            for _ in range(generator.randint(2, 8))
        ]
        sentences += [[("a", "X"), ("b", "Y"), ("c", "X")]]
        blank = generator.choice(["\t", " ", "  "])
        content = "\n".join("".join(f"{word}{blank}{tag}\n" for word, tag in lines) for lines in sentences)
        # "#" before the first word of most sentences reads as a remark.
        content = content.replace("#", "$")
        target = read(write(tmp_path_factory.mktemp("x") / "x.conll", content))
        expected = [[(word.replace("#", "$"), tag) for word, tag in lines] for lines in sentences]
        assert texts(target) == [tuple(word for word, _ in lines) for lines in expected]
        assert tags(target) == [tag for lines in expected for _, tag in lines]


class TestFolders:
    @pytest.mark.parametrize(
        ("names", "split", "read_from"),
        [
            (("train.txt", "valid.txt", "test.txt"), "train", "train.txt"),
            (("train.txt", "valid.txt", "test.txt"), "validation", "valid.txt"),
            (("x-ud-train.conllu", "x-ud-dev.conllu"), "dev", "x-ud-dev.conllu"),
            (("eng.train", "eng.testa", "eng.testb"), "val", "eng.testa"),
            (("Train.BIO", "README.txt", "all.conll"), "train", "Train.BIO"),
        ],
    )
    def test_a_file_a_split(self, tmp_path: Path, names: tuple[str, ...], split: str, read_from: str) -> None:
        for name in names:
            write(tmp_path / "ner" / name, f"{name} B\nx O\n\ny O\n")
        target = read(tmp_path / "ner", split=split)
        assert texts(target)[0] == (read_from, "x")
        assert (len(target.samples), target.split) == (2, split)
        assert (target.notes[-1] == TEST_NOTE) == (split == "test")

    def test_several_files_of_a_split_are_counted_through(self, tmp_path: Path) -> None:
        for i in (10, 9):
            write(tmp_path / "ner" / f"train{i}.conll", f"w{i} X\nx Y\n\nbad\n\ny Y\n")
        target = read(tmp_path / "ner")
        assert texts(target) == [("w9", "x"), ("y",), ("w10", "x"), ("y",)]
        assert target.samples.rows == (1, 3, 4, 6)
        assert [problem.row for problem in target.problems] == ["text 2", "text 5"]
        assert len(target.notes) == 1

    def test_without_splits(self, tmp_path: Path) -> None:
        write(tmp_path / "ner" / "a.conll", "a X\nb Y\n\nc Y\n")
        write(tmp_path / "ner" / "notes.txt", "x Y\n\ny Z\n")
        target = read(tmp_path / "ner")
        assert (texts(target), target.split) == ([("a", "b"), ("c",)], "all")
        assert refusal(tmp_path / "ner", UsageError, split="test") == (
            "the folder 'ner' has no splits, but split='test' was asked for; leave split (--split) out to use all of it"
        )

    def test_an_absent_split(self, tmp_path: Path) -> None:
        write(tmp_path / "ner" / "train.txt", NAMES)
        assert refusal(tmp_path / "ner", UsageError, split="test") == (
            "the folder 'ner' has no split 'test'; name one of its splits ('train') with split (--split)"
        )

    def test_nothing_to_read(self, tmp_path: Path) -> None:
        (tmp_path / "ner").mkdir()
        assert refusal(tmp_path / "ner", DataError) == (
            "the folder 'ner' must hold files of words and tags in columns, got none; "
            "name them after their splits, as train.conll and test.conll"
        )

    def test_links_out_of_the_folder(self, tmp_path: Path) -> None:
        outside = write(tmp_path / "secret.conll", NAMES)
        (tmp_path / "ner").mkdir()
        (tmp_path / "ner" / "train.conll").symlink_to(outside)
        assert refusal(tmp_path / "ner", DataError) == (
            "'train.conll' must be a file that can be read, got 'path leads out of the folder'"
        )

    def test_a_single_file_tells_its_split(self, tmp_path: Path) -> None:
        path = write(tmp_path / "en-ud-test.conllu", TREE)
        for split in ("train", "test"):
            target = read(path, split=split)
            assert (target.split, target.notes[-1]) == ("test", TEST_NOTE)
        assert "has no splits, but split='dev' was asked for" in refusal(path, UsageError, split="dev")


class TestErrors:
    @pytest.mark.parametrize("column", ["1", "0", "5", "-1", "UPOS", "", "9" * 9999, "\uff12"])
    def test_columns_that_are_not_there(self, file: Path, column: str) -> None:
        assert refusal(file, UsageError, column=column) == (
            "label_column (--label-column) must be a number from 2 to 4 for 'names.conll', whose words are in column "
            f"1, got {column!r}"
        )

    @pytest.mark.parametrize("column", ["FORM", "ID", "1", "2", "11", "POS"])
    def test_columns_of_universal_that_hold_no_tags(self, tmp_path: Path, column: str) -> None:
        assert refusal(write(tmp_path / "t.conllu", TREE), UsageError, column=column) == (
            "label_column (--label-column) must be a number from 3 to 10 or one of LEMMA, UPOS, XPOS, FEATS, HEAD, "
            f"DEPREL, DEPS, MISC for 't.conllu', whose words are in column 2, got {column!r}"
        )

    @pytest.mark.parametrize("content", ["", "\n\n", "one\nword\n\na\nline\n", "# x y\n"])
    def test_no_columns(self, file: Path, content: str) -> None:
        assert refusal(write(file, content), DataError) == (
            "'names.conll' must hold a word and its tags in columns, one word a line, got no lines of two columns; "
            "part words and tags by a tab"
        )

    @pytest.mark.parametrize(
        ("content", "byte", "encoding"),
        [
            ("é X\nb Y\n".encode("latin1"), "e9", "LATIN1"),
            (codecs.BOM_UTF16_LE + "a X\n".encode("utf-16-le"), "ff", "UTF-16"),
        ],
    )
    def test_other_encodings(self, file: Path, content: bytes, byte: str, encoding: str) -> None:
        assert refusal(write(file, content), DataError) == (
            f"'names.conll' must be UTF-8, got the byte 0x{byte}, perhaps of {encoding}; convert it, for example with "
            f"iconv -f {encoding} -t UTF-8"
        )

    def test_no_sentence_left(self, file: Path) -> None:
        assert refusal(write(file, "a X Y\nb\nc Z Z\n"), DataError) == (
            "'names.conll' must hold texts whose words have tags, got none; "
            "the first of 1 problems is 'text 1': line 2 has 1 columns, not 3"
        )

    def test_not_a_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "x.conll")
        assert refusal(tmp_path / "x.conll", DataError) == (
            "'x.conll' must be a file that can be read, got 'not a regular file'"
        )

    lines = st.lists(st.text("ab#O\t \r\n-_1.\u2028\0é", max_size=12) | st.sampled_from(TREE.splitlines()), max_size=20)

    @given(lines.map(lambda lines: "\n".join(lines).encode()) | st.binary(max_size=200))
    def test_anything_else_is_refused_in_a_sentence(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        path = write(tmp_path_factory.mktemp("x") / "x.conllu", content)
        try:
            target = read(path)
        except HubscoutError:
            return
        assert target.unit_counts.sum() == len(target.labels)
        assert all(word.strip() for words in texts(target) for word in words)
