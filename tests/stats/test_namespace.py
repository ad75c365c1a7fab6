from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
import torch

from hubscout.stats.namespace import float_dtype, is_numpy, is_single_precision, like, namespace, one_hot, to_numpy


@pytest.mark.parametrize("make", [np.asarray, torch.tensor, array_api_strict.asarray])
def test_there_and_back(make) -> None:
    values = np.arange(6.0).reshape(2, 3)
    found = like(values, make(values))
    assert type(found) is type(make(values))
    assert isinstance(to_numpy(found), np.ndarray)
    np.testing.assert_array_equal(to_numpy(found), values)


def test_gradients_are_left_behind() -> None:
    assert isinstance(to_numpy(torch.ones(2, requires_grad=True)), np.ndarray)


def test_floats_take_the_precision_of_the_reference() -> None:
    values, codes = np.ones(2), np.arange(2)
    assert like(values, torch.ones(1, dtype=torch.float32)).dtype == torch.float32
    assert like(values, torch.ones(1, dtype=torch.float64)).dtype == torch.float64
    assert like(codes, torch.ones(1, dtype=torch.float32)).dtype == torch.int64


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.ones(1, np.float16), True),
        (np.ones(1, np.float32), True),
        (np.ones(1), False),
        (np.ones(1, np.int32), False),
        (torch.ones(1, dtype=torch.bfloat16), True),
        (torch.ones(1, dtype=torch.float64), False),
        (array_api_strict.ones(1, dtype=array_api_strict.float64), False),
    ],
)
def test_single_precision(array, expected: bool) -> None:
    assert is_single_precision(array) is expected


def test_float_dtype() -> None:
    assert float_dtype(namespace(torch.ones(1)), single=True) == torch.float32
    assert float_dtype(namespace(np.ones(1)), single=False) == np.float64


def test_one_hot() -> None:
    np.testing.assert_array_equal(one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])


def test_is_numpy() -> None:
    assert is_numpy(np.ones(1))
    assert not is_numpy(torch.ones(1))
