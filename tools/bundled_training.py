"""The ways in which the bundled encoders learn: supervised, rotation, contrastive, autoencoder, not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH = 64


@dataclass(frozen=True)
class Lesson:
    """What one encoder learns with and from; its modules are changed in place.

    Parameters
    ----------
    encoder : torch.nn.Sequential
        Gives features (b, D).
    head : torch.nn.Linear or None
        From features to source classes.
    images : Tensor of shape (n, channels, H, W)
        Normalised.
    labels : Tensor of shape (n,)
        Source classes.
    """

    encoder: nn.Sequential
    head: nn.Linear | None
    images: Tensor
    labels: Tensor

    @property
    def width(self) -> int:
        """Width of the features."""
        with torch.inference_mode():
            return int(self.encoder.eval()(self.images[:1]).shape[1])


def train_supervised(lesson: Lesson, *, steps: int, distort: bool = False, wrong_labels: float = 0.0) -> None:
    """Minimise the cross-entropy of the source classes.

    Parameters
    ----------
    lesson : Lesson
        With a head.
    steps : int
        Number of optimiser steps.
    distort : bool, default False
        Whether images are distorted a little, anew in each step.
    wrong_labels : float, default 0
        Share of the labels that are drawn at random beforehand.
    """
    modules = _with_head(lesson)
    images, labels = lesson.images, lesson.labels
    is_wrong = torch.rand(len(labels)) < wrong_labels
    labels = torch.where(is_wrong, labels[torch.randperm(len(labels))], labels)

    def loss(rows: Tensor) -> Tensor:
        batch = _distorted(images[rows]) if distort else images[rows]
        return functional.cross_entropy(modules(batch), labels[rows])

    _minimise(loss, modules, len(images), steps)


def train_rotation(lesson: Lesson, *, steps: int) -> None:
    """Tell by how many quarter turns an image was turned."""
    modules = _with_head(lesson)

    def loss(rows: Tensor) -> Tensor:
        turns = torch.randint(0, 4, (len(rows),))
        turned = [torch.rot90(lesson.images[row], int(k), (1, 2)) for row, k in zip(rows, turns, strict=True)]
        return functional.cross_entropy(modules(torch.stack(turned)), turns)

    _minimise(loss, modules, len(lesson.images), steps)


def train_contrastive(lesson: Lesson, *, steps: int) -> None:
    """Find the other view of the same image among the views of a batch (the SimCLR loss)."""
    projector = nn.Sequential(nn.Linear(lesson.width, 96), nn.ReLU(), nn.Linear(96, 32))
    modules = nn.Sequential(lesson.encoder, projector)

    def loss(rows: Tensor) -> Tensor:
        views = torch.cat([_distorted(lesson.images[rows]), _distorted(lesson.images[rows])])
        codes = functional.normalize(modules(views), dim=1)
        likeness = codes @ codes.T / 0.2
        likeness = likeness.masked_fill(torch.eye(len(codes), dtype=torch.bool), -torch.inf)
        partner = torch.arange(len(codes)).roll(len(rows))
        return functional.cross_entropy(likeness, partner)

    _minimise(loss, modules, len(lesson.images), steps, batch=128)


def train_autoencoder(lesson: Lesson, *, steps: int) -> None:
    """Rebuild the image, at half its resolution, from the features."""
    small = functional.avg_pool2d(lesson.images, 2).flatten(1)
    decoder = nn.Sequential(nn.Linear(lesson.width, 128), nn.ReLU(), nn.Linear(128, small.shape[1]))
    modules = nn.Sequential(lesson.encoder, decoder)

    def loss(rows: Tensor) -> Tensor:
        return functional.mse_loss(modules(lesson.images[rows]), small[rows])

    _minimise(loss, modules, len(lesson.images), steps)


def train_then_scale(lesson: Lesson, *, steps: int, factor: float) -> None:
    """Train supervised, multiply all features, and divide the head, so that the logits stay as they are."""
    train_supervised(lesson, steps=steps)
    last = _last_normalisation(lesson.encoder)
    with torch.no_grad():
        last.weight.mul_(factor)
        last.bias.mul_(factor)
        if lesson.head is not None:
            lesson.head.weight.div_(factor)


def train_half_dead(lesson: Lesson, *, steps: int) -> None:
    """Make the second half of the features zero for every image, beyond any gradient, and train supervised."""
    last = _last_normalisation(lesson.encoder)
    with torch.no_grad():
        last.weight[last.num_features // 2 :] = 0
        last.bias[last.num_features // 2 :] = -1
    train_supervised(lesson, steps=steps)


def leave_untrained(lesson: Lesson) -> None:
    """Keep the initial weights."""


def _with_head(lesson: Lesson) -> nn.Sequential:
    if lesson.head is None:
        msg = "head must be there for a recipe with source classes, got None: give the recipe its number of classes."
        raise ValueError(msg)
    return nn.Sequential(lesson.encoder, lesson.head)


def _last_normalisation(encoder: nn.Sequential) -> nn.BatchNorm2d:
    return [layer for layer in encoder if isinstance(layer, nn.BatchNorm2d)][-1]


def _distorted(images: Tensor) -> Tensor:
    """Shift, scale and turn each image a little, and change its contrast."""
    n = len(images)
    angle, shear = torch.randn(2, n) * 0.2
    scale = 1 + torch.randn(2, n) * 0.12
    rows = [
        torch.stack([scale[0] * angle.cos(), shear - angle.sin(), torch.randn(n) * 0.1], dim=1),
        torch.stack([angle.sin(), scale[1] * angle.cos(), torch.randn(n) * 0.1], dim=1),
    ]
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return moved * (1 + torch.randn(n, 1, 1, 1) * 0.2) + torch.randn_like(moved) * 0.05


def _minimise(
    loss: Callable[[Tensor], Tensor], modules: nn.Module, n: int, steps: int, rate: float = 2e-3, batch: int = BATCH
) -> None:
    """Take AdamW steps with a cosine schedule over shuffled batches."""
    optimizer = torch.optim.AdamW(modules.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    modules.train()
    for _, rows in zip(range(steps), _batches(n, batch), strict=False):
        optimizer.zero_grad()
        loss(rows).backward()
        optimizer.step()
        schedule.step()
    modules.eval()


def _batches(n: int, batch: int) -> Iterator[Tensor]:
    """Give row numbers, each row once before any comes again."""
    while True:
        order = torch.randperm(n)
        yield from order[: n - n % batch].split(batch)
