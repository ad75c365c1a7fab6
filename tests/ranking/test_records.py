"""Order, ranks and what a ranking says of itself."""

from __future__ import annotations

import json

import pytest

from hubscout.ranking import ScoreEntry, ScoreRecord
from hubscout.ranking.order import order_records


def failed(candidate):
    return ScoreRecord(candidate, "failed", reason="it broke", error_type="CandidateError")


class TestOrderRecords:
    def test_falls_by_value_then_unranked_then_failed(self, record):
        found = order_records(
            [failed("f"), record("none"), record("low", -2.0), record("high", 3.0), record("zero", 0.0)], "logme"
        )
        assert [r.candidate for r in found] == ["high", "zero", "low", "none", "f"]
        assert [r.rank for r in found] == [1, 2, 3, None, None]
        assert [r.status for r in found] == ["ranked", "ranked", "ranked", "unranked", "failed"]

    def test_rounding_does_not_decide(self, record):
        # H-scores of five encoders that are all wider than the samples are many, the narrowest of them last.
        values = [23.999999999999996, 24.000000000000004, 20.0, 23.99999999999999, 24.00000000000005]
        found = order_records([record(f"r{i}", value) for i, value in enumerate(values)], "logme")
        assert [(r.candidate, r.rank) for r in found] == [("r0", 1), ("r1", 1), ("r3", 1), ("r4", 1), ("r2", 5)]
        nearly = order_records([record("low", 0.5), record("high", 0.5 + 1e-7)], "logme")
        assert [(r.candidate, r.rank) for r in nearly] == [("high", 1), ("low", 2)]

    def test_equal_values_share_the_better_rank_in_the_given_order(self, record):
        found = order_records([record("a", 1.0), record("b", 2.0), record("c", 2.0), record("d", 0.0)], "logme")
        assert [(r.candidate, r.rank) for r in found] == [("b", 1), ("c", 1), ("a", 3), ("d", 4)]

    def test_says_why_there_is_no_value(self, record):
        assert order_records([record("a")], "logme")[0].reason == "logme has no value: it is flat"

    def test_a_score_that_was_not_computed_is_no_value(self, record):
        (found,) = order_records([record("a", 1.0)], "disco")
        assert (found.status, found.reason) == ("unranked", "disco has no value: it was not computed")

    def test_a_failed_candidate_keeps_its_reason_even_with_a_value(self, record):
        (found,) = order_records([record("a", 1.0, reason="late")], "logme")
        assert found.reason is None
        assert order_records([failed("f")], "logme")[0].reason == "it broke"


class TestRanking:
    def test_best_and_parts(self, record, ranking):
        found = ranking(record("a", 1.0), record("b", 2.0), failed("f"))
        assert found.best.candidate == "b"
        assert [r.candidate for r in found.ranked] == ["b", "a"]
        assert [r.candidate for r in found.not_ranked] == ["f"]

    def test_no_best_when_all_failed(self, ranking):
        assert ranking(failed("f")).best is None

    def test_repr_is_one_harmless_line(self, record, ranking):
        text = repr(ranking(record("a\x1b[2J\n", 1.0)))
        assert text == "<Ranking on 'pets': 1 candidates, 1 ranked by logme, best 'a\\x1b[2J\\n'>"


class TestToFrame:
    def test_one_row_a_candidate(self, record, ranking):
        found = ranking(record("a", 1.0), record("b", 2.0), failed("f")).to_frame()
        assert list(found.columns) == [
            "rank", "candidate", "logme", "logme_standard_error",
            "features", "parameters", "samples_per_second", "seconds", "reason",
        ]  # fmt: skip
        assert found["candidate"].tolist() == ["b", "a", "f"]
        assert found["rank"].tolist()[:2] == [1, 2]
        assert str(found["rank"].dtype) == "Int64"
        assert found["logme"].isna().tolist() == [False, False, True]
        assert found["logme_standard_error"].tolist()[:2] == [0.01, 0.01]
        assert found["reason"].tolist()[2] == "it broke"

    def test_without_pandas_says_what_to_install(self, record, ranking, monkeypatch):
        import sys

        from hubscout.errors import MissingExtraError

        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'hubscout\[report\]'"):
            ranking(record("a", 1.0)).to_frame()


class TestReprHtml:
    def test_names_cannot_become_markup(self, record, ranking):
        text = ranking(record("<script>alert(1)</script>\x1b[2J", 1.0))._repr_html_()
        assert "<script" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J" in text

    def test_has_a_row_for_each_candidate(self, record, ranking):
        text = ranking(record("a", 1.25), failed("f"))._repr_html_()
        assert text.count("<tr>") == 3
        assert "<td>1.25 ± 0.01</td>" in text
        assert "<td>it broke</td>" in text


class TestJson:
    def test_round_trip_is_equal(self, record, ranking):
        before = ranking(record("a", 1.0), record("b", None), failed("f"))
        assert type(before).from_json(before.to_json()) == before

    def test_file_round_trip(self, record, ranking, tmp_path):
        before = ranking(record("a", 1.0))
        before.to_json(tmp_path / "r.json")
        assert type(before).from_json(str(tmp_path / "r.json")) == before
        assert [p.name for p in tmp_path.iterdir()] == ["r.json"]

    def test_names_are_ascii_and_harmless(self, record, ranking):
        text = ranking(record("ü\x1b[2J\udc80", 1.0)).to_json()
        assert text.isascii()
        assert "\x1b" not in text
        assert json.loads(text)["records"][0]["candidate"] == "ü\x1b[2J\udc80"

    def test_nan_cannot_be_written(self, record, ranking):
        with pytest.raises(ValueError, match="Out of range float"):
            ranking(record("a", 1.0, seconds=float("nan"))).to_json()

    def test_schema_comes_first(self, record, ranking):
        assert ranking(record("a", 1.0)).to_json().startswith('{\n  "schema": "hubscout.ranking/1",')

    def test_entry_defaults(self):
        assert ScoreEntry(1.0) == ScoreEntry(1.0, None, None, 0.0)
