"""Several layers of one forward pass, each pooled in several ways, side by side as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hubscout.errors import CandidateError
from hubscout.models.loading import LoadRequest
from hubscout.models.pooling import pool_tokens
from hubscout.models.reading import Readout, choose_layers


def asked_pooling(request: LoadRequest) -> str | None:
    """Return the one pooling that is asked for, wherever it stands.

    Parameters
    ----------
    request : LoadRequest
        Its own pooling goes before that of its reading.

    Returns
    -------
    str or None
        None where nothing is asked for, or poolings of layers are.
    """
    reading = request.reading
    if request.pooling is not None or reading.layers is not None or len(reading.poolings) != 1:
        return request.pooling
    return reading.poolings[0]


def unused_for_words(request: LoadRequest) -> tuple[str, ...]:
    """Say, for the card, which poolings have nothing to act on where words are read.

    Parameters
    ----------
    request : LoadRequest
        What the caller wants.

    Returns
    -------
    tuple of str
    """
    asked = request.reading.poolings or ((request.pooling,) if request.pooling else ())
    rest = [pooling for pooling in asked if pooling != "mean"]
    if not rest:
        return ()
    return (f"poolings not used, since a word is pooled over its own tokens: {', '.join(rest)}",)


def resolve_layers(request: LoadRequest, depth: int, address: str) -> tuple[int, ...]:
    """Resolve the layers that a reading asks for.

    Parameters
    ----------
    request : LoadRequest
        Whose reading has layers.
    depth : int
        Number of layers of the model.
    address : str
        Named in errors.

    Returns
    -------
    tuple of int
        Ascending. All layers of a model that is no deeper than its embedding is layer 0.
    """
    layers = request.reading.layers
    assert layers is not None  # noqa: S101 - callers read layers only where they are asked for
    return choose_layers(layers, depth, address) or (0,)


def choose_poolings(
    asked: Sequence[str], own: str, possible: Sequence[str], address: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Settle how the layers of one model are pooled.

    Parameters
    ----------
    asked : sequence of str
        As in `hubscout.models.reading.Reading`.
    own : str
        The model's own choice, taken where none is asked for.
    possible : sequence of str
        What applies to its layers.
    address : str
        Named in errors.

    Returns
    -------
    poolings : tuple of str
        In the order in which they were asked for.
    notes : tuple of str
        What was left out.

    Raises
    ------
    CandidateError
        When none of them applies.

    Examples
    --------
    >>> choose_poolings(["cls", "pooler"], "mean", ["cls", "mean", "max"], "hf:org/name")
    (('cls',), ('poolings left out, since this model has nothing of the kind: pooler',))
    """
    wanted = tuple(dict.fromkeys(asked)) or (own,)
    fitting = tuple(pooling for pooling in wanted if pooling in possible)
    if not fitting:
        msg = (
            f"candidate {address!r} has none of the poolings {', '.join(wanted)} (--pool) at these layers; "
            f"it has {', '.join(possible)}"
        )
        raise CandidateError(msg)
    missing = [pooling for pooling in wanted if pooling not in possible]
    notes = (f"poolings left out, since this model has nothing of the kind: {', '.join(missing)}",) if missing else ()
    return fitting, notes


def pool_text_layer(
    vectors: Any, mask: Any, layer: int, poolings: Sequence[str], address: str
) -> list[tuple[int, str, Any]]:
    """Pool the token vectors of one layer.

    Parameters
    ----------
    vectors : Tensor or ndarray of shape (b, tokens, d)
        One vector a token.
    mask : Tensor or ndarray of shape (b, tokens), int
        1 at tokens, 0 at padding.
    layer : int
        Which one it is.
    poolings : sequence of str
        Among ``cls``, ``mean``, ``max`` and ``last``.
    address : str
        Named in errors.

    Returns
    -------
    list of (layer, pooling, vectors)
        For `join_readouts`.

    Raises
    ------
    CandidateError
        When the layer has another number of tokens than the text.
    """
    if vectors.ndim != 3 or tuple(vectors.shape[:2]) != tuple(mask.shape):
        msg = (
            f"layer {layer} of {address!r} has shape {tuple(vectors.shape)}, not one vector for each of the "
            f"{mask.shape[1]} tokens; leave that layer out with layers (--layers)"
        )
        raise CandidateError(msg)
    return [(layer, pooling, pool_tokens(vectors, mask, pooling)) for pooling in poolings]


def join_readouts(parts: Sequence[tuple[int, str, Any]]) -> tuple[tuple[Readout, ...], Any]:
    """Lay pooled layers side by side.

    Parameters
    ----------
    parts : sequence of (layer, pooling, vectors)
        Vectors of shape (b, d).

    Returns
    -------
    readouts : tuple of Readout
    features : Tensor or ndarray of shape (b, n_features)
        Of the kind of the vectors.
    """
    readouts = tuple(Readout(layer, pooling, int(vectors.shape[1])) for layer, pooling, vectors in parts)
    columns = [vectors for _, _, vectors in parts]
    if isinstance(columns[0], np.ndarray):
        return readouts, np.concatenate(columns, axis=1)
    import torch

    return readouts, torch.cat(columns, 1)
