"""From an address to an encoder: one table of adapters, none of which is imported before it is needed."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from hubscout.errors import CandidateError, HubscoutError, UsageError
from hubscout.models.address import Address, parse_address
from hubscout.models.card import Encoder
from hubscout.models.reading import OWN_OUTPUT, Reading

# scheme -> "module:function"; the function takes (Address, LoadRequest) and returns an Encoder.
ADAPTERS = {
    "bundled": "hubscout.models.bundled:load",
    "hf": "hubscout.models.transformers:load",
    "onnx": "hubscout.models.onnx:load",
    "st": "hubscout.models.sentence_transformers:load",
    "timm": "hubscout.models.timm:load",
    "torch": "hubscout.models.torch:load",
}
POOLINGS = ("cls", "mean", "max", "last", "pooler")


@dataclass(frozen=True)
class LoadRequest:
    """What the caller wants beside the address.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    pooling : {"cls", "mean", "last", "pooler"} or None
        How tokens become one vector; None for the adapter's own choice.
    trust_remote_code : frozenset of str
        Names of the models whose own Python code may run.
    reading : Reading
        Of which unit and which layers the features are wanted.
    """

    device: str = "auto"
    pooling: str | None = None
    trust_remote_code: frozenset[str] = frozenset()
    reading: Reading = OWN_OUTPUT

    def trusts(self, address: Address) -> bool:
        """Whether the user named this model, as in its address or without scheme and revision."""
        names = {str(address), f"{address.scheme}:{address.name}", address.name}
        return bool(names & self.trust_remote_code)


def load_encoder(
    address: Address | str,
    *,
    device: str = "auto",
    pooling: str | None = None,
    trust_remote_code: Collection[str] = (),
    reading: Reading = OWN_OUTPUT,
) -> Encoder:
    """Load one candidate, ready to run.

    Parameters
    ----------
    address : Address or str
        Which model.
    device : str
        ``auto`` takes the first of cuda, mps and cpu that is there.
    pooling : {"cls", "mean", "max", "last", "pooler"} or None
        How token vectors become one; None for what fits the model. Models that do not pool tokens say in the
        notes of their card that it was not used.
    trust_remote_code : collection of str
        Models, by name, whose own Python code may run.
    reading : Reading
        Of which unit and which layers the features are wanted; the model's own output for whole samples by default.

    Returns
    -------
    Encoder

    Raises
    ------
    UsageError
        When an argument or an option of the address is wrong.
    CandidateError
        When the model cannot be loaded.
    MissingExtraError
        When its library is not installed.
    UnsafeFileError
        When loading it would run code that came with it.
    """
    if isinstance(trust_remote_code, str):
        msg = f"trust_remote_code must be a collection of model names, got the text {trust_remote_code!r}"
        raise UsageError(msg)
    if pooling is not None and pooling not in POOLINGS:
        msg = f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}"
        raise UsageError(msg)
    address = parse_address(address) if isinstance(address, str) else address
    if address.scheme not in ADAPTERS:
        msg = f"address {str(address)!r} names arrays that are already computed; there is no model to load"
        raise UsageError(msg)
    if "*" in f"{address.name}{address.revision or ''}":
        msg = f"address {str(address)!r} is a pattern; expand it with expand_candidates() first"
        raise UsageError(msg)
    module, _, function = ADAPTERS[address.scheme].partition(":")
    request = LoadRequest(device, pooling, frozenset(trust_remote_code), reading)
    try:
        encoder = cast(Encoder, getattr(importlib.import_module(module), function)(address, request))
    except HubscoutError:
        raise
    except MemoryError as error:
        msg = f"candidate {str(address)!r} does not fit into memory; take a smaller model or another device"
        raise CandidateError(msg) from error
    except Exception as error:
        # Frameworks raise whatever they like at a bad file. One candidate must not end the others, and a user
        # is helped by one line; the cause stays attached for --debug.
        msg = f"candidate {str(address)!r} cannot be loaded: {summarise(error)}"
        raise CandidateError(msg) from error
    _check_reading(encoder, reading, str(address))
    return encoder


def _check_reading(encoder: Encoder, reading: Reading, address: str) -> None:
    """Refuse an adapter, ours or a plugin's, that passed over what was asked."""
    if encoder.card.unit != reading.unit:
        msg = f"candidate {address!r} gives no features of {_PLURALS[reading.unit]}; leave it out for this kind of task"
        raise CandidateError(msg)
    if reading.layers is not None and not encoder.card.readouts:
        msg = f"candidate {address!r} gives its last features only; leave it out, or leave layers (--layers) out"
        raise CandidateError(msg)


_PLURALS = {"sample": "whole samples", "pair": "pairs of texts", "box": "boxes", "word": "words", "point": "points"}


def summarise(error: BaseException) -> str:
    """Reduce a framework's error to its kind and the first line of its text.

    Examples
    --------
    >>> summarise(ValueError("first line"))
    "ValueError 'first line'"
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__} {lines[0][:300]!r}" if lines else type(error).__name__


def check_options(address: Address, allowed: Collection[str]) -> None:
    """Refuse an option that an adapter does not know.

    Raises
    ------
    UsageError
        With the nearest known option.
    """
    for key in address.options:
        if key not in allowed:
            near = difflib.get_close_matches(key, list(allowed), n=1)
            known = f"it takes {', '.join(sorted(allowed))}" if allowed else "it takes none"
            advice = f"did you mean {near[0]!r}?" if near else known
            msg = f"{address.scheme}: addresses have no option {key!r}; {advice}"
            raise UsageError(msg)


def unused_pooling(request: LoadRequest) -> tuple[str, ...]:
    """Say, for the card, that the asked pooling has nothing to act on."""
    if request.pooling is None:
        return ()
    return (f"pooling {request.pooling!r} is not used: this model pools its features itself",)
