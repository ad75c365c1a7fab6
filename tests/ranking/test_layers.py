from __future__ import annotations

import numpy as np
import pytest

from hubscout.errors import DataError
from hubscout.models.reading import Readout
from hubscout.ranking.layers import choose_layer, layer_score, nested_value
from hubscout.scores import evaluate


def layered(noise: int, signal: int | None, n: int = 120, width: int = 6, seed: int = 0):
    """Side by side: layers of noise, one of which holds the classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    blocks = [rng.standard_normal((n, width)) for _ in range(noise)]
    if signal is not None:
        blocks[signal] += 2.0 * rng.standard_normal((3, width))[labels]
    readouts = [Readout(place + 1, "mean", width) for place in range(noise)]
    return np.concatenate(blocks, axis=1), labels, readouts


class TestChooseLayer:
    @pytest.mark.parametrize("score", ["linear_probe", "knn"])
    def test_the_layer_that_holds_the_classes_is_found(self, score):
        features, labels, readouts = layered(5, 3)
        choice, chosen = choose_layer(features, labels, readouts, score=score)
        assert (choice.layer, choice.pooling, choice.score) == (4, "mean", score)
        np.testing.assert_array_equal(chosen, features[:, 18:24])
        alone = evaluate(features[:, 18:24], labels, [score])[score]
        assert choice.value == choice.layers[3].value == alone.value
        # With one layer far ahead, no fold chooses another.
        assert choice.corrected == pytest.approx(alone.value)
        assert choice.standard_error == pytest.approx(alone.standard_error, rel=0.02)
        assert [(each.layer, each.pooling) for each in choice.layers] == [(n, "mean") for n in range(1, 6)]

    def test_options_go_to_the_score_and_into_its_name(self):
        features, labels, readouts = layered(2, 0)
        choice, _ = choose_layer(features, labels, readouts, score="disco", options={"cross_fit": 5})
        assert choice.score == "disco(cross_fit=5)"
        expected = evaluate(features[:, :6], labels, ["disco"], options={"disco": {"cross_fit": 5}})["disco"]
        assert choice.value == expected.value

    def test_the_best_of_many_layers_of_noise_is_corrected_to_chance(self):
        optimism, honest = [], []
        for seed in range(20):
            features, labels, readouts = layered(16, None, n=150, seed=seed)
            choice, _ = choose_layer(features, labels, readouts, score="knn", seed=seed)
            optimism.append(choice.value - 1 / 3)
            honest.append(choice.corrected - 1 / 3)
        error = np.std(honest, ddof=1) / np.sqrt(len(honest))
        assert np.mean(optimism) > 4 * error
        assert abs(np.mean(honest)) < 3 * error

    def test_a_score_without_terms_is_not_corrected(self):
        features, labels, readouts = layered(3, 1)
        choice, _ = choose_layer(features, labels, readouts, score="parc")
        assert choice.layer == 2
        assert choice.corrected is None

    def test_no_value_at_any_layer(self):
        features, labels, readouts = layered(2, None)
        with pytest.raises(DataError, match=r"^no layer has a value of 'leep', which chooses among them: "):
            choose_layer(features, labels, readouts, score="leep")


class TestLayerScore:
    def test_held_out_scores_choose_for_themselves(self):
        assert layer_score("knn", "classification", {"knn": {"k": 3}}) == ("knn", {"k": 3})
        assert layer_score("held_out", "regression", {}) == ("held_out", {})
        assert layer_score("consensus", "multilabel", {}) == ("held_out", {})
        assert layer_score("lda", "classification", {}) == ("lda", {"cross_fit": 5})
        assert layer_score("lda", "classification", {"lda": {"cross_fit": 3}}) == ("lda", {"cross_fit": 3})

    def test_others_leave_it_to_the_linear_probe(self):
        for name in ("logme", "h_score", "rankme"):
            assert layer_score(name, "classification", {}) == ("linear_probe", {})
        assert layer_score("disco", "classification", {"disco": {"compat": "authors"}}) == ("linear_probe", {})
        assert layer_score("disco", "regression", {}) == ("linear_probe", {})


class TestNestedValue:
    def test_against_loops(self):
        rng = np.random.default_rng(0)
        terms = rng.standard_normal((4, 30))
        groups = rng.integers(0, 8, 30)
        value, error = nested_value(terms, groups, seed=3)
        names = np.unique(groups)
        fold_of = dict(zip(names, np.random.default_rng(3).permutation(len(names)) % 5, strict=True))
        judged = np.empty(30)
        for i in range(30):
            kept = [j for j in range(30) if fold_of[groups[j]] != fold_of[groups[i]]]
            best = max(range(4), key=lambda row: np.mean([terms[row, j] for j in kept]))
            judged[i] = terms[best, i]
        assert value == pytest.approx(judged.mean())
        sums = [sum(judged[i] - judged.mean() for i in range(30) if groups[i] == name) for name in names]
        expected = np.sqrt(sum(each**2 for each in sums) * len(names) / (len(names) - 1)) / 30
        assert error == pytest.approx(expected)

    def test_one_group_has_no_folds(self):
        value, error = nested_value(np.array([[1.0, 2.0], [5.0, 4.0]]), np.zeros(2, dtype=int), seed=0)
        assert (value, error) == (4.5, 0.0)
