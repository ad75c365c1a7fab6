"""Samples decoded and prepared ahead of the model, in order, by a few threads."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from hubscout.data.task import Samples
from hubscout.errors import CandidateError

Window = tuple[int, int]
_MAX_THREADS = 8


def default_threads() -> int:
    """Give the number of loader threads for this machine, at most 8.

    Returns
    -------
    int
        The cores this process may use.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return int(max(1, min(_MAX_THREADS, cores)))


class Prefetcher:
    """Prepared samples, window by window, with a bounded number of windows in the air.

    Parameters
    ----------
    samples : Samples
        Of the probe.
    prepare : callable
        Turns one sample into the model's input; called from several threads.
    address : str
        Named in errors.
    windows : sequence of (begin, end)
        Rows in the order they are asked for.
    threads : int
        Number of loader threads, at least 1.
    slice_rows : int
        Rows one thread prepares at a time.
    ahead : int
        Windows prepared beyond the one that is in use.
    """

    def __init__(
        self,
        samples: Samples,
        prepare: Callable[[Any], Any],
        address: str,
        windows: Sequence[Window],
        *,
        threads: int,
        slice_rows: int,
        ahead: int,
    ) -> None:
        self._samples = samples
        self._prepare = prepare
        self._address = address
        self._windows = windows
        self._threads = threads
        self._slice_rows = slice_rows
        self._ahead = ahead
        self._stop = threading.Event()

    def __iter__(self) -> Generator[tuple[Window, list[Any]]]:
        """Yield each window with its prepared samples.

        Raises
        ------
        CandidateError
            When a sample cannot be read or prepared, naming it.
        """
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="hubscout-loader")
        flying: deque[tuple[Window, list[Future[list[Any]]]]] = deque()
        waiting = iter(self._windows)
        try:
            while True:
                while len(flying) <= self._ahead and (window := next(waiting, None)) is not None:
                    flying.append((window, self._submit(pool, window)))
                if not flying:
                    return
                window, futures = flying.popleft()
                yield window, [item for future in futures for item in future.result()]
        finally:
            # Threads look at the event between samples, so Ctrl-C waits for one sample each at most.
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, pool: ThreadPoolExecutor, window: Window) -> list[Future[list[Any]]]:
        begin, end = window
        cuts = range(begin, end, self._slice_rows)
        return [pool.submit(self._load, cut, min(cut + self._slice_rows, end)) for cut in cuts]

    def _load(self, begin: int, end: int) -> list[Any]:
        prepared = []
        for row in range(begin, end):
            if self._stop.is_set():
                break
            try:
                prepared.append(self._prepare(self._samples[row]))
            except Exception as exc:
                msg = (
                    f"sample {self._samples.name(row)!r} cannot be prepared for {self._address!r} "
                    f"({phrase(exc)}); mend or remove the sample, or leave the candidate out"
                )
                raise CandidateError(msg) from exc
        return prepared


def phrase(error: BaseException) -> str:
    r"""Put a foreign error into a few safe words.

    Parameters
    ----------
    error : BaseException
        Its text is untrusted.

    Returns
    -------
    str
        The type and the beginning of the text, without control characters.

    Examples
    --------
    >>> print(phrase(ValueError("bad\x1b[31m size")))
    ValueError: 'bad\x1b[31m size'
    """
    text = str(error)
    if not text:
        return type(error).__name__
    return f"{type(error).__name__}: {text if len(text) <= 300 else text[:300] + '...'!r}"
