"""The example of docs/how-to-add-a-score.md runs, and passes the check that it ends with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hubscout.scores import evaluate, get_spec
from hubscout.scores._spec import REGISTRY
from hubscout.testing import draw_problem

PAGE = Path(__file__).parents[2] / "docs" / "how-to-add-a-score.md"


def test_the_example_registers_a_score_that_passes() -> None:
    example, check = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, str(PAGE), "exec"), names)
    try:
        exec(compile(check, str(PAGE), "exec"), {})
        problem = draw_problem()
        found = evaluate(problem.features, problem.labels, ["variance_between"])["variance_between"]
        assert found.value == names["variance_between"](problem.features, problem.labels)
        assert get_spec("variance_between").title == "Variance between classes"
    finally:
        REGISTRY.remove("variance_between")


def test_every_required_fact_is_in_the_example() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for field in ("title", "summary", "formula", "range", "cost", "spectrum", "reference", "deviations", "degenerate"):
        assert re.search(rf"^    {field}=", text, re.MULTILINE), field


@pytest.mark.parametrize("name", ["EVIDENCE", "naive_scores.py", "Statistics.of"])
def test_names_on_the_page_exist(name: str) -> None:
    root = PAGE.parents[1]
    places = {
        "EVIDENCE": root / "tests/scores/test_spec.py",
        "naive_scores.py": root / "tests/scores/naive_scores.py",
        "Statistics.of": root / "src/hubscout/scores/disco.py",
    }
    assert name in PAGE.read_text(encoding="utf-8")
    assert places[name].exists()
    assert name.endswith(".py") or name in places[name].read_text(encoding="utf-8")
