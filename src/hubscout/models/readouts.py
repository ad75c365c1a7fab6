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
    >>> choose_poolings(["cls", "mean"], "mean", ["mean", "max"], "hf:org/name")
    (('mean',), ("pooling 'cls' is left out: the layers of this model are pooled by mean or max",))
    """
    wanted = tuple(dict.fromkeys(asked)) or (own,)
    fitting = tuple(pooling for pooling in wanted if pooling in possible)
    if not fitting:
        msg = (
            f"candidate {address!r} pools its layers by {' or '.join(possible)}, not by {' or '.join(wanted)}; "
            "choose among them with poolings (--pool), or leave it out"
        )
        raise CandidateError(msg)
    left_out = [pooling for pooling in wanted if pooling not in possible]
    return fitting, tuple(
        f"pooling {pooling!r} is left out: the layers of this model are pooled by {' or '.join(possible)}"
        for pooling in left_out
    )


def pool_text_layers(
    hidden: Sequence[Any], mask: Any, layers: Sequence[int], poolings: Sequence[str], address: str
) -> tuple[tuple[Readout, ...], Any]:
    """Pool the token vectors of several layers.

    Parameters
    ----------
    hidden : sequence of Tensors or ndarrays of shape (b, tokens, d)
        From what goes into the first layer to the last.
    mask : Tensor or ndarray of shape (b, tokens), int
        1 at tokens, 0 at padding.
    layers : sequence of int
        Which to pool.
    poolings : sequence of str
        Among ``cls``, ``mean``, ``max`` and ``last``.
    address : str
        Named in errors.

    Returns
    -------
    readouts : tuple of Readout
        By layer, then by pooling.
    features : Tensor or ndarray of shape (b, n_features)
        The readouts side by side.

    Raises
    ------
    CandidateError
        When a layer has another number of tokens than the text.
    """
    parts = []
    for layer in layers:
        vectors = hidden[layer]
        if vectors.ndim != 3 or tuple(vectors.shape[:2]) != tuple(mask.shape):
            msg = (
                f"layer {layer} of {address!r} has shape {tuple(vectors.shape)}, not one vector for each of the "
                f"{mask.shape[1]} tokens; leave that layer out with layers (--layers)"
            )
            raise CandidateError(msg)
        parts += [(layer, pooling, pool_tokens(vectors, mask, pooling)) for pooling in poolings]
    return join_readouts(parts)


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
