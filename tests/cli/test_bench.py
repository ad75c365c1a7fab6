"""`hubscout bench`, run as its own application so that nothing but its own code decides."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest
import typer

from hubscout.cli import bench
from hubscout.errors import UsageError
from hubscout.evaluation.published import recompute

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))

from tiny_hub import write_hub


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HUBSCOUT_HOME", str(tmp_path / "home"))
    command = typer.main.get_command(bench.app)

    def call(*words):
        capsys.readouterr()
        code = command.main(args=[str(word) for word in words], prog_name="bench", standalone_mode=False)
        captured = capsys.readouterr()
        return code or 0, captured.out, captured.err

    return call


def test_without_a_command_it_says_which_there_are(run):
    code, out, err = run()
    assert (code, out) == (2, "")
    assert all(name in err for name in ("published", "hub", "paper"))


class TestPublished:
    def test_table(self, run):
        code, out, _ = run("published", "--table", "sfda_supervised", "--draws", 0)
        assert code == 0
        assert "sfda_supervised: 11 tasks, 11 models" in out
        assert "(static order)" in out
        assert "+0.84" in out

    def test_json(self, run):
        _, out, _ = run("published", "--table", "tllib", "--draws", 20, "--json", "-")
        found = json.loads(out)
        assert found["schema"] == "hubscout.bench.published/1"
        names = [each["name"] for each in found["tables"][0]["standings"]]
        assert {"logme", "leep", "hscore", "nce", "random", "static order"} <= set(names)

    def test_csv(self, run):
        _, out, _ = run("published", "--table", "tllib", "--draws", 20, "--csv", "-")
        rows = {row["name"]: row for row in csv.DictReader(io.StringIO(out))}
        assert float(rows["logme"]["low"]) < float(rows["logme"]["mean_weighted_tau"]) < float(rows["logme"]["high"])
        assert rows["random"]["low"] == ""

    def test_unknown_table(self, run):
        with pytest.raises(UsageError, match=r"^name must be a table of ground truths"):
            run("published", "--table", "nosuch")


class TestHub:
    def test_writes_all_it_is_asked_for(self, run, tmp_path, monkeypatch):
        hub = write_hub(tmp_path / "hub", n=40)
        monkeypatch.setattr(sys, "argv", ["hubscout", "bench", "hub", "tiny"])
        monkeypatch.setattr(bench, "_published", lambda draws, seed: recompute(["sfda_supervised"], n_draws=0))
        words = ["hub", hub, "--scores", "knn,disco,disco(n_groups=1),knn+disco", "--variants", "groups", "--draws", 20]
        words += ["--out", tmp_path / "out", "--write", tmp_path / "evidence.md", "--store", tmp_path / "store"]
        code, out, err = run(*words)
        assert code == 0
        assert "knn+disco" in out
        assert "stripes: wide" in err
        assert "note: the encoders are built by the hub's own program hub_models.py" in err
        assert {"values.json", "result.json", "result.csv"} <= {file.name for file in (tmp_path / "out").iterdir()}
        page = (tmp_path / "evidence.md").read_text(encoding="utf-8")
        for heading in (
            "# Evidence",
            "## The truth",
            "## Scores and baselines",
            "## Weighted tau by task",
            "### Groups",
        ):
            assert f"{heading}\n" in page
        assert "```\nhubscout bench hub tiny\n```" in page
        assert "| *static order* |" in page
        assert "### sfda_supervised: 11 tasks, 11 models" in page
        # A second run takes features and values from where they were kept.
        values = (tmp_path / "out" / "values.json").read_bytes()
        again, _, _ = run(*words, "--quiet")
        assert again == 0
        assert (tmp_path / "out" / "values.json").read_bytes() == values

    def test_json_dash_prints_only_json(self, run, tmp_path):
        hub = write_hub(tmp_path / "hub", n=20)
        code, out, err = run(
            "hub", hub, "--sets", "blobs", "--scores", "knn", "--store", tmp_path / "s", "--json", "-", "--quiet"
        )
        assert (code, err) == (0, "")
        assert json.loads(out)["schema"] == "hubscout.bench.hub/1"

    def test_failures_are_an_exit_code(self, run, tmp_path):
        hub = write_hub(tmp_path / "hub", n=20)
        (hub / "weights" / "wide.safetensors").unlink()
        code, _, err = run("hub", hub, "--scores", "knn", "--store", tmp_path / "s", "--draws", 0)
        assert code == 3
        assert "note: wide on stripes: " in err


class TestPaper:
    def test_dry_run_lists_what_is_missing(self, run, tmp_path):
        (tmp_path / "root" / "dtd").mkdir(parents=True)
        code, out, _ = run("paper", "--dry-run", "--root", tmp_path / "root", "--weights", tmp_path)
        assert code == 0
        text = " ".join(out.split())
        assert "11 candidates on 11 sets, 121 fine-tuned values" in text
        assert "21 candidates and sets are not here" in text
        assert "Nothing was fetched." in text

    def test_dry_run_as_json(self, run, tmp_path):
        _, out, _ = run("paper", "--pool", "sfda_selfsup", "--dry-run", "--weights", tmp_path, "--json", "-")
        found = json.loads(out)
        assert [model["address"] for model in found["models"]] == [None] * 12
        assert found["models"][0]["fetch"].startswith("byol.pth from https://")
