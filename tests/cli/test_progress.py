"""Progress as lines and as bars."""

from __future__ import annotations

import io

import pytest

from hubscout.cli import progress
from hubscout.cli.meter import Meter
from hubscout.data.task import Task
from hubscout.ranking.events import Event
from hubscout.ranking.records import ProbeFacts, ScoreRecord


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


class TestMeter:
    def test_rate_and_remaining(self, clock):
        meter = Meter(clock)
        assert (meter.rate, meter.remaining) == (None, None)
        meter.report(100, 500)
        assert (meter.rate, meter.remaining) == (None, None)
        clock.now = 2.0
        meter.report(200, 500)
        assert (meter.rate, meter.remaining) == (50.0, 6.0)

    def test_rows_of_the_store_do_not_count(self, clock):
        meter = Meter(clock)
        meter.report(400, 500)
        clock.now = 1.0
        meter.report(410, 500)
        assert meter.rate == 10.0


def event(kind, **facts):
    return Event(kind, candidate="timm:a\x1b[2J", position=1, n_candidates=2, **facts)


class TestLines:
    def test_story_of_a_candidate(self, clock, capsys):
        lines = progress._Lines(clock)
        task = Task("pets", "classification", "image", ("a", "b"))
        lines(Event("probe", task=task, probe=ProbeFacts(10, 10, 0, "all", "")))
        lines(event("start"))
        lines(event("progress", done=0, total=1000))
        clock.now = 5.0
        lines(event("progress", done=250, total=1000))
        clock.now = 10.0
        lines(event("progress", done=500, total=1000))
        lines(event("note", message="slow\n"))
        lines(event("done", record=ScoreRecord("timm:a", "ranked", samples_per_second=50.0, seconds=20.0)))
        assert capsys.readouterr().err.splitlines() == [
            "pets: classification, 10 images in 2 classes (split all, seed 0)",
            "[1/2] timm:a\\x1b[2J: loading",
            "[1/2] timm:a\\x1b[2J: 500 of 1000, 50 a second, 10.0 s left",
            "[1/2] timm:a\\x1b[2J: note: slow\\n",
            "[1/2] timm:a\\x1b[2J: done in 20.0 s, 50 a second",
        ]


class TestOutcome:
    @pytest.mark.parametrize(
        ("record", "phrase"),
        [
            (ScoreRecord("a", "failed", reason="gone"), "failed: gone"),
            (ScoreRecord("a", "ranked", rows_cached=10, seconds=1.0), "done in 1.0 s, features found in the store"),
            (
                ScoreRecord("a", "ranked", rows_cached=4, rows_computed=6, samples_per_second=3.0, seconds=2.0),
                "done in 2.0 s, 3.0 a second, 4 rows found in the store",
            ),
        ],
    )
    def test_phrases(self, record, phrase):
        assert progress.outcome(event("done", record=record)) == phrase


class TestBars:
    def test_on_a_terminal(self, monkeypatch):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")
        task = Task("pets", "classification", "image", ("a", "b"))
        with progress.reporter(quiet=False) as bars:
            assert isinstance(bars, progress._Bars)
            bars(Event("drawing", done=5, total=10))
            bars(Event("probe", task=task, probe=ProbeFacts(10, 10, 0, "all", "")))
            bars(event("start"))
            bars(event("loaded", total=10))
            bars(event("progress", done=5, total=10))
            bars(event("note", message="[bold]slow[/bold]"))
            bars(event("scoring", done=10, total=10))
            bars(event("done", record=ScoreRecord("timm:a", "ranked", seconds=20.0)))
        text = terminal.getvalue()
        assert "pets: classification, 10 images in 2 classes" in text
        assert "note: [bold]slow[/bold]" in text
        assert "timm:a\\x1b[2J: done in 20.0 s" in text
        assert "\x1b[2J" not in text

    def test_quiet(self, capsys):
        with progress.reporter(quiet=True) as silent:
            silent(event("done", record=ScoreRecord("a", "failed", reason="gone")))
        assert capsys.readouterr().err == ""


def test_random_orders_are_told_every_ten_seconds(capsys) -> None:
    from hubscout.cli.progress import _draw_lines

    times = iter([0.0, 4.0, 11.0, 11.0, 15.0, 22.0, 22.0])
    show = _draw_lines(lambda: next(times))
    for done in (1, 2, 3, 4):
        show(done, 20)
    assert capsys.readouterr().err == "labels in random order: 2 of 20\nlabels in random order: 4 of 20\n"
