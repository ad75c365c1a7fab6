"""Nested choice, rank averages and noise ceilings against loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import weightedtau

from hubscout.errors import UsageError
from hubscout.evaluation.noise import noise_ceiling
from hubscout.evaluation.selection import nested_selection, rank_average
from hubscout.evaluation.standings import judge
from hubscout.evaluation.task_truth import TaskTruth

TASKS = ("a", "b", "c", "d")


@pytest.fixture
def standings():
    rng = np.random.default_rng(5)
    truths = [TaskTruth(task, dict(zip("uvwxyz", rng.random(6), strict=True))) for task in TASKS]
    found = []
    for name in ("first", "second", "third"):
        values = {task: dict(zip("uvwxyz", rng.random(6), strict=True)) for task in TASKS}
        found.append(judge(name, values, truths, n_draws=0))
    return found


class TestNestedSelection:
    def test_by_loops(self, standings):
        found = nested_selection(standings, TASKS)
        for choice in found.choices:
            means = {
                each.name: np.mean([each.agreements[task].weighted_tau for task in TASKS if task != choice.task])
                for each in standings
            }
            best = max(means, key=means.get)
            own = next(each for each in standings if each.name == best).agreements[choice.task]
            assert (choice.chosen, choice.weighted_tau) == (best, own.weighted_tau)
            assert choice.mean_elsewhere == pytest.approx(means[best])
        assert found.mean_tau == pytest.approx(np.mean([choice.weighted_tau for choice in found.choices]))

    def test_the_task_itself_has_no_part(self):
        values = {task: {"x": 1.0, "y": 2.0, "z": 3.0} for task in TASKS}
        opposite = {task: {"x": 3.0, "y": 2.0, "z": 1.0} for task in TASKS}
        truths = [TaskTruth(task, values[task]) for task in TASKS]
        # Right on one task and wrong on all others: never chosen for the one where it is right.
        lucky = judge("lucky", {**opposite, "a": values["a"]}, truths, n_draws=0)
        steady = judge("steady", {**values, "a": opposite["a"]}, truths, n_draws=0)
        found = nested_selection([lucky, steady], TASKS)
        assert next(choice for choice in found.choices if choice.task == "a").chosen == "steady"

    def test_groups_are_left_out_together(self, standings):
        found = nested_selection(standings, TASKS, groups={"a": "g", "b": "g"})
        first = found.choices[0]
        others = next(each.agreements for each in standings if each.name == first.chosen)
        assert first.mean_elsewhere == pytest.approx(np.mean([others[task].weighted_tau for task in ("c", "d")]))

    def test_of_equals_the_first(self, standings):
        assert nested_selection([standings[0], standings[0]], TASKS).final == "first"

    def test_one_group_is_too_few(self, standings):
        with pytest.raises(UsageError) as caught:
            nested_selection(standings, ["a"])
        assert str(caught.value) == "tasks must be of at least two groups, got ['a']; a choice needs other tasks"

    def test_incomplete_scores_are_named(self, standings):
        part = judge("part", {"a": {"u": 1.0}}, [TaskTruth("a", {"u": 1.0})])
        assert nested_selection([part, *standings], TASKS).left_out == ("part",)
        with pytest.raises(UsageError, match=r"^no score has an order on every task of a, b, c, d; "):
            nested_selection([part], TASKS)


class TestRankAverage:
    def test_scale_does_not_matter(self):
        one = {"t": {"a": 1.0, "b": 2.0, "c": 3.0}}
        other = {"t": {"a": 1e9, "b": -1e9, "c": 0.0}}
        assert rank_average([one, other], ["t"]) == {"t": {"a": -2.0, "b": -2.5, "c": -1.5}}

    def test_of_one_score_is_its_order(self):
        found = rank_average([{"t": {"a": 5.0, "b": 7.0}}], ["t"])
        assert found == {"t": {"a": -2.0, "b": -1.0}}

    def test_a_task_nobody_has(self):
        assert rank_average([{}], ["t"]) == {"t": {}}


class TestNoiseCeiling:
    def test_binomial_by_loops(self):
        truth = TaskTruth("t", {"a": 0.5, "b": 0.52, "c": 0.7, "d": 0.71}, n_test=100)
        found = noise_ceiling(truth, n_draws=3000)
        rng = np.random.default_rng(9)
        values = np.array([0.5, 0.52, 0.7, 0.71])
        again = rng.binomial(100, values, (3000, 4)) / 100
        taus = [weightedtau(row, values).statistic for row in again]
        assert found.mean_tau == pytest.approx(np.nanmean(taus), abs=0.02)
        assert 0 < found.regret < 0.02

    def test_standard_errors_are_taken_where_they_are_known(self):
        exact = TaskTruth("t", {"a": 0.5, "b": 0.6, "c": 0.7}, n_test=5, errors=dict.fromkeys("abc", 1e-9))
        assert noise_ceiling(exact).mean_tau == pytest.approx(1.0)

    def test_nothing_known(self):
        assert noise_ceiling(TaskTruth("t", {"a": 0.5, "b": 0.6, "c": 0.7})) is None
        assert noise_ceiling(TaskTruth("t", {"a": 0.5, "b": 0.6}, n_test=10)) is None
