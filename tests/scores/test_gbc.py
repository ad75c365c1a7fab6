from __future__ import annotations

import json
import tracemalloc
from itertools import permutations
from pathlib import Path

import array_api_strict
import numpy as np
import pytest
import torch

from hubscout.errors import UsageError
from hubscout.scores._leading_coordinates import leading_coordinates
from hubscout.scores.gbc import gbc
from hubscout.stats import chunks
from hubscout.stats.folds import fold_codes
from hubscout.testing import check_score, draw_problem

GOLDEN = Path(__file__).parents[1] / "golden"
VALUES = json.loads((GOLDEN / "golden.json").read_text())
KINDS = ["diagonal", "spherical", "full"]
SHAPES = [
    {},
    {"n_samples": 30, "n_features": 45},
    {"n_dead": 3},
    {"n_samples": 80, "n_classes": 12},
    {"n_samples": 200, "n_features": 30},
]
CLASSES = draw_problem(1, n_samples=50, n_features=6, n_classes=4)


def golden(case: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "golden.npz") as arrays:
        return {name.removeprefix(f"{case}/"): arrays[name] for name in arrays if name.startswith(f"{case}/")}


def leading(features, n_components: int) -> np.ndarray:
    away = features - features.mean(axis=0)
    left, values, _ = np.linalg.svd(away, full_matrices=False)
    kept = min(n_components, int((values > 1e-9 * values[0]).sum()))
    return left[:, :kept] * values[:kept]


def scatter(rows, kind: str) -> np.ndarray:
    """Covariance of some rows times their number, as a matrix of the given kind."""
    away = rows - rows.mean(axis=0)
    full = away.T @ away
    if kind == "full":
        return full
    return np.diag(np.diag(full)) if kind == "diagonal" else np.trace(full) / len(full) * np.eye(len(full))


def covariances(rows, labels, kind: str) -> list[np.ndarray]:
    own = [scatter(rows[labels == c], kind) for c in range(labels.max() + 1)]
    counts, total = np.bincount(labels), scatter(rows, kind) / len(rows)
    is_point = [np.trace(matrix) / n <= 1e-9 * np.trace(total) for matrix, n in zip(own, counts, strict=True)]
    spread = [c for c in range(len(counts)) if not is_point[c]]
    pooled = sum(own[c] for c in spread) / max(sum(counts[c] for c in spread), 1) + 1e-9 * total
    return [pooled if is_point[c] else 0.99 * own[c] / counts[c] + 0.01 * pooled for c in range(len(counts))]


def distance_terms(gap, left, right) -> tuple[float, float]:
    shared = (left + right) / 2
    logs = [np.linalg.slogdet(matrix)[1] for matrix in (shared, left, right)]
    return gap @ np.linalg.inv(shared) @ gap / 8, 0.5 * (logs[0] - 0.5 * logs[1] - 0.5 * logs[2])


def naive(features, labels, kind: str, n_components: int = 64) -> float:
    rows = leading(features, n_components)
    means = [rows[labels == c].mean(axis=0) for c in range(labels.max() + 1)]
    spreads = covariances(rows, labels, kind)
    return -sum(
        np.exp(-sum(distance_terms(means[a] - means[b], spreads[a], spreads[b])))
        for a, b in permutations(range(len(means)), 2)
    )


def naive_cross_fit(features, labels, kind: str, n_folds: int, seed: int) -> float:
    rows = leading(features, 64)
    folds = fold_codes(labels, len(labels), n_folds, seed)
    spreads, total = covariances(rows, labels, kind), 0.0
    for a, b in permutations(range(labels.max() + 1), 2):
        inverse = np.linalg.inv((spreads[a] + spreads[b]) / 2)
        squares, again = [], []
        for fold in range(n_folds):
            parts = {(c, s): rows[(labels == c) & ((folds == fold) == s)] for c in (a, b) for s in (True, False)}
            sizes = [len(part) for part in parts.values()]
            if min(sizes) > 0:
                own, others = (parts[a, s].mean(axis=0) - parts[b, s].mean(axis=0) for s in (True, False))
                squares.append(own @ inverse @ others / 8)
            if min(sizes) > 1:
                own, others = (
                    inverse
                    @ (
                        scatter(parts[a, s], kind) / (len(parts[a, s]) - 1)
                        - scatter(parts[b, s], kind) / (len(parts[b, s]) - 1)
                    )
                    for s in (True, False)
                )
                again.append(np.trace(own @ others))
        whole = inverse @ (spreads[a] - spreads[b])
        share = np.mean(again or [0.0]) / np.trace(whole @ whole)
        log = distance_terms(np.zeros(len(inverse)), spreads[a], spreads[b])[1]
        distance = np.mean(squares or [0.0]) + np.clip(share, -1, 1) * log
        total += np.exp(-distance) if distance >= 0 else 2 - np.exp(distance)
    return max(-total, -float(labels.max() * (labels.max() + 1)))


class TestValue:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("seed", [0, 1])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_is_the_overlap_of_all_pairs(self, shape, seed: int, kind: str) -> None:
        problem = draw_problem(seed, signal=0.5, **shape)
        found = gbc(problem.features, problem.labels, covariance=kind)
        assert found == pytest.approx(naive(problem.features, problem.labels, kind), rel=1e-7)

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_few_components(self, kind: str) -> None:
        problem = draw_problem(0, n_samples=90, n_features=20, signal=0.5)
        found = gbc(problem.features, problem.labels, covariance=kind, n_components=3)
        assert found == pytest.approx(naive(problem.features, problem.labels, kind, 3), rel=1e-9)
        whole, enough = (gbc(problem.features, problem.labels, covariance=kind, n_components=k) for k in (None, 20))
        assert whole == pytest.approx(enough, rel=1e-9)

    @pytest.mark.parametrize("kind", KINDS)
    def test_blocks_of_pairs_change_nothing(self, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        problem = draw_problem(0, n_samples=120, n_classes=12, signal=0.5)
        for options in ({}, {"cross_fit": 3}):
            whole = gbc(problem.features, problem.labels, covariance=kind, **options)
            with monkeypatch.context() as patch:
                patch.setattr(chunks, "CHUNK_BYTES", 3000)
                parts = gbc(problem.features, problem.labels, covariance=kind, **options)
            assert parts == pytest.approx(whole, rel=1e-12)

    def test_a_determinant_counts_all_dimensions(self) -> None:
        # Two classes of the same mean; one is wider in each of 4 dimensions by the same factor.
        corners = np.array([[s * (i == j) for j in range(4)] for i in range(4) for s in (-1.0, 1.0)])
        features, labels = np.concatenate([corners, 3 * corners]), np.repeat([0, 1], 8)
        narrow, wide = 0.99 * np.array([1.0, 9.0]) + 0.01 * 5.0
        expected = -2 * (narrow * wide / ((narrow + wide) / 2) ** 2) ** (4 / 4)
        for kind in KINDS:
            assert gbc(features, labels, covariance=kind) == pytest.approx(expected, rel=1e-6)


class TestCompat:
    @pytest.mark.parametrize("case", sorted(VALUES))
    @pytest.mark.parametrize("n_components", [64, 2])
    def test_is_the_published_value(self, case: str, n_components: int) -> None:
        data = golden(case)
        found = gbc(data["features"], data["labels"], compat="authors", n_components=n_components)
        assert found == pytest.approx(VALUES[case]["gbc_diagonal_no_pca"], rel=1e-6)

    @pytest.mark.parametrize("scale", [1.0, 1e-3, 1e8])
    def test_of_spherical_classes_counts_one_dimension(self, scale: float) -> None:
        features, labels = scale * CLASSES.features, np.r_[CLASSES.labels[:49], 4]
        variances = [np.maximum(features[labels == c].var(axis=0), 1e-4).mean() for c in range(5)]
        means, expected = [features[labels == c].mean(axis=0) for c in range(5)], 0.0
        for a, b in permutations(range(5), 2):
            shared, gap = (variances[a] + variances[b]) / 2, means[a] - means[b]
            expected -= np.exp(-(gap @ gap) / shared / 8 - 0.5 * np.log(shared / np.sqrt(variances[a] * variances[b])))
        found = gbc(features, labels, compat="authors", covariance="spherical")
        assert found == pytest.approx(expected, rel=1e-9)

    def test_depends_on_the_scale_and_the_default_does_not(self) -> None:
        features, labels = CLASSES.features, CLASSES.labels
        assert gbc(1e-4 * features, labels) == pytest.approx(gbc(features, labels), rel=1e-9)
        assert gbc(1e-4 * features, labels, compat="authors") < gbc(features, labels, compat="authors") - 1

    def test_what_it_has_not(self) -> None:
        with pytest.raises(UsageError, match=r"^covariance must be 'diagonal' or 'spherical' with compat='authors'"):
            gbc(CLASSES.features, CLASSES.labels, compat="authors", covariance="full")
        with pytest.raises(UsageError, match=r"^cross_fit must be None with compat='authors', got 3; leave one of"):
            gbc(CLASSES.features, CLASSES.labels, compat="authors", cross_fit=3)


class TestCrossFit:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("shape", [*SHAPES[:4], {"n_samples": 100, "n_classes": 9, "signal": 0.3}])
    def test_counts_what_replicates(self, shape, kind: str) -> None:
        problem = draw_problem(1, **{"signal": 0.5, **shape})
        expected = naive_cross_fit(problem.features, problem.labels, kind, 3, 5)
        found = gbc(problem.features, problem.labels, covariance=kind, cross_fit=3, seed=5)
        assert found == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("kind", ["diagonal", "spherical"])
    @pytest.mark.parametrize(("width", "n_classes"), [(64, 5), (200, 10)])
    def test_noise_is_at_chance(self, kind: str, width: int, n_classes: int) -> None:
        chance = -n_classes * (n_classes - 1)
        found, plain = [], []
        for seed in range(8):
            rng = np.random.default_rng(seed)
            labels, features = rng.integers(0, n_classes, 600), rng.standard_normal((600, width))
            found.append(gbc(features, labels, covariance=kind, cross_fit=5) / chance)
            plain.append(gbc(features, labels, covariance=kind) / chance)
        assert np.mean(found) == pytest.approx(1, abs=0.03)
        assert np.max(found) <= 1
        assert np.mean(plain) < 0.9

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_signal_is_above_chance(self, kind: str) -> None:
        problem = draw_problem(0, n_samples=400, n_features=20, signal=0.5)
        crossed, plain = (
            gbc(problem.features, problem.labels, covariance=kind, cross_fit=folds) for folds in (5, None)
        )
        assert -3 < crossed < plain < 0

    def test_the_seed_decides(self) -> None:
        first, again, other = (gbc(CLASSES.features, CLASSES.labels, cross_fit=3, seed=s) for s in (0, 0, 1))
        assert first == again != other

    def test_classes_that_differ_in_spread_alone(self) -> None:
        rng, labels = np.random.default_rng(0), np.repeat([0, 1], 300)
        features = rng.standard_normal((600, 10)) * np.where(labels, 3.0, 1.0)[:, None]
        crossed, plain = (gbc(features, labels, cross_fit=folds) for folds in (5, None))
        assert crossed == pytest.approx(plain, rel=0.1)


class TestDegenerate:
    @pytest.mark.parametrize("options", [{}, {"cross_fit": 4}, {"compat": "authors"}, {"covariance": "full"}])
    @pytest.mark.parametrize("width", [3, 60])
    @pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
    def test_constant_features_put_all_classes_in_one_place(self, options, width: int, value: float) -> None:
        labels = np.repeat([0, 1, 2], [20, 12, 8])
        assert gbc(np.full((40, width), value), labels, **options) == pytest.approx(-6.0)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_class_of_one_sample_is_as_wide_as_the_others(self, kind: str) -> None:
        labels = np.r_[3, CLASSES.labels[1:] % 3]
        doubled = np.tile(np.arange(50), 2)
        found = gbc(CLASSES.features, labels, covariance=kind)
        assert found == pytest.approx(naive(CLASSES.features, labels, kind), rel=1e-9)
        assert gbc(CLASSES.features[doubled], labels[doubled], covariance=kind) == pytest.approx(found, rel=1e-9)

    @pytest.mark.parametrize("kind", KINDS)
    def test_classes_of_points_do_not_overlap(self, kind: str) -> None:
        labels = np.arange(30) % 3
        found = gbc(5 * np.eye(3)[labels], labels, covariance=kind)
        assert found == 0
        assert np.copysign(1, found) == 1

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("options", [{}, {"cross_fit": 2}])
    def test_few_samples(self, options, kind: str) -> None:
        features = np.random.default_rng(0).standard_normal((24, 40))
        for labels in (np.r_[0, np.arange(23)], np.r_[0, 0, np.ones(22, dtype=int)]):
            found = gbc(features, labels, covariance=kind, **options)
            assert -len(set(labels)) * (len(set(labels)) - 1) <= found <= 0
        assert np.isfinite(gbc(features[:3], [0, 0, 1], covariance=kind, **options))


class TestContract:
    @pytest.mark.parametrize("kind", KINDS)
    def test_plain(self, kind: str) -> None:
        check_score("gbc", options={"covariance": kind}, seeds=(0,))

    @pytest.mark.parametrize("options", [{"cross_fit": 3}, {"covariance": "full", "cross_fit": 3}])
    def test_cross_fitted(self, options) -> None:
        for shape in SHAPES[:4]:
            problem = draw_problem(4, **shape)
            rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((problem.features.shape[1],) * 2))[0]
            changed = 1e3 * problem.features @ rotation + 7
            expected = gbc(problem.features, problem.labels, **options)
            assert gbc(changed, problem.labels, **options) == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 3}, {"compat": "authors"}, {"covariance": "full"}])
    @pytest.mark.parametrize("shape", [{}, {"n_samples": 25, "n_features": 40}])
    @pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
    def test_other_array_libraries(self, make, shape, options) -> None:
        problem = draw_problem(2, **shape)
        expected = gbc(problem.features, problem.labels, **options)
        assert gbc(make(problem.features), problem.labels, **options) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("options", [{}, {"cross_fit": 2}])
    def test_many_classes_need_no_square_of_them(self, monkeypatch: pytest.MonkeyPatch, options) -> None:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 2**20)
        rng = np.random.default_rng(0)
        labels = rng.permutation(np.r_[np.arange(2000), np.arange(200)])
        features = rng.standard_normal((len(labels), 2)).astype(np.float32)
        tracemalloc.start()
        assert np.isfinite(gbc(features, labels, **options))
        assert tracemalloc.get_traced_memory()[1] < 8 * 2000**2 / 5
        tracemalloc.stop()

    def test_options_are_checked(self) -> None:
        features, labels = CLASSES.features, CLASSES.labels
        with pytest.raises(UsageError, match=r"^covariance must be one of 'diagonal', 'spherical', 'full', got 'ful'$"):
            gbc(features, labels, covariance="ful")
        with pytest.raises(UsageError, match=r"^n_components must be a whole number of at least 1, got 0$"):
            gbc(features, labels, n_components=0)
        with pytest.raises(UsageError, match=r"^cross_fit must be a whole number of at least 2, got 1$"):
            gbc(features, labels, cross_fit=1)


class TestLeadingCoordinates:
    @pytest.mark.parametrize("rows", [None, np.array([5, 3, 3, 11])])
    def test_are_kept_only_while_small(self, monkeypatch: pytest.MonkeyPatch, rows) -> None:
        small = leading_coordinates(CLASSES.statistics(), 3)
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 1000)
        large = leading_coordinates(CLASSES.statistics(), 3)
        assert small.kept is not None
        assert large.kept is None
        found = [np.concatenate([block for _, block in each.walk(width=1, rows=rows)]) for each in (small, large)]
        np.testing.assert_allclose(found[0], found[1], atol=1e-12)
        np.testing.assert_allclose(
            np.abs(found[0]), np.abs(leading(CLASSES.features, 3)[rows if rows is not None else ...])
        )

    def test_are_shared_between_labellings(self) -> None:
        statistics = CLASSES.statistics()
        other = statistics.relabelled(statistics.codes[::-1].copy())
        assert leading_coordinates(statistics, 3) is leading_coordinates(other, 3)
        assert leading_coordinates(statistics, 2) is not leading_coordinates(other, 3)
