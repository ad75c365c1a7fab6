"""`hubscout demo`, on three of its candidates."""

from __future__ import annotations

import json

import pytest

from hubscout.cli import demo
from hubscout.scores import RECOMMENDED_SCORE


@pytest.fixture
def few(monkeypatch, tmp_path):
    chosen = [f"bundled:{name}" for name in ("random", "glyphs_supervised", "shapes_supervised")]
    monkeypatch.setattr(demo, "_CANDIDATES", chosen)
    return tmp_path / "store"


class TestDemo:
    def test_shows_the_ranking_and_then_its_agreement(self, hubscout, few):
        done = hubscout("demo", "--store", few)
        assert done.code == 0, done.err
        order, _, agreement = done.out.partition("Each of these models was also really fine-tuned")
        assert "bundled:random" in order
        for name in ("logme", "disco", "knn", "number of parameters (no look at the data)"):
            assert f"\n {name} " in agreement
        assert f"The order of {RECOMMENDED_SCORE} agrees with fine-tuning at a weighted tau of " in agreement
        assert "This is one task and 3 candidates" in agreement.replace("\n", " ")

    def test_json_dash_prints_only_json(self, hubscout, few):
        done = hubscout("demo", "--store", few, "--json", "-", "--quiet")
        assert len(json.loads(done.out)["records"]) == 3
        assert done.err == ""
