"""Checks of what the user hands to a score: one place, one wording."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import array_api_compat
import numpy as np

from hubscout._typing import Array
from hubscout.errors import DataError, UsageError


def check_choice(name: str, value: object, choices: Collection[str | None]) -> None:
    """Refuse an option that is not one of a few words.

    Raises
    ------
    UsageError
        When ``value`` is not among ``choices``.
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        msg = f"{name} must be one of {listed}, got {value!r}"
        raise UsageError(msg)


def check_positive_int(name: str, value: object, *, minimum: int = 1) -> int:
    """Refuse anything but a whole number of at least ``minimum``.

    Raises
    ------
    UsageError
        When ``value`` is not such a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
        msg = f"{name} must be a whole number of at least {minimum}, got {value!r}"
        raise UsageError(msg)
    return int(value)


def check_flag(name: str, value: object) -> None:
    """Refuse anything but True and False, such as the word ``no``, which would count as true.

    Raises
    ------
    UsageError
        When ``value`` is neither.
    """
    if not isinstance(value, bool | np.bool_):
        msg = f"{name} must be True or False, got {value!r}"
        raise UsageError(msg)


def check_number(name: str, value: object, *, above: float, inclusive: bool, at_most: float = np.inf) -> float:
    """Refuse anything but a finite number of a range.

    Parameters
    ----------
    name : str
        The argument.
    value : object
        What was received.
    above : float
        The lower end.
    inclusive : bool
        Whether the lower end itself is allowed.
    at_most : float, default=inf
        The upper end, which is allowed; infinity itself never is.

    Raises
    ------
    UsageError
        When ``value`` is not such a number.
    """
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else np.nan  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond all floats
        number = np.inf
    if not np.isfinite(number) or number > at_most or number < above or (number == above and not inclusive):
        lower = f"at least {above:g}" if inclusive else f"above {above:g}"
        upper = "" if at_most == np.inf else f" and at most {at_most:g}"
        msg = f"{name} must be a finite number {lower}{upper}, got {value!r}"
        raise UsageError(msg)
    return number


def check_features(features: Any) -> Array:
    """Return features as a two-dimensional array of real numbers, without copying what already is one.

    Raises
    ------
    DataError
        When the shape or the type is not that of features.
    """
    array = _real_array("features", features)
    if array.ndim != 2 or 0 in array.shape:
        msg = f"features must have shape (n_samples, n_features) with no empty axis, got {tuple(array.shape)}"
        raise DataError(msg)
    if array.shape[0] < 2:
        msg = f"features must hold at least 2 samples, got {array.shape[0]}"
        raise DataError(msg)
    return array


def check_length(name: str, n_rows: int, n_samples: int) -> None:
    """Refuse labels or probabilities that are not one a sample.

    Raises
    ------
    DataError
        When the counts differ.
    """
    if n_rows != n_samples:
        msg = f"{name} must hold one row a sample, got {n_rows} rows for {n_samples} samples"
        raise DataError(msg)


def check_source_probs(source_probs: Any) -> Array:
    """Return source probabilities of shape (n_samples, n_source_classes).

    Raises
    ------
    DataError
        When a row is not a probability distribution.
    """
    probs = _real_array("source_probs", source_probs)
    if probs.ndim != 2 or 0 in probs.shape:
        msg = f"source_probs must have shape (n_samples, n_source_classes), got {tuple(probs.shape)}"
        raise DataError(msg)
    xp = array_api_compat.array_namespace(probs)
    totals = xp.sum(probs, axis=1, dtype=xp.float64)
    is_bad = ~((xp.abs(totals - 1.0) <= 1e-2) & (xp.min(probs, axis=1) >= 0))
    if bool(xp.any(is_bad)):
        row = int(xp.argmax(xp.astype(is_bad, xp.int64)))
        msg = (
            f"source_probs must be non-negative and sum to 1 in each row: row {row} sums to {float(totals[row]):.4g}; "
            "apply a softmax to logits first"
        )
        raise DataError(msg)
    return probs


def check_magnitude(name: str, root_mean_square: float) -> None:
    """Refuse numbers whose squares, or squares of squares, leave the range of float64.

    Raises
    ------
    DataError
        When the root mean square is neither 0 nor within 1e-60 to 1e60.
    """
    if root_mean_square and not 1e-60 <= root_mean_square <= 1e60:
        side = "above" if root_mean_square > 1 else "below"
        msg = f"{name} must have a root mean square within 1e-60 to 1e60, and theirs is {side}; rescale them"
        raise DataError(msg)


def check_finite(chunk: Array, first_row: int, name: str = "features") -> float:
    """Refuse NaN and infinity, and say where the first one stands.

    Returns
    -------
    float
        Sum of the squares of all values; positive whenever one of them is not zero.

    Raises
    ------
    DataError
        When a value is not finite.
    """
    xp = array_api_compat.array_namespace(chunk)
    # The squared norms of the rows are the cheapest look at every value.
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        total = float(xp.sum(xp.vecdot(chunk, chunk, axis=-1)))
    if np.isfinite(total) and total > 0:
        return total
    bad = xp.astype(~xp.isfinite(chunk), xp.int64)
    if bool(xp.any(bad == 1)):
        row = int(xp.argmax(xp.max(bad, axis=1)))
        column = int(xp.argmax(bad[row, :]))
        msg = (
            f"{name} must be finite: row {first_row + row}, column {column} is {float(chunk[row, column])}; "
            "an overflow of float16 or a broken sample is the usual cause"
        )
        raise DataError(msg)
    # All zero, or squares beyond the range: what is left of the largest magnitude's square tells them apart.
    largest = float(xp.max(xp.abs(chunk)))
    return min(max(largest, 1e-150), 1e150) ** 2 if largest else 0.0


def _real_array(name: str, given: Any) -> Array:
    """Return an array of real numbers of any library, without copying what already is one."""
    if isinstance(given, np.ma.MaskedArray):
        msg = f"{name} must not be a masked array; fill its missing values or leave out their rows first"
        raise DataError(msg)
    if isinstance(given, np.ndarray) or not array_api_compat.is_array_api_obj(given):
        try:
            given = np.asarray(given)  # takes memory maps and matrices down to plain arrays, without a copy
        except ValueError:
            msg = f"{name} must have rows of one length, got rows of different lengths"
            raise DataError(msg) from None
    if array_api_compat.is_torch_array(given):
        given = given.detach()  # scores are numbers: no gradient is kept, and none is warned of
    is_real = given.dtype.kind in "fiub" if isinstance(given, np.ndarray) else "complex" not in str(given.dtype)
    if not is_real:
        msg = f"{name} must be real numbers, got an array of {given.dtype}; convert it to float32 first"
        raise DataError(msg)
    return given
