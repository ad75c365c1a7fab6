"""The work behind `hubscout.features.extract`: take, resume, compute or mend one store entry."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hubscout.data.task import Probe
from hubscout.errors import StoreError
from hubscout.features.checks import BatchChecker
from hubscout.features.feature_set import FeatureSet
from hubscout.features.finished import Damage, FinishedEntry
from hubscout.features.forward import DEFAULT_BATCH, TEXT_WINDOW_BATCHES, ForwardLoop, make_windows
from hubscout.features.keys import EntryKey
from hubscout.features.layout import BLOCK_ROWS, ArrayLayout
from hubscout.features.partial import PartialEntry
from hubscout.features.records import RunFacts
from hubscout.models.card import Encoder

_COMMIT_SECONDS = 2.0


class ExtractionJob:
    """One call of `hubscout.features.extract`.

    Parameters
    ----------
    encoder : Encoder
        The candidate.
    probe : Probe
        The target sample.
    key : EntryKey
        Of the store entry.
    batch_size : int or None
        As asked for.
    threads : int
        Loader threads.
    progress : callable or None
        As asked for.

    Attributes
    ----------
    notes : list of str
        What the user should know of this run, beside the facts kept in the entry.
    """

    def __init__(
        self,
        encoder: Encoder,
        probe: Probe,
        key: EntryKey,
        batch_size: int | None,
        threads: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.encoder = encoder
        self.probe = probe
        self.key = key
        counts = np.ones(len(probe), dtype=np.intp) if probe.unit_counts is None else probe.unit_counts
        self.offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        self.batch_size = batch_size or DEFAULT_BATCH[encoder.card.modality]
        is_text = encoder.card.modality == "text"
        self.window_samples = self.batch_size * (TEXT_WINDOW_BATCHES if is_text else 1)
        self.threads = threads
        self.notes: list[str] = []
        self._seconds = 0.0
        self._computed = 0
        self._repaired = 0
        self._progress = progress
        self._done = 0
        self._earlier = RunFacts()

    def note_wait(self) -> None:
        """Say that another process is at the same work."""
        self.notes.append("waited for another process that was extracting the same features")

    def fill(self, directory: Path) -> FeatureSet:
        """Do what is missing in the entry, whose lock is held."""
        finished = FinishedEntry.load(directory, self.key)
        if finished is None:
            self._write(directory)
            finished = FinishedEntry.load(directory, self.key)
            if finished is None:
                msg = f"the entry {str(directory)!r} vanished while it was written; run again"
                raise StoreError(msg)
        elif damage := finished.damage():
            self._mend(finished, damage)
        return self.take(finished)

    def take(self, finished: FinishedEntry) -> FeatureSet:
        """Wrap a whole entry."""
        features, logits = finished.arrays()
        facts = finished.record.facts
        n_rows = self.key.n_rows
        self._report(len(self.probe) - self._done)
        provenance = {
            "card": self.encoder.card.to_dict(),
            "key": self.key.digest,
            "probe_fingerprint": self.probe.fingerprint,
            "seconds": self._seconds,
            "samples_per_second": facts.samples_per_second,
            "rows_cached": n_rows - self._computed,
            "rows_computed": self._computed,
            "rows_repaired": self._repaired,
            "device": facts.device,
            "batch_size": facts.batch_size,
            "notes": [*facts.notes, *self.notes],
        }
        return FeatureSet(features, self.probe.labels, logits, provenance)

    def _write(self, directory: Path) -> None:
        with PartialEntry(directory, self.key) as entry:
            self._begin_at(entry)
            loop = self._loop(entry.layouts)
            # What did not fit in an earlier run need not be found out again.
            if entry.facts.safe_batch_size and entry.facts.device == self.encoder.card.device:
                loop.batch_size = min(loop.batch_size, entry.facts.safe_batch_size)
            try:
                self._append_rows(entry, loop)
                self._settle(entry, loop)
                entry.finish(self.encoder.card.to_dict())
            except StoreError:
                entry.abandon()
                raise
            except BaseException:
                # Whatever stopped the loop, Ctrl-C too: whole rows are kept for the next run.
                with contextlib.suppress(StoreError):
                    self._settle(entry, loop)
                    entry.commit()
                raise

    def _begin_at(self, entry: PartialEntry) -> None:
        self._earlier = entry.facts
        self._report(self._sample_of(entry.rows))
        self._computed = self.key.n_rows - entry.rows
        self._repaired = entry.lost_rows
        if entry.lost_rows:
            self.notes.append(f"{entry.lost_rows} stored rows were damaged and were computed again")

    def _append_rows(self, entry: PartialEntry, loop: ForwardLoop) -> None:
        committed_at = time.monotonic()
        windows = self._windows([(entry.rows, self.key.n_rows)])
        with contextlib.closing(loop.run(windows)) as results:
            for (begin, _), features, logits in results:
                # A resumed row may lie inside a window, which is computed whole to keep its batches the same.
                known = entry.rows - self.offsets[begin]
                entry.append(features[known:], None if logits is None else logits[known:])
                is_late = time.monotonic() - committed_at >= _COMMIT_SECONDS
                if is_late or entry.rows - entry.committed >= BLOCK_ROWS:
                    self._settle(entry, loop)
                    entry.commit()
                    committed_at = time.monotonic()

    def _mend(self, finished: FinishedEntry, damage: Damage) -> None:
        bounds = finished.rows_of(damage.blocks)
        lost = sum(end - begin for begin, end in bounds)
        self._report(len(self.probe) - sum(self._sample_of(end) - self._sample_of(begin) for begin, end in bounds))
        what = f"{lost} stored rows were" if lost else "the frame of the stored files was"
        self.notes.append(f"{what} damaged and {'were computed again' if lost else 'was rewritten'}")
        finished.mend_frame()
        loop = self._loop(finished.record.layouts)
        with contextlib.closing(loop.run(self._windows(bounds))) as results:
            for (begin, end), features, logits in results:
                first = int(self.offsets[begin])
                for low, high in _overlaps((first, int(self.offsets[end])), bounds):
                    rows = slice(low - first, high - first)
                    finished.overwrite(low, features[rows], None if logits is None else logits[rows])
        finished.accept(damage.blocks, self.encoder.card.to_dict())
        self._repaired = self._computed = lost
        self._seconds = loop.seconds
        self.notes.extend(note for note in loop.notes if note not in finished.record.facts.notes)

    def _loop(self, layouts: dict[str, ArrayLayout]) -> ForwardLoop:
        width: int | str | None = "unknown"
        if layouts:
            width = layouts["logits"].width if "logits" in layouts else None
        checker = BatchChecker(self.encoder.card, self.probe.samples.name, self.key.dtype, width)
        return ForwardLoop(
            self.encoder,
            self.probe.samples,
            self.offsets,
            checker,
            batch_size=self.batch_size,
            window_samples=self.window_samples,
            threads=self.threads,
            on_samples=self._report,
        )

    def _settle(self, entry: PartialEntry, loop: ForwardLoop) -> None:
        """Bring what the loop has measured into the facts that are stored."""
        facts = self._earlier
        notes = [note for note in loop.notes if note not in facts.notes]
        entry.facts = RunFacts(
            seconds=facts.seconds + loop.seconds,
            rows=facts.rows + loop.n_samples,
            batch_size=loop.batch_size,
            safe_batch_size=loop.safe_batch_size or facts.safe_batch_size,
            device=self.encoder.card.device,
            notes=[*facts.notes, *notes],
        )
        self._seconds = loop.seconds

    def _windows(self, rows: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """List the windows of samples that give the wanted rows."""
        wanted = [(self._sample_of(begin), self._sample_of(end - 1) + 1) for begin, end in rows if begin < end]
        return make_windows(len(self.probe), self.window_samples, wanted)

    def _sample_of(self, row: int) -> int:
        """Give the sample that a row belongs to; the number of samples for the row after the last."""
        return int(np.searchsorted(self.offsets, row, side="right")) - 1

    def _report(self, samples: int) -> None:
        self._done = min(self._done + samples, len(self.probe))
        if self._progress is not None and samples:
            self._progress(self._done, len(self.probe))


def _overlaps(window: tuple[int, int], bounds: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    begin, end = window
    cuts = ((max(begin, low), min(end, high)) for low, high in bounds)
    return [(low, high) for low, high in cuts if low < high]
