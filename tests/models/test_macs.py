"""Multiplications of layers that can be counted by hand."""

from __future__ import annotations

import pytest

from hubscout.models.macs import count_macs

torch = pytest.importorskip("torch")


def test_a_convolution_and_a_product():
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 16, 5)
    )
    with torch.inference_mode():
        assert count_macs(lambda: layers(torch.ones(1, 3, 4, 4))) == 16 * 8 * 3 * 9 + 128 * 5


def test_attention_counts_its_two_products():
    query = torch.ones(1, 2, 6, 4)
    with torch.inference_mode():
        found = count_macs(lambda: torch.nn.functional.scaled_dot_product_attention(query, query, query))
    assert found == 2 * (2 * 6 * 6 * 4)


def test_nothing_of_torch_is_none():
    assert count_macs(lambda: sum(range(10))) is None
