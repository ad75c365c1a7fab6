"""Bootstrap intervals against draws written out one by one, and the weighted tau of many rows against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import weightedtau

from hubscout.errors import UsageError
from hubscout.evaluation.bootstrap import mean_interval, weighted_taus


@pytest.fixture
def tasks():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(4):
        truth = rng.standard_normal(9)
        found.append((truth + 0.7 * rng.standard_normal(9), truth))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_what_scipy_says_of_each(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 5, (30, 7)).astype(float), rng.integers(0, 5, (30, 7)).astype(float)
    ours = weighted_taus(x, y)
    by_truth = weighted_taus(x, y, "truth-weighted")
    for row in range(30):
        assert ours[row] == pytest.approx(weightedtau(x[row], y[row]).statistic)
        assert by_truth[row] == pytest.approx(weightedtau(y[row], x[row], rank=None).statistic)


class TestMeanInterval:
    def test_over_tasks_by_hand(self, tasks):
        taus = np.array([weightedtau(*task).statistic for task in tasks])
        found = mean_interval(tasks, over="tasks", n_draws=4000)
        rng = np.random.default_rng(99)
        expected = np.quantile(taus[rng.integers(0, 4, (4000, 4))].mean(axis=1), [0.05, 0.95])
        assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.02)
        assert (found.level, found.n_draws) == (0.9, 4000)

    def test_over_candidates_by_hand(self, tasks):
        scores, truth = tasks[0]
        found = mean_interval(tasks[:1], over="candidates", n_draws=4000)
        rng = np.random.default_rng(99)
        taus = [weightedtau(scores[rows], truth[rows]).statistic for rows in rng.integers(0, 9, (4000, 9))]
        assert (found.low, found.high) == pytest.approx(tuple(np.nanquantile(taus, [0.05, 0.95])), abs=0.04)

    def test_both_is_wider_than_either(self, tasks):
        def width(over):
            found = mean_interval(tasks, over=over)
            return found.high - found.low

        assert width("both") > max(width("tasks"), width("candidates"))

    def test_is_seeded(self, tasks):
        assert mean_interval(tasks, seed=3) == mean_interval(tasks, seed=3)
        assert mean_interval(tasks, seed=3) != mean_interval(tasks, seed=4)

    def test_a_score_beside_itself_differs_by_nothing(self, tasks):
        found = mean_interval(tasks, minus=tasks)
        assert (found.low, found.high) == (0.0, 0.0)

    def test_differences_are_paired(self, tasks):
        worse = [(scores + 1e-3 * np.arange(9), truth) for scores, truth in tasks]
        found = mean_interval(tasks, minus=worse)
        assert found.high - found.low < 0.2

    def test_missing_values_are_left_out(self, tasks):
        scores, truth = tasks[0]
        assert mean_interval([([*scores, None], [*truth, 1.0])], over="candidates") == mean_interval(
            tasks[:1], over="candidates"
        )

    def test_nothing_to_compare(self):
        assert mean_interval([([1, 2], [1, 2])]) is None
        assert mean_interval([]) is None
        assert mean_interval([([1, 2, 3, 4], [1, 3, 2, 4])] * 3) is None
        assert mean_interval([([1, 2, 3, 4], [1, 3, 2, 4])] * 3, over="tasks") is not None
        assert mean_interval([([1, 2, 3], [1, 2, 3])], over="tasks") is None

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"over": "seeds"}, "over must be one of candidates, tasks, both, got 'seeds'"),
            ({"level": 90}, "level must lie between 0 and 1, got 90"),
            ({"n_draws": 0}, "n_draws must be at least 1, got 0"),
            ({"convention": "b"}, "convention must be one of scipy, truth-weighted, got 'b'"),
            (
                {"minus": []},
                (
                    "minus must hold the same tasks and candidates as tasks; leave out those that have no value on "
                    "one side"
                ),
            ),
        ],
    )
    def test_arguments(self, tasks, options, message):
        with pytest.raises(UsageError) as caught:
            mean_interval(tasks, **options)
        assert str(caught.value) == message
