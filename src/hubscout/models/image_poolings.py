"""From a layer's map or tokens to one vector a picture, and which poolings a model has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hubscout.errors import CandidateError
from hubscout.models.levels import Level
from hubscout.models.map_source import LayerOutput, SourceFacts


class PlannedReadout(NamedTuple):
    """One layer, pooled in one way.

    Parameters
    ----------
    place : int
        Position of the level.
    how : str
        The pooling.
    is_own : bool
        Whether it is the model's own output.
    """

    place: int
    how: str
    is_own: bool


@dataclass(frozen=True)
class Chosen:
    """What is read from one forward pass.

    Parameters
    ----------
    places : tuple of int
        Ascending positions of the levels.
    readouts : tuple of PlannedReadout
        By layer, then by pooling.
    notes : tuple of str
        For the card.
    """

    places: tuple[int, ...]
    readouts: tuple[PlannedReadout, ...]
    notes: tuple[str, ...] = ()


def plan_readouts(facts: SourceFacts, places: Sequence[int], poolings: Sequence[str], address: str) -> Chosen:
    """Settle the readouts of chosen levels.

    Parameters
    ----------
    facts : SourceFacts
        Of the model.
    places : sequence of int
        Ascending positions of the levels.
    poolings : sequence of str
        As asked; empty for the model's own, or the mean where its own acts on the last layer alone.
    address : str
        Named in errors.

    Returns
    -------
    Chosen

    Raises
    ------
    CandidateError
        When the model has none of the poolings.

    Notes
    -----
    The last layer, pooled as the model itself does, is the model's own output, with all that its head does before
    the classifier. Reading all layers therefore never loses what is read by default.
    """
    planned = []
    for place in places:
        level, is_last = facts.levels[place], place == len(facts.levels) - 1
        there = _poolings_of(level, facts.own_pooling if is_last else None)
        wanted = poolings or (_default(level, facts.own_pooling, is_last=is_last),)
        planned += [
            PlannedReadout(place, how, is_last and how == facts.own_pooling)
            for how in dict.fromkeys(wanted)
            if how in there
        ]
    if not planned:
        has = _poolings_of(facts.levels[places[-1]], None)
        msg = (
            f"candidate {address!r} has none of the poolings {', '.join(poolings)} (--pool) at these layers; "
            f"it has {', '.join(has)}"
        )
        raise CandidateError(msg)
    used = {each.how for each in planned}
    missing = [how for how in dict.fromkeys(poolings) if how not in used]
    notes = (f"poolings left out, since this model has nothing of the kind: {', '.join(missing)}",) if missing else ()
    return Chosen(tuple(places), tuple(planned), notes)


def pool_layer(output: LayerOutput, how: str) -> Any:
    """Pool what one layer gave.

    Parameters
    ----------
    output : LayerOutput
        Maps of shape (b, d, h, w), or tokens of shape (b, n, d), and the class token.
    how : {"cls", "mean", "max"}
        The class token, or the mean or the largest value of each feature over the map without it.

    Returns
    -------
    array of shape (b, d)

    Examples
    --------
    >>> maps = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> float(pool_layer(LayerOutput(maps), "mean")[0, 0]), float(pool_layer(LayerOutput(maps), "max")[0, 0])
    (1.5, 3.0)
    """
    if how == "cls":
        return output.class_token
    axes = (2, 3) if output.maps.ndim == 4 else (1,)
    if how == "mean":
        return output.maps.mean(axes)
    return output.maps.max(axes) if isinstance(output.maps, np.ndarray) else output.maps.amax(axes)


def find_own_pooling(own: npt.NDArray[Any], pooled: Mapping[str, npt.NDArray[Any]]) -> str:
    """Find out by which pooling of its last layer a model makes its own features.

    Parameters
    ----------
    own : ndarray of shape (b, d)
        Its features of some batch that is not constant.
    pooled : mapping of str to ndarray
        The last layer of the same batch, pooled in each way.

    Returns
    -------
    str
        The pooling, or ``pooler`` when it is none of them.

    Examples
    --------
    >>> find_own_pooling(np.ones((1, 2)), {"mean": np.zeros((1, 2)), "max": np.ones((1, 2))})
    'max'
    """
    for how, vectors in pooled.items():
        if vectors.shape == own.shape and np.allclose(vectors, own, rtol=1e-4, atol=1e-6):
            return how
    return "pooler"


def _poolings_of(level: Level, own: str | None) -> tuple[str, ...]:
    there = (*(("cls",) if level.has_class_token else ()), "mean", "max")
    return (*there, own) if own and own not in there else there


def _default(level: Level, own: str | None, *, is_last: bool) -> str:
    there = _poolings_of(level, own if is_last else None)
    if own in there:
        return own
    # What a model makes of its last layer by a pooler of its own cannot be done to the others.
    return "cls" if level.has_class_token else "mean"
