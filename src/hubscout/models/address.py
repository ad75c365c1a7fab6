"""Addresses of candidates: ``scheme:name[@revision][?option=value&...]``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote, unquote

from hubscout.errors import UsageError

SCHEMES = ("bundled", "features", "hf", "onnx", "st", "timm", "torch")
_WITH_REVISION = ("hf", "st", "timm")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9_+.\-]*):(.*)", re.DOTALL)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_REVISION = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_./*\-]*")  # "*" in patterns of revisions
_HUB_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)?")
_TIMM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_FACTORY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_PRINTABLE_ASCII = "".join(chr(code) for code in range(33, 127))
# Only what would be read as structure is escaped, so that paths and JSON values stay readable in tables.
_SAFE_IN_VALUE = "".join(set(_PRINTABLE_ASCII) - set("%&#?"))
_SAFE_IN_NAME = "".join(set(_PRINTABLE_ASCII) - set("%?#@"))


@dataclass(frozen=True)
class Address:
    """Where one candidate stands.

    Parameters
    ----------
    scheme : {"bundled", "features", "hf", "onnx", "st", "timm", "torch"}
        Which adapter reads it.
    name : str
        What the adapter looks up: a hub name, a file, a folder, ``module:factory``.
    revision : str or None
        Branch, tag or commit of a hub name (``hf``, ``st``, ``timm``).
    options : mapping of str to str
        The query, in the order of its keys.

    Notes
    -----
    ``str(address)`` is canonical: options are sorted, and in names and values the characters that mean
    something to the grammar are percent-encoded. It parses back to an equal address.

    Examples
    --------
    >>> str(Address("hf", "org/name", "main"))
    'hf:org/name@main'
    >>> str(Address("torch", "nets:build", options={"weights": "a b.safetensors"}))
    'torch:nets:build?weights=a%20b.safetensors'
    """

    scheme: str
    name: str
    revision: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(sorted(self.options.items()))))
        _check(self)

    def __str__(self) -> str:
        # The prefixes of timm's own sources hold no "@", so only their rest is escaped with the name.
        text = f"{self.scheme}:{quote(self.name, safe=_SAFE_IN_NAME)}"
        if self.revision is not None:
            text += f"@{self.revision}"
        pairs = (f"{key}={quote(value, safe=_SAFE_IN_VALUE)}" for key, value in self.options.items())
        query = "&".join(pairs)
        return f"{text}?{query}" if query else text

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[object, ...]:
        return parse_address, (str(self),)

    def with_revision(self, revision: str) -> Address:
        """Return the same address, pinned to a commit."""
        return Address(self.scheme, self.name, revision, self.options)

    @property
    def is_local(self) -> bool:
        """Whether the name of a hub scheme is a folder on this machine instead."""
        return is_local_path(_strip_source(self.name))


def is_local_path(name: str) -> bool:
    """Tell a folder from a hub name, by how it is written and not by what lies on the disk.

    Examples
    --------
    >>> [is_local_path(name) for name in ("./dir", "/dir", "~/dir", "a/b/c", "org/name")]
    [True, True, True, True, False]
    """
    deep = name.partition("@")[0].count("/") > 1  # a revision may hold slashes: refs/pr/1
    return deep or name.startswith((".", "/", "~", "\\")) or name[1:3] in (":\\", ":/")


def parse_address(text: object) -> Address:
    """Read an address.

    Parameters
    ----------
    text : str
        Such as ``timm:resnet50.a1_in1k`` or ``onnx:file.onnx?features=pool5``.

    Returns
    -------
    Address
        Whether the thing exists is found out when it is loaded.

    Raises
    ------
    UsageError
        When the scheme is missing or unknown, or a part is not of its form.

    Examples
    --------
    >>> parse_address("hf:facebook/dinov2-small@main").revision
    'main'
    >>> parse_address("resnet50")
    Traceback (most recent call last):
    ...
    hubscout.errors.UsageError: address 'resnet50' names no source; write one of timm:resnet50,
    bundled:resnet50
    """
    if not isinstance(text, str):
        msg = f"address must be text such as 'timm:resnet50', got {type(text).__name__}"
        raise UsageError(msg)
    match = _SCHEME.fullmatch(text)
    if match is None:
        raise UsageError(_offer_readings(text))
    scheme, rest = match.group(1), match.group(2)
    if scheme not in SCHEMES:
        raise UsageError(_unknown_scheme(text, scheme, rest))
    name, _, query = rest.partition("?")
    name, revision = _split_revision(scheme, name)
    return Address(scheme, unquote(name), revision, _parse_query(text, query))


def _split_revision(scheme: str, name: str) -> tuple[str, str | None]:
    if scheme not in _WITH_REVISION or is_local_path(_strip_source(name)) or "@" not in name:
        return name, None
    name, _, revision = name.rpartition("@")
    return name, revision


def _strip_source(name: str) -> str:
    """Drop the prefix of timm's own sources, which may stand before a folder or a hub name."""
    source, separator, rest = name.partition(":")
    if separator and source == "local-dir":
        return rest if rest.startswith((".", "/", "~")) else f"./{rest}"
    return rest if separator and source == "hf-hub" else name


def _parse_query(text: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in query.split("&") if query else []:
        key, separator, value = pair.partition("=")
        if not separator or not _KEY.fullmatch(key):
            msg = f"address {text!r} must have options of the form name=value after '?', got {pair!r}"
            raise UsageError(msg)
        if key in options:
            msg = f"address {text!r} gives the option {key!r} twice; keep one of them"
            raise UsageError(msg)
        options[key] = unquote(value)
    return options


def _check(address: Address) -> None:
    """Hold every address to the grammar, also one that was not parsed."""
    scheme, name, revision = address.scheme, address.name, address.revision
    if scheme not in SCHEMES:
        raise UsageError(_unknown_scheme(f"{scheme}:{name}", scheme, name))
    for part in (name, *address.options.values()):
        if not part.isprintable():
            msg = f"address part {part!r} must not hold control characters; rename the file or leave them out"
            raise UsageError(msg)
    if not name:
        msg = f"address '{scheme}:' must name something after the colon, such as {_EXAMPLES[scheme]!r}"
        raise UsageError(msg)
    if bad := [key for key in address.options if not _KEY.fullmatch(key)]:
        msg = f"address option {bad[0]!r} must be a name of letters, digits, '_', '.' and '-'"
        raise UsageError(msg)
    if revision is not None and (scheme not in _WITH_REVISION or address.is_local or not _REVISION.fullmatch(revision)):
        msg = (
            f"address '{scheme}:…' got the revision {revision!r}; "
            "only a hub name takes one, and it is a branch, a tag or a commit"
        )
        raise UsageError(msg)
    form = _forms(address)
    if form and "*" not in name:
        msg = f"address name {name!r} must be {form}, such as {_EXAMPLES[scheme]!r}"
        raise UsageError(msg)


_EXAMPLES = {
    "bundled": "bundled:shapes-supervised",
    "features": "features:file.npz",
    "hf": "hf:facebook/dinov2-small",
    "onnx": "onnx:file.onnx",
    "st": "st:sentence-transformers/all-MiniLM-L6-v2",
    "timm": "timm:resnet50.a1_in1k",
    "torch": "torch:package.module:factory?weights=file.safetensors",
}


def _forms(address: Address) -> str | None:
    """Return the rule that the name breaks, if any."""
    scheme, name = address.scheme, address.name
    if scheme in ("hf", "st") and not address.is_local and not _HUB_NAME.fullmatch(name):
        return "a hub name (org/name) or a folder (./name)"
    if scheme == "timm":
        source, separator, rest = name.partition(":")
        if separator and source == "hf-hub" and _HUB_NAME.fullmatch(rest) and "/" in rest:
            return None
        if separator and source == "local-dir" and rest:
            return None
        return None if _TIMM_NAME.fullmatch(name) else "a timm name, hf-hub:org/name or local-dir:/folder"
    if scheme == "torch" and not _FACTORY.fullmatch(name):
        return "module:factory"
    if scheme == "bundled" and not _TIMM_NAME.fullmatch(name):
        return "a name without '/'"
    return None


def _unknown_scheme(text: str, scheme: str, rest: str) -> str:
    near = difflib.get_close_matches(scheme.lower(), SCHEMES, n=1, cutoff=0.5)
    if scheme in ("hf-hub", "local-dir"):
        return f"address {text!r} has the prefix of a timm source; write {f'timm:{scheme}:{rest}'!r}"
    advice = f"did you mean {f'{near[0]}:{rest}'!r}?" if near else f"use one of {', '.join(SCHEMES)}"
    return f"address {text!r} has the unknown scheme {scheme!r}; {advice}"


def _offer_readings(text: str) -> str:
    """Ambiguity is an error that offers the readings."""
    if not text.strip() or not text.isprintable():
        return f"address must be of the form scheme:name, such as 'timm:resnet50', got {text!r}"
    path = text.partition("?")[0].lower()
    if path.endswith(".onnx"):
        readings = [f"onnx:{text}"]
    elif path.endswith((".npz", ".npy")):
        readings = [f"features:{text}"]
    elif path.endswith((".safetensors", ".pt", ".pth", ".bin")):
        readings = [f"torch:module:factory?weights={text}"]
    elif is_local_path(text):
        readings = [f"hf:{text}", f"st:{text}", f"timm:local-dir:{text}"]
    elif "/" in text:
        readings = [f"hf:{text}", f"st:{text}", f"timm:hf-hub:{text}"]
    else:
        readings = [f"timm:{text}", f"bundled:{text}"]
    if not all(reading.isprintable() and "'" not in reading for reading in readings):
        readings = [repr(reading) for reading in readings]
    return f"address {text!r} names no source; write one of {', '.join(readings)}"
