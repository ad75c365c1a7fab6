"""The model hub: one preflight, one snapshot of each model, pinned to a commit and loaded from its folder.

Adapters never hand a hub name to a library. They ask for the folder of one commit and load from there, so
that weights, configuration and tokenizer cannot come from different commits, and nothing is looked up
behind our back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hubscout._optional import require
from hubscout._preflight import hub_is_reachable
from hubscout.errors import CandidateError
from hubscout.models.address import Address
from hubscout.models.weights import PICKLED, SAFETENSORS, check_weights, file_digest, settings_digest

_SMALL_FILES = (".json", ".txt", ".model", ".jinja", ".md", ".vocab", ".tiktoken", ".yaml", ".yml")
# Any of these in the cache shows where a model's snapshot is.
_MARKS = ("config.json", "model.safetensors", "pytorch_model.bin", "modules.json", "README.md")
_NO_WEIGHTS = ("training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scaler.pt")
_OTHER_FRAMEWORKS = ("onnx", "openvino", "coreml", "tflite", "original", "gguf")


@dataclass(frozen=True)
class Snapshot:
    """A model's folder, and what pins it.

    Parameters
    ----------
    path : Path
        The folder that libraries load from.
    address : Address
        The address asked for, with the commit as its revision if it is a hub name.
    identity : str
        ``revision:<40 hex digits>``, or ``sha256:…`` over the weight files of a local folder.
    licence : str or None
        From the head of the model's README.
    """

    path: Path
    address: Address
    identity: str
    licence: str | None = None

    def check(self) -> None:
        """Refuse weights that are missing, damaged or could run code, before a library opens them.

        Raises
        ------
        CandidateError
            When there are none, or a header is broken.
        UnsafeFileError
            When a pickled file holds more than tensors.
        """
        if not self.weights:
            msg = f"model {self.address.name!r} holds no weights at this revision; fetch it again"
            raise CandidateError(msg)
        for file in self.weights:
            check_weights(file)

    def facts(self) -> dict[str, str]:
        """Return what a card's transform states of the folder: nothing for a commit, which pins every file."""
        return {"settings": settings_digest(self.path)} if self.address.is_local else {}

    @property
    def weights(self) -> list[Path]:
        """The weight files to load: in each folder safetensors if there are any, else the pickled ones."""
        return _weights(self.path)


def locate(address: Address, *, with_code: bool = False) -> Snapshot:
    """Find or fetch a model's folder.

    Parameters
    ----------
    address : Address
        A hub name with or without a revision, or a local folder. A prefix of timm's sources is ignored.
    with_code : bool
        Whether to fetch the Python files of the model too; only for a model that the user trusts.

    Returns
    -------
    Snapshot

    Raises
    ------
    CandidateError
        When the folder does not exist, or the model is neither in the cache nor on the hub.
    """
    name = address.name.removeprefix("hf-hub:")
    if address.is_local:
        return _local(address, Path(name.removeprefix("local-dir:")).expanduser())
    hub = require("huggingface_hub", "hf", f"{address.scheme}: addresses")
    failure: Exception | None = None
    found: tuple[Path, str | None] | None = None
    if hub_is_reachable():
        try:
            found = _fetch(hub, name, address.revision, with_code)
        except _refusals(hub) as error:
            raise CandidateError(_refusal(hub, address, name, error)) from error
        except Exception as error:
            # Whatever the network does (its library's errors share no base class), the cache may still have
            # it.
            failure = error
    found = found or _cached(hub, name, address.revision)
    if found is None:
        raise CandidateError(_not_found(address, name)) from failure
    path, licence = found
    return Snapshot(
        path,
        address.with_revision(path.name),
        f"revision:{path.name}",
        licence or read_licence(path),
    )


def _local(address: Address, path: Path) -> Snapshot:
    if not path.is_dir():
        msg = f"folder {str(path)!r} does not exist; check the path, which is relative to the current folder"
        raise CandidateError(msg)
    weights = _weights(path)
    if not weights:
        msg = f"folder {str(path)!r} holds no weights (*.safetensors, or *.bin of tensors only); save the model there"
        raise CandidateError(msg)
    return Snapshot(path.resolve(), address, file_digest(weights), read_licence(path))


def _weights(path: Path) -> list[Path]:
    files = {str(f.relative_to(path).as_posix()): f for f in sorted(path.rglob("*")) if f.is_file()}
    return [files[name] for name in _one_format(list(files))]


def _fetch(hub: Any, name: str, revision: str | None, with_code: bool) -> tuple[Path, str | None]:
    info = hub.HfApi().model_info(name, revision=revision, timeout=10)
    wanted = choose_files([sibling.rfilename for sibling in info.siblings or ()], with_code=with_code)
    # The snapshot is of one commit in any case. Asked by its branch, the library also notes which commit
    # the branch is at, and so finds the model again when it is offline.
    path = hub.snapshot_download(name, revision=revision, allow_patterns=wanted)
    card = getattr(info, "card_data", None)
    licence = getattr(card, "license", None)
    return Path(path), str(licence) if licence else None


def _cached(hub: Any, name: str, revision: str | None) -> tuple[Path, None] | None:
    """Find a snapshot in the hub's cache, also one that holds only what we fetch of a model."""
    for file in _MARKS:
        try:
            path = hub.try_to_load_from_cache(name, file, revision=revision)
        except hub.errors.HFValidationError:
            return None
        if isinstance(path, str):
            return Path(path).parent, None
    return None


def _refusals(hub: Any) -> tuple[type[Exception], ...]:
    errors = hub.errors
    return errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError


def choose_files(names: list[str], *, with_code: bool = False) -> list[str]:
    """Choose what to fetch of a repository: small files, and weights in one format.

    Parameters
    ----------
    names : list of str
        All files, by their path in the repository.
    with_code : bool
        Whether Python files are wanted.

    Returns
    -------
    list of str
        In the given order; in each folder safetensors where there are any, else pickled weights.

    Examples
    --------
    >>> choose_files(["config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "run.py"])
    ['config.json', 'model.safetensors']
    """
    suffixes = (*_SMALL_FILES, ".py") if with_code else _SMALL_FILES
    weights = set(_one_format(names))
    return [
        name for name in names if name in weights or (name.endswith(suffixes) and not _is_foreign(PurePosixPath(name)))
    ]


def _one_format(names: list[str]) -> list[str]:
    """Keep weight files: in each folder the safetensors, or the pickled ones where there are none."""
    kept = []
    for name in names:
        path = PurePosixPath(name)
        if _is_foreign(path) or path.name in _NO_WEIGHTS:
            continue
        beside = any(n.endswith(SAFETENSORS) and PurePosixPath(n).parent == path.parent for n in names)
        if path.suffix == SAFETENSORS or (path.suffix in PICKLED and not beside):
            kept.append(name)
    return kept


def _is_foreign(path: PurePosixPath) -> bool:
    return any(part in _OTHER_FRAMEWORKS for part in path.parts[:-1])


def read_licence(folder: Path) -> str | None:
    """Read the licence a model's README states in its head.

    Returns
    -------
    str or None
        None when there is no README, or it states none.
    """
    readme = folder / "README.md"
    if not readme.is_file():
        return None
    with readme.open(encoding="utf-8", errors="replace") as stream:
        head = stream.read(4096)
    match = re.match(r"---\n.*?^licen[sc]e:[ \t]*([\w.+\-]+)", head, re.DOTALL | re.MULTILINE)
    return match.group(1) if match else None


def _refusal(hub: Any, address: Address, name: str, error: Exception) -> str:
    errors = hub.errors
    if isinstance(error, errors.GatedRepoError):
        return f"model {name!r} is gated; accept its terms on the hub and set HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"model {name!r} has no revision {address.revision!r}; use a branch, a tag or a full commit of 40 digits"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"model {name!r} is not on the hub; check its name, or set HF_TOKEN if it is private"
    return _not_found(address, name)


def _not_found(address: Address, name: str) -> str:
    if Path(name).is_dir():
        return f"model {name!r} is not on the hub or in its cache; for the folder write {address.scheme}:./{name}"
    at = f" at revision {address.revision!r}" if address.revision else ""
    return (
        f"model {name!r} is not in the hub's cache{at} and the hub cannot be reached; "
        "connect once to fetch it, "
        "or give a folder, such as "
        f"{address.scheme}:{'local-dir:' if address.scheme == 'timm' else ''}./folder"
    )
