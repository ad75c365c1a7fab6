"""What every test needs: no network, quiet hub libraries, torchvision importable beside a CPU torch."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torchvision_compat

COMPAT = str(Path(__file__).parent / "compat")

# Read when the libraries are first imported, so they are set before any test module is.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_UPDATE_CHECK="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",  # two threads on shared cores wait for each other and are ten times slower
)
# Candidates run in spawned processes; sitecustomize.py in this folder reaches them.
os.environ["PYTHONPATH"] = os.pathsep.join([COMPAT, *filter(None, [os.environ.get("PYTHONPATH")])])
torchvision_compat.install()


def _is_loopback(host: object) -> bool:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    return host is None or text in ("", "localhost", "::1") or text.startswith("127.")


def _refuse_network(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):  # a unix socket's address is a path
        host = args[1][0]
    else:
        return
    if not _is_loopback(host):
        msg = f"a test tried to reach {host!r} over the network"
        raise RuntimeError(msg)


sys.addaudithook(_refuse_network)
