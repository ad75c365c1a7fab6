"""Progress of a verification on stderr: bars on a terminal, lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from hubscout._printable import printable
from hubscout.cli.streams import console, say
from hubscout.evaluation.finetune.data import Parts
from hubscout.evaluation.verification import VerifiedCandidate
from hubscout.evaluation.verify_events import VerifyEvent
from hubscout.report.names import short_name
from hubscout.report.numbers import duration

_SECONDS_BETWEEN_LINES = 10.0


class VerifyReporter(Protocol):
    """Shows the events of a verification."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def __call__(self, event: VerifyEvent) -> None:
        """Show one event."""
        ...


def verify_reporter(*, quiet: bool) -> VerifyReporter:
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

    def __call__(self, event: VerifyEvent) -> None:
        """Show nothing."""


class _Lines(_Silent):
    """One line for the data, when a candidate starts, every ten seconds, and when it is done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said = -_SECONDS_BETWEEN_LINES

    def __call__(self, event: VerifyEvent) -> None:
        if event.kind == "parts" and event.parts is not None:
            say(parts_line(event.parts))
        elif event.kind == "start":
            self._said = self._clock()
            say(f"{_head(event)}: loading")
        elif event.kind == "progress" and self._clock() - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = self._clock()
            say(f"{_head(event)}: {event.message} ({event.done} of {event.total})")
        elif event.kind == "done" and event.outcome is not None:
            say(f"{_head(event)}: {outcome_line(event.outcome)}")


class _Bars(_Silent):
    """A bar for what is running; a line for what is done."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}", markup=False),
            console=console(sys.stderr),
            transient=True,
        )
        self._bar: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, event: VerifyEvent) -> None:
        if event.kind == "reading":
            self._show("reading the target", event, f"{event.done} of {event.total}")
        elif event.kind in ("start", "progress"):
            self._show(printable(_head(event)), event, printable(event.message or "loading"))
        elif event.kind == "parts" and event.parts is not None:
            self._drop()
            self._progress.console.print(printable(parts_line(event.parts)))
        elif event.kind == "done" and event.outcome is not None:
            self._drop()
            self._progress.console.print(printable(f"{_head(event)}: {outcome_line(event.outcome)}"))

    def _show(self, description: str, event: VerifyEvent, state: str) -> None:
        if self._bar is None:
            self._bar = self._progress.add_task(description, total=event.total or None, state=state)
        self._progress.update(
            self._bar, description=description, completed=event.done, total=event.total or None, state=state
        )

    def _drop(self) -> None:
        if self._bar is not None:
            self._progress.remove_task(self._bar)
            self._bar = None


def parts_line(parts: Parts) -> str:
    """Say what is learnt from, chosen by and measured on. Untrusted text."""
    sizes = (
        f"{len(parts.train)} samples to train on, {len(parts.validation)} to choose by, {len(parts.test)} to test on"
    )
    return f"target: {parts.task.kind} {parts.task.name!r}, {sizes} ({parts.test_origin})"


def outcome_line(outcome: VerifiedCandidate) -> str:
    """Say how a candidate ended. Untrusted text."""
    if outcome.reached is None:
        return f"failed: {outcome.reason}"
    return f"reached {outcome.reached.value:.3f} in {duration(outcome.seconds)}"


def _head(event: VerifyEvent) -> str:
    return f"[{event.position}/{event.n_candidates}] {short_name(event.candidate)}"
