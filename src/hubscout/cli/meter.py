"""How fast one candidate goes, and how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable


class Meter:
    """Rate and remaining time from rows that are ready.

    Parameters
    ----------
    clock : callable, optional
        Seconds, for tests.

    Notes
    -----
    Rows that are ready at the first report came from the store, so they do not count towards the rate.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int, int] | None = None

    def report(self, done: int, total: int) -> None:
        """Take note of the rows that are ready."""
        now = self._clock()
        if self._first is None:
            self._first = (now, done)
        self._last = (now, done, total)

    @property
    def rate(self) -> float | None:
        """Rows per second, or None before the second report."""
        if self._first is None or self._last is None:
            return None
        seconds, rows = self._last[0] - self._first[0], self._last[1] - self._first[1]
        return rows / seconds if seconds > 0 and rows > 0 else None

    @property
    def remaining(self) -> float | None:
        """Seconds that the rest takes at this rate, or None when the rate is not known."""
        rate = self.rate
        if rate is None or self._last is None:
            return None
        return (self._last[2] - self._last[1]) / rate
