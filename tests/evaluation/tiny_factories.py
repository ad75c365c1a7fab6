"""Tiny modules with the surface that `torch:` addresses ask for."""

from __future__ import annotations

import torch


def pictures(width: int = 8, dropout: float = 0.0) -> torch.nn.Module:
    """Two convolutions with batch normalisation and dropout, and a source head."""
    torch.manual_seed(1)
    return _Pictures(width, dropout)


def texts(width: int = 8) -> torch.nn.Module:
    """An embedding of letters and a layer, one vector a token."""
    torch.manual_seed(1)
    return _Texts(width)


def broken(width: int = 8) -> torch.nn.Module:
    """A module whose output is no number as soon as it learns."""
    torch.manual_seed(1)
    return _Broken(width, 0.0)


class _Pictures(torch.nn.Module):
    num_classes = 4

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, width, 3, stride=2, bias=False),
            torch.nn.BatchNorm2d(width),
            torch.nn.ReLU(),
            torch.nn.Dropout(dropout),
            torch.nn.Conv2d(width, width, 3),
            torch.nn.ReLU(),
        )
        self.head = torch.nn.Linear(width, self.num_classes)

    def get_classifier(self) -> torch.nn.Module:
        return self.head

    def forward_features(self, batch: torch.Tensor) -> torch.Tensor:
        return self.body(batch)

    def forward_head(self, maps: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        pooled = maps.mean((2, 3))
        return pooled if pre_logits else self.head(pooled)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(batch))


class _Broken(_Pictures):
    def forward_features(self, batch: torch.Tensor) -> torch.Tensor:
        maps = super().forward_features(batch)
        return maps * float("nan") if self.training else maps


class _Texts(torch.nn.Module):
    max_len = 16

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(128, width)
        self.layer = torch.nn.Linear(width, width)

    def tokenize(self, text: str) -> list[int]:
        return [min(ord(letter), 127) for letter in text]

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(self.embedding(ids)))
