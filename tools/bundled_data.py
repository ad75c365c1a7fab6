"""What the bundled encoders learn from: drawn glyphs, shapes and textures, and the digits the target leaves out.

Every function gives images (n, 3 or 1, 32, 32), the digits (n, 1, 16, 16), as float32 in 0 to 1 and labels (n,).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from hubscout.data.digits import TARGET_DIGITS, load_digit_pixels

SIZE = 32
DIGIT_SIZE = 16
_DRAWN = 128  # drawn four times larger and reduced, so that edges are smooth
SHAPES = ("disc", "ring", "square", "triangle", "cross", "star", "bars", "moon")
TEXTURES = ("stripes", "checks", "dots", "rings", "white noise", "cloud", "plaid", "bricks")
N_GLYPHS = 30

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
_Generator = np.random.Generator


def drawn_glyphs(n: int, seed: int) -> tuple[Images, Labels]:
    """Draw invented characters: each class is two or three curved strokes, each image a wobbling copy of them.

    They pass through 8 x 8 pixels of 17 grey levels, the resolution of the target, but no stroke is taken from a
    digit: the classes are random curves.
    """
    rng = np.random.default_rng(seed)
    # The alphabet is the same for every seed, so that training and check images share their classes.
    alphabet_rng = np.random.default_rng(2024)
    alphabet = [alphabet_rng.uniform(-0.1, 1.1, (int(alphabet_rng.integers(2, 4)), 4, 2)) for _ in range(N_GLYPHS)]
    labels = np.arange(n) % N_GLYPHS
    images = [_low_resolution(_draw_glyph(alphabet[label], rng)) for label in labels]
    return np.stack(images)[:, None].astype(np.float32), labels.astype(np.int64)


def _draw_glyph(strokes: npt.NDArray[Any], rng: _Generator) -> Image.Image:
    """Draw one wobbling copy of a character."""
    angle, shear = rng.normal(0, 0.12, 2)
    scale = rng.uniform(0.8, 1.05, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle) + shear], [np.sin(angle), np.cos(angle)]]) * scale
    points = (strokes - 0.5 + rng.normal(0, 0.045, strokes.shape)) @ turn.T + 0.5 + rng.normal(0, 0.02, 2)
    time = np.linspace(0, 1, 16)[:, None]
    weights = np.hstack([(1 - time) ** 3, 3 * time * (1 - time) ** 2, 3 * time**2 * (1 - time), time**3])
    canvas = Image.new("L", (_DRAWN, _DRAWN))
    brush = ImageDraw.Draw(canvas)
    width = int(rng.integers(11, 19))
    for stroke in points:
        curve = [(float(x), float(y)) for x, y in weights @ stroke * _DRAWN]
        brush.line(curve, fill=255, width=width, joint="curve")
    return canvas


def _low_resolution(canvas: Image.Image) -> npt.NDArray[Any]:
    """Reduce to 8 x 8 pixels of 17 levels and enlarge again, as the digits are."""
    small = np.asarray(canvas.resize((8, 8), Image.Resampling.BOX), dtype=np.float32) / 255
    levels = np.rint(np.clip(small * 1.4, 0, 1) * 16) * (255 / 16)
    enlarged = Image.fromarray(np.rint(levels).astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(enlarged, dtype=np.float32) / 255


def drawn_shapes(n: int, seed: int) -> tuple[Images, Labels]:
    """Draw filled coloured shapes of any size, place and turn on a coloured ground."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(SHAPES)
    images = np.stack([_draw_shape(SHAPES[label], rng) for label in labels])
    return images.transpose(0, 3, 1, 2).astype(np.float32), labels.astype(np.int64)


def _draw_shape(shape: str, rng: _Generator) -> npt.NDArray[Any]:
    """Draw one shape as an array (32, 32, 3)."""
    side = _DRAWN // 2
    ground, ink = _two_colours(rng)
    canvas = Image.new("RGB", (side, side), ground)
    brush = ImageDraw.Draw(canvas)
    radius = rng.uniform(0.25, 0.42) * side
    x, y = rng.uniform(radius, side - radius, 2)
    turn = rng.uniform(0, 2 * np.pi)

    def polygon(angles: Any, radii: Any) -> list[tuple[float, float]]:
        angles = np.asarray(angles) + turn
        return list(zip(x + radii * radius * np.cos(angles), y + radii * radius * np.sin(angles), strict=True))

    box = (x - radius, y - radius, x + radius, y + radius)
    inner = radius * rng.uniform(0.45, 0.65)
    if shape in ("disc", "ring", "moon"):
        brush.ellipse(box, fill=ink)
    if shape == "ring":
        brush.ellipse((x - inner, y - inner, x + inner, y + inner), fill=ground)
    if shape == "moon":
        dx, dy = radius * 0.6 * np.cos(turn), radius * 0.6 * np.sin(turn)
        brush.ellipse((box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy), fill=ground)
    if shape == "square":
        brush.polygon(polygon(np.arange(4) * np.pi / 2, np.ones(4)), fill=ink)
    if shape == "triangle":
        brush.polygon(polygon(np.arange(3) * 2 * np.pi / 3, np.ones(3)), fill=ink)
    if shape == "star":
        brush.polygon(polygon(np.arange(10) * np.pi / 5, np.tile([1.0, 0.4], 5)), fill=ink)
    if shape in ("cross", "bars"):
        turns = (0.0, np.pi / 2) if shape == "cross" else (0.0,)
        width = 0.32 if shape == "cross" else 0.22
        for extra in turns:
            angles = np.array([width, np.pi - width, np.pi + width, -width]) + extra
            brush.polygon(polygon(angles, np.ones(4)), fill=ink)
    return np.asarray(canvas.resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.float32) / 255


def _two_colours(rng: _Generator) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Draw two colours that can be told apart."""
    while True:
        first, second = rng.integers(0, 256, (2, 3))
        if np.abs(first - second).sum() > 150:
            return (int(first[0]), int(first[1]), int(first[2])), (int(second[0]), int(second[1]), int(second[2]))


def drawn_textures(n: int, seed: int) -> tuple[Images, Labels]:
    """Compute coloured textures of any frequency, direction and phase."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(TEXTURES)
    images = np.empty((n, 3, SIZE, SIZE), dtype=np.float32)
    for place, label in enumerate(labels):
        pattern = _texture(TEXTURES[label], rng)
        ground, ink = (np.array(colour, dtype=np.float32)[:, None, None] / 255 for colour in _two_colours(rng))
        images[place] = ground + (ink - ground) * pattern
    images += rng.normal(0, 0.03, images.shape).astype(np.float32)
    return np.clip(images, 0, 1), labels.astype(np.int64)


def _texture(name: str, rng: _Generator) -> npt.NDArray[Any]:
    """Compute one pattern (32, 32) in 0 to 1."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    turn = rng.uniform(0, np.pi)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    step = 2 * np.pi / rng.uniform(5, 11)
    phase, other = rng.uniform(0, 2 * np.pi, 2)
    wave, across = np.sin(step * u + phase), np.sin(step * v + other)
    centre = rng.uniform(-8, 8, 2)
    noise = rng.normal(size=(SIZE, SIZE))
    radius = np.hypot(x - centre[0], y - centre[1])
    patterns: dict[str, Callable[[], Any]] = {
        "stripes": lambda: wave,
        "checks": lambda: np.sign(wave * across),
        "dots": lambda: np.where((wave > 0.3) & (across > 0.3), 1.0, -1.0),
        "rings": lambda: np.sin(step * radius + phase),
        "white noise": lambda: noise,
        "cloud": lambda: _smooth(noise),
        "plaid": lambda: (wave + across) / 2,
        "bricks": lambda: np.where((np.abs(wave) < 0.25) | (np.abs(across) < 0.1), -1.0, 1.0),
    }
    return np.asarray(np.clip(patterns[name]() * 0.5 + 0.5, 0, 1))


def _smooth(noise: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Keep the low frequencies of noise."""
    fy, fx = np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE), indexing="ij")
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((fx**2 + fy**2) * 300))).real
    return np.asarray(smooth / (smooth.std() + 1e-9))


def other_digits(n: int, seed: int) -> tuple[Images, Labels]:
    """Give the real digits that the target leaves out, in random order, at most n of them."""
    pixels, digits = load_digit_pixels()
    rows = np.flatnonzero(~np.isin(digits, TARGET_DIGITS))
    rows = np.random.default_rng(seed).permutation(rows)[:n]
    images = [enlarged(pixels[row], DIGIT_SIZE) for row in rows]
    return np.stack(images)[:, None].astype(np.float32) / np.float32(255), digits[rows].astype(np.int64)


def enlarged(pixels: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Resize one grey image to a square, bilinearly, as the adapter does."""
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))
