from __future__ import annotations

import pytest

from hubscout.data.splits import (
    TEST_NOTE,
    canonical_split,
    choose_split,
    is_split_name,
    require_no_split,
    split_notes,
)
from hubscout.errors import UsageError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("VAL", "validation"),
        ("dev", "validation"),
        ("testing", "test"),
        (" fold1 ", "fold1"),
    ],
)
def test_canonical_split(name: str, expected: str) -> None:
    assert canonical_split(name) == expected


def test_is_split_name() -> None:
    assert is_split_name("Valid")
    assert not is_split_name("trainer")


class TestChooseSplit:
    def test_finds_other_spellings(self) -> None:
        assert choose_split({"training", "dev", "test"}, "train", "'x'") == ("training",)
        assert choose_split({"training", "dev", "val"}, "validation", "'x'") == ("dev", "val")

    def test_the_very_name_wins(self) -> None:
        assert choose_split({"Dev", "dev ", "val"}, "dev", "'x'") == ("Dev", "dev ")

    def test_absent(self) -> None:
        with pytest.raises(UsageError) as caught:
            choose_split({"val", "test"}, "train", "'x.csv'")
        assert str(caught.value) == (
            "'x.csv' has no split 'train'; name one of its splits ('test', 'val') with split (--split)"
        )


class TestRequireNoSplit:
    def test_default_reads_all(self) -> None:
        assert require_no_split("train", "'x'") == require_no_split("all", "'x'") == "all"

    def test_another_split_was_asked_for(self) -> None:
        with pytest.raises(UsageError) as caught:
            require_no_split("test", "'x.csv'")
        assert str(caught.value) == (
            "'x.csv' has no splits, but split='test' was asked for; leave split (--split) out to use all of it"
        )


def test_split_notes() -> None:
    assert split_notes("train") == split_notes("all") == split_notes("val") == ()
    assert split_notes("Testing") == (TEST_NOTE,)
    assert TEST_NOTE == (
        "the samples come from the test split: a model chosen on it looks better there than it is, "
        "so do not report its accuracy on the same split"
    )
