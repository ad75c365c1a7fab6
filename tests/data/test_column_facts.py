from __future__ import annotations

import pytest

from hubscout.data.column_facts import ColumnFacts, describe_column


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
        ([["a"], None, [1, None], []], "list"),
        ([[["a"]]], "other"),
        ([[{"a": 1}]], "other"),
        ([["a"], {"a": 1}], "other"),
        (["a", 1], "text"),
        ([], "number"),
    ],
)
def test_content(values: list[object], content: str) -> None:
    assert describe_column("c", values) == ColumnFacts("c", content)
