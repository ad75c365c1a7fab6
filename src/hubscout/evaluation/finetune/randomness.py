"""torch's random numbers, without touching the caller's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def own_randomness(device: str) -> Iterator[None]:
    """Put torch's random state back on leaving.

    Parameters
    ----------
    device : str
        Whose state is used beside the CPU's.
    """
    import torch

    kind, _, number = device.partition(":")
    with torch.random.fork_rng(devices=[int(number or 0)] if kind == "cuda" else []):
        yield
