"""The factory behind a ``torch:`` address: found, called, and given its weights."""

from __future__ import annotations

import difflib
import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hubscout.errors import CandidateError
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.loading import summarise
from hubscout.models.weights import file_digest, read_state_dict


def find_factory(name: str) -> Callable[..., Any]:
    """Import a factory.

    Parameters
    ----------
    name : str
        ``package.module:factory``; the current folder is searched last.

    Returns
    -------
    callable

    Raises
    ------
    CandidateError
        When there is no such module, or no such name in it.
    """
    module_name, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that a file here cannot stand in for an installed library
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        msg = (
            f"module {error.name!r} of address 'torch:{name}' cannot be found; "
            "install it, or run in the folder that holds it"
        )
        raise CandidateError(msg) from error
    factory = getattr(module, function, None)
    if not callable(factory):
        callables = [other for other, value in vars(module).items() if callable(value)]
        near = difflib.get_close_matches(function, callables, n=1)
        advice = f"did you mean '{module_name}:{near[0]}'?" if near else "name a function or class that it defines"
        msg = f"module {module_name!r} has no factory {function!r}; {advice}"
        raise CandidateError(msg)
    return factory  # type: ignore[no-any-return]


def build(address: Address, factory: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a factory, which must return a module.

    Parameters
    ----------
    address : Address
        For messages.
    factory : callable
        As found.
    arguments : dict
        Its keyword arguments.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    CandidateError
        When it does not take the arguments, or returns something else.
    """
    import torch

    try:
        model = factory(**arguments)
    except TypeError as error:
        msg = f"factory {address.name!r} cannot be called with {sorted(arguments)}: {summarise(error)}"
        raise CandidateError(msg) from error
    if not isinstance(model, torch.nn.Module):
        msg = f"factory {address.name!r} must return a torch.nn.Module, got {type(model).__name__}"
        raise CandidateError(msg)
    return model


def load_weights(model: Any, address: Address) -> tuple[str, tuple[str, ...]]:
    """Load the state dict that the address names, strictly.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    address : Address
        With the option ``weights``, or the factory's own parameters are kept.

    Returns
    -------
    identity : str
        Digest of the file, or of the state.
    notes : tuple of str
        For the card.

    Raises
    ------
    CandidateError
        When the weights do not fit the module.
    """
    file = address.options.get("weights")
    if file is None:
        note = "no weights= in the address: the parameters are those the factory set"
        return torch_runtime.state_digest(model), (note,)
    path = Path(file).expanduser()
    state = read_state_dict(path)
    missing, unexpected = model.float().load_state_dict(_fitting(model, state, path), strict=False)
    if missing or unexpected:
        msg = (
            f"weights {str(path)!r} do not fit the module of {address.name!r}: {len(missing)} missing "
            f"{list(missing)[:2]}, {len(unexpected)} unexpected {list(unexpected)[:2]}; "
            "check the factory's arguments"
        )
        raise CandidateError(msg)
    return file_digest([path]), ()


def _fitting(model: Any, state: dict[str, Any], path: Path) -> dict[str, Any]:
    own = model.state_dict()
    for name, tensor in state.items():
        if name in own and own[name].shape != tensor.shape:
            msg = (
                f"weights {str(path)!r} do not fit the module: {name!r} has shape {tuple(tensor.shape)}, "
                f"not {tuple(own[name].shape)}; check the factory's arguments"
            )
            raise CandidateError(msg)
    return state


def json_value(text: str) -> Any:
    """Read an option as JSON where it is JSON, else as text.

    Examples
    --------
    >>> json_value("[1, 2]"), json_value("relu")
    ([1, 2], 'relu')
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def source_digest(factory: Callable[..., Any]) -> str | None:
    """Digest the file the factory is written in, so that edited code is not taken for the same model."""
    file = getattr(sys.modules.get(factory.__module__), "__file__", None)
    return file_digest([Path(file)]) if file and Path(file).is_file() else None


def first_tensor(output: Any) -> Any:
    """Find the features in what a module returned.

    Parameters
    ----------
    output : Tensor, tuple, list, mapping or object with attributes
        Such as ``features``, ``pooler_output`` or ``last_hidden_state``, which are looked for first.

    Returns
    -------
    Tensor

    Raises
    ------
    CandidateError
        When there is no tensor in it.
    """
    import torch

    for name in ("features", "pooler_output", "last_hidden_state"):
        inner = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if isinstance(inner, torch.Tensor):
            return inner
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, list | tuple):
        output = next((item for item in output if isinstance(item, torch.Tensor)), None)
    if not isinstance(output, torch.Tensor):
        msg = f"the module must return a tensor, or a tuple or dict that holds one, got {type(output).__name__}"
        raise CandidateError(msg)
    return output
