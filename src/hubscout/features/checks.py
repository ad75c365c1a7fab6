"""What an encoder returned, held against what its card promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import CandidateError
from hubscout.models.card import EncodedBatch, ModelCard

_REMEDY = "leave the candidate out or mend its adapter"


class BatchChecker:
    """Checks every batch of one extraction, and turns it into the stored precision.

    Parameters
    ----------
    card : ModelCard
        Of the candidate.
    name : callable
        Gives the name of a sample from its row.
    dtype : {"float32", "float16"}
        Precision of the features.
    logits_width : int or None or "unknown"
        Width of the logits of earlier rows, None when they have none.
    """

    def __init__(
        self,
        card: ModelCard,
        name: Callable[[int], str],
        dtype: str,
        logits_width: int | str | None = "unknown",
    ) -> None:
        self.card = card
        self._name = name
        self._dtype = np.dtype(dtype)
        self._logits_width = logits_width

    def check(self, batch: EncodedBatch, rows: Sequence[int]) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        """Check one batch.

        Parameters
        ----------
        batch : EncodedBatch
            What the encoder returned.
        rows : sequence of int
            The sample of each row in it.

        Returns
        -------
        features : ndarray of shape (b, n_features), float32 or float16
            In the stored precision.
        logits : ndarray of shape (b, source_classes), float32, or None
            As the encoder returned them.

        Raises
        ------
        CandidateError
            When a shape is wrong or a value is not finite.
        """
        features = self._array("features", batch.features, rows)
        if features.shape[1] != self.card.feature_dim:
            self._refuse(
                f"returned features of width {features.shape[1]} at sample {self._name(rows[0])!r} where its "
                f"card promises {self.card.feature_dim}"
            )
        logits = None if batch.logits is None else self._array("logits", batch.logits, rows)
        width = None if logits is None else int(logits.shape[1])
        if self._logits_width == "unknown":
            self._logits_width = width
        if width != self._logits_width:
            self._refuse(
                f"returned logits of width {width} at sample {self._name(rows[0])!r} where earlier batches "
                f"had width {self._logits_width}"
            )
        return self._rounded(features, rows), logits

    def _array(self, what: str, value: Any, rows: Sequence[int]) -> npt.NDArray[np.float32]:
        array = np.asarray(value)
        if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] == 0:
            self._refuse(
                f"must return {what} as a matrix of real numbers, got shape {array.shape} and dtype "
                f"{array.dtype} at sample {self._name(rows[0])!r}"
            )
        if len(array) != len(rows):
            of = "samples" if len(set(rows)) == len(rows) else "rows"
            self._refuse(
                f"returned {len(array)} rows of {what} for the {len(rows)} {of} that begin at {self._name(rows[0])!r}"
            )
        with np.errstate(over="ignore"):
            single = array.astype(np.float32, copy=False)
        self._require_finite(what, array, single, rows)
        return single

    def _require_finite(
        self, what: str, given: npt.NDArray[Any], stored: npt.NDArray[Any], rows: Sequence[int]
    ) -> None:
        finite = np.isfinite(stored)
        if finite.all():
            return
        i, j = (int(k) for k in np.argwhere(~finite)[0])
        where = f"in column {j} of the {what} of sample {self._name(rows[i])!r}"
        value = float(given[i, j])
        if not np.isfinite(value):
            self._refuse(f"returned {value} {where}")
        limit = float(np.finfo(stored.dtype).max)
        msg = (
            f"candidate {self.card.address!r} returned {value:.6g} {where}, beyond the largest "
            f"{stored.dtype}, {limit:.6g}; extract with dtype='float32', or leave the candidate out"
        )
        raise CandidateError(msg)

    def _rounded(self, features: npt.NDArray[np.float32], rows: Sequence[int]) -> npt.NDArray[Any]:
        if self._dtype == np.float32:
            return features
        with np.errstate(over="ignore"):
            half = features.astype(self._dtype)
        self._require_finite("features", features, half, rows)
        return half

    def _refuse(self, what: str) -> None:
        msg = f"candidate {self.card.address!r} {what}; {_REMEDY}"
        raise CandidateError(msg)


def largest_difference(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float | None:
    """Compare the features of two runs of the same batch.

    Parameters
    ----------
    first, second : ndarray of shape (b, n_features)
        Finite.

    Returns
    -------
    float or None
        None when they agree up to rounding; else the largest difference relative to the largest feature.

    Examples
    --------
    >>> largest_difference(np.ones((1, 2)), np.array([[1.0, 1.5]]))
    0.3333333333333333
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    scale = float(max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0)))
    # Float16 keeps 11 bits; parallel sums on an accelerator differ in the last bits of float32.
    tolerance = 1e-2 if first.dtype == np.float16 else 1e-4
    if np.allclose(a, b, rtol=tolerance, atol=tolerance * 0.1 * scale):
        return None
    return float(np.abs(a - b).max()) / scale
