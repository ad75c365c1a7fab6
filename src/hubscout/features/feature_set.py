"""The features of one candidate on one probe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from hubscout.errors import DataError


@dataclass(frozen=True)
class FeatureSet:
    """Features, labels and where they come from; the arrays are read-only and may be memory-mapped.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        One row a sample, in the order of the probe; float32 or float16 where an encoder made them, the file's own
        type where they were read.
    labels : ndarray of shape (n_samples,)
        Label codes, or float targets.
    source_logits : ndarray of shape (n_samples, source_classes), or None
        The source head's output before the softmax.
    provenance : dict
        Plain JSON values: the card, the probe's fingerprint, seconds, rate, rows taken from the store.

    Raises
    ------
    DataError
        When the arrays do not have one row a sample.
    """

    features: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    source_logits: npt.NDArray[Any] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.labels)
        for name in ("features", "source_logits"):
            array = getattr(self, name)
            if array is not None and (array.ndim != 2 or array.shape[0] != n):
                msg = f"{name} must have shape (n_samples, width) with n_samples = {n}, got {array.shape}"
                raise DataError(msg)
