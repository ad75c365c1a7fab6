from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hubscout.data.samples import Texts
from hubscout.data.task import RowProblem
from hubscout.data.verification import verify_samples
from hubscout.errors import DataError


class Plain:
    """Samples without a cheap check, of which the second is bad."""

    def __init__(self, n: int, error: Exception) -> None:
        self.n = n
        self.error = error

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        if index == 1:
            raise self.error
        return index

    def content(self, index: int) -> bytes:
        return bytes([index])

    def name(self, index: int) -> str:
        return f"row {index}"


def test_samples_without_a_check_are_decoded() -> None:
    verified = verify_samples(Plain(4, DataError("row 1 is bad")))
    assert verified.kept.tolist() == [0, 2, 3]
    assert verified.problems == (RowProblem("row 1", "row 1 is bad"),)


def test_a_bug_is_not_taken_for_bad_data() -> None:
    with pytest.raises(RuntimeError, match="bug"):
        verify_samples(Plain(4, RuntimeError("bug")))


def test_where_one_content_ends_matters() -> None:
    one, other = Texts(("ab", "c"), (1, 2)), Texts(("a", "bc"), (1, 2))
    assert verify_samples(one).fingerprint != verify_samples(other).fingerprint


def test_no_samples() -> None:
    verified = verify_samples(Texts((), ()))
    assert (verified.kept.tolist(), verified.problems) == ([], ())
    assert verified.kept.dtype == np.intp
