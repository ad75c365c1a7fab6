"""A tiny text encoder for `torch:` addresses: words become hashed vectors, and look one word to the left."""

from __future__ import annotations

import zlib
from typing import Any

import torch


class HashedWords(torch.nn.Module):
    """One token a word; its vector is random, but the same for the same word."""

    max_len = 64

    def __init__(self, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.table = torch.nn.Parameter(torch.randn(512, width, generator=generator))
        self.depth = depth

    def tokenize(self, text: str) -> list[int]:
        return [1 + zlib.crc32(word.encode()) % 511 for word in text.split()]

    def hidden(self, ids: Any) -> list[Any]:
        layers = [self.table[ids]]
        for _ in range(self.depth):
            before = torch.nn.functional.pad(layers[-1], (0, 0, 1, 0))[:, :-1]
            layers.append(torch.tanh(layers[-1] + 0.3 * before))
        return layers

    def forward(self, ids: Any, mask: Any) -> Any:
        return self.hidden(ids)[-1]


def build(width: int = 16) -> HashedWords:
    return HashedWords(width)
