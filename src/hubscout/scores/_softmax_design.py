"""Samples as the design of a linear model with an intercept, kept in memory or walked over anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hubscout._typing import Array, FloatArray
from hubscout.stats import Spectrum, Statistics, chunks
from hubscout.stats.namespace import is_single_precision, namespace


class Design:
    """Samples in a spectrum's coordinates, divided by a scale, with a one beside them for the intercept.

    They are kept where they take no more than a chunk. Elsewhere each walk gives centred features instead, and weights
    go through the spectrum's vectors: that costs no product of samples and vectors.

    Parameters
    ----------
    statistics : Statistics
    spectrum : Spectrum
        Centred.
    scale : float
    """

    def __init__(self, statistics: Statistics, spectrum: Spectrum, scale: float) -> None:
        self.statistics, self.spectrum, self.scale = statistics, spectrum, scale
        self.n_weights = spectrum.n_components
        self.is_single = statistics.is_large and is_single_precision(statistics.features)
        self._kept: list[tuple[Any, Array]] | None = None
        if (4 if self.is_single else 8) * statistics.n_samples * self.n_weights <= chunks.CHUNK_BYTES:
            width = self.n_weights + 4 * statistics.n_targets
            walk = statistics.coordinates(spectrum, width=width)
            self._kept = [(rows, _with_one(block)) for rows, block in walk]

    @property
    def variances(self) -> FloatArray:
        """Mean square of each column, the intercept's last, (n_weights + 1,)."""
        squares = self.spectrum.singular_values**2 / (self.statistics.n_samples * self.scale**2)
        return np.append(squares, 1.0)

    def walk(self) -> Iterator[tuple[Any, Array]]:
        """Walk over (rows, columns of these samples): for weights that are spread out, and gradients to gather."""
        if self._kept is not None:
            yield from self._kept
            return
        for rows, chunk in self.statistics.chunks(width=4 * self.statistics.n_targets, single=self.is_single):
            yield rows, _with_one(chunk - namespace(chunk).astype(self.spectrum.mean, chunk.dtype)[None, :])

    def spread_out(self, weights: Array) -> Array:
        """Return weights (n_weights + 1, n_classes) as those of the columns of `walk`."""
        xp = namespace(weights)
        slopes = weights[:-1, :] / self.scale
        if self._kept is None:
            slopes = xp.matmul(self.spectrum.right_vectors, slopes)
        return xp.concat([slopes, weights[-1:, :]], axis=0)

    def gathered(self, gradient: Array) -> Array:
        """Return a gradient in the columns of `walk` as one in the weights, (n_weights + 1, n_classes)."""
        xp = namespace(gradient)
        slopes = gradient[:-1, :] / self.scale
        if self._kept is None:
            slopes = xp.matmul(self.spectrum.right_vectors.T, slopes)
        return xp.concat([slopes, gradient[-1:, :]], axis=0)


def _with_one(block: Array) -> Array:
    xp = namespace(block)
    return xp.concat([block, xp.ones_like(block[:, :1])], axis=1)
