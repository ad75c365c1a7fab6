"""The model hub: one preflight, one snapshot of each model, pinned to a commit and loaded from its folder.

Adapters never hand a hub name to a library. They ask for the folder of one commit and load from there, so
that weights, configuration and tokenizer cannot come from different commits, and nothing is looked up
behind our back.
"""

from __future__ import annotations

import functools
import os
import re
import socket
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from hubscout._optional import require
from hubscout.errors import CandidateError
from hubscout.models.address import Address
from hubscout.models.weights import PICKLED, SAFETENSORS, check_weights, file_digest, settings_digest

PREFLIGHT_SECONDS = 2.0
_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
_SMALL_FILES = (".json", ".txt", ".model", ".jinja", ".md", ".vocab", ".tiktoken", ".yaml", ".yml")
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


def quiet_hub() -> None:
    """Switch off bars, telemetry and update checks of the hub's libraries, unless the user set them.

    The libraries read these variables when they are imported, so every adapter calls this first.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def hub_is_reachable() -> bool:
    """Find out once whether the hub can be reached, in at most 2 seconds.

    Returns
    -------
    bool
        False also when ``HF_HUB_OFFLINE`` or ``HUBSCOUT_OFFLINE`` say so.

    Notes
    -----
    When it cannot be reached, ``HF_HUB_OFFLINE`` is set for this process and its children: without that
    every missing model costs a library up to a minute of retries.
    """
    quiet_hub()
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HUBSCOUT_OFFLINE"):
        if os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on"):
            os.environ["HF_HUB_OFFLINE"] = "1"
            return False
    if _preflight():
        return True
    os.environ["HF_HUB_OFFLINE"] = "1"
    return False


@functools.cache
def _preflight() -> bool:
    host, port = _first_hop(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    reached = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=PREFLIGHT_SECONDS).close()
        except OSError:
            return
        reached.set()

    # A look-up of a name takes no time limit, so it runs in a thread that nobody waits for.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PREFLIGHT_SECONDS)
    return reached.is_set()


def _first_hop(endpoint: str) -> tuple[str, int]:
    """Return host and port that a connection to the hub opens first: the proxy's, where there is one."""
    parts = urlsplit(endpoint)
    proxy = urllib.request.getproxies().get(parts.scheme or "https")
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    return parts.hostname or "huggingface.co", parts.port or (80 if parts.scheme == "http" else 443)


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
    try:
        if hub_is_reachable():
            path, licence = _fetch(hub, name, address.revision, with_code)
        else:
            path = Path(hub.snapshot_download(name, revision=address.revision, local_files_only=True))
            licence = None
    except (hub.errors.HFValidationError, hub.errors.HfHubHTTPError) as error:
        raise CandidateError(_refusal(hub, address, name, error)) from error
    except OSError as error:
        # The hub's own errors for a missing entry, and those of the network, are all OSErrors.
        raise CandidateError(_not_found(address, name)) from error
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


def _fetch(hub: object, name: str, revision: str | None, with_code: bool) -> tuple[Path, str | None]:
    info = hub.HfApi().model_info(name, revision=revision, timeout=10)  # type: ignore[attr-defined]
    wanted = choose_files([sibling.rfilename for sibling in info.siblings or ()], with_code=with_code)
    path = hub.snapshot_download(name, revision=info.sha, allow_patterns=wanted)  # type: ignore[attr-defined]
    card = getattr(info, "card_data", None)
    licence = getattr(card, "license", None)
    return Path(path), str(licence) if licence else None


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


def _refusal(hub: object, address: Address, name: str, error: Exception) -> str:
    errors = hub.errors  # type: ignore[attr-defined]
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
