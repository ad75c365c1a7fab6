"""Scores and yardsticks against one truth."""

from __future__ import annotations

from hubscout.data.task import Task
from hubscout.evaluation import compare
from hubscout.evaluation.ground_truth import GroundTruth
from hubscout.ranking import ProbeFacts, Ranking, ScoreEntry, ScoreRecord


def test_matches_by_address_and_adds_yardsticks():
    records = tuple(
        ScoreRecord(
            name,
            "ranked",
            scores={"logme": ScoreEntry(value), "leep": ScoreEntry(None, reason="no head")},
            n_parameters=size,
            n_features=64,
        )
        for name, value, size in (("a", 3.0, 1), ("b", 2.0, 2), ("c", 1.0, 3), ("d", 0.5, None), ("unknown", 9.0, 9))
    )
    ranking = Ranking(
        Task("t", "classification", "image"), ProbeFacts(1, 1, 0, "train", ""), ("logme", "leep"), records
    )
    facts = (("c", 0.1), ("a", 0.9), ("b", 0.5), ("d", 0.05))
    truth = [GroundTruth("t", model, value, None, 1, "", "", "", "") for model, value in facts]
    found = {row.name: row for row in compare(ranking, truth)}
    assert list(found) == ["logme", "leep", "number of parameters", "width of the features"]
    assert [row.is_yardstick for row in found.values()] == [False, False, True, True]
    assert (found["logme"].agreement.n, found["logme"].agreement.weighted_tau) == (4, 1.0)
    assert (found["leep"].agreement.n, found["leep"].agreement.n_dropped) == (0, 4)
    assert (found["number of parameters"].agreement.n, found["number of parameters"].agreement.kendall) == (3, -1.0)
    assert found["width of the features"].agreement.weighted_tau is None


def test_rounding_is_no_order():
    # A score that saturates gives every candidate the same value but for the last bits.
    values = (("a", 3.0), ("b", 3.0 - 1e-14), ("c", 3.0 + 1e-14))
    records = tuple(ScoreRecord(name, "ranked", scores={"h_score": ScoreEntry(value)}) for name, value in values)
    ranking = Ranking(Task("t", "classification", "image"), ProbeFacts(1, 1, 0, "train", ""), ("h_score",), records)
    truth = [
        GroundTruth("t", model, value, None, 1, "", "", "", "") for model, value in zip("abc", (1, 2, 3), strict=True)
    ]
    assert compare(ranking, truth)[0].agreement.weighted_tau is None
