"""Which scores are computed, and which of their options exist."""

from __future__ import annotations

import pytest

from hubscout.errors import UsageError
from hubscout.ranking.choice import check_score_options, choose_scores
from hubscout.scores import RECOMMENDED_SCORE, list_scores


class TestChooseScores:
    @pytest.mark.parametrize("kind", ["classification", "regression"])
    def test_default_starts_with_the_recommended_one(self, kind):
        found = choose_scores(None, kind)
        assert found[0] == RECOMMENDED_SCORE
        assert 2 <= len(found) == len(set(found))
        assert set(found) <= set(list_scores(kind))

    def test_all(self):
        found = choose_scores("all", "regression")
        assert found[0] == RECOMMENDED_SCORE
        assert sorted(found) == sorted(list_scores("regression"))

    def test_order_is_kept_and_repetitions_go(self):
        assert choose_scores(["knn", "logme", "knn"], "classification") == ("knn", "logme")
        assert choose_scores("knn", "classification") == ("knn",)

    def test_unknown_score(self):
        with pytest.raises(UsageError, match=r"'dicso'.*disco"):
            choose_scores(["dicso"], "classification")

    def test_score_of_another_task(self):
        with pytest.raises(UsageError) as caught:
            choose_scores(["leep"], "regression")
        assert str(caught.value) == (
            "scores must apply to the task, which is regression, and 'leep' is for classification; choose from "
            + ", ".join(list_scores("regression"))
        )

    def test_none_at_all(self):
        with pytest.raises(UsageError, match=r"^scores must name at least one score, got \(\); choose from "):
            choose_scores((), "classification")


class TestCheckScoreOptions:
    def test_copies(self):
        given = {"disco": {"covariance": "identity"}}
        assert check_score_options(given, ("disco",)) == given
        assert check_score_options(None, ("disco",)) == {}

    def test_score_that_is_not_computed(self):
        with pytest.raises(UsageError) as caught:
            check_score_options({"knn": {}}, ("disco", "logme"))
        assert str(caught.value) == ("score_options must be for scores that are computed (disco, logme), got 'knn'")

    def test_option_that_does_not_exist(self):
        with pytest.raises(UsageError, match=r"^score_options must name options of their score, and 'disco' has "):
            check_score_options({"disco": {"covarience": 1}}, ("disco",))
        with pytest.raises(UsageError, match="and 'h_score' has none, got 'x'"):
            check_score_options({"h_score": {"x": 1}}, ("h_score",))
