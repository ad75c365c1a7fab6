"""Which scores are computed, and which of their options exist."""

from __future__ import annotations

import pytest

from hubscout.errors import UsageError
from hubscout.ranking.choice import check_extraction, check_score_options, check_store, choose_scores
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

    def test_a_score_that_requires_an_option(self):
        assert "emms" not in choose_scores("all", "classification")
        with pytest.raises(UsageError) as caught:
            choose_scores(["knn", "emms"], "classification")
        assert str(caught.value) == (
            "score_options of 'emms' must hold label_embeddings, which it has no default for, got none; give it, or "
            "leave that score out"
        )
        given = {"emms": {"label_embeddings": [[0.0], [1.0]]}}
        assert choose_scores(["emms"], "classification", given) == ("emms",)
        assert "emms" in choose_scores("all", "classification", given)

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

    def test_options_of_some_kinds_alone(self):
        given = {"disco": {"average": "weighted"}}
        assert check_score_options(given, ("disco",), "multilabel") == given
        with pytest.raises(UsageError, match=r"^score_options of 'disco' must be values that it takes: average "):
            check_score_options(given, ("disco",), "classification")

    def test_option_that_does_not_exist(self):
        with pytest.raises(UsageError, match=r"^score_options must name options of their score, and 'disco' has "):
            check_score_options({"disco": {"covarience": 1}}, ("disco",))
        with pytest.raises(UsageError, match="and 'stable_rank' has none, got 'x'"):
            check_score_options({"stable_rank": {"x": 1}}, ("stable_rank",))

    @pytest.mark.parametrize(
        ("score", "options", "rule"),
        [
            ("disco", {"n_components": -4}, "n_components must be a whole number of at least 1, got -4"),
            ("disco", {"covariance": "weird"}, "covariance must be one of 'shared', 'identity', 'class', got 'weird'"),
            ("knn", {"k": 0}, "k must be a whole number of at least 1, got 0"),
            ("logme", {"compat": "author"}, "compat must be one of None, 'authors', got 'author'"),
        ],
    )
    def test_value_that_the_score_does_not_take(self, score, options, rule):
        with pytest.raises(UsageError) as caught:
            check_score_options({score: options}, (score,))
        assert str(caught.value) == f"score_options of {score!r} must be values that it takes: {rule}"

    def test_value_that_only_few_samples_do_not_suit(self):
        given = {"knn": {"k": 1000}, "disco": {"n_components": 1000, "hard_fraction": 0.01}}
        assert check_score_options(given, ("knn", "disco")) == given


class TestCheckExtraction:
    @pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:1"])
    def test_devices(self, device):
        check_extraction("float32", None, device)

    @pytest.mark.parametrize("device", ["tpu", "", "cuda:", "cuda:x", "cpu "])
    def test_device_of_another_form(self, device):
        with pytest.raises(UsageError) as caught:
            check_extraction("float32", None, device)
        assert str(caught.value) == f"device must be auto, cpu, cuda, cuda:N or mps, got {device!r}"


class TestCheckStore:
    def test_folders_and_new_ones(self, tmp_path):
        check_store(None)
        check_store(tmp_path)
        check_store(str(tmp_path / "new"))

    def test_a_file(self, tmp_path):
        file = tmp_path / "features.npz"
        file.write_bytes(b"")
        with pytest.raises(UsageError) as caught:
            check_store(file)
        assert str(caught.value) == (
            f"store (--store) must be a folder, or the name of a new one, got the file {str(file)!r}"
        )
