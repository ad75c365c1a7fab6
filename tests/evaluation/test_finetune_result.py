"""Values and intervals: against formulas written out, and by how often they cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score

from hubscout.errors import UsageError
from hubscout.evaluation.finetune.cost import estimate_seconds
from hubscout.evaluation.finetune.objective import balanced_accuracy, value_terms
from hubscout.evaluation.finetune.result import accuracy_interval, mean_interval, wilson_interval


class TestWilson:
    @pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (8, 10), (379, 400)])
    def test_against_scipy(self, right, n):
        theirs = stats.binomtest(right, n).proportion_ci(0.9, method="wilson")
        assert wilson_interval(right, n, level=0.9) == pytest.approx((theirs.low, theirs.high), abs=1e-12)

    def test_refusals(self):
        with pytest.raises(UsageError, match="n_right must be from 0 to n, and n at least 1, got 3 of 2"):
            wilson_interval(3, 2)
        with pytest.raises(UsageError, match="level must be a share between 0 and 1, got 1"):
            wilson_interval(1, 2, level=1)


class TestMean:
    def test_one_seed_is_the_usual_t_interval(self):
        terms = np.random.default_rng(0).standard_normal(30)
        found = mean_interval(terms[None])
        theirs = stats.ttest_1samp(terms, 0).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))

    def test_variance_of_several_seeds_is_that_of_the_two_way_table(self):
        rng = np.random.default_rng(0)
        table = rng.standard_normal((4, 50)) + 2 * rng.standard_normal((1, 50)) + rng.standard_normal((4, 1))
        found = mean_interval(table)
        mean = table.mean()
        samples = 4 * sum((table[:, j].mean() - mean) ** 2 for j in range(50)) / 49
        seeds = 50 * sum((table[i].mean() - mean) ** 2 for i in range(4)) / 3
        rest = sum(
            (table[i, j] - table[i].mean() - table[:, j].mean() + mean) ** 2 for i in range(4) for j in range(50)
        ) / (49 * 3)
        variance = (samples + seeds - rest) / 200
        freedom = (samples + seeds - rest) ** 2 / (samples**2 / 49 + seeds**2 / 3 + rest**2 / 147)
        half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
        assert (found.low, found.high) == pytest.approx((mean - half, mean + half))
        assert found.method == "crossed t"

    def test_equal_seeds_say_no_more_than_one(self):
        one = np.random.default_rng(0).standard_normal((1, 40))
        single, several = mean_interval(one), mean_interval(np.repeat(one, 3, axis=0))
        assert (several.low, several.high) == pytest.approx((single.low, single.high))

    def test_coverage_over_samples_and_seeds(self):
        rng = np.random.default_rng(0)
        hits = 0
        for _ in range(1000):
            table = rng.standard_normal((5, 1)) * 0.1 + rng.standard_normal((1, 100)) + rng.standard_normal((5, 100))
            found = mean_interval(table, level=0.9)
            hits += found.low <= 0 <= found.high
        assert 0.87 <= hits / 1000 <= 0.94

    def test_one_sample_is_refused(self):
        with pytest.raises(UsageError, match="terms must hold at least 2 samples, got 1"):
            mean_interval(np.ones((3, 1)))


class TestAccuracy:
    def test_one_seed_is_wilson(self):
        terms = np.array([[1.0] * 45 + [0.0] * 5])
        found = accuracy_interval(terms)
        assert (found.low, found.high) == wilson_interval(45, 50)
        assert (found.value, found.method) == (0.9, "wilson")

    def test_all_right_under_several_seeds_is_no_certainty(self):
        found = accuracy_interval(np.ones((3, 50)))
        assert (found.value, found.high) == (1.0, 1.0)
        assert found.low == pytest.approx(wilson_interval(50, 50)[0])

    def test_disagreeing_seeds_widen_the_interval(self):
        rng = np.random.default_rng(0)
        table = (rng.random((4, 400)) < np.array([0.6, 0.7, 0.8, 0.9])[:, None]).astype(float)
        wide, narrow = accuracy_interval(table), wilson_interval(300, 400)
        assert wide.high - wide.low > 2 * (narrow[1] - narrow[0])


class TestTerms:
    def test_their_mean_is_the_measure(self):
        rng = np.random.default_rng(0)
        labels, guesses = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
        assert value_terms("classification", guesses, labels).mean() == pytest.approx(accuracy_score(labels, guesses))
        assert balanced_accuracy(guesses, labels) == pytest.approx(balanced_accuracy_score(labels, guesses))
        y, z = rng.standard_normal((50, 2)), rng.standard_normal((50, 2))
        assert value_terms("regression", z, y).mean() == pytest.approx(r2_score(y, z))
        assert value_terms("regression", z[:, 0], y[:, 0]).mean() == pytest.approx(r2_score(y[:, 0], z[:, 0]))

    def test_their_spread_is_the_standard_error_of_r_squared(self):
        rng = np.random.default_rng(0)
        draws = []
        for _ in range(2000):
            y = rng.standard_normal(200)
            draws.append(value_terms("regression", y + 0.5 * rng.standard_normal(200), y))
        by_formula = np.mean([terms.std(ddof=1) / np.sqrt(200) for terms in draws])
        assert by_formula == pytest.approx(np.std([terms.mean() for terms in draws]), rel=0.06)

    def test_a_constant_target(self):
        assert value_terms("regression", np.array([1.0, 2.0]), np.array([3.0, 3.0])).tolist() == [0.0, 0.0]


class TestCost:
    def test_by_parameters(self):
        assert estimate_seconds([(10.0, 100), (20.0, 200)], [300, 100]) == pytest.approx(40.0)

    def test_unknown_sizes(self):
        assert estimate_seconds([(10.0, None), (20.0, None)], [300, None]) == pytest.approx(30.0)
        assert estimate_seconds([], [300]) is None
        assert estimate_seconds([(10.0, 1)], []) == 0
