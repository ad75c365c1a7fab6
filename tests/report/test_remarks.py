"""What is said beside the table."""

from __future__ import annotations

from hubscout.data.task import RowProblem, Task
from hubscout.ranking import ProbeFacts, Ranking, ScoreRecord
from hubscout.report import probe_remarks, ranking_remarks

TASK = Task("pets", "classification", "image", ("cat", "dog"))


class TestProbeRemarks:
    def test_size_and_split(self):
        assert probe_remarks(TASK, ProbeFacts(10, 200, 3, "train", "")) == [
            "pets: classification, 10 of 200 images in 2 classes (split train, seed 3)"
        ]
        assert probe_remarks(Task("p", "regression", "text"), ProbeFacts(10, 10, 0, "all", "")) == [
            "p: regression, 10 texts (split all, seed 0)"
        ]

    def test_first_ten_problems_then_a_count(self):
        problems = tuple(RowProblem(f"row {n}", "text is empty") for n in range(12))
        lines = probe_remarks(TASK, ProbeFacts(10, 10, 0, "all", "", problems, ("guessed label",)))
        assert lines[1] == "note: guessed label"
        assert lines[2] == "left out: 12 images"
        assert lines[3] == "  row 0: text is empty"
        assert lines[12] == "  row 9: text is empty"
        assert lines[13:] == ["  ... and 2 more; --json lists them all"]

    def test_a_single_problem(self):
        lines = probe_remarks(TASK, ProbeFacts(1, 1, 0, "all", "", (RowProblem("a.jpg", "image is damaged"),)))
        assert lines[1:] == ["left out: 1 image", "  a.jpg: image is damaged"]

    def test_names_are_harmless(self):
        lines = probe_remarks(TASK, ProbeFacts(1, 1, 0, "all", "", (RowProblem("a\x1b[2J\n", "bad"),)))
        assert lines[-1] == "  a\\x1b[2J\\n: bad"


class TestRankingRemarks:
    def test_what_the_store_gave(self):
        records = (
            ScoreRecord("a", "ranked", rows_cached=10),
            ScoreRecord("b", "ranked", rows_cached=4, rows_computed=6, rows_repaired=2, notes=("slow",)),
            ScoreRecord("c", "failed"),
        )
        ranking = Ranking(TASK, ProbeFacts(10, 10, 0, "all", ""), ("logme",), records)
        assert ranking_remarks(ranking) == [
            "features of 1 of 2 candidates were found in the store",
            "1 of 2 candidates went on from features that were in the store",
            "note: b: 2 stored rows were damaged and were computed again",
            "note: b: slow",
        ]

    def test_silence_when_there_is_nothing_to_say(self):
        ranking = Ranking(TASK, ProbeFacts(1, 1, 0, "all", ""), ("logme",), (ScoreRecord("a", "ranked"),))
        assert ranking_remarks(ranking) == []
