from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.ordering import natural_key


def test_numbers_count_as_numbers() -> None:
    assert sorted(["b10", "b9", "a", "b", "10", "9", "B2"], key=natural_key) == [
        "9",
        "10",
        "a",
        "b",
        "B2",
        "b9",
        "b10",
    ]


def test_a_number_too_long_for_int() -> None:
    assert sorted(["1" * 5000, "2"], key=natural_key) == ["2", "1" * 5000]


@given(st.lists(st.text(), unique=True), st.randoms(use_true_random=False))
def test_any_names_have_one_order(names: list[str], random: Random) -> None:
    shuffled = random.sample(names, len(names))
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)
