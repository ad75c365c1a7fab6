"""Running an ONNX file: the session, its inputs and outputs, and a hidden tensor made visible."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._optional import require
from hubscout.errors import CandidateError, UsageError
from hubscout.models.torch_runtime import is_out_of_memory

# In this order: what exporters call the vector before the head.
_FEATURE_NAMES = ("features", "embeddings", "sentence_embedding", "pooler_output", "last_hidden_state")
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


@dataclass(frozen=True)
class OnnxModel:
    """An open session, with the names of what we read from it.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        Ready to run.
    features : str
        Name of the tensor that holds the features.
    logits : str or None
        Name of the source head's output.
    n_parameters : int or None
        Known only when the ``onnx`` library could read the file.
    """

    session: Any
    features: str
    logits: str | None
    n_parameters: int | None = None

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        """Run one batch.

        Parameters
        ----------
        inputs : mapping of str to ndarray
            Rows of one batch; they are cast to the types the file declares.

        Returns
        -------
        features : ndarray
            In the shape of the file's tensor.
        logits : ndarray of shape (b, source_classes) or None

        Raises
        ------
        MemoryError
            When the batch does not fit.
        """
        names = [self.features] + ([self.logits] if self.logits else [])
        n_rows = len(next(iter(inputs.values())))
        fixed = self._fixed_batch()
        if fixed is None or fixed == n_rows:
            found = self._run(names, inputs)
        else:
            # Exported for one batch size: fill the last piece up with its own last row, and cut the result.
            pieces = []
            for start in range(0, n_rows, fixed):
                rows = np.minimum(np.arange(start, start + fixed), n_rows - 1)
                pieces.append(self._run(names, {key: value[rows] for key, value in inputs.items()}))
            found = [np.concatenate(parts)[:n_rows] for parts in zip(*pieces, strict=True)]
        return found[0], found[1] if self.logits else None

    def _run(self, names: list[str], inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        types = {item.name: (_FLOATS | _INTEGERS)[item.type] for item in self.session.get_inputs()}
        feed = {key: np.ascontiguousarray(value, dtype=types[key]) for key, value in inputs.items()}
        try:
            return list(self.session.run(names, feed))
        except Exception as error:
            if is_out_of_memory(error):
                raise MemoryError(str(error).splitlines()[0]) from error
            raise

    def _fixed_batch(self) -> int | None:
        size = self.session.get_inputs()[0].shape[0]
        return size if isinstance(size, int) and size > 0 else None


def open_onnx(content: bytes | Path, name: str, *, device: str = "auto", features: str | None = None) -> OnnxModel:
    """Open an ONNX file.

    Parameters
    ----------
    content : bytes or Path
        The file or what is in it.
    name : str
        What to call it in messages.
    device : str
        ``auto`` and ``cuda`` use the CUDA provider where onnxruntime has it.
    features : str or None
        Name of the tensor with the features: an output or, with the ``onnx`` library, any inner tensor.

    Returns
    -------
    OnnxModel

    Raises
    ------
    CandidateError
        When it is no ONNX file, or nothing in it can be taken for features.
    """
    model = content if isinstance(content, bytes) else str(content)
    session = _session(model, name, device)
    outputs = [item.name for item in session.get_outputs()]
    logits = "logits" if "logits" in outputs else None
    named = [candidate for candidate in _FEATURE_NAMES if candidate in outputs]
    if features is None and named:
        features = named[0]
    if features is None and len(outputs) == 1 and not _has_vector_head(session):
        features = outputs[0]
    if features is None or features not in outputs:
        model, features, logits = expose(content, name, features, logits)
        session = _session(model, name, device)
    return OnnxModel(session, features, logits if logits != features else None, _count(content))


def _session(model: bytes | str, name: str, device: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a bad file is reported by us, in one sentence
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal():  # onnxruntime has its own pool, which does not read this variable
        options.intra_op_num_threads = int(threads)
    providers = _providers(device)
    try:
        return onnxruntime.InferenceSession(model, options, providers=providers)
    except Exception as error:
        from hubscout.models.loading import summarise

        msg = f"file {name!r} is not an ONNX model that onnxruntime can run: {summarise(error)}"
        raise CandidateError(msg) from error


def _providers(device: str) -> list[str]:
    import onnxruntime

    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    kind = device.partition(":")[0]
    if kind not in ("auto", "cpu", "cuda", "mps"):
        msg = f"device must be auto, cpu, cuda, cuda:N or mps, got {device!r}"
        raise UsageError(msg)
    if kind == "cuda" and not has_cuda:
        msg = f"device {device!r} is not there for ONNX files; install onnxruntime-gpu, or use cpu or auto"
        raise UsageError(msg)
    if has_cuda and kind in ("auto", "cuda"):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]


def device_of(model: OnnxModel) -> str:
    """Say where a session runs, in torch's words."""
    return "cuda:0" if model.session.get_providers()[0].startswith("CUDA") else "cpu"


def _has_vector_head(session: Any) -> bool:
    """Whether the only output may be a classifier's: two axes, so what comes before it is looked for."""
    return len(session.get_outputs()[0].shape) == 2


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


def _count(content: bytes | Path) -> int | None:
    """Count parameters when the ``onnx`` library is there; nothing else depends on it."""
    try:
        import onnx
    except ImportError:
        return None
    if isinstance(content, bytes):
        model = onnx.load_from_string(content)
    else:
        model = onnx.load(str(content), load_external_data=False)
    return sum(int(np.prod(item.dims, dtype=np.int64)) for item in model.graph.initializer)
