"""Modules that give maps in the ways that users' modules do, for tests of ``torch:`` addresses."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn


class Pyramid(nn.Module):
    """Returns maps of one width, each of half the resolution of the one before."""

    def __init__(self, width=4, levels=3, wider=0, **_):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, width + k * wider, 2 << k, stride=2 << k) for k in range(levels))

    def forward(self, x):
        maps = OrderedDict((str(k), conv(x)) for k, conv in enumerate(self.convs))
        maps["pool"] = maps["0"][:, :, ::9, ::9]
        return maps


class Detector(nn.Module):
    """Takes a list of pictures and returns boxes, as torchvision's detectors do; its maps are its backbone's."""

    def __init__(self):
        super().__init__()
        self.backbone = Pyramid()
        self.head = nn.Linear(4, 4)
        self.transform = nn.Identity()
        self.transform.image_mean, self.transform.image_std = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]

    def forward(self, pictures):
        return [{"boxes": picture.new_zeros((0, 4))} for picture in pictures]


class Stages(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 4, 2, 2), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(4, 6, 2, 2), nn.ReLU())
        self.fc = nn.Linear(6, 9)

    def forward(self, x):
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


class Tokens(nn.Module):
    """A transformer of two blocks with a class token and two registers."""

    def __init__(self, width=6, patch=8):
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.registers = nn.Parameter(torch.randn(1, 2, width))
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.GELU()) for _ in range(2))

    def forward(self, x):
        x = self.patch(x).flatten(2).mT
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.registers.expand(len(x), -1, -1), x], 1)
        for layer in self.encoder.layers:
            x = x + layer(x)
        return x[:, 0]


class Vector(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.conv(x).mean((2, 3))


def sequential():
    return nn.Sequential(
        nn.Conv2d(3, 4, 2, 2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 2, 2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def seeded(kind, **arguments):
    torch.manual_seed(0)
    return globals()[kind](**arguments)
