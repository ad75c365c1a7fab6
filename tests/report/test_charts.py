"""What the charts are drawn from, and that they are drawn: names are text, whatever they say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hubscout.data.task import Task
from hubscout.errors import UsageError
from hubscout.ranking import ProbeFacts, Ranking, ScoreEntry, ScoreRecord
from hubscout.ranking.layers import LayerChoice, LayerValue
from hubscout.ranking.order import order_records
from hubscout.report.charts import check_chart_path, depth_chart, main_chart, score_chart, step_chart, write_chart

HOSTILE = "timm:<script>alert(1)</script>\x1b[31m"


def ranking(*records):
    task = Task("pets <b>", "classification", "image", ("a", "b"))
    return Ranking(task, ProbeFacts(500, 500, 0, "train", ""), ("knn",), order_records(records, "knn"))


def record(name, value, error=0.02, layers=None):
    return ScoreRecord(name, "ranked", scores={"knn": ScoreEntry(value, error)}, layers=layers)


def choice(best=2, n_layers=4):
    layers = tuple(LayerValue(n, "mean", 0.5 + 0.1 * (n == best), 0.01) for n in range(1, n_layers + 1))
    return LayerChoice("linear_probe", best, "mean", 0.6, 0.58, 0.02, layers)


def step(number, value):
    return record(f"torch:nets:build?weights=run/step-{number}.safetensors", value)


def rows(chart):
    return chart.to_dict()["data"]["values"]


class TestScoreChart:
    def test_best_first_with_one_error_to_each_side(self):
        chart = score_chart(ranking(record("timm:a", 0.5), record("timm:b", 0.75, None)))
        assert rows(chart) == [
            {"candidate": "timm:b", "value": 0.75, "low": 0.75, "high": 0.75},
            {"candidate": "timm:a", "value": 0.5, "low": 0.48, "high": 0.52},
        ]

    def test_failed_candidates_are_not_drawn(self):
        failed = ScoreRecord("timm:x", "failed", reason="why")
        assert [row["candidate"] for row in rows(score_chart(ranking(record("timm:a", 0.5), failed)))] == ["timm:a"]


class TestDepthChart:
    def test_depth_is_a_share_so_that_models_of_any_depth_compare(self):
        chart = depth_chart(ranking(record("timm:a", 0.5, layers=choice()), record("timm:b", 0.5)))
        found = rows(chart)
        assert [row["depth"] for row in found] == [0.25, 0.5, 0.75, 1.0]
        assert [row["chosen"] for row in found] == [False, True, False, False]
        assert found[1]["value"] == 0.6


class TestStepChart:
    def test_steps_in_order(self):
        chart = step_chart(ranking(step(20, 0.7), step(3, 0.4), step(100, 0.71)))
        found = rows(chart)
        assert [(row["step"], row["settled"]) for row in found] == [(3, False), (20, True), (100, False)]


class TestMainChart:
    def test_says_most(self):
        assert "step" in rows(main_chart(ranking(step(1, 0.5), step(2, 0.6), record("timm:a", 0.9))))[0]
        assert "depth" in rows(main_chart(ranking(record("timm:a", 0.9, layers=choice()))))[0]
        plain = main_chart(ranking(record("timm:a", 0.9, layers=choice(1, 1))))
        assert set(rows(plain)[0]) == {"candidate", "value", "low", "high"}


class TestWriteChart:
    @pytest.mark.parametrize("suffix", [".svg", ".png", ".SVG"])
    def test_files_of_both_forms(self, tmp_path, suffix):
        file = tmp_path / f"chart{suffix}"
        write_chart(ranking(record(HOSTILE, 0.5), record("timm:b", 0.6)), file)
        content = file.read_bytes()
        if suffix == ".png":
            assert content.startswith(b"\x89PNG")
        else:
            text = content.decode()
            assert text.startswith("<svg")
            assert "<script" not in text
            assert "\x1b" not in text
            assert "&lt;script" in text

    def test_hostile_names_stay_data(self):
        spec = json.dumps(score_chart(ranking(record(HOSTILE, 0.5))).to_dict())
        assert "\\u001b" not in spec

    def test_wrong_files_are_refused_before_anything_runs(self, tmp_path):
        with pytest.raises(UsageError) as caught:
            check_chart_path("chart.jpg")
        assert str(caught.value) == "plot (--plot) must be a file that ends in .svg or .png, got 'chart.jpg'"
        missing = str(tmp_path / "no" / "chart.svg")
        with pytest.raises(UsageError) as caught:
            check_chart_path(missing)
        rule = "plot (--plot) must be a file in a folder that exists"
        assert str(caught.value) == f"{rule}, got {missing!r}; make the folder first"


def test_values_are_plain_numbers():
    chart = score_chart(ranking(record("timm:a", float(np.float64(0.5)))))
    json.dumps(chart.to_dict())
