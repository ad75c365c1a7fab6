"""Places by score and by truth, side by side."""

from __future__ import annotations

import io

from rich.console import Console

from hubscout.data.task import Task
from hubscout.evaluation import GroundTruth
from hubscout.ranking import ProbeFacts, Ranking, ScoreEntry, ScoreRecord
from hubscout.ranking.order import order_records
from hubscout.report import truth_table


def test_places_and_accuracies():
    records = [
        ScoreRecord(name, "ranked", scores={"logme": ScoreEntry(value)})
        for name, value in (("a", 3.0), ("b", 2.0), ("c", 1.0))
    ]
    records.append(ScoreRecord("d", "failed", reason="gone"))
    task = Task("t", "classification", "image")
    ranking = Ranking(task, ProbeFacts(1, 1, 0, "all", ""), ("logme",), order_records(records, "logme"))
    truth = [
        GroundTruth("t", name, value, error, 3, "", "", "", "")
        for name, value, error in (("a", 0.5, 0.01), ("c", 0.75, None), ("d", 0.5, None))
    ]
    stream = io.StringIO()
    Console(file=stream, width=80).print(truth_table(ranking, truth, 80))
    lines = [line.split() for line in stream.getvalue().splitlines()]
    assert lines[0] == ["logme", "fine-tuned", "accuracy", "candidate"]
    assert lines[2:] == [
        ["1", "2", "0.500", "±0.010", "a"],
        ["2", "-", "-", "b"],
        ["3", "1", "0.750", "c"],
        ["-", "2", "0.500", "d"],
    ]
