"""Running an ONNX file: the session, its inputs and outputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import CandidateError, UsageError
from hubscout.models.onnx_graph import with_outputs
from hubscout.models.onnx_hidden import count_parameters, expose
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
    content : bytes or Path
        What was opened.
    device : str
        As asked.
    """

    session: Any
    features: str
    logits: str | None
    n_parameters: int | None = None
    content: bytes | Path = b""
    device: str = "auto"

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
        found = self.read([self.features, *([self.logits] if self.logits else [])], inputs)
        return found[0], found[1] if self.logits else None

    def read(self, names: Sequence[str], inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Run one batch and return the named outputs. See `run`."""
        n_rows = len(next(iter(inputs.values())))
        fixed = self._fixed_batch()
        if fixed is None or fixed == n_rows:
            return self._run(names, inputs)
        # Exported for one batch size: fill the last piece up with its own last row, and cut the result.
        pieces = []
        for start in range(0, n_rows, fixed):
            rows = np.minimum(np.arange(start, start + fixed), n_rows - 1)
            pieces.append(self._run(names, {key: value[rows] for key, value in inputs.items()}))
        return [np.concatenate(parts)[:n_rows] for parts in zip(*pieces, strict=True)]

    def _run(self, names: Sequence[str], inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        types = {item.name: (_FLOATS | _INTEGERS)[item.type] for item in self.session.get_inputs()}
        feed = {key: np.ascontiguousarray(value, dtype=types[key]) for key, value in inputs.items()}
        try:
            return list(self.session.run(list(names), feed))
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
    opened = model if isinstance(model, bytes) else content
    return OnnxModel(
        session, features, logits if logits != features else None, count_parameters(content), opened, device
    )


def with_tensors(model: OnnxModel, name: str, tensors: Sequence[str]) -> OnnxModel:
    """Open a file again with some inner tensors as further outputs.

    Parameters
    ----------
    model : OnnxModel
        The open file.
    name : str
        What to call it in messages.
    tensors : sequence of str
        Names of tensors in it.

    Returns
    -------
    OnnxModel
        Whose `OnnxModel.read` knows them.
    """
    there = {item.name for item in model.session.get_outputs()}
    further = [tensor for tensor in tensors if tensor not in there]
    if not further:
        return model
    if isinstance(model.content, Path):
        content, folder = model.content.read_bytes(), str(model.content.parent.resolve())
    else:
        content, folder = model.content, None
    return replace(model, session=_session(with_outputs(content, further), name, model.device, folder))


def _session(model: bytes | str, name: str, device: str, folder: str | None = None) -> Any:
    """Open a session; weights beside a file whose content is given are looked for in its folder."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
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


def as_rows(array: npt.NDArray[Any], *, channels_last: bool = False) -> npt.NDArray[np.float32]:
    """Reduce whatever a file returns to one vector a sample: maps and token sequences by their mean.

    Parameters
    ----------
    array : ndarray of shape (b, d), (b, n, d) or (b, d, h, w)
        An output.
    channels_last : bool
        Whether maps have shape (b, h, w, d).

    Returns
    -------
    ndarray of shape (b, d), float32

    Raises
    ------
    CandidateError
        When the output has another shape.
    """
    if array.ndim == 4:
        array = array.mean((1, 2) if channels_last else (2, 3))
    elif array.ndim == 3:
        array = array.mean(1)
    elif array.ndim != 2:
        msg = f"the features must have 2, 3 or 4 axes, got shape {array.shape}; name another tensor with ?features="
        raise CandidateError(msg)
    return np.ascontiguousarray(array, dtype=np.float32)


def _has_vector_head(session: Any) -> bool:
    """Whether the only output may be a classifier's: two axes, so what comes before it is looked for."""
    return len(session.get_outputs()[0].shape) == 2
