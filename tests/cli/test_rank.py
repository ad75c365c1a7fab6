"""`hubscout rank`: streams, outputs and exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import get_args

import numpy as np
import pytest

from hubscout._typing import TaskKind
from hubscout.ranking import Ranking
from hubscout.scores import RECOMMENDED_SCORE


@pytest.fixture
def rank(hubscout, files):
    def call(*words, models=("weak", "strong")):
        addresses = [f"features:{files / name}.npz" for name in models]
        return hubscout("rank", files / "target.npz", "--engine", "inline", *words, "--models", *addresses)

    return call


class TestStreams:
    def test_table_on_stdout_and_progress_on_stderr(self, rank, files, monkeypatch):
        monkeypatch.setenv("COLUMNS", "240")
        done = rank()
        assert done.code == 0
        lines = [line.split() for line in done.out.splitlines()]
        assert lines[0][:3] == ["#", "candidate", RECOMMENDED_SCORE]
        assert [line[:2] for line in lines[2:4]] == [
            ["1", f"features:{files}/strong.npz"],
            ["2", f"features:{files}/weak.npz"],
        ]
        assert done.err.splitlines()[0] == "target: classification, 60 rows in 3 classes (split all, seed 0)"
        assert f"[1/2] features:{files}/weak.npz: loading" in done.err
        assert f"[2/2] features:{files}/strong.npz: done in " in done.err

    def test_quiet_leaves_stderr_empty(self, rank):
        done = rank("--quiet")
        assert (done.code, done.err) == (0, "")
        assert "candidate" in done.out

    def test_json_dash_prints_only_json(self, rank):
        done = rank("--json", "-")
        assert Ranking.from_json(done.out).ranked
        assert json.loads(done.out)["schema"] == "hubscout.ranking/1"

    def test_csv_dash_prints_only_csv(self, rank, files):
        done = rank("--csv", "-", "--scores", "knn")
        rows = list(csv.DictReader(io.StringIO(done.out)))
        assert list(rows[0]) == [
            "rank", "candidate", "knn", "knn_standard_error",
            "features", "parameters", "samples_per_second", "seconds", "reason",
        ]  # fmt: skip
        assert [(row["rank"], row["candidate"]) for row in rows] == [
            ("1", f"features:{files}/strong.npz"),
            ("2", f"features:{files}/weak.npz"),
        ]

    def test_files_beside_the_table(self, rank, files):
        done = rank("--json", files / "r.json", "--csv", files / "r.csv")
        assert Ranking.from_json(files / "r.json").best.candidate.endswith("strong.npz")
        assert (files / "r.csv").read_text().startswith(f"rank,candidate,{RECOMMENDED_SCORE},")
        assert "candidate" in done.out

    def test_no_colour_off_a_terminal(self, rank):
        done = rank()
        assert "\x1b" not in done.out + done.err


class TestModels:
    def test_repeated_option_and_several_values_mean_the_same(self, hubscout, files):
        a, b = (f"features:{files / name}.npz" for name in ("weak", "strong"))
        common = ["rank", files / "target.npz", "--engine", "inline", "--scores", "knn", "--csv", "-"]
        several = hubscout(*common, "--models", a, b, "--seed", "1")
        repeated = hubscout(*common, "--models", a, "-m", b, "--seed", "1")
        assert several.code == repeated.code == 0
        names = [[row["candidate"] for row in csv.DictReader(io.StringIO(d.out))] for d in (several, repeated)]
        assert names[0] == names[1] == [b, a]

    def test_target_after_models_is_explained(self, hubscout, files):
        done = hubscout("rank", "--models", "features:a.npz", files / "target.npz")
        assert (done.code, done.out) == (2, "")
        assert done.err == (
            "hubscout: error: Missing argument 'TARGET' (TARGET stands before --models); see `hubscout rank --help`\n"
        )

    def test_no_models(self, hubscout, files):
        done = hubscout("rank", files / "target.npz")
        assert done.code == 2
        assert done.err.startswith("hubscout: error: Missing option '--models'")


class TestExitCodes:
    def test_a_race_drops_as_asked(self, hubscout, tmp_path):
        rng = np.random.default_rng(0)
        labels = np.arange(400) % 2
        for name, shift in (("weak", 0.0), ("strong", 3.0)):
            np.savez(tmp_path / f"{name}.npz", features=rng.standard_normal((400, 4)) + shift * labels[:, None])
        np.savez(tmp_path / "target.npz", labels=labels)
        addresses = [f"features:{tmp_path / name}.npz" for name in ("weak", "strong")]
        done = hubscout("rank", tmp_path / "target.npz", "--engine", "inline", "--race", "--models", *addresses)
        assert done.code == 0
        assert "race, round 1: 2 candidates on 128 samples, 1 dropped" in done.err
        assert "surely not the best" in done.out

    def test_beyond_a_limit_nobody_is_ranked(self, rank):
        done = rank("--max-params", "30M")
        assert done.code == 5
        assert "its parameters are unknown, and at most 30,000,000 are asked for" in done.err

    def test_partial_is_3_and_says_why(self, rank, files):
        done = rank(models=("gone", "strong"))
        assert done.code == 3
        assert "Not ranked: 1 of 2" in done.out
        assert f"features:{files}/gone.npz: " in done.out
        assert f"[1/2] features:{files}/gone.npz: failed: " in done.err

    def test_nothing_ranked_is_5_with_table_and_sentence(self, rank, files):
        done = rank(models=("gone",))
        assert done.code == 5
        assert "Not ranked: 1 of 1" in done.out
        assert done.err.splitlines()[-1].startswith(
            f"hubscout: error: no candidate could be ranked: 'features:{files}/gone.npz' failed because "
        )

    def test_nothing_ranked_still_writes_json(self, rank):
        done = rank("--json", "-", models=("gone",))
        assert done.code == 5
        assert Ranking.from_json(done.out).records[0].status == "failed"

    def test_unsafe_file_is_6(self, hubscout, files):
        np.save(files / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
        done = hubscout("rank", files / "target.npz", "--engine", "inline", "-m", f"features:{files}/evil.npy")
        assert done.code == 6

    def test_one_class_is_4(self, hubscout, tmp_path):
        np.savez(tmp_path / "t.npz", labels=np.zeros(20, int))
        done = hubscout("rank", tmp_path / "t.npz", "-m", "features:x.npz")
        assert done.code == 4
        assert done.err.startswith("hubscout: error: ")
        assert done.err.count("\n") == 1

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (
                ["--task", "sorting"],
                f"--task must be one of {', '.join(get_args(TaskKind))}, got 'sorting'",
            ),
            (
                ["--option", "x"],
                "--option must have the form SCORE.NAME=VALUE, like disco.covariance=identity, got 'x'",
            ),
            (["--workers", "0"], "workers must be at least 1, got 0; 1 runs the candidates one after the other"),
            (["--dtype", "int8"], "dtype must be float32 or float16, got 'int8'"),
            (["--batch-size", "0"], "batch_size must be at least 1, or None for the default, got 0"),
            (["--engine", "ray"], "engine must be one of inline, local, got 'ray'"),
            (["--json", "-", "--csv", "-"], "only one of --json, --csv may be '-'; give the other a file"),
            (
                ["--json", "no/such/r.json"],
                "--json must name a file in a folder that exists, got 'no/such/r.json'; make the folder first",
            ),
        ],
    )
    def test_usage_is_2_in_one_sentence(self, rank, words, message):
        done = rank(*words)
        assert (done.code, done.out) == (2, "")
        assert done.err == f"hubscout: error: {message}\n"

    def test_unwritable_output_is_found_before_the_run(self, rank, files):
        done = rank("--json", files)
        assert done.code == 2
        assert "loading" not in done.err

    def test_unknown_option(self, rank):
        done = rank("--modles")
        assert done.code == 2
        assert done.err.startswith("hubscout: error: No such option: --modles")

    def test_a_bug_is_1_and_names_the_way_to_its_traceback(self, rank, monkeypatch):
        def broken(*args, **options):
            msg = "wires\x1b[2J crossed"
            raise RuntimeError(msg)

        monkeypatch.setattr("hubscout.ranking.rank", broken)
        done = rank()
        assert done.code == 1
        assert done.err == (
            "hubscout: error: this is a bug of hubscout, please report it: RuntimeError: wires\\x1b[2J crossed; "
            "HUBSCOUT_DEBUG=1 before the command shows the traceback\n"
        )
        monkeypatch.setenv("HUBSCOUT_DEBUG", "1")
        assert "Traceback (most recent call last)" in rank().err


class TestHostileNames:
    def test_ansi_and_markup_in_file_names(self, hubscout, files):
        (files / "strong.npz").rename(files / "[bold]<script>.npz")
        (files / "target.npz").rename(files / "t\x1b[2J.npz")
        address = f"features:{files}/[bold]<script>.npz"
        done = hubscout("rank", files / "t\x1b[2J.npz", "--engine", "inline", "--json", files / "r.json", "-m", address)
        assert done.code == 0
        assert "\x1b" not in done.out + done.err
        assert "[bold]<script>" in done.out.replace("\n    ", "")
        assert "t\\x1b[2J: classification" in done.err
        assert "\x1b" not in (files / "r.json").read_text()


def environment(tmp_path, **extra):
    return {**os.environ, "HUBSCOUT_HOME": str(tmp_path / "home"), **extra}


class TestProcess:
    def test_closed_pipe_is_silent(self, files):
        process = subprocess.Popen(
            [sys.executable, "-m", "hubscout", "rank", files / "target.npz", "-q", "-m", f"features:{files}/weak.npz"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(files),
        )
        process.stdout.close()
        _, err = process.communicate(timeout=120)[0], process.stderr
        assert process.returncode == 141
        assert err.closed or err.read() == b""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted_run_exits_130_and_resumes(self, tmp_path, number):
        (tmp_path / "slow.py").write_text(SLOW)
        rng = np.random.default_rng(0)
        images = rng.integers(0, 255, (200, 8, 8), dtype=np.uint8)
        np.savez(tmp_path / "t.npz", images=images, labels=np.arange(200) % 2)
        command = [sys.executable, "-m", "hubscout", "rank", "t.npz", "--batch-size", "8", "--json", "out.json"]
        command += ["--models", "torch:slow:build?input_size=8"]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment(tmp_path, NAP="0.3"), stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 120
        while not (tmp_path / "batches").exists() or len((tmp_path / "batches").read_text()) < 9:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert err.splitlines()[-1] == (
            "hubscout: interrupted; what is ready is kept, run the same command again to go on"
        )
        assert "Traceback" not in err
        assert not (tmp_path / "out.json").exists()
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(tmp_path, NAP="0"), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        best = Ranking.from_json(tmp_path / "out.json").best
        assert best.rows_cached >= 8
        assert best.rows_cached + best.rows_computed == 200
        assert "1 of 1 candidates went on from features that were in the store" in done.stderr


SLOW = textwrap.dedent(
    """
    import os, pathlib, time
    import torch

    class Slow(torch.nn.Module):
        def forward(self, pixels):
            with pathlib.Path("batches").open("a") as log:
                log.write(".")
            time.sleep(float(os.environ["NAP"]))
            return pixels.flatten(1)[:, :16]

    def build():
        return Slow()
    """
)
