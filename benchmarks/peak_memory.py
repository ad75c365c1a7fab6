"""Peak resident memory of a call, above what the process held before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path


def resident() -> int:
    """Return this process's resident memory in bytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def peak_above(function: Callable[[], object], interval: float = 0.002) -> int:
    """Return the largest resident memory seen while ``function`` ran, minus that before it, in bytes."""
    before, peak, done = resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, resident())
            time.sleep(interval)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        done.set()
        watcher.join()
    return max(peak - before, 0)
