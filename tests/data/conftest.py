"""Pictures and folders of pictures that the reader tests share."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """Encode a noisy picture of the given seed, size and format."""

    def make(seed: int = 0, size: tuple[int, int] = (12, 10), file_format: str = "PNG") -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, file_format)
        return buffer.getvalue()

    return make


@pytest.fixture
def folder(tmp_path: Path, picture: Callable[..., bytes]) -> Callable[..., Path]:
    """Write a different picture under each of the given paths, and return the folder."""

    def make(*pictures: str, root: str = "pets") -> Path:
        for seed, name in enumerate(pictures):
            file = tmp_path / root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture(seed))
        return tmp_path / root

    return make
