"""Leaving folds and halves out, against loops over arrays."""

from __future__ import annotations

import numpy as np
import pytest

from hubscout.errors import DataError, UsageError
from hubscout.scores import gbc, get_spec, knn, rankme
from hubscout.scores.jackknife import half_samples, jackknife
from hubscout.stats import Statistics
from hubscout.stats.folds import fold_codes


@pytest.fixture
def problem():
    rng = np.random.default_rng(3)
    labels = np.array(["a", "b", "c"])[np.arange(90) % 3]
    return rng.standard_normal((90, 4)) + (labels == "a")[:, None], labels


class TestJackknife:
    def test_is_the_loop(self, problem):
        features, labels = problem
        folds = fold_codes(None, 90, 10, 0)
        without = np.array([gbc(features[folds != fold], labels[folds != fold]) for fold in range(10)])
        found = jackknife(features, labels, "gbc")
        assert found.value == pytest.approx(gbc(features, labels), rel=1e-12)
        np.testing.assert_allclose(found.pseudo_values, 10 * found.value - 9 * without, rtol=1e-9)
        expected = np.sqrt(9 / 10 * np.sum((without - without.mean()) ** 2))
        assert found.standard_error == pytest.approx(expected, rel=1e-9)

    def test_of_a_mean_is_near_its_standard_error(self, problem):
        # leep's value is no plain mean, but nce's terms are; a mean's jackknife is exact up to the number of folds
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 3, 4000)
        probs = rng.dirichlet(np.ones(5), 4000)
        spec = get_spec("leep")
        plain = spec.estimate(Statistics(None, labels, source_probs=probs)).standard_error()
        found = jackknife(None, labels, "leep", source_probs=probs, n_folds=100)
        assert found.standard_error == pytest.approx(plain, rel=0.25)

    def test_folds_are_the_same_for_every_candidate(self, problem):
        features, labels = problem
        one, two = (jackknife(own, labels, "gbc", seed=1) for own in (features, features.copy()))
        np.testing.assert_array_equal(one.pseudo_values, two.pseudo_values)
        assert not np.array_equal(one.pseudo_values, jackknife(features, labels, "gbc", seed=2).pseudo_values)

    def test_works_without_labels(self, problem):
        found = jackknife(problem[0], None, "rankme")
        assert found.value == pytest.approx(rankme(problem[0]))
        assert found.standard_error > 0

    def test_keeps_every_rare_class(self):
        rng = np.random.default_rng(0)
        labels = np.concatenate([np.zeros(60, int), np.ones(60, int), [2, 2]])
        found = jackknife(rng.standard_normal((122, 3)) + labels[:, None], labels, "gbc")
        assert np.isfinite(found.pseudo_values).all()

    def test_groups_stay_whole(self, problem):
        features, labels = problem
        groups = np.repeat(np.arange(30), 3)
        statistics = Statistics(features, labels, groups=groups)
        folds = fold_codes(None, 90, 10, 0, groups)
        assert all(len(set(folds[groups == group])) == 1 for group in range(30))
        without = gbc(features[folds != 0], labels[folds != 0])
        found = jackknife(statistics, score="gbc")
        # groups are dealt by their most frequent class where there are classes of fewer than ten samples only
        assert found.pseudo_values[0] == pytest.approx(10 * found.value - 9 * without, rel=1e-9)

    def test_inputs_are_not_written_to(self, problem):
        features, labels = problem
        features.flags.writeable = False
        jackknife(features, labels, "gbc")

    def test_too_few_samples(self, problem):
        with pytest.raises(DataError) as caught:
            jackknife(problem[0][:15], problem[1][:15], "gbc")
        assert str(caught.value) == ("a jackknife of 10 folds needs at least 20 samples or groups, got 15; draw more")

    def test_unknown_score(self, problem):
        with pytest.raises(UsageError, match="gbcc"):
            jackknife(*problem, "gbcc")


class TestHalfSamples:
    def test_is_the_loop(self, problem):
        features, labels = problem
        found = half_samples(features, labels, "knn", n_halves=3, seed=5)
        for place, gap in enumerate(found):
            is_left = fold_codes(None, 90, 2, 5 + 7919 * (place + 1)) == 0
            left, right = (knn(features[rows], labels[rows]) for rows in (is_left, ~is_left))
            assert gap == pytest.approx((left - right) / 2, abs=1e-12)

    def test_too_few_samples(self, problem):
        with pytest.raises(DataError, match=r"^half-sampling needs at least 20 samples or groups, got 12; draw more$"):
            half_samples(problem[0][:12], problem[1][:12], "knn")
