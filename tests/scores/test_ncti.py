from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import array_api_strict
import numpy as np
import pytest
import torch
from scipy.special import softmax

from hubscout.errors import UsageError
from hubscout.scores import get_spec
from hubscout.scores.ncti import NctiTerms, ncti, ncti_terms
from hubscout.stats import Statistics, chunks
from hubscout.stats.folds import fold_codes
from hubscout.testing import check_score, draw_problem

GOLDEN = Path(__file__).parents[1] / "golden"
VALUES = json.loads((GOLDEN / "golden.json").read_text())
SHAPES = [
    {},
    {"n_samples": 30, "n_features": 45},
    {"n_dead": 3},
    {"n_samples": 80, "n_classes": 12},
    {"n_samples": 150, "n_features": 80},
]
CLASSES = draw_problem(1, n_samples=50, n_features=6, n_classes=4)


def golden(case: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "golden.npz") as arrays:
        return {name.removeprefix(f"{case}/"): arrays[name] for name in arrays if name.startswith(f"{case}/")}


def leading(features, n_components: int = 64) -> np.ndarray:
    away = features - features.mean(axis=0)
    left, values, _ = np.linalg.svd(away, full_matrices=False)
    kept = min(n_components, int((values > 1e-9 * values[0]).sum()))
    return left[:, :kept] * values[:kept]


def inverse_root(matrix) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors / np.sqrt(values)) @ vectors.T


class Model:
    """The discriminant of some samples, with densities, roots and singular vectors written out."""

    def __init__(self, rows, labels, n_classes: int) -> None:
        self.shares = np.bincount(labels, minlength=n_classes) / len(labels)
        self.means = np.stack(
            [
                rows[labels == c].mean(axis=0) if (labels == c).any() else np.zeros(rows.shape[1])
                for c in range(n_classes)
            ]
        )
        away = rows - self.means[labels]
        within, size = away.T @ away / len(rows), rows.shape[1]
        self.centre = rows.mean(axis=0)
        gaps = self.means - self.centre
        between = (gaps * self.shares[:, None]).T @ gaps
        floor = 1e-9 * np.trace(within + between) / size
        self.within = 0.9 * within + (0.1 * np.trace(within) / size + floor) * np.eye(size)
        self.whitener = inverse_root(self.within + between)
        self.encoded = self.whitener @ gaps.T * np.sqrt(self.shares)
        left, values, right = np.linalg.svd(self.encoded, full_matrices=False)
        kept = values > 1e-7
        self.polar = left[:, kept] @ right[kept]

    def posterior(self, row) -> np.ndarray:
        inverse = np.linalg.inv(self.within)
        gaps = row - self.means
        with np.errstate(divide="ignore"):
            return softmax(-0.5 * np.einsum("ci,ij,cj->c", gaps, inverse, gaps) + np.log(self.shares))

    def interpolated(self, row, label: int) -> float:
        if self.shares[label] == 0:
            return 0.0
        vector = self.whitener @ (row - self.centre)
        return vector @ self.polar[:, label] / np.sqrt(self.shares[label]) / (len(self.shares) - 1)


def variability(posteriors, labels) -> float:
    return 1 - sum(
        np.mean(labels == c) * np.sum(posteriors[labels == c].mean(axis=0) ** 2) for c in range(labels.max() + 1)
    )


def naive(features, labels, n_components: int = 64) -> np.ndarray:
    rows = leading(features, n_components)
    model = Model(rows, labels, labels.max() + 1)
    posteriors = np.stack([model.posterior(row) for row in rows])
    seli = np.linalg.norm(model.encoded, "nuc") / labels.max()
    return np.array([seli, posteriors[np.arange(len(rows)), labels].mean(), variability(posteriors, labels)])


def naive_cross_fit(features, labels, n_folds: int, seed: int) -> np.ndarray:
    rows, n_classes = leading(features), labels.max() + 1
    folds = fold_codes(labels, len(labels), n_folds, seed)
    posteriors, shares = np.empty((len(rows), n_classes)), np.empty(len(rows))
    for fold in range(n_folds):
        model = Model(rows[folds != fold], labels[folds != fold], n_classes)
        for i in np.flatnonzero(folds == fold):
            posteriors[i] = model.posterior(rows[i])
            shares[i] = model.interpolated(rows[i], labels[i])
    confidence = posteriors[np.arange(len(rows)), labels].mean()
    return np.array([shares.mean(), confidence, variability(posteriors, labels)])


class TestTerms:
    @pytest.mark.parametrize("seed", [0, 1])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_are_those_of_the_definition(self, shape, seed: int) -> None:
        problem = draw_problem(seed, signal=0.5, **shape)
        found = ncti_terms(problem.features, problem.labels)
        np.testing.assert_allclose(found, naive(problem.features, problem.labels), rtol=1e-6, atol=1e-9)
        assert ncti(problem.features, problem.labels) == pytest.approx(found.seli + found.ncc - found.vc, rel=1e-12)
        assert all(0 <= term <= 1 for term in found)

    def test_of_few_components(self) -> None:
        problem = draw_problem(0, n_samples=90, n_features=20, signal=0.5)
        found = ncti_terms(problem.features, problem.labels, n_components=3)
        np.testing.assert_allclose(found, naive(problem.features, problem.labels, 3), rtol=1e-6)
        whole, enough = (ncti(problem.features, problem.labels, n_components=k) for k in (None, 20))
        assert whole == pytest.approx(enough, rel=1e-9)

    def test_do_not_grow_with_the_number_of_samples(self) -> None:
        plain, copies = (
            np.array(ncti_terms(np.tile(CLASSES.features, (n, 1)), np.tile(CLASSES.labels, n))) for n in (1, 9)
        )
        np.testing.assert_allclose(plain, copies, rtol=1e-9)

    def test_of_collapsed_classes_are_perfect(self) -> None:
        labels = np.arange(40) % 4
        assert np.array(ncti_terms(7 * np.eye(4)[labels], labels)) == pytest.approx([1, 1, 0], abs=1e-6)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 3}])
    def test_chunks_change_nothing(self, monkeypatch: pytest.MonkeyPatch, options) -> None:
        problem = draw_problem(0, n_samples=120, n_classes=7, signal=0.5)
        whole = ncti_terms(problem.features, problem.labels, **options)
        # One class runs through several of the small blocks, and some blocks hold several classes.
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 5000)
        parts = ncti_terms(problem.features, problem.labels, **options)
        np.testing.assert_allclose(parts, whole, rtol=1e-10)


class TestCompat:
    @pytest.mark.parametrize("case", sorted(VALUES))
    def test_is_the_published_value(self, case: str) -> None:
        data = golden(case)
        expected = VALUES[case]["ncti_seli_ncc_vc"]
        found = ncti_terms(data["features"], data["labels"], compat="authors")
        np.testing.assert_allclose(found, expected, rtol=1e-3)
        value = ncti(data["features"], data["labels"], compat="authors")
        assert value == pytest.approx(found.seli + found.ncc - found.vc, rel=1e-12)

    def test_depends_on_the_scale_and_the_default_does_not(self) -> None:
        features, labels = CLASSES.features, CLASSES.labels
        np.testing.assert_allclose(ncti_terms(1e-3 * features, labels), ncti_terms(features, labels), rtol=1e-9)
        small, plain = (np.array(ncti_terms(scale * features, labels, compat="authors")) for scale in (1e-3, 1))
        assert abs(small[1] - plain[1]) > 0.01
        assert abs(small[0] / plain[0] - 1) > 0.01

    @pytest.mark.parametrize("width", [3, 60])
    def test_of_constant_features(self, width: int) -> None:
        labels = np.repeat([0, 1, 2], [20, 12, 8])
        found = ncti_terms(np.full((40, width), 0.1), labels, compat="authors")
        norms = np.sqrt([20, 12, 8]).sum() * np.sqrt(0.38)
        assert np.array(found) == pytest.approx([0, 0.38, np.log(norms)])

    def test_of_classes_of_one_sample(self) -> None:
        # Without a warning, and as scikit-learn has it.
        features = np.random.default_rng(0).standard_normal((40, 6))
        assert np.isfinite(ncti(0.1 * features, np.r_[0, 1, np.arange(38) % 2 + 2], compat="authors"))

    def test_has_no_folds(self) -> None:
        with pytest.raises(UsageError, match=r"^cross_fit must be None with compat='authors', got 3; leave one of"):
            ncti(CLASSES.features, CLASSES.labels, compat="authors", cross_fit=3)


class TestCrossFit:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_scores_each_fold_by_the_others(self, shape) -> None:
        problem = draw_problem(1, signal=0.5, **shape)
        found = ncti_terms(problem.features, problem.labels, cross_fit=3, seed=5)
        expected = naive_cross_fit(problem.features, problem.labels, 3, 5)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)

    @pytest.mark.parametrize(("width", "n_classes"), [(64, 5), (200, 10)])
    def test_noise_is_at_chance(self, width: int, n_classes: int) -> None:
        found, plain, shuffled, chance = [], [], [], []
        for seed in range(8):
            rng = np.random.default_rng(seed)
            statistics = Statistics(rng.standard_normal((600, width)), rng.integers(0, n_classes, 600))
            other = statistics.relabelled(rng.permutation(statistics.codes))
            found.append(ncti_terms(statistics, cross_fit=5))
            shuffled.append(ncti(other, cross_fit=5))
            plain.append(ncti(statistics))
            chance.append(statistics.priors @ statistics.priors)
        terms = np.array(found)
        errors = terms.std(axis=0, ddof=1) / 8**0.5
        assert terms[:, 0].mean() == pytest.approx(0, abs=4 * errors[0])
        assert terms[:, 1].mean() == pytest.approx(np.mean(chance), abs=4 * errors[1])
        values = terms[:, 0] + terms[:, 1] - terms[:, 2]
        spread = np.std(shuffled, ddof=1)
        assert values.mean() == pytest.approx(np.mean(shuffled), abs=4 * spread / 8**0.5)
        assert values.mean() == pytest.approx(2 * np.mean(chance) - 1, abs=4 * values.std(ddof=1) / 8**0.5)
        assert np.mean(plain) > values.mean() + 0.2

    def test_a_signal_is_above_chance(self) -> None:
        problem = draw_problem(0, n_samples=300, n_features=20, signal=0.5)
        chance = 2 * np.sum((np.bincount(problem.labels) / 300) ** 2) - 1
        crossed, plain = (ncti(problem.features, problem.labels, cross_fit=folds) for folds in (5, None))
        assert chance + 0.5 < crossed < plain

    def test_no_held_out_sample_is_more_than_perfect(self) -> None:
        labels = np.arange(60) % 3
        assert ncti(10 * np.eye(3)[labels], labels, cross_fit=60) == pytest.approx(2, abs=1e-9)
        features = np.random.default_rng(0).standard_normal((60, 8))
        for size in (1e4, 1e8, 1e12):
            features[-1] *= size
            assert ncti(features, labels, cross_fit=3) <= 1.5
            assert abs(ncti_terms(features, labels, cross_fit=3).seli) <= 1

    def test_the_seed_decides(self) -> None:
        first, again, other = (ncti(CLASSES.features, CLASSES.labels, cross_fit=3, seed=s) for s in (0, 0, 1))
        assert first == again != other


class TestDegenerate:
    @pytest.mark.parametrize("options", [{}, {"cross_fit": 4}])
    @pytest.mark.parametrize("width", [3, 60])
    @pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
    def test_constant_features(self, options, width: int, value: float) -> None:
        labels = np.repeat([0, 1, 2], [20, 12, 8])
        assert ncti(np.full((40, width), value), labels, **options) == pytest.approx(2 * 0.38 - 1)

    def test_class_means_in_one_place(self) -> None:
        features = np.tile(np.array([[1.0, 2.0], [-1.0, 0.5]]), (20, 1))
        labels = np.repeat([0, 1], 20)
        assert np.array(ncti_terms(features, labels)) == pytest.approx([0, 0.5, 0.5], abs=1e-9)
        # What one fold has too much of, the others have too little of.
        assert ncti(features, labels, cross_fit=2) <= 1e-9

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 2}])
    def test_few_samples(self, options) -> None:
        features = np.random.default_rng(0).standard_normal((24, 40))
        for labels in (np.r_[0, np.arange(23)], np.r_[0, 0, np.ones(22, dtype=int)], np.arange(24) % 12):
            assert -2 <= ncti(features, labels, **options) <= 2
        assert np.isfinite(ncti(features[:3], [0, 0, 1], **options))


class TestContract:
    def test_plain(self) -> None:
        check_score("ncti")

    def test_public_forms_agree(self) -> None:
        terms = ncti_terms(CLASSES.features, CLASSES.labels)
        assert isinstance(terms, NctiTerms)
        assert terms.value == ncti(CLASSES.features, CLASSES.labels)
        assert terms.value == get_spec("ncti").estimate(CLASSES.statistics()).value

    def test_cross_fitted(self) -> None:
        for shape in SHAPES[:4]:
            problem = draw_problem(4, **shape)
            rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((problem.features.shape[1],) * 2))[0]
            changed = 1e3 * problem.features @ rotation + 7
            expected = ncti(problem.features, problem.labels, cross_fit=3)
            assert ncti(changed, problem.labels, cross_fit=3) == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 3}, {"compat": "authors"}])
    @pytest.mark.parametrize("shape", [{}, {"n_samples": 25, "n_features": 40}])
    @pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
    def test_other_array_libraries(self, make, shape, options) -> None:
        problem = draw_problem(2, **shape)
        expected = ncti(problem.features, problem.labels, **options)
        assert ncti(make(problem.features), problem.labels, **options) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 2}])
    def test_many_classes_need_no_square_of_them(self, monkeypatch: pytest.MonkeyPatch, options) -> None:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 8 * 2**20)
        rng = np.random.default_rng(0)
        labels = rng.permutation(np.r_[np.arange(4000), np.arange(200)])
        features = rng.standard_normal((len(labels), 1)).astype(np.float32)
        tracemalloc.start()
        assert np.isfinite(ncti(features, labels, **options))
        assert tracemalloc.get_traced_memory()[1] < 24 * 2**20
        tracemalloc.stop()

    def test_options_are_checked(self) -> None:
        features, labels = CLASSES.features, CLASSES.labels
        with pytest.raises(UsageError, match=r"^n_components must be a whole number of at least 1, got 0$"):
            ncti(features, labels, n_components=0)
        with pytest.raises(UsageError, match=r"^compat must be one of None, 'authors', got 'paper'$"):
            ncti_terms(features, labels, compat="paper")
        with pytest.raises(UsageError, match=r"^cross_fit must be at most the number of samples, 50, got 51"):
            ncti(features, labels, cross_fit=51)
