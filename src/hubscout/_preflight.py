"""Before any library of the hub is imported: keep it quiet, and find out once whether the hub can be reached."""

from __future__ import annotations

import functools
import os
import socket
import threading
import urllib.request
from urllib.parse import urlsplit

PREFLIGHT_SECONDS = 2.0
_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


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
