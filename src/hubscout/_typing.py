"""Types that more than one layer uses."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

TaskKind: TypeAlias = Literal[
    "classification", "multilabel", "regression", "detection", "token_classification", "segmentation"
]
Modality: TypeAlias = Literal["image", "text", "features"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.intp]
# An array of any array-API library: NumPy, torch, CuPy, JAX. No protocol of the standard is typed yet.
Array: TypeAlias = Any
