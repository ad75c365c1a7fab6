"""The table at every width, and names that would like to be more than names."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from hubscout.data.task import Task
from hubscout.ranking import ProbeFacts, Ranking, ScoreEntry, ScoreRecord
from hubscout.ranking.order import order_records
from hubscout.ranking.standing import Standing
from hubscout.report import ranking_table
from hubscout.report.names import short_name

LONG = "hf:an-organisation/a-rather-long-model-name-v2@0123456789abcdef0123456789abcdef01234567"


def entry(value, error=0.01):
    if value is None:
        return ScoreEntry(None, reason="it has no source head")
    return ScoreEntry(value, error)


def record(name, value=0.5, **facts):
    scores = {"logme": entry(value), "disco": entry(0.25), "leep": entry(None)}
    defaults = {"n_features": 2048, "n_parameters": 23_500_000, "samples_per_second": 120.0, "seconds": 12.34}
    return ScoreRecord(name, "ranked", scores=scores, **{**defaults, **facts})


@pytest.fixture
def ranking():
    def build(*records, modality="image"):
        return Ranking(
            Task("pets", "classification", modality, ("a", "b")),
            ProbeFacts(10, 10, 0, "train", ""),
            ("logme", "disco", "leep"),
            order_records(records, "logme"),
        )

    return build


def render(renderable, width, **options):
    stream = io.StringIO()
    Console(file=stream, width=width, markup=False, highlight=False, emoji=False, **options).print(renderable)
    return stream.getvalue()


class TestLayout:
    def test_whole_table(self, ranking):
        text = render(ranking_table(ranking(record("timm:b", 0.5), record("timm:a", 0.75)), 120), 120)
        lines = [line.rstrip() for line in text.splitlines()]
        assert lines[0].split() == ["#", "candidate", "logme", "disco", "leep", "width", "params", "img/s", "sec"]
        assert lines[2] == " 1  timm:a     0.750 ±0.010  0.250 ±0.010     -   2048   23.5M    120  12.3"
        assert lines[3] == " 2  timm:b     0.500 ±0.010  0.250 ±0.010     -   2048   23.5M    120  12.3"
        assert lines[5].startswith("ordered by logme, higher is better; ± standard error; width: features per sample")
        assert lines[-1] == "  leep of timm:a, timm:b: it has no source head"

    @pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
    def test_no_line_is_wider_and_no_name_is_cut(self, ranking, width):
        text = render(ranking_table(ranking(record(LONG), record("timm:b", 0.1)), width), width)
        assert all(len(line) <= width for line in text.splitlines())
        table = text.split("\n\n")[0]
        cells = [line[4:].split("  ")[0].strip() for line in table.splitlines()[2:]]
        assert short_name(LONG) in "".join(cells)
        assert "timm:b" in table
        assert "0.500" in table
        assert "…" not in text

    def test_costs_go_before_scores_and_are_named(self, ranking):
        text = render(ranking_table(ranking(record(LONG)), 60), 60)
        head = text.splitlines()[0].split()
        assert head == ["#", "candidate", "logme", "disco", "leep", "width"]
        assert "not shown for lack of room: sec, params, img/s" in re.sub(r"\s+", " ", text)

    def test_unit_follows_the_modality(self, ranking):
        assert "text/s" in render(ranking_table(ranking(record("hf:a"), modality="text"), 120), 120)

    def test_close_values_get_more_digits(self, ranking):
        text = render(ranking_table(ranking(record("a", 0.50001), record("b", 0.50002)), 120), 120)
        assert "0.50002 ±" in text
        assert "0.50001 ±" in text


class TestConfidence:
    def test_chances_ties_and_fronts_are_marked(self, ranking):
        first = record(
            "timm:b", 0.5, standing=Standing(0.83, 0.0), efficient_in=("parameters", "time"), n_macs=2_000_000
        )
        tie = record("timm:a", 0.4, standing=Standing(0.12, 0.1, 0.1, is_tie=True), n_macs=None)
        text = render(ranking_table(ranking(first, tie), 160), 160)
        lines = [line.rstrip() for line in text.splitlines()]
        assert lines[0].split()[:4] == ["#", "candidate", "logme", "p(best)"]
        assert "0.83  " in lines[2]
        assert "0.12 =" in lines[3]
        assert "23.5M*" in lines[2]
        assert "120*" in lines[2]
        assert "23.5M " in lines[3]
        assert "2.0M " in lines[2]
        legend = re.sub(r"\s+", " ", text)
        assert "p(best): probability of being the best by this score; =: a tie, not clearly worse than the" in legend
        assert "MACs: multiplications with an addition for one sample" in legend
        assert "*: no other is better at no more of this cost" in legend

    def test_without_probabilities_there_is_no_column(self, ranking):
        unknown = Standing(None, 0.0, reason="logme has no standard error for 1 of 1 candidates")
        assert "p(best)" not in render(ranking_table(ranking(record("a", 0.5, standing=unknown)), 120), 120)


class TestReasons:
    def test_failures_are_listed(self, ranking):
        failed = ScoreRecord("timm:x", "failed", reason="weights are missing")
        text = render(ranking_table(ranking(record("a"), record("flat", None), failed), 100), 100)
        assert "Not ranked: 2 of 3" in text
        assert "  flat: logme has no value: it has no source head" in text
        assert "  timm:x: weights are missing" in text

    def test_nothing_ranked_still_renders(self, ranking):
        text = render(ranking_table(ranking(ScoreRecord("timm:x", "failed", reason="gone")), 80), 80)
        assert "Not ranked: 1 of 1" in text


class TestHostileNames:
    @pytest.mark.parametrize(
        "name", ["evil\x1b[2J\x07", "a\nb\r", "[bold red]x[/]", "[link=http://x]y", ":smile:", "\u202eabc"]
    )
    def test_are_shown_as_they_are_spelled(self, ranking, name):
        failed = ScoreRecord(name + "2", "failed", reason=f"no {name}")
        text = render(ranking_table(ranking(record(name), failed), 160), 160, force_terminal=True, no_color=True)
        visible = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert "\x1b" not in visible
        assert "\x07" not in visible
        assert "\u202e" not in visible
        shown = name.encode("unicode_escape").decode() if not name.isprintable() else name
        assert visible.count(shown) >= 3
