"""Coordinates of all samples in the leading components, kept while they are small: several scores ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hubscout._typing import Array, IntArray
from hubscout.stats import Spectrum, Statistics, chunks
from hubscout.stats.namespace import like, namespace


@dataclass(frozen=True)
class LeadingCoordinates:
    """Coordinates, or the way to compute them again.

    Parameters
    ----------
    statistics : Statistics
        Its labels are not looked at.
    spectrum : Spectrum
        Of the components; another decomposition may have other signs.
    kept : array of shape (n_samples, n_components), or None
        None where they would take too much memory.
    """

    statistics: Statistics
    spectrum: Spectrum
    kept: Array | None

    def walk(self, *, width: int, rows: IntArray | None = None) -> Iterator[tuple[Any, Array]]:
        """Walk over the coordinates by chunks of rows.

        Parameters
        ----------
        width : int
            Numbers a row that the caller makes beside the coordinates.
        rows : ndarray of shape (n_chosen,), int, optional
            Walk over these samples alone, in this order.

        Yields
        ------
        rows : slice, or ndarray of int when ``rows`` were chosen
        coordinates : array of shape (rows, n_components)
        """
        if self.kept is None:
            yield from self.statistics.coordinates(self.spectrum, width=width, rows=rows)
            return
        n_rows = self.kept.shape[0] if rows is None else len(rows)
        for part in chunks.row_slices(n_rows, 8 * (width + self.spectrum.n_components)):
            if rows is None:
                yield part, self.kept[part, :]
            else:
                index = like(rows[part].astype("int64"), self.kept)
                yield rows[part], namespace(self.kept).take(self.kept, index, axis=0)


def leading_coordinates(statistics: Statistics, n_components: int | None) -> LeadingCoordinates:
    """Return the coordinates in the leading components, or in all of them for None.

    They know no labels: statistics with other labels of the same features share them.
    """
    spectrum = statistics.spectrum(n_components)
    if 8 * statistics.n_samples * spectrum.n_components > chunks.CHUNK_BYTES // 2:
        return LeadingCoordinates(statistics, spectrum, None)

    def compute() -> LeadingCoordinates:
        blocks = [block for _, block in statistics.coordinates(spectrum)]
        return LeadingCoordinates(statistics, spectrum, namespace(blocks[0]).concat(blocks, axis=0))

    return statistics.remember(("leading_coordinates", n_components), compute)
