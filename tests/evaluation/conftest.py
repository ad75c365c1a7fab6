"""A tiny world to fine-tune in; its modules are importable by name, as a user's own are."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubscout.data.task import Target, Task

sys.path.insert(0, str(Path(__file__).parent))

from tiny_world import Listed, colour_target


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path):
    """Checkpoints and history of a test are its own."""
    monkeypatch.setenv("HUBSCOUT_HOME", str(tmp_path / "home"))


@pytest.fixture
def image_address():
    def address(factory: str = "pictures", **arguments) -> str:
        query = "&".join(f"{name}={value}" for name, value in arguments.items())
        return f"torch:tiny_factories:{factory}?{query}&input_size=12&mean=0.5&std=0.5".replace("?&", "?")

    return address


@pytest.fixture
def image_target():
    return colour_target


@pytest.fixture
def brightness_target():
    """Regression: how bright a picture is."""

    def make(n: int = 60, seed: int = 0) -> Target:
        rng = np.random.default_rng(seed)
        values = rng.uniform(0, 1, n)
        pixels = (200 * values)[:, None, None, None] + rng.integers(0, 50, (n, 12, 12, 3))
        pictures = [Image.fromarray(each.astype(np.uint8)) for each in pixels]
        return Target(Task("brightness", "regression", "image"), Listed(pictures), values, "train")

    return make


@pytest.fixture
def text_target():
    def make(n: int = 60, seed: int = 0) -> Target:
        rng = np.random.default_rng(seed)
        labels = np.arange(n) % 2
        texts = ["".join(rng.choice(list("abcx" if label else "abcy"), 10)) for label in labels]
        return Target(Task("letters", "classification", "text", ("x", "y")), Listed(texts), labels, "train")

    return make
