"""Progress of a run on stderr: bars on a terminal, lines elsewhere, nothing when quiet."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from hubscout._printable import printable
from hubscout.cli.meter import Meter
from hubscout.cli.streams import console, say
from hubscout.ranking.events import Event
from hubscout.report import probe_remarks
from hubscout.report.names import short_name
from hubscout.report.numbers import duration, rate

_SECONDS_BETWEEN_LINES = 10.0


class Reporter(Protocol):
    """Shows the events of a run."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def __call__(self, event: Event) -> None:
        """Show one event."""
        ...


def reporter(*, quiet: bool) -> Reporter:
    """Choose how progress is shown.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """
    if quiet:
        return _Silent()
    return _Bars() if console(sys.stderr).is_terminal else _Lines()


class _Silent:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, event: Event) -> None:
        """Show nothing."""


class _Lines(_Silent):
    """One line when a candidate starts, every ten seconds, and when it is done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._meters: dict[int, Meter] = {}
        self._said: dict[int, float] = {}

    def __call__(self, event: Event) -> None:
        head = f"[{event.position}/{event.n_candidates}] {short_name(event.candidate)}"
        if event.kind == "start":
            self._meters[event.position] = Meter(self._clock)
            self._said[event.position] = self._clock()
            say(f"{head}: loading")
        elif event.kind == "progress":
            meter = self._meters[event.position]
            meter.report(event.done, event.total)
            if self._clock() - self._said[event.position] >= _SECONDS_BETWEEN_LINES:
                self._said[event.position] = self._clock()
                say(f"{head}: {event.done} of {event.total}{_pace(meter)}")
        elif event.kind == "probe" and event.probe is not None and event.task is not None:
            say(probe_remarks(event.task, event.probe))
        elif event.kind == "note":
            say(f"{head}: note: {event.message}")
        elif event.kind == "done":
            say(f"{head}: {outcome(event)}")


class _Bars(_Silent):
    """One bar for each running candidate; a line for each that is done."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}", markup=False),
            console=console(sys.stderr),
            transient=True,
        )
        self._bars: dict[int, TaskID] = {}
        self._meters: dict[int, Meter] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        head = printable(f"[{event.position}/{event.n_candidates}] {short_name(event.candidate)}")
        if event.kind == "drawing":
            self._update(0, "reading the target", event, f"{event.done} of {event.total}")
        elif event.kind == "probe" and event.probe is not None and event.task is not None:
            self._remove(0)
            for line in probe_remarks(event.task, event.probe):
                self._progress.console.print(line)
        elif event.kind in ("start", "loaded", "scoring"):
            words = {"start": "loading", "loaded": "extracting", "scoring": "scoring"}
            self._update(event.position, head, event, words[event.kind])
        elif event.kind == "progress":
            meter = self._meters.setdefault(event.position, Meter())
            meter.report(event.done, event.total)
            self._update(event.position, head, event, f"{event.done} of {event.total}{_pace(meter)}")
        elif event.kind == "note":
            self._progress.console.print(f"{head}: note: {printable(event.message)}")
        elif event.kind == "done":
            self._remove(event.position)
            self._progress.console.print(f"{head}: {printable(outcome(event))}")

    def _update(self, key: int, description: str, event: Event, state: str) -> None:
        fields: dict[str, Any] = {"completed": event.done, "total": event.total or None, "state": state}
        if key not in self._bars:
            self._bars[key] = self._progress.add_task(description, **fields)
        else:
            self._progress.update(self._bars[key], **fields)

    def _remove(self, key: int) -> None:
        if key in self._bars:
            self._progress.remove_task(self._bars.pop(key))


def outcome(event: Event) -> str:
    """Say how a candidate ended.

    Parameters
    ----------
    event : Event
        Of kind ``done``.

    Returns
    -------
    str
        One phrase. Untrusted text.
    """
    record = event.record
    if record is None or record.status == "failed":
        return f"failed: {record.reason if record else 'no result'}"
    spent = duration(record.seconds)
    if record.rows_computed == 0 and record.rows_cached > 0:
        return f"done in {spent}, features found in the store"
    kept = f", {record.rows_cached} rows found in the store" if record.rows_cached else ""
    speed = "" if record.samples_per_second is None else f", {rate(record.samples_per_second)} a second"
    return f"done in {spent}{speed}{kept}"


def _pace(meter: Meter) -> str:
    if meter.rate is None or meter.remaining is None:
        return ""
    return f", {rate(meter.rate)} a second, {duration(meter.remaining)} left"


@contextlib.contextmanager
def draw_progress(*, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show on stderr how many random orders of the labels are done: a bar on a terminal, lines elsewhere.

    Parameters
    ----------
    quiet : bool
        Show nothing.

    Yields
    ------
    callable or None
        Takes the number done and that of all.
    """
    stream = console(sys.stderr)
    if quiet:
        yield None
        return
    if not stream.is_terminal:
        yield _draw_lines(time.monotonic)
        return
    columns = TextColumn("labels in random order"), BarColumn(), TextColumn("{task.completed} of {task.total}")
    with Progress(*columns, console=stream, transient=True) as bar:
        key: TaskID | None = None

        def show(done: int, total: int) -> None:
            nonlocal key
            key = bar.add_task("", total=total) if key is None else key
            bar.update(key, completed=done)

        yield show


def _draw_lines(clock: Callable[[], float]) -> Callable[[int, int], None]:
    """Return a function that says every ten seconds how many are done."""
    said = clock()

    def show(done: int, total: int) -> None:
        nonlocal said
        if clock() - said >= _SECONDS_BETWEEN_LINES:
            said = clock()
            say(f"labels in random order: {done} of {total}")

    return show
