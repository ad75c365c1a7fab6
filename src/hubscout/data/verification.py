"""Decode each drawn sample once, and take the fingerprint of those that can be used."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from hubscout._typing import IntArray
from hubscout.data.samples import CheckedSamples
from hubscout.data.task import RowProblem, Samples
from hubscout.errors import DataError

_WINDOW = 64
_MOST_THREADS = 8


@dataclass(frozen=True)
class Verified:
    """Which samples can be used.

    Parameters
    ----------
    kept : ndarray of shape (n_kept,), intp
        Positions that decode, ascending.
    fingerprint : str
        SHA-256 over the contents of the kept samples in their order, each preceded by its length in eight
        bytes.
    problems : tuple of RowProblem
        The others.
    """

    kept: IntArray
    fingerprint: str
    problems: tuple[RowProblem, ...]


def verify_samples(samples: Samples, progress: Callable[[int, int], None] | None = None) -> Verified:
    """Read and decode all samples once.

    Parameters
    ----------
    samples : Samples
        n inputs.
    progress : callable, optional
        Called with the number of samples looked at, and n.

    Returns
    -------
    Verified
        The positions that decode, their fingerprint, and the problems of the others.
    """
    digest = hashlib.sha256()
    kept: list[int] = []
    problems: list[RowProblem] = []
    n = len(samples)
    with warnings.catch_warnings(), ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        # What an image library has to say about a strange file ends in our own list of problems.
        warnings.simplefilter("ignore")
        # In windows, so that the contents of a large probe are never in memory together.
        for start in range(0, n, _WINDOW):
            window = range(start, min(start + _WINDOW, n))
            for index, outcome in zip(window, pool.map(lambda i: _look_at(samples, i), window), strict=True):
                if isinstance(outcome, bytes):
                    kept.append(index)
                    digest.update(len(outcome).to_bytes(8, "little"))
                    digest.update(outcome)
                else:
                    problems.append(outcome)
            if progress is not None:
                progress(window.stop, n)
    return Verified(np.asarray(kept, dtype=np.intp), digest.hexdigest(), tuple(problems))


def _look_at(samples: Samples, index: int) -> bytes | RowProblem:
    try:
        if isinstance(samples, CheckedSamples):
            return samples.check(index)
        samples[index]
        return samples.content(index)
    except DataError as error:
        return RowProblem(samples.name(index), str(error))
