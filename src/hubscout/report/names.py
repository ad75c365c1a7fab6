"""Short names of candidates: an address can hold a factory's whole configuration, and a table cannot."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import unquote

_COMMIT = re.compile(r"@([0-9a-f]{12})[0-9a-f]{28}(?=\?|$)")


def short_name(address: str) -> str:
    """Shorten one address: no options but the name of the weights, and twelve digits of a commit.

    Parameters
    ----------
    address : str
        A canonical address. Untrusted text.

    Returns
    -------
    str

    Examples
    --------
    >>> short_name("torch:nets:build?depth=3&weights=/models/small.safetensors")
    'torch:nets:build [small]'
    >>> short_name("hf:org/name@" + "0123456789" * 4)
    'hf:org/name@012345678901'
    """
    head, _, query = _COMMIT.sub(r"@\1", address).partition("?")
    for option in query.split("&"):
        key, _, value = option.partition("=")
        if key == "weights":
            return f"{head} [{PurePath(unquote(value)).stem}]"
    return head


def short_names(addresses: Sequence[str]) -> dict[str, str]:
    """Shorten the addresses of one table; two that would look alike stay whole.

    Parameters
    ----------
    addresses : sequence of str

    Returns
    -------
    dict of str to str
        The name of each address.

    Examples
    --------
    >>> sorted(short_names(["onnx:a.onnx?features=x", "onnx:a.onnx?features=y", "onnx:b.onnx?mean=0"]).values())
    ['onnx:a.onnx?features=x', 'onnx:a.onnx?features=y', 'onnx:b.onnx']
    """
    names = {address: short_name(address) for address in addresses}
    seen = Counter(names.values())
    return {address: name if seen[name] == 1 else address for address, name in names.items()}
