from __future__ import annotations

import numpy as np
import pytest

from hubscout.errors import UsageError
from hubscout.stats import Statistics
from hubscout.stats.folds import check_folds, fold_codes, trainings
from hubscout.testing import draw_problem


class TestCheckFolds:
    @pytest.mark.parametrize("given", [None, 2, 5, 20])
    def test_good(self, given: int | None) -> None:
        assert check_folds(given, 20) == given

    @pytest.mark.parametrize(
        ("given", "text"),
        [
            (1, "cross_fit must be a whole number of at least 2, got 1"),
            (2.5, "cross_fit must be a whole number of at least 2, got 2.5"),
            (21, "cross_fit must be at most the number of samples, 20, got 21; ask for fewer folds"),
        ],
    )
    def test_bad(self, given, text: str) -> None:
        with pytest.raises(UsageError) as error:
            check_folds(given, 20)
        assert str(error.value) == text


class TestFoldCodes:
    @pytest.mark.parametrize("seed", [0, 1])
    def test_folds_and_classes_are_even(self, seed: int) -> None:
        codes = np.random.default_rng(seed).integers(0, 4, 103)
        folds = fold_codes(codes, 103, 5, seed)
        assert np.ptp(np.bincount(folds)) <= 1
        for code in range(4):
            assert np.ptp(np.bincount(folds[codes == code], minlength=5)) <= 1

    def test_the_seed_decides(self) -> None:
        codes = np.arange(40) % 3
        first, again, other = (fold_codes(codes, 40, 4, seed) for seed in (0, 0, 1))
        assert (first == again).all()
        assert (first != other).any()

    def test_without_classes(self) -> None:
        assert np.bincount(fold_codes(None, 11, 3, 0)).tolist() == [4, 4, 3]


class TestGroups:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    @pytest.mark.parametrize("stratified", [True, False])
    def test_groups_stay_whole_and_folds_even(self, stratified: bool, seed: int) -> None:
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(60), rng.integers(1, 6, 60))
        kinds = rng.integers(0, 3, 60)
        codes = np.where(rng.random(len(groups)) < 0.9, kinds[groups], rng.integers(0, 3, len(groups)))
        order = rng.permutation(len(groups))
        folds = fold_codes(codes[order] if stratified else None, len(groups), 4, seed, groups[order])
        assert all(len(np.unique(folds[groups[order] == group])) == 1 for group in range(60))
        assert np.ptp(np.bincount(folds)) <= 0.25 * len(groups) / 4
        if stratified:
            for code in range(3):
                counts = np.bincount(folds[codes[order] == code], minlength=4)
                assert counts.min() > 0.5 * counts.mean()

    def test_the_seed_decides(self) -> None:
        groups = np.arange(60) // 3
        first, again, other = (fold_codes(None, 60, 4, seed, groups) for seed in (0, 0, 1))
        assert (first == again).all()
        assert (first != other).any()

    def test_fewer_groups_than_folds(self) -> None:
        with pytest.raises(UsageError) as error:
            fold_codes(np.arange(6) % 2, 6, 4, 0, np.arange(6) // 2)
        assert str(error.value) == "cross_fit must be at most the number of groups, 3, got 4; ask for fewer folds"

    def test_trainings_know_them(self) -> None:
        problem = draw_problem(0)
        groups = np.arange(60) // 4
        statistics = Statistics(problem.features, problem.labels, groups=groups)
        for training in trainings(statistics, statistics.spectrum(), 3, 0):
            assert not set(groups[training.held_out]) & set(groups[training.fitted(60)])


class TestTrainings:
    @pytest.mark.parametrize("shape", [{}, {"n_samples": 20, "n_features": 35}, {"n_classes": 9}])
    def test_they_are_those_of_the_other_folds(self, shape) -> None:
        problem = draw_problem(0, **shape)
        statistics = problem.statistics()
        spectrum = statistics.spectrum(5)
        coordinates = (problem.features - problem.features.mean(axis=0)) @ spectrum.right_vectors
        seen = []
        for training in trainings(statistics, spectrum, 4, seed=3):
            fitted = training.fitted(len(problem.labels))
            assert sorted([*fitted, *training.held_out]) == list(range(len(problem.labels)))
            codes, rows = statistics.codes[fitted], coordinates[fitted]
            assert training.n_samples == len(fitted)
            within = np.zeros((5, 5))
            for code, count in enumerate(np.bincount(codes, minlength=statistics.n_targets)):
                assert training.counts[code] == count
                if not count:
                    assert not training.means[code].any()
                    assert training.log_priors[code] < -1e20
                    continue
                assert training.log_priors[code] == pytest.approx(np.log(count / len(fitted)))
                np.testing.assert_allclose(training.means[code], rows[codes == code].mean(axis=0), atol=1e-10)
                away = rows[codes == code] - rows[codes == code].mean(axis=0)
                within += away.T @ away / len(fitted)
            np.testing.assert_allclose(training.within, within, atol=1e-9 * np.abs(within).max())
            seen.append(training.held_out)
        assert sorted(np.concatenate(seen)) == list(range(len(problem.labels)))

    def test_chosen_rows_come_in_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from hubscout.stats import chunks

        problem = draw_problem(1)
        whole = [training.within for training in trainings(problem.statistics(), problem.statistics().spectrum(), 3, 0)]
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 700)
        parts = [training.within for training in trainings(problem.statistics(), problem.statistics().spectrum(), 3, 0)]
        np.testing.assert_allclose(parts, whole, atol=1e-9 * np.abs(whole).max())


def test_chosen_rows_are_checked_like_all_others() -> None:
    from hubscout.errors import DataError

    features = np.ones((6, 2))
    features[4, 1] = np.nan
    with pytest.raises(DataError, match="row 4, column 1 is nan"):
        next(Statistics(features, [0, 1] * 3).chunks(rows=np.array([0, 2])))
