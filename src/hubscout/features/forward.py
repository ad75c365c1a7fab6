"""The forward loop: prepared samples in, checked features out, window by window in the order of the probe.

A window is a run of samples. Each sample gives one row of features, or one for each of its boxes, words or points.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from hubscout.data.task import Samples
from hubscout.errors import CandidateError, HubscoutError
from hubscout.features.checks import BatchChecker, largest_difference
from hubscout.features.loader import Prefetcher, Window, phrase
from hubscout.models.card import EncodedBatch, Encoder

# Texts are sorted by length within a window, so that a batch holds little padding. Both divide the store's
# block of 1024 rows: resumed and mended rows then meet the same neighbours and come out with the same bytes.
DEFAULT_BATCH = {"image": 32, "text": 64}
TEXT_WINDOW_BATCHES = 4


def make_windows(n_samples: int, size: int, wanted: Sequence[Window]) -> list[Window]:
    """List the windows of a fixed grid that touch the wanted samples.

    Parameters
    ----------
    n_samples : int
        Samples in all.
    size : int
        Samples of a window.
    wanted : sequence of (begin, end)
        Samples to compute, ascending.

    Returns
    -------
    list of (begin, end)
        Ascending, each once.

    Examples
    --------
    >>> make_windows(10, 4, [(5, 10)])
    [(4, 8), (8, 10)]
    """
    starts = {k * size for begin, end in wanted if begin < end for k in range(begin // size, -(-end // size))}
    return [(begin, min(begin + size, n_samples)) for begin in sorted(starts)]


class ForwardLoop:
    """One candidate run over some windows of a probe.

    Parameters
    ----------
    encoder : Encoder
        The candidate.
    samples : Samples
        Of the probe.
    offsets : ndarray of shape (n_samples + 1,), int
        First row of each sample, and the number of rows.
    checker : BatchChecker
        Holds each batch against the card.
    batch_size : int
        First batch size; halved when memory runs out.
    window_samples : int
        Samples of a window.
    threads : int
        Loader threads.
    on_samples : callable, optional
        Called with the number of samples after each batch.

    Attributes
    ----------
    batch_size : int
        Size in use.
    seconds : float
        Wall time of the loop, without the check for determinism.
    n_samples : int
        Samples seen in that time.
    safe_batch_size : int or None
        Size that fits, once a larger one did not.
    notes : list of str
        What the user should know.
    """

    def __init__(
        self,
        encoder: Encoder,
        samples: Samples,
        offsets: npt.NDArray[np.intp],
        checker: BatchChecker,
        *,
        batch_size: int,
        window_samples: int,
        threads: int,
        on_samples: Callable[[int], None] | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.safe_batch_size: int | None = None
        self.seconds = 0.0
        self.n_samples = 0
        self.notes: list[str] = []
        self._encoder = encoder
        self._samples = samples
        self._checker = checker
        self._offsets = offsets
        self._window_samples = window_samples
        self._threads = threads
        self._on_samples = on_samples
        self._is_checked = False

    def run(self, windows: Sequence[Window]) -> Generator[tuple[Window, npt.NDArray[Any], npt.NDArray[Any] | None]]:
        """Compute windows one after the other.

        Parameters
        ----------
        windows : sequence of (begin, end)
            From `make_windows`.

        Yields
        ------
        window : (begin, end)
            Samples.
        features : ndarray of shape (rows of the window, n_features)
            In the order of the probe.
        logits : ndarray of shape (rows of the window, source_classes) or None
            In the order of the probe.

        Raises
        ------
        CandidateError
            When a sample cannot be prepared, the model fails, or what it returns is not usable.
        """
        prefetcher = Prefetcher(
            self._samples,
            self._encoder.prepare,
            self._encoder.card.address,
            windows,
            threads=self._threads,
            # Small enough that all threads share a batch, large enough that handing over costs nothing.
            slice_rows=max(1, min(16, self.batch_size // (2 * self._threads))),
            ahead=max(1, -(-2 * self.batch_size // self._window_samples)),
        )
        with contextlib.closing(iter(prefetcher)) as stream:
            started = time.perf_counter()
            for window, prepared in stream:
                features, logits = self._encode_window(window[0], prepared)
                self.n_samples += len(prepared)
                now = time.perf_counter()
                self.seconds += now - started
                yield window, features, logits
                started = now

    def _encode_window(self, begin: int, prepared: Sequence[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        left = self._order(prepared)
        first, end = self._offsets[begin], self._offsets[begin + len(prepared)]
        features: npt.NDArray[Any] | None = None
        logits: npt.NDArray[Any] | None = None
        while len(left):
            places, batch = self._encode_batch(begin, prepared, left)
            samples, rows = self._rows_of(begin + places)
            got, got_logits = self._checker.check(batch, samples)
            if not self._is_checked:
                self._check_determinism([prepared[i] for i in places], samples, got)
            if features is None:
                features = np.empty((end - first, got.shape[1]), got.dtype)
                logits = None if got_logits is None else np.empty((end - first, got_logits.shape[1]), np.float32)
            features[rows - first] = got
            if logits is not None:
                logits[rows - first] = got_logits
            left = left[len(places) :]
            if self._on_samples is not None:
                self._on_samples(len(places))
        assert features is not None  # noqa: S101 - a window is never empty
        return features, logits

    def _rows_of(self, samples: npt.NDArray[np.intp]) -> tuple[list[int], npt.NDArray[np.intp]]:
        """Give the sample and the position of each row that a batch of samples yields."""
        begins, counts = self._offsets[samples], self._offsets[samples + 1] - self._offsets[samples]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(samples, counts).tolist(), np.repeat(begins, counts) + within

    def _order(self, prepared: Sequence[Any]) -> npt.NDArray[np.intp]:
        if self._encoder.card.modality != "text":
            return np.arange(len(prepared))
        # Longest first: a batch that does not fit is met at once.
        return np.argsort([-len(item) for item in prepared], kind="stable")

    def _encode_batch(
        self, begin: int, prepared: Sequence[Any], left: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.intp], EncodedBatch]:
        while True:
            places = left[: self.batch_size]
            first = begin + int(places[0])
            batch = self._try([prepared[i] for i in places], first)
            if batch is not None:
                return places, batch
            if len(places) == 1:
                msg = (
                    f"candidate {self._encoder.card.address!r} runs out of memory on the single sample "
                    f"{self._samples.name(first)!r}; use a device with more memory, or leave the "
                    "candidate out"
                )
                raise CandidateError(msg)
            self._halve(len(places))

    def _halve(self, size: int) -> None:
        self.batch_size = self.safe_batch_size = size // 2
        note = f"memory did not suffice for a batch of {size}, so batches of {self.batch_size} were run"
        self.notes = [n for n in self.notes if not n.startswith("memory did not suffice")] + [note]

    def _try(self, inputs: Sequence[Any], first: int) -> EncodedBatch | None:
        try:
            batch = self._encoder.encode(inputs)
        except MemoryError:
            # The caller tries again outside this handler, whose traceback keeps the failed tensors alive.
            return None
        except HubscoutError:
            raise
        except Exception as exc:
            self._fail(inputs, first, phrase(exc), exc)
        if not isinstance(batch, EncodedBatch):
            self._fail(inputs, first, f"it returned {type(batch).__name__} instead of an EncodedBatch")
        return batch

    def _fail(self, inputs: Sequence[Any], first: int, reason: str, cause: Exception | None = None) -> NoReturn:
        msg = (
            f"candidate {self._encoder.card.address!r} failed on the batch of {len(inputs)} that begins at "
            f"sample {self._samples.name(first)!r} ({reason}); leave the candidate out or mend its "
            "adapter"
        )
        raise CandidateError(msg) from cause

    def _check_determinism(self, inputs: Sequence[Any], samples: Sequence[int], features: npt.NDArray[Any]) -> None:
        self._is_checked = True
        started = time.perf_counter()
        batch = self._try(inputs, samples[0])
        if batch is not None:
            again, _ = self._checker.check(batch, samples)
            difference = largest_difference(features, again)
            if difference is not None:
                self.notes.append(
                    f"not deterministic: the same batch gave features that differ by {difference:.1e} of the "
                    "largest one, so the scores change from run to run"
                )
        # The second run is our doubt, not the candidate's cost.
        self.seconds -= time.perf_counter() - started
