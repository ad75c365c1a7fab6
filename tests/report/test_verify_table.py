"""The tables of a verification and of the history, word by word."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from hubscout.data.task import Task
from hubscout.evaluation.finetune.history import History, HistoryEntry
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.result import Estimate
from hubscout.evaluation.verification import Verification, VerifiedCandidate
from hubscout.report.verify_table import findings, history_table, verify_table

RECIPE = Recipe(learning_rates=(0.001, 0.01), epochs=5)


def text_of(renderable, width=120) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width).print(renderable)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def candidate(name: str, rank: int, value: float | None) -> VerifiedCandidate:
    if value is None:
        return VerifiedCandidate(name, rank, 0.1, "failed", reason="no weights\x1b[2J")
    reached = Estimate(value, value - 0.05, value + 0.05)
    return VerifiedCandidate(
        name, rank, 1 - rank / 10, "verified", reached, 0.9, 0.01, 10, 75.0, 2_000_000, "cpu"
    )  # fmt: skip


@pytest.fixture
def verification() -> Verification:
    return Verification(
        task=Task("pets", "classification", "image", ("a", "b")),
        measure="accuracy",
        score="logme",
        recipe=RECIPE,
        candidates=(candidate("timm:first", 1, 0.8), candidate("timm:second", 2, 0.9), candidate("timm:gone", 3, None)),
        n_train=80,
        n_validation=20,
        n_test=50,
        test_origin="test split",
        fingerprint="f",
        regret=Estimate(0.1, 0.02, 0.18),
        n_others=4,
        seconds_saved=300.0,
    )


class TestVerification:
    def test_whole(self, verification):
        lines = text_of(verify_table(verification, 120))
        assert lines[0].split() == ["#", "candidate", "accuracy", "logme", "rate", "epochs", "params", "time"]
        assert lines[2].split() == (
            ["1", "timm:first", "0.800", "(0.750", "to", "0.850)", "0.900", "0.01", "10", "2.0M", "1", "min", "15", "s"]
        )
        assert lines[4].split() == ["3", "timm:gone", "-", "0.100", "-", "-", "-", "-"]
        assert lines[6].startswith("The best of the 2 that were fine-tuned was timm:second, not the ranking's first")
        assert (
            "accuracy on the test split with a 95 % interval; samples: 80 trained on, 20 chosen by, 50 tested on;"
            in (" ".join(lines))
        )
        assert lines[-1] == "  timm:gone: no weights\\x1b[2J"

    @pytest.mark.parametrize("width", [40, 60, 80])
    def test_narrow(self, verification, width):
        lines = text_of(verify_table(verification, width), width)
        assert max(map(len, lines)) <= width
        assert "timm:first" in lines[2]
        assert "0.800" in lines[2]

    def test_findings(self, verification):
        lost, spent = findings(verification)
        assert lost == (
            "The best of the 2 that were fine-tuned was timm:second, not the ranking's first: 0.100 accuracy lost "
            "(0.020 to 0.180)."
        )
        assert spent == (
            "Fine-tuning took 2 min 30 s; the other 4 would have taken about 5 min 0 s more (an estimate from their "
            "parameters)."
        )
        chance = replace(verification, regret=Estimate(0.1, -0.02, 0.22))
        assert findings(chance)[0].endswith("0.100 accuracy lost (-0.020 to 0.220): within chance.")
        right = replace(verification, regret=Estimate(0.0, 0.0, 0.0), n_others=0, seconds_saved=0.0)
        assert findings(right) == [
            "The ranking's first, timm:first, was the best of the 2 that were fine-tuned.",
            "Fine-tuning took 2 min 30 s.",
        ]
        failed = replace(verification, candidates=verification.candidates[1:], regret=None)
        assert findings(failed)[0] == "The ranking's first failed, so it cannot be said whether it was right."
        alone = replace(right, candidates=verification.candidates[:1])
        assert findings(alone)[0] == "Only the ranking's first was fine-tuned, so there is nothing to compare it with."


class TestHistory:
    def test_empty(self):
        assert text_of(history_table(History(Path("/h/history.jsonl")), 120)) == [
            "No fine-tunings yet in /h/history.jsonl; `hubscout verify` adds some."
        ]

    def test_rows(self):
        entry = HistoryEntry(
            "pets\x1b[2J", "classification", "accuracy", "f", "timm:net", "sha256:0", 0.8, 0.7, 0.9, 0.95, 80, 50,
            RECIPE.to_dict(), 0.01, date="2026-11-01T10:00:00+00:00",
        )  # fmt: skip
        lines = text_of(history_table(History(Path("h"), (entry,)), 120))
        assert lines[0].split() == ["date", "task", "candidate", "value", "measure", "method", "train", "test"]
        assert lines[2].split() == [
            "2026-11-01", "pets\\x1b[2J", "timm:net", "0.800", "(0.700", "to", "0.900)", "accuracy", "full", "80", "50",
        ]  # fmt: skip
        narrow = text_of(history_table(History(Path("h"), (entry,)), 60), 60)
        assert max(map(len, narrow)) <= 60
