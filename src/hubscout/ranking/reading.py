"""Which layers and poolings a run looks at, from what the user wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from hubscout._typing import Unit
from hubscout.errors import UsageError
from hubscout.models.loading import POOLINGS
from hubscout.models.reading import Reading

_LAYERS = re.compile(r"-?\d+(,-?\d+)*")


def choose_reading(
    layers: str | int | Sequence[int] | None, pooling: str | Sequence[str] | None, unit: Unit = "sample"
) -> Reading:
    """Settle what is read off every candidate.

    Parameters
    ----------
    layers : "all", int, sequence of int, or their text ("3,6,-1"), or None
        None for each model's own output.
    pooling : str, sequence of str, or None
        One pooling or several, also as a comma list; several are read off the last layer where no layers are given.
    unit : str
        What one row of the features belongs to.

    Returns
    -------
    Reading
        With layers wherever there is a choice among several vectors.

    Raises
    ------
    UsageError
        When one of them is not of its form, or the features of boxes or points are wanted from layers.

    Examples
    --------
    >>> choose_reading("3,-1", "cls,mean")
    Reading(unit='sample', layers=(3, -1), poolings=('cls', 'mean'), typical_size=None)
    """
    poolings = _poolings(pooling)
    chosen = _layers(layers)
    if chosen is None and len(poolings) > 1:
        chosen = (-1,)
    if chosen is not None and unit in ("box", "point"):
        msg = f"layers (--layers) and several poolings are for whole samples and words, got them for a {unit}"
        raise UsageError(f"{msg}; leave them out for this kind of task")
    return Reading(unit, chosen, poolings)


def _poolings(pooling: str | Sequence[str] | None) -> tuple[str, ...]:
    if pooling is None:
        return ()
    names = pooling.split(",") if isinstance(pooling, str) else pooling
    found = tuple(dict.fromkeys(str(name).strip() for name in names))
    for name in found:
        if name not in POOLINGS:
            msg = f"pooling (--pool) must be one of {', '.join(POOLINGS)}, or several with commas, got {name!r}"
            raise UsageError(msg)
    return found


def _layers(layers: str | int | Sequence[int] | None) -> tuple[int, ...] | Literal["all"] | None:
    if layers is None or layers == "all":
        return layers  # type: ignore[return-value]
    if isinstance(layers, str):
        text = layers.replace(" ", "")
        if _LAYERS.fullmatch(text):
            return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    elif isinstance(layers, int) and not isinstance(layers, bool):
        return (layers,)
    elif not isinstance(layers, bool):
        numbers = tuple(layers)
        if numbers and all(isinstance(each, int) and not isinstance(each, bool) for each in numbers):
            return tuple(dict.fromkeys(numbers))
    msg = f"layers (--layers) must be 'all' or whole numbers such as 3,6,-1, got {layers!r}"
    raise UsageError(msg)
