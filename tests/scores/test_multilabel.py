"""Several labels a sample: against naive versions, against classes, and what labels of a special kind give."""

from __future__ import annotations

import naive_kinds
import naive_scores
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from hubscout.errors import DataError, UsageError
from hubscout.scores import disco, evaluate, get_spec, h_score, h_score_shrunk, knn, linear_probe, list_scores, logme
from hubscout.scores._averages import average_precision
from hubscout.stats import Statistics
from hubscout.stats.folds import fold_codes
from hubscout.testing import draw_problem

SHAPES = [{}, {"n_samples": 25, "n_features": 40, "n_classes": 2}, {"n_samples": 80, "n_dead": 3, "n_classes": 6}]
AVERAGES = ("macro", "weighted")
MULTILABEL = [name for name in list_scores("multilabel") if "labels" in get_spec(name).needs]


def several(seed: int = 0, **shape):
    return draw_problem(seed, task="multilabel", **{"signal": 0.7, **shape})


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("shape", SHAPES)
class TestNaive:
    @pytest.mark.parametrize("covariance", ["shared", "identity"])
    def test_disco(self, covariance, shape, average) -> None:
        problem = several(1, **shape)
        options = {"n_components": 12, "n_groups": 3, "covariance": covariance, "average": average}
        ridge = 1e-6 if covariance == "shared" else 0.0
        expected = naive_kinds.disco(problem.features, problem.labels, ridge=ridge, **options)
        found = disco(problem.features, problem.labels, task="multilabel", **options)
        assert found == pytest.approx(expected, rel=1e-7)

    def test_logme(self, shape, average) -> None:
        problem = several(2, **{**shape, "n_classes": 2})
        expected = naive_kinds.logme(problem.features, problem.labels, average=average)
        found = logme(problem.features, problem.labels, task="multilabel", average=average)
        assert found == pytest.approx(expected, abs=2e-5)

    @pytest.mark.parametrize("score", [h_score, h_score_shrunk])
    def test_h_scores(self, score, shape, average) -> None:
        problem = several(3, **shape)
        naive = getattr(naive_kinds, score.__name__)
        for own in ("joint", average):
            expected = naive(problem.features, problem.labels, average=own)
            found = score(problem.features, problem.labels, task="multilabel", average=own)
            assert found == pytest.approx(expected, rel=1e-7)

    @pytest.mark.parametrize("k", [1, 5])
    def test_knn(self, k: int, shape, average) -> None:
        problem = several(4, **shape)
        expected = naive_kinds.knn(problem.features, problem.labels, k, average=average)
        found = knn(problem.features, problem.labels, k=k, task="multilabel", average=average)
        assert found == pytest.approx(expected, rel=1e-12)

    def test_linear_probe(self, shape, average) -> None:
        problem = several(5, **shape)
        expected = naive_kinds.linear_probe(problem.features, problem.labels, average=average)
        found = linear_probe(problem.features, problem.labels, task="multilabel", average=average)
        assert found == pytest.approx(expected, rel=1e-9)


class TestAgainstClasses:
    """One label is a classification into two, and the indicators of classes are several labels."""

    TWO = draw_problem(1, n_classes=2, n_features=12)
    THREE = draw_problem(2, n_classes=3)

    @pytest.mark.parametrize("options", [{}, {"covariance": "identity"}, {"n_groups": 2, "ridge": 0.1}])
    def test_disco_of_one_label_is_that_of_two_classes(self, options) -> None:
        one = Statistics(self.TWO.features, self.TWO.labels[:, None], task="multilabel")
        found, expected = (get_spec("disco").estimate(each, **options) for each in (one, self.TWO.statistics()))
        assert found.value == pytest.approx(expected.value, rel=1e-12)
        np.testing.assert_allclose(found.terms(), expected.terms(), rtol=1e-9)

    @pytest.mark.parametrize("name", ["logme", "h_score", "h_score_shrunk"])
    def test_indicators_of_classes_give_the_value_of_classes(self, name: str) -> None:
        indicators = Statistics(self.THREE.features, np.eye(3)[self.THREE.labels], task="multilabel")
        found, expected = (get_spec(name).estimate(each) for each in (indicators, self.THREE.statistics()))
        assert found.value == pytest.approx(expected.value, rel=1e-10)
        np.testing.assert_allclose(found.terms(), expected.terms(), atol=1e-9)
        if get_spec(name).null is not None:
            nulls = [get_spec(name).null(each) for each in (indicators, self.THREE.statistics())]
            assert nulls[0].mean == pytest.approx(nulls[1].mean, rel=1e-10)
            assert nulls[0].standard_deviation == pytest.approx(nulls[1].standard_deviation, rel=1e-10)

    def test_labels_that_follow_from_others_count_once(self) -> None:
        problem = several(0)
        more = np.c_[problem.labels, 1 - problem.labels[:, 0], problem.labels[:, 1]]
        for score in (h_score, h_score_shrunk):
            expected = score(problem.features, problem.labels, task="multilabel")
            assert score(problem.features, more, task="multilabel") == pytest.approx(expected, rel=1e-9)


class TestCrossFit:
    @pytest.mark.parametrize("covariance", ["shared", "identity"])
    @pytest.mark.parametrize("groups", [None, np.arange(60) // 3])
    def test_held_out_samples_are_scored_by_models_of_the_others(self, covariance, groups) -> None:
        problem = several(0, n_features=9)
        statistics = Statistics(problem.features, problem.labels, task="multilabel", groups=groups)
        options = {"n_components": 6, "n_groups": 2, "covariance": covariance, "ridge": 0.05, "average": "weighted"}
        found = get_spec("disco").estimate(statistics, cross_fit=3, seed=4, **options)
        spectrum = statistics.spectrum(6)
        coordinates = (problem.features - problem.features.mean(axis=0)) @ spectrum.right_vectors
        folds = fold_codes(None, 60, 3, 4, groups)
        ratios = spectrum.singular_values.reshape(2, 3).sum(axis=1) / spectrum.singular_values.sum()
        weights = problem.labels.mean(axis=0) / problem.labels.mean(axis=0).sum()
        expected = np.zeros(60)
        for i in range(60):
            fitted = folds != folds[i]
            for label, weight in enumerate(weights):
                truth = problem.labels[:, label].astype(int)
                for group, ratio in zip((slice(0, 3), slice(3, 6)), ratios, strict=True):
                    own = posterior(coordinates[fitted, group], truth[fitted], coordinates[i, group], covariance)
                    expected[i] += weight * ratio * own[truth[i]]
        np.testing.assert_allclose(found.terms(), expected, atol=1e-9)

    def test_noise_is_at_chance_and_without_folds_above(self) -> None:
        found, plain = [], []  # above chance
        for seed in range(10):
            rng = np.random.default_rng(seed)
            labels, features = rng.random((400, 3)) < [0.5, 0.3, 0.1], rng.standard_normal((400, 96))
            shares = labels.mean(axis=0)
            chance = np.mean(shares**2 + (1 - shares) ** 2)
            found.append(disco(features, labels, task="multilabel", cross_fit=5) - chance)
            plain.append(disco(features, labels, task="multilabel") - chance)
        error = np.std(found, ddof=1) / 10**0.5
        # Folds do not know labels, so that the others have a little less of what a sample has.
        assert abs(np.mean(found)) < 4 * error + 1e-3
        assert np.mean(plain) > 10 * error

    def test_a_label_of_one_sample_is_never_foreseen(self) -> None:
        problem = several(0)
        labels = np.c_[np.arange(60) == 7, problem.labels[:, 0]]
        terms = (
            get_spec("disco")
            .estimate(Statistics(problem.features, labels[:, :1], task="multilabel"), cross_fit=4)
            .terms()
        )
        assert terms[7] == 0
        assert np.isfinite(disco(problem.features, labels, task="multilabel", cross_fit=4))


def posterior(rows, truth, sample, covariance):
    """Of lacking and of having a label, by two Gaussians with ridge 0.05."""
    size = rows.shape[1]
    away = np.concatenate([rows[truth == state] - rows[truth == state].mean(axis=0) for state in (0, 1)])
    matrix = np.eye(size) if covariance == "identity" else away.T @ away / len(away)
    if covariance == "shared":
        matrix = matrix + 0.05 * np.trace(matrix) / size * np.eye(size)
    gaps = [sample - rows[truth == state].mean(axis=0) for state in (0, 1)]
    logits = [-0.5 * gap @ np.linalg.inv(matrix) @ gap + np.log(np.mean(truth == s)) for s, gap in enumerate(gaps)]
    shares = np.exp(np.array(logits) - max(logits))
    return shares / shares.sum()


class TestAveragePrecision:
    @pytest.mark.parametrize("decimals", [0, 1, 8])
    def test_equals_scikit_learn(self, decimals: int) -> None:
        rng = np.random.default_rng(decimals)
        truth = (rng.random((50, 6)) < 0.3).astype(float)
        predicted = np.round(rng.standard_normal((50, 6)) + truth, decimals)
        expected = average_precision_score(truth, predicted, average=None)
        np.testing.assert_allclose(average_precision(predicted, truth), expected, rtol=1e-12)

    def test_one_prediction_for_all_is_the_frequency(self) -> None:
        truth = np.array([[1.0], [0.0], [0.0], [1.0], [0.0]])
        assert average_precision(np.ones((5, 1)), truth).tolist() == [0.4]

    @pytest.mark.parametrize("score", [knn, linear_probe])
    def test_noise_is_at_chance(self, score) -> None:
        found, chance = [], []
        for seed in range(40):
            rng = np.random.default_rng(seed)
            labels = (rng.random((80, 3)) < [0.5, 0.2, 0.1]).astype(float)
            labels[:2] = [[1, 1, 1], [0, 0, 0]]
            found.append(score(rng.standard_normal((80, 10)), labels, task="multilabel"))
            chance.append(average_precision(rng.standard_normal((80, 3)), labels).mean())
        error = np.hypot(np.std(found), np.std(chance)) / 40**0.5
        assert np.mean(found) == pytest.approx(np.mean(chance), abs=4 * error)


class TestDegenerate:
    @pytest.mark.parametrize("value", [0.0, 0.1])
    @pytest.mark.parametrize("width", [3, 80])
    def test_constant_features(self, width: int, value: float) -> None:
        problem = several(0)
        features, labels = np.full((60, width), value), problem.labels
        shares = labels.mean(axis=0)
        found = {name: get_spec(name).function(features, labels, task="multilabel") for name in MULTILABEL}
        assert found["disco"] == pytest.approx(np.mean(shares**2 + (1 - shares) ** 2))
        assert found["h_score"] == found["h_score_shrunk"] == 0
        assert found["linear_probe"] == pytest.approx(shares.mean())
        expected = naive_scores.logme(np.full((60, 1), value), labels)
        assert found["logme"] == pytest.approx(expected, abs=2e-5)
        assert np.isfinite(found["knn"])
        weighted = linear_probe(features, labels, task="multilabel", average="weighted")
        assert weighted == pytest.approx(shares @ shares / shares.sum())

    def test_a_label_of_one_sample(self) -> None:
        problem = several(0)
        labels = np.c_[np.arange(60) == 7, problem.labels[:, 0]].astype(float)
        for name, found in evaluate(problem.features, labels, MULTILABEL, task="multilabel").items():
            assert found.reason is None, name
            assert found.terms is None or np.isfinite(found.terms).all(), name

    def test_labels_that_features_tell_for_sure(self) -> None:
        labels = several(0).labels
        for width in (3, 60):
            features = labels @ np.random.default_rng(0).standard_normal((3, width)) + 5
            assert disco(features, labels, task="multilabel", n_groups=1) == pytest.approx(1.0)
            assert h_score(features, labels, task="multilabel") == pytest.approx(3.0)
            assert linear_probe(features, labels, task="multilabel") == pytest.approx(1.0)
            estimate = get_spec("disco").estimate(Statistics(features, labels, task="multilabel"), n_groups=1)
            assert np.isfinite(estimate.terms()).all()

    def test_more_features_than_samples(self) -> None:
        problem = several(0, n_samples=20, n_features=50)
        assert h_score(problem.features, problem.labels, task="multilabel") == pytest.approx(3.0)
        assert h_score(problem.features, problem.labels, task="multilabel", average="macro") == pytest.approx(1.0)


class TestRefusals:
    PROBLEM = several(0)

    @pytest.mark.parametrize(
        ("score", "options", "text"),
        [
            (disco, {"covariance": "class"}, "covariance must be 'shared' or 'identity' for multilabel, got 'class'"),
            (disco, {"center": False}, "center must be True for multilabel, got False"),
            (disco, {"average": "joint"}, "average must be one of 'macro', 'weighted', got 'joint'"),
            (disco, {"hard_fraction": 0.5}, "task must be 'classification' for this score, got 'multilabel'"),
            (logme, {"average": "micro"}, "average must be one of 'macro', 'weighted', got 'micro'"),
            (h_score, {"average": "micro"}, "average must be one of 'joint', 'macro', 'weighted', got 'micro'"),
            (
                logme,
                {"scale_targets": True},
                "scale_targets must be False for multilabel, got True; only numbers to predict have a scale",
            ),
        ],
    )
    def test_options(self, score, options, text: str) -> None:
        with pytest.raises(UsageError) as error:
            score(self.PROBLEM.features, self.PROBLEM.labels, task="multilabel", **options)
        assert str(error.value) == text

    @pytest.mark.parametrize("name", MULTILABEL)
    def test_averages_are_of_labels_alone(self, name: str) -> None:
        plain = draw_problem(0)
        default = "joint" if name.startswith("h_score") else "macro"
        text = f"average must be '{default}' for classification, got 'weighted'; it says how the values of several "
        with pytest.raises(UsageError, match=text):
            get_spec(name).function(plain.features, plain.labels, average="weighted")

    @pytest.mark.parametrize("name", MULTILABEL)
    def test_labels(self, name: str) -> None:
        with pytest.raises(DataError, match="labels must be 0 or 1 for multilabel: row 0, column 0 is 2"):
            get_spec(name).function(self.PROBLEM.features, self.PROBLEM.labels + 2 * 1.0, task="multilabel")
