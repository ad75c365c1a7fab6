from __future__ import annotations

import pytest

from hubscout.ranking.parts import combine_parts
from hubscout.ranking.records import ScoreEntry, ScoreRecord


def record(name: str, **parts: float) -> ScoreRecord:
    entry = ScoreEntry(sum(parts.values()), 0.1, parts=parts) if parts else ScoreEntry(None, reason="none")
    return ScoreRecord(name, "ranked", scores={"disco": entry, "knn": ScoreEntry(0.5)})


class TestCombineParts:
    def test_each_part_is_spread_over_the_candidates(self):
        records = [record("a", classes=0.2, boxes=-3.0), record("b", classes=0.6, boxes=-2.0)]
        records += [record("c", classes=0.4, boxes=-1.0)]
        combined = combine_parts(records, ["disco", "knn"])
        assert [each.value("disco") for each in combined] == pytest.approx([0.0, 1.5, 1.5])
        assert [each.scores["disco"].parts for each in combined] == [each.scores["disco"].parts for each in records]
        assert [each.scores["disco"].standard_error for each in combined] == [None] * 3
        assert [each.scores["knn"] for each in combined] == [ScoreEntry(0.5)] * 3

    def test_a_part_that_all_share_says_nothing(self):
        records = [record("a", classes=0.2, boxes=-1.0), record("b", classes=0.6, boxes=-1.0)]
        combined = combine_parts(records, ["disco"])
        assert [each.value("disco") for each in combined] == [0.0, 1.0]

    def test_failed_candidates_and_missing_values_take_no_part(self):
        failed = ScoreRecord("x", "failed", reason="why")
        records = [record("a", classes=1.0, boxes=0.0), failed, record("b"), record("c", classes=0.0, boxes=-1.0)]
        combined = combine_parts(records, ["disco"])
        assert [each.value("disco") for each in combined] == [2.0, None, None, 0.0]
        assert combined[1] is failed

    def test_a_single_part_keeps_its_scale_and_error(self):
        records = [record("a", classes=0.2), record("b", classes=0.6)]
        assert combine_parts(records, ["disco"]) == records

    def test_a_candidate_alone_keeps_its_sum(self):
        assert combine_parts([record("a", classes=0.2, boxes=-1.0)], ["disco"])[0].value("disco") == pytest.approx(-0.8)
