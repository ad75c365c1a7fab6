"""What only the ``onnx`` library tells about a file: the tensor before its head, and its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hubscout._optional import require
from hubscout.errors import CandidateError, UsageError


def expose(content: bytes | Path, name: str, features: str | None, logits: str | None) -> tuple[bytes, str, str | None]:
    """Make an inner tensor an output.

    Parameters
    ----------
    content : bytes or Path
        The file or what is in it.
    name : str
        What to call it in messages.
    features : str or None
        The inner tensor; None for the input of the last matrix product, which is the source head's.
    logits : str or None
        The source head's output, where it is known by name.

    Returns
    -------
    content : bytes
        The changed model.
    features : str
    logits : str or None
    """
    purpose = f"the inner tensors of ONNX files ({name!r} has no output named features)"
    onnx = require("onnx", "onnx", purpose)
    model = onnx.load_from_string(content) if isinstance(content, bytes) else onnx.load(str(content))
    graph = model.graph
    outputs = [item.name for item in graph.output]
    if features is None:
        features, product = _before_last_product(graph, name)
        logits = logits or _reaches(graph, product, outputs)
    elif not any(features in node.output for node in graph.node):
        msg = f"file {name!r} has no tensor {features!r}; its outputs are {', '.join(map(repr, outputs))}"
        raise UsageError(msg)
    # Without a type the checker of onnxruntime infers it, which works for every element type.
    graph.output.append(onnx.ValueInfoProto(name=features))
    return model.SerializeToString(), features, logits


def _before_last_product(graph: Any, name: str) -> tuple[str, str]:
    weights = {item.name for item in graph.initializer}
    for node in reversed(graph.node):
        if node.op_type in ("Gemm", "MatMul"):
            activations = [tensor for tensor in node.input[:2] if tensor not in weights]
            if len(activations) == 1:  # a product of two activations is attention, not a head
                inner = any(activations[0] in other.output for other in graph.node)
                if inner:
                    return activations[0], node.output[0]
    msg = f"file {name!r} has no output named features and no final matrix product; name a tensor with ?features="
    raise CandidateError(msg)


def _reaches(graph: Any, tensor: str, outputs: Sequence[str]) -> str | None:
    """Follow a head's product through its bias to the output; anything else behind it is no plain logit."""
    for node in graph.node:
        if tensor in outputs:
            break
        if tensor in node.input and node.op_type in ("Add", "Identity"):
            tensor = node.output[0]
    return tensor if tensor in outputs else None


def count_parameters(content: bytes | Path) -> int | None:
    """Count parameters.

    Parameters
    ----------
    content : bytes or Path
        The file or what is in it.

    Returns
    -------
    int or None
        None where the ``onnx`` library is not installed; nothing else depends on it.
    """
    try:
        import onnx
    except ImportError:
        return None
    if isinstance(content, bytes):
        model = onnx.load_from_string(content)
    else:
        model = onnx.load(str(content), load_external_data=False)
    return sum(int(np.prod(item.dims, dtype=np.int64)) for item in model.graph.initializer)
