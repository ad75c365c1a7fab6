"""How a model of transformers makes one vector of its tokens or maps, as far as only a forward pass tells."""

from __future__ import annotations

from typing import Any

from hubscout.errors import UsageError
from hubscout.models.pooling import TOKEN_POOLINGS


def settle_pooling(loaded: Any, inputs: dict[str, Any]) -> None:
    """Choose the pooling of an image model, and check the one that was asked for, on a first batch.

    Parameters
    ----------
    loaded : LoadedModel
        Changed in place.
    inputs : dict
        One batch.

    Raises
    ------
    UsageError
        When the model has no such pooling.
    """
    if loaded.pooling not in ("auto", "cls", "pooler") or (loaded.modality == "text" and loaded.pooling == "cls"):
        return
    base = loaded.model.base_model
    output = base(**inputs)
    pooled = getattr(output, "pooler_output", None)
    has_pooler = pooled is not None and loaded.has_pooler
    has_cls = output[0].ndim == 3 and prefix_tokens(base) > 0
    possible = {"cls": has_cls, "pooler": has_pooler, "mean": True}
    if loaded.pooling == "auto":
        loaded.pooling = next(name for name, there in possible.items() if there)
    elif not possible[loaded.pooling]:
        others = [name for name, there in possible.items() if there]
        what = "trained pooler" if loaded.pooling == "pooler" else "class token"
        if loaded.modality == "text":
            others = list(TOKEN_POOLINGS)
        msg = f"pooling {loaded.pooling!r} cannot be used: the model has no {what}; use {' or '.join(others)}"
        raise UsageError(msg)


def pool_image(hidden: Any, n_prefix: int, pooling: str) -> Any:
    """Pool the tokens or the map of a batch of images.

    Parameters
    ----------
    hidden : Tensor of shape (b, tokens, d) or (b, d, height, width)
        One vector a token, or maps.
    n_prefix : int
        Tokens before the patches.
    pooling : {"cls", "mean", "max"}
        Only patches take part in the mean and the maximum; maps have no class token, and give their mean instead.

    Returns
    -------
    Tensor of shape (b, d)
    """
    if hidden.ndim == 4:
        return hidden.amax((2, 3)) if pooling == "max" else hidden.mean((2, 3))
    if pooling == "cls":
        return hidden[:, 0]
    patches = hidden[:, n_prefix:]
    return patches.amax(1) if pooling == "max" else patches.mean(1)


def prefix_tokens(model: Any) -> int:
    """Count the tokens before an image's patches: class, distillation and register tokens."""
    names = [name.rpartition(".")[2] for name, _ in model.named_parameters()]
    n_named = sum(name in names for name in ("cls_token", "class_embedding", "distillation_token"))
    return n_named + (int(getattr(model.config, "num_register_tokens", 0) or 0) if n_named else 0)
