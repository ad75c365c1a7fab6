"""Prepared inputs, batch by batch: decoded once where memory allows, moved and mirrored while a model learns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from hubscout._typing import IntArray
from hubscout.errors import CandidateError
from hubscout.evaluation.finetune.data import Part
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.features.loader import default_threads, phrase

_KEPT_BYTES = 1024**3


class Inputs:
    """The inputs of one part, prepared for one candidate.

    Parameters
    ----------
    part : Part
        Of n samples.
    prepare : callable
        From a decoded sample to what the candidate takes; called from several threads.
    kept_bytes : int
        Prepared inputs are kept in memory up to this size; the others are read again in each epoch.
    """

    def __init__(self, part: Part, prepare: Callable[[Any], Any], *, kept_bytes: int = _KEPT_BYTES) -> None:
        self._samples = part.samples
        self._prepare = prepare
        self._room = kept_bytes
        self._kept: dict[int, Any] = {}

    def __len__(self) -> int:
        """Count the inputs."""
        return len(self._samples)

    def take(self, rows: IntArray) -> list[Any]:
        """Return some inputs, in the given order.

        Raises
        ------
        CandidateError
            When a sample cannot be prepared, naming it.
        """
        missing = [row for row in rows.tolist() if row not in self._kept]
        fresh: dict[int, Any] = {}
        if missing:
            with ThreadPoolExecutor(default_threads()) as pool:
                fresh = dict(zip(missing, pool.map(self._load, missing), strict=True))
        inputs = [self._kept[row] if row in self._kept else fresh[row] for row in rows.tolist()]
        for row, prepared in fresh.items():
            size = _n_bytes(prepared)
            if size <= self._room:
                self._room -= size
                self._kept[row] = prepared
        return inputs

    def _load(self, row: int) -> Any:
        try:
            return self._prepare(self._samples[row])
        except Exception as error:
            msg = (
                f"sample {self._samples.name(row)!r} cannot be prepared ({phrase(error)}); mend or remove it, or leave "
                "the candidate out"
            )
            raise CandidateError(msg) from error


def batches(n: int, size: int, generator: np.random.Generator | None = None) -> Iterator[IntArray]:
    """Divide n rows into batches of nearly equal size, none larger than asked.

    Parameters
    ----------
    n : int
        Rows.
    size : int
        Of a batch, at most.
    generator : numpy.random.Generator, optional
        Puts the rows into random order first.

    Yields
    ------
    ndarray of int

    Notes
    -----
    A last batch of one or two samples would spoil the statistics of batch normalisation, so the remainder is spread.

    Examples
    --------
    >>> [batch.tolist() for batch in batches(7, 3)]
    [[0, 1, 2], [3, 4], [5, 6]]
    """
    rows = np.arange(n, dtype=np.intp) if generator is None else generator.permutation(n).astype(np.intp)
    yield from np.array_split(rows, n_batches(n, size))


def n_batches(n: int, size: int) -> int:
    """Count the batches of `batches`."""
    return -(-n // size)


def augment(images: Any, recipe: Recipe, generator: np.random.Generator) -> Any:
    """Mirror and move the pictures of a batch.

    Parameters
    ----------
    images : Tensor of shape (b, channels, height, width), or mapping that holds one as ``pixel_values``
        Normalised. Inputs of any other form are left as they are.
    recipe : Recipe
        Whether pictures are mirrored, and how far they are moved.
    generator : numpy.random.Generator
        Decides for each picture.

    Returns
    -------
    Tensor of the same shape, or mapping
        What a move uncovers is filled up by reflection.
    """
    import torch

    if isinstance(images, Mapping):
        return {**images, "pixel_values": augment(images["pixel_values"], recipe, generator)}
    if images.ndim != 4:
        return images
    n, _, height, width = images.shape
    if recipe.flips:
        mirrored = torch.from_numpy(generator.random(n) < 0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    far = (int(recipe.shifts * height), int(recipe.shifts * width))
    if max(far) == 0:
        return images
    padded = torch.nn.functional.pad(images, (far[1], far[1], far[0], far[0]), mode="reflect")
    tops = generator.integers(0, 2 * far[0] + 1, n).tolist()
    lefts = generator.integers(0, 2 * far[1] + 1, n).tolist()
    moved = [
        picture[:, top : top + height, left : left + width]
        for picture, top, left in zip(padded, tops, lefts, strict=True)
    ]
    return torch.stack(moved).contiguous(memory_format=torch.channels_last)


def _n_bytes(prepared: Any) -> int:
    if isinstance(prepared, np.ndarray):
        return int(prepared.nbytes)
    if isinstance(prepared, Sequence):
        return 8 * len(prepared)
    return int(getattr(prepared, "nbytes", 1024))
