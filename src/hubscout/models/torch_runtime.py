"""Running torch modules: device, precision, memory, and what identifies their weights."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._optional import require
from hubscout.errors import CandidateError, MissingExtraError, UsageError

_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "failed to allocate",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def check_torchvision(purpose: str) -> None:
    """Name the one installation fault that is common: torch and torchvision of different builds.

    A torchvision that does not load is worse than none: transformers then says that its own models are missing.

    Parameters
    ----------
    purpose : str
        What needs them, in words that start the sentence.

    Raises
    ------
    MissingExtraError
        When torchvision is installed and does not match torch.
    """
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except (RuntimeError, OSError) as error:  # an operator or a shared library that the other build would bring
        msg = (
            f"{purpose} need torch and torchvision of one build, and the installed ones do not match; "
            "reinstall both together: pip install --force-reinstall torch torchvision"
        )
        raise MissingExtraError(msg) from error


def choose_device(name: str) -> str:
    """Settle where torch runs.

    Parameters
    ----------
    name : str
        ``auto`` takes the first of cuda, mps and cpu that is there; or a device of torch such as ``cuda:1``.

    Returns
    -------
    str
        The device, with its number for cuda.

    Raises
    ------
    UsageError
        When the named device is not there.
    """
    torch = require("torch", "torch", "torch models")
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return "cuda:0" if has_cuda else "mps" if has_mps else "cpu"
    kind, _, number = name.partition(":")
    there = {"cpu": 1, "cuda": torch.cuda.device_count() if has_cuda else 0, "mps": int(has_mps)}
    if kind not in there or (number and not number.isdigit()):
        msg = f"device must be auto, cpu, cuda, cuda:N or mps, got {name!r}"
        raise UsageError(msg)
    if int(number or 0) >= there[kind]:
        have = ", ".join(device for device, count in there.items() if count)
        msg = f"device {name!r} is not there; this machine has {have}: use one of them, or auto"
        raise UsageError(msg)
    return f"cuda:{number or 0}" if kind == "cuda" else kind


@contextmanager
def forward_pass() -> Iterator[None]:
    """Run without gradients, and turn the many faces of a full memory into `MemoryError`.

    Raises
    ------
    MemoryError
        When the batch does not fit the device.
    """
    import torch

    try:
        with torch.inference_mode():
            yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if not is_out_of_memory(error):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise MemoryError(str(error).splitlines()[0]) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; frameworks tell it by their text.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    True
    """
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(sign.lower() in text for sign in _OUT_OF_MEMORY)


def to_numpy(tensor: Any) -> npt.NDArray[np.float32]:
    """Bring a tensor to the host as float32 rows."""
    array: npt.NDArray[np.float32] = np.ascontiguousarray(tensor.float().cpu().numpy())
    return array


def ready(module: Any, device: str) -> Any:
    """Put a module into the state for inference: float32, no dropout, no gradients, on its device."""
    import torch

    # With channels last, convolutions run up to twice as fast on a CPU; modules without any do not notice.
    module = module.float().eval().requires_grad_(requires_grad=False)
    return module.to(device=device, memory_format=torch.channels_last)


def image_batch(images: Sequence[Any], device: str) -> Any:
    """Stack images of shape (channels, height, width) into one batch on a device, channels last in memory.

    Parameters
    ----------
    images : sequence of ndarray or torch.Tensor
        Of one shape.
    device : str
        As `choose_device` returns it.

    Returns
    -------
    torch.Tensor of shape (batch, channels, height, width)
    """
    import torch

    batch = torch.stack([torch.as_tensor(image) for image in images])
    return batch.to(device=device, memory_format=torch.channels_last)


def count_parameters(module: Any, without: Any = None) -> int:
    """Count parameters, leaving out those of a head.

    Parameters
    ----------
    module : torch.nn.Module
        The model.
    without : torch.nn.Module or None
        Its source head.

    Returns
    -------
    int
        Shared parameters count once.
    """
    left_out = {id(p) for p in without.parameters()} if hasattr(without, "parameters") else set()
    return sum(p.numel() for p in module.parameters() if id(p) not in left_out)


def state_digest(module: Any) -> str:
    """Digest a module's parameters and buffers, for weights that came from no file of ours.

    Returns
    -------
    str
        ``sha256:`` and 64 hexadecimal digits over names, types, shapes and bytes in the order of the names.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"


def pool_map(tensor: Any) -> Any:
    """Reduce whatever a model returns to one vector a sample: maps and token sequences by their mean.

    Raises
    ------
    CandidateError
        When the output has no axis for features.
    """
    if tensor.ndim == 4:
        return tensor.mean((2, 3))
    if tensor.ndim == 3:
        return tensor.mean(1)
    if tensor.ndim != 2:
        msg = (
            "the model's output must have shape (b, d), (b, tokens, d) or (b, d, h, w), "
            f"got {tuple(tensor.shape)}; choose another output"
        )
        raise CandidateError(msg)
    return tensor


def split_head(model: Any, example: Any) -> tuple[Callable[[Any], tuple[Any, Any]], tuple[Any, Any]]:
    """Find the cheapest way from a batch to pooled features and source logits.

    Parameters
    ----------
    model : torch.nn.Module
        With ``forward_features`` and ``forward_head(f, pre_logits=True)``, as timm's models have.
    example : Tensor
        A batch that the model takes, to find out on.

    Returns
    -------
    run : callable
        From a batch to (features, logits or None).
    outputs : tuple
        What ``run`` gives for the example.
    """
    with forward_pass():
        maps = model.forward_features(example)
    head, outputs = find_head(model, maps)

    def run(batch: Any) -> tuple[Any, Any]:
        return head(model.forward_features(batch))

    return run, outputs


def find_head(model: Any, maps: Any) -> tuple[Callable[[Any], tuple[Any, Any]], tuple[Any, Any]]:
    """Find the cheapest way from the last maps to pooled features and source logits.

    Parameters
    ----------
    model : torch.nn.Module
        As for `split_head`.
    maps : Tensor, or a list of them
        What ``forward_features`` gives for some batch.

    Returns
    -------
    head : callable
        From maps to (features, logits or None).
    outputs : tuple
        What ``head`` gives for those maps.

    Notes
    -----
    Where the classifier, put on the pooled features, gives what ``forward_head`` gives, the pooling runs once and
    only the classifier is added. Some heads pool after the classifier; there the head runs a second time.
    """
    import torch

    classifier: Any = model.get_classifier() if callable(getattr(model, "get_classifier", None)) else None
    n_classes = getattr(model, "num_classes", None)

    def headless(maps: Any) -> tuple[Any, Any]:
        return model.forward_head(maps, pre_logits=True), None

    def twice(maps: Any) -> tuple[Any, Any]:
        return model.forward_head(maps, pre_logits=True), model.forward_head(maps)

    def once(maps: Any) -> tuple[Any, Any]:
        features = model.forward_head(maps, pre_logits=True)
        return features, classifier(features)

    with forward_pass():
        features = model.forward_head(maps, pre_logits=True)
        if not n_classes or isinstance(classifier, torch.nn.Identity):
            return headless, (features, None)
        logits = model.forward_head(maps)
        try:
            direct = classifier(features)
        except (RuntimeError, TypeError, ValueError):  # a head that wants the map, or is no plain module
            return twice, (features, logits)
        same = direct.shape == logits.shape and torch.allclose(direct, logits, rtol=1e-5, atol=1e-6)
    return (once if same else twice), (features, logits)
