"""Published tables judged again: figures that the literature prints, and rules on what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, weightedtau

from hubscout.errors import UsageError
from hubscout.evaluation import load_ground_truth
from hubscout.evaluation.baselines import published_facts, static_order
from hubscout.evaluation.published import load_published_scores, recompute
from hubscout.evaluation.standings import chance, judge
from hubscout.evaluation.task_truth import TaskTruth, by_task


class TestStaticOrder:
    def test_by_loops(self):
        truths = by_task(load_ground_truth("sfda_supervised"))
        found = static_order(truths)
        names = list(truths[0].values)
        for truth in truths:
            others = [other for other in truths if other.task != truth.task]
            ranks = np.mean([rankdata([-other.values[name] for name in names]) for other in others], axis=0)
            assert [found[truth.task][name] for name in names] == pytest.approx((1 - ranks) / 10)

    def test_the_figures_that_are_known_of_it(self):
        (supervised,) = recompute(["sfda_supervised"], n_draws=0)
        assert supervised.standings[0].mean_tau == pytest.approx(0.837, abs=5e-4)
        truths = [each for each in by_task(load_ground_truth("sfda_selfsup")) if each.task not in ("eurosat", "resisc")]
        assert judge("static", static_order(truths), truths).mean_tau == pytest.approx(0.685, abs=5e-4)

    def test_a_candidate_that_no_other_task_has(self):
        truths = [TaskTruth("a", {"x": 1.0, "y": 2.0, "z": 3.0}), TaskTruth("b", {"x": 1.0, "y": 2.0})]
        assert static_order(truths)["a"] == {"x": -1.0, "y": 0.0, "z": None}


class TestJudge:
    TRUTHS = (
        TaskTruth("a", {"x": 50.0, "y": 70.0, "z": 90.0}, "f", unit=0.01),
        TaskTruth("b", {"x": 0.5, "y": 0.6, "z": 0.8}, "f"),
        TaskTruth("c", {"x": 1.0, "y": 2.0, "z": 3.0}, "g", unit=None),
    )

    def test_means_and_worst(self):
        values = {"a": {"x": 1, "y": 2, "z": 3}, "b": {"x": 3, "y": 2, "z": 1}, "c": {"x": 1, "y": None, "z": 3}}
        found = judge("s", values, self.TRUTHS, n_draws=20)
        assert (found.mean_tau, found.worst_task, found.worst_tau) == (0.0, "b", -1.0)
        assert found.families == {"f": 0.0}
        assert found.regret == pytest.approx((0.0 + 0.3) / 2)
        assert found.hit_rate == 0.5
        assert found.left_out == {"c": "only 2 candidates have both values; at least 3 are needed"}

    def test_errors_have_no_part_in_regret(self):
        found = judge("s", {"c": {"x": 3, "y": 2, "z": 1}}, self.TRUTHS, n_draws=0)
        assert (found.mean_tau, found.regret) == (-1.0, None)

    def test_lift_is_the_difference_of_means_on_shared_tasks(self):
        own = {"a": {"x": 1, "y": 2, "z": 3}, "b": {"x": 1, "y": 2, "z": 3}}
        static = {"a": {"x": 3, "y": 2, "z": 1}}
        found = judge("s", own, self.TRUTHS, static=static, n_draws=20)
        assert found.lift == 2.0
        assert found.lift_interval is None  # of three candidates no draw is another

    def test_rounding_is_no_order(self):
        found = judge("s", {"a": {"x": 1.0, "y": 1.0 + 1e-13, "z": 1.0 - 1e-13}}, self.TRUTHS[:1])
        assert found.left_out == {"a": "the score gives all candidates the same value"}

    def test_chance_is_what_random_orders_give(self):
        found = chance(self.TRUTHS[:1])
        rng = np.random.default_rng(0)
        picks = rng.integers(0, 3, 20000)
        truth = np.array([0.5, 0.7, 0.9])
        assert found.regret == pytest.approx((0.9 - truth[picks]).mean(), abs=0.01)
        assert (found.mean_tau, found.hit_rate) == (0.0, pytest.approx(1 / 3))


class TestRecompute:
    def test_tau_of_one_task_is_scipys(self):
        (table,) = recompute(["tllib"], n_draws=0)
        logme = next(each for each in table.standings if each.name == "logme")
        truth = {row.model: row.value for row in load_ground_truth("tllib") if row.task == "Aircraft"}
        scores = {
            row.model: row.value
            for row in load_published_scores("tllib")
            if (row.task, row.score) == ("Aircraft", "logme")
        }
        expected = weightedtau([scores[name] for name in truth], list(truth.values())).statistic
        assert logme.agreements["Aircraft"].weighted_tau == pytest.approx(expected)

    def test_flawed_values_are_left_out_and_counted(self):
        (table,) = recompute(["tllib"], n_draws=0)
        assert table.n_flawed == 13
        assert table.notes[-1] == "13 published values are known to be wrong and were left out"
        nce = next(each for each in table.standings if each.name == "nce")
        assert set(nce.left_out) == {"DTD"}
        hscore = next(each for each in table.standings if each.name == "hscore")
        assert hscore.n_dropped == 3

    def test_baselines_without_an_order_are_named(self):
        (table,) = recompute(["sfda_selfsup"], n_draws=0)
        assert table.notes == (
            "number of parameters is left out: the score gives all candidates the same value",
            "ImageNet accuracy is left out: only 0 candidates have both values; at least 3 are needed",
            "no scores were published beside it",
        )

    def test_best_first(self):
        (table,) = recompute(["modelspider_single"], n_draws=0)
        means = [each.mean_tau for each in table.standings]
        assert means == sorted(means, reverse=True)
        assert all(each.lift is not None for each in table.standings if each.name != "random")

    def test_unknown_table(self):
        with pytest.raises(UsageError, match=r"^name must be a table of ground truths \("):
            recompute(["imagenet"])
        with pytest.raises(UsageError, match=r"^name must be a table of ground truths \("):
            load_published_scores("../pools/sets")


def test_every_model_of_the_pools_has_its_facts():
    parameters, accuracies = published_facts()
    for name in ("sfda_supervised", "tllib", "modelspider_single"):
        for row in load_ground_truth(name):
            assert parameters[row.model] > 1e6
            assert 60 < accuracies[row.model] < 80
