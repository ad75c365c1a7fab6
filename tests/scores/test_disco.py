from __future__ import annotations

import naive_scores
import numpy as np
import pytest

from hubscout.errors import UsageError
from hubscout.scores import disco, get_spec
from hubscout.scores._disco_estimate import group_ratios, group_slices
from hubscout.scores._hard_examples import hard_examples
from hubscout.stats import Statistics
from hubscout.stats.folds import fold_codes
from hubscout.testing import draw_problem

CLASSES = draw_problem(3)
NUMBERS = draw_problem(3, task="regression")
SHAPES = [{}, {"n_samples": 25, "n_features": 40}, {"n_samples": 90, "n_features": 20, "n_dead": 4, "n_classes": 7}]


class TestGroups:
    @pytest.mark.parametrize(
        ("n_components", "n_groups", "sizes"),
        [(128, 8, [16] * 8), (10, 4, [3, 3, 2, 2]), (3, 8, [1, 1, 1]), (1, 1, [1]), (0, 8, [])],
    )
    def test_sizes_differ_by_at_most_one(self, n_components: int, n_groups: int, sizes: list[int]) -> None:
        slices = group_slices(n_components, n_groups)
        assert [group.stop - group.start for group in slices] == sizes
        assert [i for group in slices for i in range(group.start, group.stop)] == list(range(n_components))

    @pytest.mark.parametrize("n_groups", [1, 3, 8, 50])
    def test_ratios_sum_to_one(self, n_groups: int) -> None:
        spectrum = CLASSES.statistics().spectrum()
        ratios = group_ratios(spectrum, group_slices(spectrum.n_components, n_groups))
        assert ratios.sum() == pytest.approx(1, abs=1e-14)
        assert (ratios > 0).all()


class TestClassification:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("center", [True, False])
    @pytest.mark.parametrize("covariance", ["identity", "shared", "class"])
    def test_equals_the_naive_way(self, covariance, shape, center: bool) -> None:
        problem = draw_problem(5, **shape)
        ridge = {"identity": 0.0, "shared": 1e-6, "class": 1e-2}[covariance]
        if covariance == "class":  # of a class of one sample nothing but the ridge would be left
            keep = np.flatnonzero(np.bincount(problem.labels)[problem.labels] > 1)
            problem = problem.rows(keep)
            problem.labels[:] = np.unique(problem.labels, return_inverse=True)[1]
        options = {"n_components": 12, "n_groups": 3, "covariance": covariance, "center": center}
        expected = naive_scores.disco(problem.features, problem.labels, ridge=ridge, **options)
        assert disco(problem.features, problem.labels, **options) == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("ridge", [1e-6, 0.5, 10])
    def test_ridge_is_relative(self, ridge: float) -> None:
        expected = naive_scores.disco(CLASSES.features, CLASSES.labels, ridge=ridge)
        assert disco(CLASSES.features, CLASSES.labels, ridge=ridge) == pytest.approx(expected, rel=1e-9)
        assert disco(1000 * CLASSES.features, CLASSES.labels, ridge=ridge) == pytest.approx(expected, rel=1e-9)

    def test_log_determinant(self) -> None:
        problem = draw_problem(8, n_samples=80)
        options = {"covariance": "class", "ridge": 0.1, "log_determinant": True, "n_groups": 2}
        expected = naive_scores.disco(problem.features, problem.labels, **options)
        assert disco(problem.features, problem.labels, **options) == pytest.approx(expected, rel=1e-9)
        assert expected != pytest.approx(
            disco(problem.features, problem.labels, **{**options, "log_determinant": False}), rel=1e-3
        )

    def test_whole_spectrum(self) -> None:
        problem = draw_problem(1, n_samples=300, n_features=140)
        whole = disco(problem.features, problem.labels, n_components=None)
        assert whole == pytest.approx(disco(problem.features, problem.labels, n_components=140))
        assert whole != pytest.approx(disco(problem.features, problem.labels), rel=1e-6)

    def test_compat_is_the_identity_covariance_whatever_else_is_asked(self) -> None:
        found = disco(CLASSES.features, CLASSES.labels, compat="authors", covariance="class")
        assert found == disco(CLASSES.features, CLASSES.labels, covariance="identity")

    def test_identity_tends_to_the_prior_as_the_scale_falls(self) -> None:
        prior = np.sum((np.bincount(CLASSES.labels) / 60) ** 2)
        found = [disco(s * CLASSES.features, CLASSES.labels, covariance="identity") for s in (1, 1e-2, 1e-4)]
        assert abs(found[0] - prior) > 0.01
        assert found[2] == pytest.approx(prior, abs=1e-6)

    @pytest.mark.parametrize("covariance", ["shared", "class"])
    def test_a_class_of_one_sample_counts(self, covariance) -> None:
        labels = CLASSES.labels.copy()
        labels[0] = 9
        found = get_spec("disco").estimate(Statistics(CLASSES.features, labels), covariance=covariance)
        assert 0 < found.value <= 1
        assert np.isfinite(found.terms()).all()

    def test_classes_that_are_points_are_told_apart(self) -> None:
        points = np.eye(3)[CLASSES.labels]
        assert disco(points, CLASSES.labels) == pytest.approx(1.0)
        assert disco(1e-3 * points + 7, CLASSES.labels) == pytest.approx(1.0)


class TestRegression:
    @pytest.mark.parametrize("center", [True, False])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_equals_the_pseudo_inverse(self, shape, center: bool) -> None:
        problem = draw_problem(5, task="regression", **shape)
        options = {"n_components": 12, "n_groups": 5, "center": center}
        expected = naive_scores.disco_regression(problem.features, problem.labels, **options)
        found = disco(problem.features, problem.labels, task="regression", **options)
        assert found == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("center", [True, False])
    def test_terms_average_to_the_value(self, center: bool) -> None:
        found = get_spec("disco").estimate(NUMBERS.statistics(), center=center)
        assert found.terms().mean() == pytest.approx(found.value, rel=1e-10)


class TestScaledTargets:
    UNITS = NUMBERS.labels * [1.0, 1000.0] + [0.0, 273.15]

    def test_units_decide_without(self) -> None:
        plain, other = (disco(NUMBERS.features, each, task="regression") for each in (NUMBERS.labels, self.UNITS))
        assert other < 1e5 * plain

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 3}, {"center": False}])
    def test_units_do_not_matter_with(self, options) -> None:
        given = {"task": "regression", "scale_targets": True, **options}
        plain, other = (disco(NUMBERS.features, each, **given) for each in (NUMBERS.labels, self.UNITS))
        assert other == pytest.approx(plain, rel=1e-9)

    def test_is_the_value_of_standardised_targets(self) -> None:
        standard = (self.UNITS - self.UNITS.mean(axis=0)) / self.UNITS.std(axis=0)
        for name in ("disco", "logme", "etran"):
            expected = get_spec(name).estimate(Statistics(NUMBERS.features, standard, task="regression"))
            found = get_spec(name).estimate(
                Statistics(NUMBERS.features, self.UNITS, task="regression"), scale_targets=True
            )
            assert found.value == pytest.approx(expected.value, rel=1e-9)
            np.testing.assert_allclose(found.terms(), expected.terms(), rtol=1e-7)

    def test_baselines_count_targets_alike_as_they_are(self) -> None:
        for name in ("knn", "linear_probe"):
            plain, other = (
                get_spec(name).function(NUMBERS.features, each, task="regression")
                for each in (NUMBERS.labels, self.UNITS)
            )
            assert other == pytest.approx(plain, rel=1e-9)


class TestHardExamples:
    @pytest.mark.parametrize(("fraction", "kept"), [(1.0, [30, 20, 10]), (0.5, [15, 10, 5]), (0.01, [2, 2, 2])])
    def test_share_of_each_class(self, fraction: float, kept: list[int]) -> None:
        labels = np.repeat([0, 1, 2], [30, 20, 10])
        rows = hard_examples(Statistics(CLASSES.features, labels), fraction)
        assert np.bincount(labels[rows]).tolist() == kept
        assert (np.diff(rows) > 0).all()

    def test_the_hardest_are_those_on_the_wrong_side(self) -> None:
        rng = np.random.default_rng(0)
        labels = np.repeat([0, 1], 30)
        features = rng.standard_normal((60, 2)) + np.where(labels, 6.0, 0.0)[:, None]
        swapped = [3, 17, 41, 55]
        features[swapped] = rng.standard_normal((4, 2)) + np.where(labels[swapped], 0.0, 6.0)[:, None]
        assert hard_examples(Statistics(features, labels), 2 / 30).tolist() == swapped

    def test_the_score_is_that_of_the_kept_samples(self) -> None:
        rows = hard_examples(CLASSES.statistics(), 0.5)
        found = disco(CLASSES.features, CLASSES.labels, hard_fraction=0.5)
        assert found == disco(CLASSES.features[rows], CLASSES.labels[rows])
        assert found < disco(CLASSES.features, CLASSES.labels)

    def test_features_without_spread_keep_all(self) -> None:
        assert len(hard_examples(Statistics(np.ones((6, 2)), [0, 1] * 3), 0.5)) == 6

    def test_regression_has_none(self) -> None:
        with pytest.raises(UsageError, match="task must be 'classification' for this score, got 'regression'"):
            disco(NUMBERS.features, NUMBERS.labels, task="regression", hard_fraction=0.5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ridge": -1}, "ridge must be a finite number at least 0, got -1"),
        ({"ridge": "much"}, "ridge must be a finite number at least 0, got 'much'"),
        ({"ridge": np.inf}, "ridge must be a finite number at least 0, got inf"),
        ({"ridge": np.nan}, "ridge must be a finite number at least 0, got nan"),
        ({"hard_fraction": 0}, "hard_fraction must be a finite number above 0 and at most 1, got 0"),
        ({"hard_fraction": 1.5}, "hard_fraction must be a finite number above 0 and at most 1, got 1.5"),
        ({"hard_fraction": "half"}, "hard_fraction must be a finite number above 0 and at most 1, got 'half'"),
        ({"n_components": 0}, "n_components must be a whole number of at least 1, got 0"),
        ({"n_components": 2.5}, "n_components must be a whole number of at least 1, got 2.5"),
        ({"n_groups": True}, "n_groups must be a whole number of at least 1, got True"),
        ({"covariance": "full"}, "covariance must be one of 'shared', 'identity', 'class', got 'full'"),
        ({"compat": "paper"}, "compat must be one of None, 'authors', got 'paper'"),
        ({"center": "no"}, "center must be True or False, got 'no'"),
        ({"log_determinant": 1}, "log_determinant must be True or False, got 1"),
        ({"average": "micro"}, "average must be one of 'macro', 'weighted', got 'micro'"),
        (
            {"average": "weighted"},
            (
                "average must be 'macro' for classification, got 'weighted'; it says how the values of several labels "
                "a sample are averaged"
            ),
        ),
        (
            {"scale_targets": True},
            "scale_targets must be False for classification, got True; only numbers to predict have a scale",
        ),
        ({"scale_targets": "yes"}, "scale_targets must be True or False, got 'yes'"),
        (
            {"task": "boxes"},
            (
                "task must be one of 'classification', 'multilabel', 'regression', 'detection', "
                "'token_classification', 'segmentation', got 'boxes'"
            ),
        ),
    ],
)
def test_bad_options(options, text: str) -> None:
    with pytest.raises(UsageError) as error:
        disco(CLASSES.features, CLASSES.labels, **options)
    assert str(error.value) == text


class TestCrossFit:
    @pytest.mark.parametrize("covariance", ["shared", "identity", "class"])
    def test_held_out_samples_are_scored_by_models_of_the_others(self, covariance) -> None:
        problem = draw_problem(0, n_samples=90, n_features=9, n_classes=3)
        statistics = problem.statistics()
        options = {"n_components": 6, "n_groups": 2, "covariance": covariance, "ridge": 0.05}
        found = get_spec("disco").estimate(statistics, cross_fit=3, seed=4, **options)
        spectrum = statistics.spectrum(6)
        groups = group_slices(6, 2)
        coordinates = (problem.features - problem.features.mean(axis=0)) @ spectrum.right_vectors
        folds = fold_codes(statistics.codes, 90, 3, 4)
        expected = np.zeros(90)
        for i in range(90):
            rows, codes = coordinates[folds != folds[i]], statistics.codes[folds != folds[i]]
            for group, ratio in zip(groups, group_ratios(spectrum, groups), strict=True):
                logits = []
                for code in range(3):
                    own = rows[codes == code][:, group]
                    if covariance == "shared":
                        away = np.concatenate(
                            [rows[codes == c][:, group] - rows[codes == c][:, group].mean(axis=0) for c in range(3)]
                        )
                    else:
                        away = own - own.mean(axis=0)
                    matrix = np.eye(3) if covariance == "identity" else away.T @ away / len(away)
                    if covariance != "identity":
                        matrix = matrix + 0.05 * np.trace(matrix) / 3 * np.eye(3)
                    gap = coordinates[i, group] - own.mean(axis=0)
                    logits.append(-0.5 * gap @ np.linalg.inv(matrix) @ gap + np.log(len(own) / len(rows)))
                shares = np.exp(np.array(logits) - max(logits))
                expected[i] += ratio * shares[statistics.codes[i]] / shares.sum()
        np.testing.assert_allclose(found.terms(), expected, atol=1e-9)
        assert found.value == pytest.approx(expected.mean())

    def test_regression_is_least_squares_on_the_others(self) -> None:
        problem = draw_problem(0, n_samples=40, n_features=6, task="regression")
        statistics = problem.statistics()
        found = get_spec("disco").estimate(statistics, n_groups=2, cross_fit=4, seed=1)
        spectrum = statistics.spectrum()
        coordinates = (problem.features - problem.features.mean(axis=0)) @ spectrum.right_vectors
        folds, groups, expected = fold_codes(None, 40, 4, 1), group_slices(6, 2), np.zeros(40)
        for fold in range(4):
            fitted, held_out = folds != fold, folds == fold
            for group, ratio in zip(groups, group_ratios(spectrum, groups), strict=True):
                design = np.c_[np.ones(40), coordinates[:, group]]
                slopes = np.linalg.lstsq(design[fitted], problem.labels[fitted])[0]
                errors = problem.labels[held_out] - design[held_out] @ slopes
                expected[held_out] -= ratio * np.mean(errors**2, axis=1)
        np.testing.assert_allclose(found.terms(), expected, rtol=1e-6)

    @pytest.mark.parametrize("covariance", ["shared", "identity"])
    def test_noise_is_at_chance_and_without_folds_above(self, covariance) -> None:
        found, plain, chance = [], [], []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            labels, features = rng.integers(0, 6, 600), rng.standard_normal((600, 128))
            found.append(disco(features, labels, covariance=covariance, cross_fit=5))
            plain.append(disco(features, labels, covariance=covariance))
            chance.append(np.sum((np.bincount(labels) / 600) ** 2))
        error = np.std(found, ddof=1) / 12**0.5
        assert np.mean(found) == pytest.approx(np.mean(chance), abs=4 * error)
        assert np.mean(plain) > np.mean(chance) + 20 * error

    def test_a_class_of_one_sample_is_never_right_for_it(self) -> None:
        labels = np.r_[9, np.arange(39) % 3]
        terms = (
            get_spec("disco")
            .estimate(Statistics(np.random.default_rng(0).standard_normal((40, 5)), labels), cross_fit=5)
            .terms()
        )
        assert terms[0] == 0
        assert (terms[1:] > 0).all()

    @pytest.mark.parametrize("task", ["classification", "regression"])
    def test_constant_features_are_as_without(self, task) -> None:
        labels = np.arange(20) % 3 if task == "classification" else np.arange(20.0)
        features = np.full((20, 4), 0.1)
        assert disco(features, labels, cross_fit=4, task=task) == disco(features, labels, task=task)

    def test_centring_is_needed(self) -> None:
        with pytest.raises(UsageError, match=r"^center must be True with cross_fit, got False; leave one of them out$"):
            disco(CLASSES.features, CLASSES.labels, center=False, cross_fit=3)

    def test_the_seed_decides(self) -> None:
        first, again, other = (disco(CLASSES.features, CLASSES.labels, cross_fit=3, seed=s) for s in (0, 0, 1))
        assert first == again != other
