"""`hubscout verify` and `hubscout history`: streams, outputs and exit codes."""

from __future__ import annotations

import json

import pytest
import typer

from hubscout.cli import app as application
from hubscout.cli import history, verify
from hubscout.cli.verify_progress import _Lines, outcome_line
from hubscout.evaluation.verification import Verification, VerifiedCandidate
from hubscout.evaluation.verify_events import VerifyEvent


@pytest.fixture
def call(hubscout, monkeypatch):
    """The command line with both commands, whether or not the application has them already."""
    names = {command.name for command in application.app.registered_commands}
    if "verify" not in names:
        extended = typer.Typer(
            add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, name="hubscout"
        )
        extended.registered_commands = [*application.app.registered_commands]
        extended.registered_callback = application.app.registered_callback
        extended.command("verify")(verify.verify)
        extended.command("history")(history.history)
        monkeypatch.setattr(application, "app", extended)
    return hubscout


@pytest.fixture
def run(call, files):
    """A ranking of feature files, as a file."""
    addresses = [f"features:{files / name}.npz" for name in ("weak", "strong")]
    target = files / "target.npz"
    call("rank", target, "--engine", "inline", "-q", "--json", files / "r.json", "--models", *addresses)
    return files / "r.json"


PROBE = ("--method", "linear-probe")


class TestVerify:
    def test_table_on_stdout_and_progress_on_stderr(self, call, run, files):
        done = call("verify", run, *PROBE, "--top", 2)
        assert done.code == 0, done.err
        told = " ".join(done.out.split())
        assert "The ranking's first, " in told
        assert "was the best of the 2 that were fine-tuned." in told
        assert done.err.splitlines()[0] == (
            "target: classification 'target', 39 samples to train on, 9 to choose by, 12 to test on "
            "(held-out fifth of the training samples)"
        )
        assert f"[1/2] features:{files}/strong.npz: loading" in done.err
        assert f"[2/2] features:{files}/weak.npz: reached " in done.err

    def test_json_dash_prints_only_json(self, call, run):
        done = call("verify", run, *PROBE, "--json", "-", "--quiet")
        assert (done.code, done.err) == (0, "")
        assert Verification.from_json(done.out).is_first_right is True
        assert json.loads(done.out)["schema"] == "hubscout.verification/1"

    def test_options_reach_the_recipe(self, call, run, files):
        words = ("--lr", "1e-4,0.01", "--seeds", "0,3", "--patience", 0, "--no-flips", "--train-size", 0, "--epochs", 2)
        done = call("verify", run, *PROBE, *words, "--json", files / "v.json", "-q", "--no-history")
        assert done.code == 0, done.err
        recipe = Verification.from_json(files / "v.json").recipe
        assert (recipe.learning_rates, recipe.seeds, recipe.patience, recipe.flips) == (
            (1e-4, 0.01),
            (0, 3),
            None,
            False,
        )
        assert (recipe.train_size, recipe.test_size, recipe.epochs) == (None, 5000, 2)
        assert json.loads(call("history", "--json", "-").out)["entries"] == []

    def test_partial_is_3_and_says_why(self, call, run, files):
        (files / "weak.npz").unlink()
        done = call("verify", run, *PROBE)
        assert done.code == 3
        assert f"features:{files}/weak.npz: " in done.out

    def test_nothing_verified_is_5_with_table_and_sentence(self, call, run, files):
        done = call("verify", run)
        assert done.code == 5
        assert done.err.splitlines()[-1].startswith("hubscout: error: no candidate could be fine-tuned: 'features:")
        assert "addresses are only read" in done.out

    def test_interrupted_is_130(self, call, run, monkeypatch):
        def stop(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("hubscout.evaluation.verify.verify_candidate", stop)
        assert call("verify", run, *PROBE, "-q").code == 130

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("--top", "0"), "top (--top) must be a whole number of at least 1, got 0"),
            (("--lr", "fast"), "--lr must be numbers separated by commas, got 'fast'"),
            (("--seeds", "1.5"), "--seeds must be whole numbers separated by commas, got '1.5'"),
            (("--method", "prompt"), "method of the recipe must be one of full, linear-probe, lora, got 'prompt'"),
            (("--batch-size", "1"), "batch_size of the recipe must be a whole number of at least 2, got 1"),
            (("--target", "gone"), "target must be an existing file or folder, got 'gone'"),
            (("--json", "no/folder/v.json"), "--json must name a file in a folder that exists"),
        ],
    )
    def test_wrong_usage_is_2(self, call, run, words, message):
        done = call("verify", run, *words)
        assert (done.code, done.out) == (2, "")
        assert f"hubscout: error: {message}" in done.err

    def test_no_ranking_is_4(self, call, files):
        (files / "x.json").write_text("{}")
        done = call("verify", files / "x.json")
        assert done.code == 4
        assert done.err.count("\n") == 1


class TestHistory:
    def test_what_verify_leaves(self, call, run):
        assert "No fine-tunings yet" in call("history").out
        call("verify", run, *PROBE, "-q")
        done = call("history")
        assert done.code == 0
        assert "linear-probe" in done.out
        document = json.loads(call("history", "--json", "-").out)
        assert document["schema"] == "hubscout.history_list/1"
        assert [entry["n_test"] for entry in document["entries"]] == [12, 12]

    def test_damage_is_told(self, call, run, tmp_path):
        call("verify", run, *PROBE, "-q")
        path = tmp_path / "home" / "history.jsonl"
        path.write_bytes(path.read_bytes()[:-20])
        done = call("history")
        assert done.err == f"note: 1 lines of {str(path)!r} are damaged and were passed over\n"


class TestLines:
    def test_a_line_every_ten_seconds(self, capsys):
        now = [0.0]
        lines = _Lines(lambda: now[0])
        place = {"candidate": "timm:a", "position": 1, "n_candidates": 2, "total": 20}
        lines(VerifyEvent("start", **place))
        for second in range(1, 25):
            now[0] = float(second)
            lines(VerifyEvent("progress", done=second // 2, message="epoch", **place))
        assert capsys.readouterr().err.splitlines() == [
            "[1/2] timm:a: loading",
            "[1/2] timm:a: epoch (5 of 20)",
            "[1/2] timm:a: epoch (10 of 20)",
        ]

    def test_outcome(self):
        assert outcome_line(VerifiedCandidate("a", 1, None, "failed", reason="gone")) == "failed: gone"
