"""Types that more than one layer uses."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

TaskKind: TypeAlias = Literal[
    "classification", "multilabel", "regression", "detection", "token_classification", "segmentation"
]
Modality: TypeAlias = Literal["image", "text", "features"]
# What one row of the features belongs to: a whole sample, a pair of texts, or a part of a sample.
Unit: TypeAlias = Literal["sample", "pair", "box", "word", "point"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.intp]
# An array of any array-API library: NumPy, torch, CuPy, JAX. No protocol of the standard is typed yet.
Array: TypeAlias = Any
