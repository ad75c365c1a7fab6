"""Peak memory of a call, above what the process held before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path


def anonymous_memory() -> int:
    """Return this process's own memory in bytes (Linux): without pages of mapped files, which cost nobody anything."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    message = "/proc/self/status has no RssAnon; this benchmark needs Linux 4.5 or newer"
    raise RuntimeError(message)


def peak_above(function: Callable[[], object], interval: float = 0.002) -> int:
    """Return the most memory seen while ``function`` ran, minus that before it, in bytes."""
    before, peak, done = anonymous_memory(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, anonymous_memory())
            time.sleep(interval)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        done.set()
        watcher.join()
    return max(peak - before, 0)
