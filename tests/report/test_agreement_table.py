"""Plain words that follow the numbers."""

from __future__ import annotations

import io

from rich.console import Console

from hubscout.evaluation import Agreement, Comparison
from hubscout.report import agreement_table, findings


def row(name, tau, regret=0.0, *, is_yardstick=False):
    hit = None if regret is None else regret == 0
    return Comparison(name, Agreement(8, 0, tau, tau, tau, tau, regret, hit), is_yardstick)


class TestFindings:
    def test_a_clear_win(self):
        rows = [row("logme", 0.8), row("disco", 0.4), row("number of parameters", 0.1, is_yardstick=True)]
        assert findings(rows, "logme") == [
            (
                "The order of logme agrees with fine-tuning at a weighted tau of +0.80; its first candidate is also "
                "the best after fine-tuning."
            ),
            "The best order that does not look at the data, number of parameters, reaches +0.10: looking paid.",
            "None of the other scores comes near here; the next is disco, at +0.40.",
            (
                "This is one task and 8 candidates, where random orders spread by about 0.29: it shows that the "
                "pieces work together, not which score is best."
            ),
        ]

    def test_a_defeat_is_said(self):
        rows = [row("logme", 0.2, 0.034), row("knn", 0.9), row("width of the features", 0.5, is_yardstick=True)]
        sentences = findings(rows, "logme")
        assert sentences[0].endswith("its first candidate ends 3.4 points of accuracy below the best.")
        assert sentences[1] == (
            "The order by width of the features, which does not look at the data, reaches +0.50: here looking with "
            "logme did not pay."
        )
        assert sentences[2] == "Of the other scores, knn does better here, at +0.90."

    def test_a_draw_is_a_draw(self):
        rows = [row("logme", 0.5), row("knn", 0.55), row("width of the features", 0.45, is_yardstick=True)]
        sentences = findings(rows, "logme")
        assert sentences[1].endswith("reaches +0.45: no clear difference.")
        assert sentences[2] == "Of the other scores, knn is about as good here, at +0.55."

    def test_scores_that_leave_candidates_out_are_not_compared(self):
        fewer = Comparison("leep", Agreement(5, 3, 0.9, 0.9, 0.9, 0.9, 0.0, True))
        assert not any("leep" in sentence for sentence in findings([row("logme", 0.5), fewer], "logme"))

    def test_no_order(self):
        expected = ["logme gives no order that could be compared with fine-tuning."]
        assert findings([row("logme", None, None)], "logme") == expected
        assert findings([], "logme") == expected


class TestAgreementTable:
    def test_yardsticks_are_marked_and_missing_is_a_dash(self):
        stream = io.StringIO()
        rows = [row("logme", 0.8), row("leep", None, None), row("number of parameters", 0.1, 0.02, is_yardstick=True)]
        Console(file=stream, width=120).print(agreement_table(rows, 120))
        lines = stream.getvalue().splitlines()
        assert lines[2].split() == ["logme", "+0.800", "+0.800", "+0.800", "0.0", "yes", "8"]
        assert lines[3].split() == ["leep", "-", "-", "-", "-", "-", "8"]
        assert lines[4].strip().startswith("number of parameters (no")
