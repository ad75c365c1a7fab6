from __future__ import annotations

import pytest

from hubscout._registry import Registry
from hubscout.errors import UsageError


@pytest.fixture
def fruit() -> Registry[int]:
    registry = Registry[int]("fruit")
    registry.add("pear", 1)
    registry.add("apple", 2)
    return registry


def test_entries_keep_their_order(fruit: Registry[int]) -> None:
    assert list(fruit) == ["pear", "apple"]
    assert len(fruit) == 2
    assert fruit["apple"] == 2
    assert "apple" in fruit
    assert "plum" not in fruit


def test_a_name_is_given_once(fruit: Registry[int]) -> None:
    with pytest.raises(UsageError) as error:
        fruit.add("pear", 3)
    assert str(error.value) == "fruit 'pear' is registered already; choose another name"
    assert fruit["pear"] == 1


def test_remove(fruit: Registry[int]) -> None:
    fruit.remove("pear")
    assert list(fruit) == ["apple"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("appel", "unknown fruit 'appel'; did you mean 'apple'? Known: pear, apple"),
        ("xylophone", "unknown fruit 'xylophone'; Known: pear, apple"),
        ("a\x1b[2Jpple", "unknown fruit 'a\\x1b[2Jpple'; did you mean 'apple'? Known: pear, apple"),
        (7, "unknown fruit 7; Known: pear, apple"),
    ],
)
def test_an_unknown_name(fruit: Registry[int], name, text: str) -> None:
    with pytest.raises(UsageError) as error:
        fruit[name]
    assert str(error.value) == text
