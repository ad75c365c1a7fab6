"""Samples in memory that a tiny module learns in a second, also for processes that tests start."""

from __future__ import annotations

import numpy as np
from PIL import Image

from hubscout.data.task import Target, Task
from hubscout.evaluation.finetune.recipe import Recipe

CLASSES = ("blue", "green", "red")


class Listed:
    """Samples from a list."""

    def __init__(self, items, first: int = 0) -> None:
        self.items, self.first = list(items), first

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]

    def content(self, index) -> bytes:
        item = self.items[index]
        return item.encode() if isinstance(item, str) else item.tobytes()

    def name(self, index) -> str:
        return f"sample {index}"

    def subset(self, rows):
        return Listed([self.items[row] for row in rows])


def coloured(n: int, seed: int = 0) -> tuple[list[Image.Image], np.ndarray]:
    """Noisy pictures, brightest in the channel of their class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    pixels = rng.integers(0, 160, (n, 12, 12, 3))
    pixels[np.arange(n), :, :, 2 - labels] += 60
    return [Image.fromarray(each.astype(np.uint8)) for each in pixels], labels


def colour_target(n: int = 60, seed: int = 0, split: str = "train") -> Target:
    """Three classes of pictures."""
    pictures, labels = coloured(n, seed)
    return Target(Task("colours", "classification", "image", CLASSES), Listed(pictures), labels, split)


# 48 training pictures make 6 steps an epoch.
INTERRUPTED = Recipe(learning_rates=(3e-3,), epochs=4, batch_size=8, patience=4)
