"""The sentences on the first place, and on races."""

from __future__ import annotations

import pytest

from hubscout.data.task import Task
from hubscout.ranking import ProbeFacts, Ranking, ScoreEntry, ScoreRecord
from hubscout.ranking.rounds import Round
from hubscout.ranking.standing import Standing
from hubscout.report.confidence_remarks import confidence_remarks, race_remarks


def record(name, chance, *, tie=False, parameters=100, reason=None):
    standing = Standing(chance, 0.0, 0.1, is_tie=tie, method="samples", reason=reason)
    scores = {"logme": ScoreEntry(0.5, 0.1)}
    return ScoreRecord(name, "ranked", rank=1, scores=scores, n_parameters=parameters, standing=standing)


def ranking(*records, rounds=()):
    task = Task("pets", "classification", "image", ("a", "b"))
    return Ranking(task, ProbeFacts(1000, 1000, 0, "all", ""), ("logme",), records, rounds=rounds)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([record("Y", 0.1, tie=True, parameters=25)], "Y is a tie and 4.0 x smaller"),
        (
            [record("Y", 0.1, tie=True, parameters=50), record("Z", 0.1, tie=True, parameters=20)],
            "Z is a tie and 5.0 x smaller; 1 more is a tie",
        ),
        ([record("Y", 0.1), record("Z", 0.1)], "no other is a tie"),
        ([record("Y", 0.1, tie=True, parameters=None)], "Y is a tie"),
        ([record(name, 0.1, tie=True) for name in "VW"], "V and W are ties"),
        ([record(name, 0.1, tie=True) for name in "UVWYZ"], "U, V, W and 2 more are ties"),
    ],
)
def test_one_sentence(others, expected):
    assert confidence_remarks(ranking(record("X", 0.834), *others)) == [
        f"X is best by logme with 83 % probability; {expected}"
    ]


def test_why_it_cannot_be_said():
    reason = "logme has no standard error for 1 of 2 candidates"
    found = confidence_remarks(ranking(record("X", None, reason=reason), record("Y", None, reason=reason)))
    assert found == [f"how sure the order is cannot be said: {reason}"]


def test_nothing_to_compare():
    assert confidence_remarks(ranking(record("X", 1.0))) == []
    assert confidence_remarks(ranking(ScoreRecord("X", "ranked"), ScoreRecord("Y", "ranked"))) == []


def test_race():
    rounds = (Round(256, 256, ("X", "Y", "Z"), ("Z",), "X", 0.01, 2.0), Round(512, 256, ("X", "Y"), (), "X", 0.01, 1.5))
    assert race_remarks(ranking(record("X", 0.8), record("Y", 0.2), rounds=rounds)) == [
        "race, round 1: 3 candidates on 256 samples, 1 dropped (2.0 s)",
        "race, round 2: 2 candidates on 512 samples, none dropped (1.5 s)",
        "race: 1,280 of 3,000 forward passes, 57 % saved",
    ]
    assert race_remarks(ranking(record("X", 0.8))) == []


def test_what_a_race_promises():
    gone = ScoreRecord("Y", "unranked", error_type="dropped")
    found = race_remarks(ranking(record("X", 1.0), gone, rounds=(Round(128, 128, ("X", "Y"), ("Y",)),)))
    assert found[-1] == "race: who was dropped is surely not the best; that is wrong in at most 5 % of races"
