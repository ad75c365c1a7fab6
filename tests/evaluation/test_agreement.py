"""Agreement measures against definitions written out, and against what the literature computes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr, weightedtau

from hubscout.errors import UsageError
from hubscout.evaluation import agreement, kendall, regret_at_k, spearman, top1_hit, weighted_tau
from hubscout.evaluation.correlations import pearson
from hubscout.evaluation.shortlists import recall_at_k, rel_at_k


def tau_by_loops(scores, truth, ranks):
    """Additive hyperbolic weighted tau from its definition; no ties."""
    total = agree = 0.0
    for i in range(len(scores)):
        for j in range(i):
            weight = 1 / (ranks[i] + 1) + 1 / (ranks[j] + 1)
            agree += weight * np.sign(scores[i] - scores[j]) * np.sign(truth[i] - truth[j])
            total += weight
    return agree / total


def falling_ranks(values):
    return np.argsort(np.argsort(-np.asarray(values)))


@pytest.fixture(params=range(5))
def pair(request):
    rng = np.random.default_rng(request.param)
    return rng.standard_normal(9), rng.standard_normal(9)


class TestWeightedTau:
    def test_scipy_convention_is_the_mean_of_both_weightings(self, pair):
        scores, truth = pair
        by_scores = tau_by_loops(scores, truth, falling_ranks(scores))
        by_truth = tau_by_loops(scores, truth, falling_ranks(truth))
        assert weighted_tau(scores, truth) == pytest.approx((by_scores + by_truth) / 2)

    def test_truth_weighted_convention_weighs_by_the_truth_alone(self, pair):
        scores, truth = pair
        expected = tau_by_loops(scores, truth, falling_ranks(truth))
        assert weighted_tau(scores, truth, convention="truth-weighted") == pytest.approx(expected)

    def test_conventions_differ(self):
        assert weighted_tau([4, 1, 2, 3], [1, 2, 3, 4]) != weighted_tau(
            [4, 1, 2, 3], [1, 2, 3, 4], convention="truth-weighted"
        )

    def test_mistakes_at_the_top_cost_more(self):
        truth = [5, 4, 3, 2, 1]
        assert weighted_tau([4, 5, 3, 2, 1], truth) < weighted_tau([5, 4, 3, 1, 2], truth)

    def test_same_and_opposite_order(self):
        assert weighted_tau([1, 2, 3], [10, 20, 30]) == 1.0
        assert weighted_tau([3, 2, 1], [10, 20, 30]) == -1.0

    @pytest.mark.parametrize("scores", [[1.0], [], [1.0, 1.0], [1.0, None, None]])
    def test_no_order_is_none(self, scores):
        assert weighted_tau(scores, list(range(len(scores)))) is None

    def test_constant_truth_is_none(self):
        assert weighted_tau([1, 2, 3], [5, 5, 5]) is None

    def test_unknown_convention(self):
        with pytest.raises(UsageError) as caught:
            weighted_tau([1, 2], [1, 2], convention="kendall")
        assert str(caught.value) == "convention must be one of scipy, truth-weighted, got 'kendall'"


class TestMissingValues:
    @pytest.mark.parametrize("missing", [None, float("nan")])
    def test_pairs_are_dropped_never_zero(self, missing):
        scores, truth = [3.0, missing, 1.0, 2.0], [30.0, 99.0, 10.0, 20.0]
        assert weighted_tau(scores, truth) == 1.0
        assert regret_at_k(scores, truth) == 0.0
        assert kendall(truth, scores) == 1.0

    def test_are_counted(self):
        found = agreement([3.0, None, 1.0, 2.0, 0.0], [30.0, 99.0, float("nan"), 20.0, 10.0])
        assert (found.n, found.n_dropped, found.weighted_tau, found.reason) == (3, 2, 1.0, None)

    @pytest.mark.parametrize(
        ("scores", "truth", "reason"),
        [
            ([3.0, None, 2.0], [1.0, 2.0, 3.0], "only 2 candidates have both values; at least 3 are needed"),
            ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0], "the score gives all candidates the same value"),
            ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], "all candidates have the same truth"),
        ],
    )
    def test_no_value_has_a_reason(self, scores, truth, reason):
        found = agreement(scores, truth)
        assert found.reason == reason
        assert (found.weighted_tau, found.weighted_tau_truth, found.kendall) == (None, None, None)
        assert (found.spearman, found.pearson) == (None, None)
        assert found.regret is not None

    def test_lengths_must_match(self):
        with pytest.raises(UsageError, match=r"^scores and truth must be of the same length, got 2 and 3$"):
            agreement([1, 2], [1, 2, 3])


class TestCorrelations:
    def test_kendall_by_loops(self, pair):
        scores, truth = pair
        assert kendall(scores, truth) == pytest.approx(tau_by_loops(scores, truth, np.zeros(9)))

    def test_spearman_is_pearson_of_ranks(self, pair):
        scores, truth = pair
        expected = np.corrcoef(falling_ranks(scores), falling_ranks(truth))[0, 1]
        assert spearman(scores, truth) == pytest.approx(expected)

    def test_pearson_against_scipy(self, pair):
        assert pearson(*pair) == pytest.approx(pearsonr(*pair).statistic)

    def test_pearson_of_tiny_and_infinite_values(self, pair):
        assert pearson(pair[0] * 1e-200, pair[1] * 1e200) == pytest.approx(pearsonr(*pair).statistic)
        assert pearson([1.0, 2.0, float("inf")], [1.0, 2.0, 3.0]) is None

    def test_against_scipy_with_ties(self):
        rng = np.random.default_rng(0)
        scores, truth = rng.integers(0, 4, 12), rng.integers(0, 4, 12)
        assert weighted_tau(scores, truth) == pytest.approx(weightedtau(scores, truth).statistic)
        assert kendall(scores, truth) == pytest.approx(kendalltau(scores, truth).statistic)
        assert spearman(scores, truth) == pytest.approx(spearmanr(scores, truth).statistic)

    def test_none_without_order(self):
        assert kendall([1, 1], [1, 2]) is None
        assert spearman([1, 2], [1, 1]) is None


class TestRegret:
    def test_of_the_shortlist(self):
        scores, truth = [4, 3, 2, 1], [0.5, 0.7, 0.9, 0.8]
        assert [regret_at_k(scores, truth, k=k) for k in (1, 2, 3, 9)] == pytest.approx([0.4, 0.2, 0.0, 0.0])

    def test_ties_take_the_worst_case(self):
        assert regret_at_k([1, 1, 0], [0.9, 0.5, 0.1]) == pytest.approx(0.4)

    def test_nothing_to_compare(self):
        assert regret_at_k([None], [1.0]) is None
        assert top1_hit([None], [1.0]) is None

    @pytest.mark.parametrize("k", [0, -1])
    def test_k(self, k):
        with pytest.raises(UsageError, match=rf"^k must be at least 1, got {k}$"):
            regret_at_k([1], [1], k=k)


class TestShortlists:
    def test_rel_is_a_share_of_the_best(self):
        scores, truth = [4, 3, 2, 1], [0.45, 0.6, 0.9, 0.8]
        assert [rel_at_k(scores, truth, k=k) for k in (1, 2, 3)] == pytest.approx([0.5, 2 / 3, 1.0])

    def test_rel_of_negative_truths_has_no_meaning(self):
        assert rel_at_k([2, 1], [-3.0, -1.0]) is None
        assert rel_at_k([None], [1.0]) is None

    def test_recall_counts_the_best_k(self):
        scores, truth = [5, 4, 3, 2, 1], [0.9, 0.1, 0.8, 0.7, 0.2]
        assert [recall_at_k(scores, truth, k=k) for k in (1, 2, 3, 9)] == pytest.approx([1.0, 0.5, 2 / 3, 1.0])

    def test_recall_with_ties(self):
        # The second and third truths are equal: either is one of the two best. Of equal scores the worse comes first.
        assert recall_at_k([3, 2, 1, 0], [0.9, 0.5, 0.5, 0.1], k=2) == 1.0
        assert recall_at_k([1, 1, 1, 0], [0.9, 0.5, 0.2, 0.1], k=1) == 0.0
        assert recall_at_k([], [], k=1) is None

    @pytest.mark.parametrize("measure", [rel_at_k, recall_at_k])
    def test_k(self, measure):
        with pytest.raises(UsageError, match=r"^k must be at least 1, got 0$"):
            measure([1], [1], k=0)


class TestTop1Hit:
    def test_equal_best_truths_both_hit(self):
        assert top1_hit([2, 1, 0], [0.9, 0.9, 0.1]) is True
        assert top1_hit([1, 0, 2], [0.9, 0.9, 0.1]) is False


class TestAgreement:
    def test_holds_all_measures(self, pair):
        scores, truth = pair
        found = agreement(scores, truth)
        assert found.weighted_tau == weighted_tau(scores, truth)
        assert found.weighted_tau_truth == weighted_tau(scores, truth, convention="truth-weighted")
        assert found.kendall == kendall(scores, truth)
        assert found.spearman == spearman(scores, truth)
        assert found.regret == regret_at_k(scores, truth)
        assert found.top1_hit == top1_hit(scores, truth)
        assert found.pearson == pearson(scores, truth)
        assert found.rel == rel_at_k(scores, truth)
        assert found.recall == recall_at_k(scores, truth, k=3)
