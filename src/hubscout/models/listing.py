"""Which models there are: listing by pattern, and from patterns to candidates."""

from __future__ import annotations

import difflib
import fnmatch
import glob
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hubscout.errors import UsageError
from hubscout.models.address import Address, parse_address
from hubscout.models.revisions import list_revisions

_SUFFIXES = {"onnx": (".onnx",), "features": (".npz", ".npy")}


def list_models(pattern: str) -> list[str]:
    """List candidates whose addresses match a pattern.

    Parameters
    ----------
    pattern : str
        An address in which ``*`` stands for anything: ``timm:*mobilenet*``, ``bundled:*``, ``hf:*`` (the
        hub's cache), ``hf:org/name@*`` (branches and tags), ``onnx:folder/*.onnx``, ``hf:./models/*``,
        ``torch:nets:build?weights=run/step-*.safetensors``. A bare scheme such as ``timm:`` lists
        everything of it.

    Returns
    -------
    list of str
        Canonical addresses, in natural order (``step-9`` before ``step-10``); empty when nothing matches.

    Raises
    ------
    UsageError
        When the pattern is no address, or has ``*`` where it cannot stand.
    MissingExtraError
        When the library that knows the models is not installed.

    Examples
    --------
    >>> list_models("onnx:no_such_folder/*.onnx")
    []
    """
    if isinstance(pattern, str) and pattern.endswith(":"):
        pattern = f"{pattern}*"
    address = parse_address(pattern)
    if address.scheme == "torch":
        return _torch(address)
    if address.scheme in _SUFFIXES:
        return _files(address)
    if address.is_local:
        return _folders(address)
    if address.revision is not None and "*" in address.name:
        msg = f"pattern {pattern!r} must not have a revision: it belongs to one model; leave '@…' out"
        raise UsageError(msg)
    if address.revision is not None and "*" in address.revision:
        return [str(address.with_revision(name)) for name in _match(list_revisions(address), address.revision)]
    names: dict[str, Callable[[str], list[str]]] = {
        "timm": _timm_names,
        "hf": _cached_names,
        "st": _cached_sentence_names,
        "bundled": _bundled_names,
    }
    found = names[address.scheme](address.name)
    return [str(Address(address.scheme, name, options=address.options)) for name in found]


def expand_candidates(patterns: Sequence[str]) -> list[Address]:
    """Turn what the user named into single candidates.

    Parameters
    ----------
    patterns : sequence of str
        Addresses, with or without ``*``; ``@FILE`` stands for the lines of a text file, where empty lines and lines
        that start with ``#`` do not count.

    Returns
    -------
    list of Address
        In the order given, without repetitions.

    Raises
    ------
    UsageError
        When nothing was named, an address is wrong, a pattern matches nothing, or a file of addresses cannot be
        read.

    Examples
    --------
    >>> [str(address) for address in expand_candidates(["timm:resnet18", "hf:org/name", "timm:resnet18"])]
    ['timm:resnet18', 'hf:org/name']
    """
    if isinstance(patterns, str) or not patterns:
        msg = f"candidates must be a list of at least one address, such as ['bundled:*'], got {patterns!r}"
        raise UsageError(msg)
    found: dict[str, Address] = {}
    for pattern in _with_files(patterns):
        address = parse_address(pattern)
        if not _is_pattern(address):
            found.setdefault(str(address), address)
            continue
        matches = list_models(pattern)
        if not matches:
            raise UsageError(_nothing_matches(pattern, address))
        for match in matches:
            found.setdefault(match, parse_address(match))
    return list(found.values())


def _with_files(patterns: Sequence[str]) -> Iterator[str]:
    """Put the lines of a file of addresses in the place of its ``@FILE``."""
    for pattern in patterns:
        if not isinstance(pattern, str) or not pattern.startswith("@"):
            yield pattern
            continue
        try:
            text = Path(pattern[1:]).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            reason = "it is not UTF-8 text" if isinstance(error, ValueError) else (error.strerror or str(error))
            msg = f"candidates file {pattern[1:]!r} cannot be read: {reason}; give a text file of one address a line"
            raise UsageError(msg) from None
        lines = [line.strip() for line in text.splitlines()]
        addresses = [line for line in lines if line and not line.startswith("#")]
        if not addresses:
            msg = f"candidates file {pattern[1:]!r} must hold at least one address, got none"
            raise UsageError(msg)
        yield from addresses


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Order text as people do: ``step-9`` before ``step-10``.

    Examples
    --------
    >>> sorted(["step-10", "step-9"], key=natural_key)
    ['step-9', 'step-10']
    """
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]


def _is_pattern(address: Address) -> bool:
    named = address.options.get("weights", "") if address.scheme == "torch" else address.name
    return "*" in f"{named}{address.revision or ''}"


def _nothing_matches(pattern: str, address: Address) -> str:
    advice = "check the path, which is relative to the current folder"
    if address.revision is not None:
        return f"pattern {pattern!r} matches no candidate; the hub or its cache must hold such branches or tags"
    if address.scheme in ("timm", "bundled", "hf", "st") and not address.is_local:
        everything = [parse_address(name).name for name in list_models(f"{address.scheme}:*")]
        near = difflib.get_close_matches(address.name.strip("*"), everything, n=1, cutoff=0.5)
        advice = f"list what there is with: hubscout models '{address.scheme}:*'"
        if near:
            advice = f"did you mean '{address.scheme}:{near[0]}'?"
        elif address.scheme in ("hf", "st"):
            advice = "only models in the hub's cache are matched; name the model in full to fetch it"
    return f"pattern {pattern!r} matches no candidate; {advice}"


def _match(names: Sequence[str], pattern: str) -> list[str]:
    # Only "*" is special: "[" is a character of file names.
    rule = pattern.replace("[", "[[]").replace("?", "[?]")
    return sorted((name for name in names if fnmatch.fnmatchcase(name, rule)), key=natural_key)


def _timm_names(pattern: str) -> list[str]:
    from hubscout.models.timm import import_timm

    return _match(import_timm().list_pretrained(), pattern)


def _bundled_names(pattern: str) -> list[str]:
    from hubscout.models.bundled import read_manifest

    return [name for name in read_manifest() if _match([name], pattern)]


def _cached_names(pattern: str) -> list[str]:
    return _match([name for name, _ in _cached()], pattern)


def _cached_sentence_names(pattern: str) -> list[str]:
    return _match([name for name, files in _cached() if "modules.json" in files], pattern)


def _cached() -> list[tuple[str, set[str]]]:
    """Return the models in the hub's cache that hold a configuration, with the files of all their snapshots."""
    from hubscout._optional import require
    from hubscout._preflight import quiet_hub

    quiet_hub()
    hub = require("huggingface_hub", "hf", "hf: and st: patterns")
    try:
        cache = hub.scan_cache_dir()
    except hub.errors.CacheNotFound:
        return []
    found = []
    for repo in cache.repos:
        files = {file.file_name for revision in repo.revisions for file in revision.files}
        if repo.repo_type == "model" and "config.json" in files:
            found.append((repo.repo_id, files))
    return found


def _glob(pattern: str) -> list[Path]:
    rule = glob.escape(str(Path(pattern).expanduser())).replace("[*]", "*")
    return [Path(name) for name in sorted(glob.glob(rule), key=natural_key)]  # noqa: PTH207 - absolute patterns too


def _files(address: Address) -> list[str]:
    paths = [path for path in _glob(address.name) if path.is_file()]
    paths = [path for path in paths if path.suffix in _SUFFIXES[address.scheme]]
    return [str(Address(address.scheme, str(path), options=address.options)) for path in paths]


def _folders(address: Address) -> list[str]:
    source, separator, rest = address.name.partition(":")
    prefix, pattern = (f"{source}:", rest) if separator and source == "local-dir" else ("", address.name)
    mark = "modules.json" if address.scheme == "st" else "config.json"
    found = [path for path in _glob(pattern) if (path / mark).is_file()]
    # The way the folder is written tells it from a hub name, and a path loses its leading "./".
    texts = [str(path) if path.is_absolute() or str(path).startswith(".") else f"./{path}" for path in found]
    return [str(Address(address.scheme, f"{prefix}{text}", options=address.options)) for text in texts]


def _torch(address: Address) -> list[str]:
    if "*" in address.name:
        msg = f"pattern {str(address)!r} can have '*' in weights= only; name the factory in full"
        raise UsageError(msg)
    if not _is_pattern(address):
        return [str(address)]
    paths = [path for path in _glob(address.options["weights"]) if path.is_file()]
    return [str(Address("torch", address.name, options={**address.options, "weights": str(path)})) for path in paths]
