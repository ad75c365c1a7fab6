"""The array library of an input, and the crossing between it and NumPy.

Large arrays (features, Gram matrix, coordinates) stay in the library and on the device they came in; what is
small (class means in a few coordinates, singular values) crosses to NumPy once.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt

from hubscout._typing import Array, FloatArray, IntArray


def namespace(array: Array) -> Any:
    """Return the array-API namespace that an array belongs to."""
    return array_api_compat.array_namespace(array)


def is_numpy(array: Array) -> bool:
    """Tell whether an array is NumPy's own, for which SciPy's faster routines serve."""
    return isinstance(array, np.ndarray)


def to_numpy(array: Array) -> npt.NDArray[Any]:
    """Bring an array to NumPy on the host."""
    if is_numpy(array):
        return np.asarray(array)
    if array_api_compat.is_cupy_array(array):
        return np.asarray(array.get())
    if array_api_compat.is_torch_array(array):
        return np.asarray(array.detach().cpu().numpy())
    return np.asarray(array)


def one_hot(codes: IntArray, n_classes: int) -> FloatArray:
    """Return the indicator matrix of some class codes, (n, n_classes), without a square one of all classes."""
    indicators: FloatArray = (codes[:, None] == np.arange(n_classes)).astype(np.float64)
    return indicators


def like(array: npt.NDArray[Any], reference: Array) -> Array:
    """Bring a NumPy array to the library and device of ``reference``; floats also to its precision."""
    if array.dtype.kind == "f" and is_single_precision(reference):
        array = array.astype(np.float32)
    if is_numpy(reference):
        return array
    xp = namespace(reference)
    return xp.asarray(np.ascontiguousarray(array), device=array_api_compat.device(reference))


def is_single_precision(array: Array) -> bool:
    """Tell whether an array holds float32 or float16 values."""
    return getattr(array.dtype, "itemsize", 8) <= 4 and "float" in str(array.dtype)


def float_dtype(xp: Any, *, single: bool) -> Any:
    """Return the namespace's float32 or float64."""
    return xp.float32 if single else xp.float64
