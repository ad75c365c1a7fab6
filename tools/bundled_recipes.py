"""Which encoders the bundled hub holds: what each one learns, from which images, and from which seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

import bundled_data as data
import bundled_training as training
from bundled_network import bottleneck_encoder, conv_encoder


@dataclass(frozen=True)
class Source:
    """One body of source images: how it is made, how many, and the statistics that its encoders subtract."""

    make: Callable[[int, int], tuple[data.Images, data.Labels]]
    n: int
    mean: float
    std: float
    size: int = data.SIZE


SOURCES = {
    "drawn glyphs": Source(data.drawn_glyphs, 3000, 0.2, 0.3),
    "drawn shapes": Source(data.drawn_shapes, 3200, 0.5, 0.3),
    "drawn textures": Source(data.drawn_textures, 3200, 0.5, 0.27),
    "digits 0-3": Source(data.other_digits, 720, 0.3, 0.32, data.DIGIT_SIZE),
    # An untrained encoder still has a size and a normalisation; the image is never learned from.
    "none": Source(data.drawn_shapes, 1, 0.5, 0.3),
}


@dataclass(frozen=True)
class Recipe:
    """How one encoder comes to be; ``classes`` is the width of its source head, None without one."""

    name: str
    text: str
    source: str
    seed: int
    build: Callable[[], nn.Sequential]
    learn: Callable[[training.Lesson], None]
    classes: int | None = None


def _small(channels: int, width: int = 64) -> Callable[[], nn.Sequential]:
    return partial(conv_encoder, channels, (16, 32, 40, width), (2, 2, 1, 2))


_WIDE = partial(conv_encoder, 1, (24, 48, 48, 192), (2, 2, 1, 2))
_DEEP = partial(conv_encoder, 1, (16, 24, 24, 32, 32, 48, 48, 64), (2, 1, 2, 1, 1, 2, 1, 1))
_SMALL_IMAGES = partial(conv_encoder, 1, (16, 32, 40, 64), (1, 2, 1, 2))
_BOTTLENECK = partial(bottleneck_encoder, 1, data.SIZE, (16, 32, 48), (2, 2, 2), 32)
_supervised = training.train_supervised

RECIPES = (
    Recipe("glyphs_supervised", "supervised for 600 steps", "drawn glyphs", 1, _small(1),
           partial(_supervised, steps=600), data.N_GLYPHS),
    Recipe("glyphs_wide", "supervised for 600 steps, wider", "drawn glyphs", 2, _WIDE,
           partial(_supervised, steps=600), data.N_GLYPHS),
    Recipe("glyphs_deep", "supervised for 500 steps, twice as deep", "drawn glyphs", 3, _DEEP,
           partial(_supervised, steps=500), data.N_GLYPHS),
    Recipe("glyphs_undertrained", "supervised, stopped after 40 steps", "drawn glyphs", 4, _small(1),
           partial(_supervised, steps=40), data.N_GLYPHS),
    Recipe("glyphs_label_noise", "supervised, 90 % of the labels drawn at random", "drawn glyphs", 5, _small(1),
           partial(_supervised, steps=500, wrong_labels=0.9), data.N_GLYPHS),
    Recipe("glyphs_rotation", "tells quarter turns", "drawn glyphs", 6, _small(1),
           partial(training.train_rotation, steps=500), 4),
    Recipe("glyphs_contrastive", "two views of an image agree (SimCLR loss)", "drawn glyphs", 7, _small(1, 96),
           partial(training.train_contrastive, steps=350)),
    Recipe("glyphs_autoencoder", "rebuilds the image from 32 numbers", "drawn glyphs", 8, _BOTTLENECK,
           partial(training.train_autoencoder, steps=600)),
    Recipe("shapes_supervised", "supervised for 1500 steps", "drawn shapes", 9, _small(3),
           partial(_supervised, steps=1500), len(data.SHAPES)),
    Recipe("shapes_half_dead", "supervised, half of the features always 0", "drawn shapes", 10, _small(3, 96),
           partial(training.train_half_dead, steps=400), len(data.SHAPES)),
    Recipe("textures_supervised", "supervised for 1200 steps", "drawn textures", 11, _small(3, 128),
           partial(_supervised, steps=1200), len(data.TEXTURES)),
    Recipe("textures_scaled", "supervised, features 50 times larger", "drawn textures", 12, _small(3),
           partial(training.train_then_scale, steps=300, factor=50), len(data.TEXTURES)),
    Recipe("digits_supervised", "supervised on distorted images", "digits 0-3", 13, _SMALL_IMAGES,
           partial(_supervised, steps=600, distort=True), 4),
    Recipe("random", "initial weights, never trained", "none", 14, _small(3), training.leave_untrained),
)  # fmt: skip
