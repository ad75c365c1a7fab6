from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
import torch

from hubscout.errors import DataError, UsageError
from hubscout.scores._uncentred import rank_one_update
from hubscout.scores.spectral import alpha_req, rankme, stable_rank
from hubscout.stats import Statistics
from hubscout.testing import check_invariance, check_score, draw_problem

SHAPES = [
    {"n_samples": 50, "n_features": 6},
    {"n_samples": 80, "n_features": 40, "n_dead": 7},
    {"n_samples": 30, "n_features": 55},
]
ALL = [rankme, alpha_req, stable_rank]


def features_of(shape: dict[str, int], seed: int, offset: float) -> np.ndarray:
    return draw_problem(seed, **shape).features + offset


def singular_values(features: np.ndarray) -> np.ndarray:
    values = np.linalg.svd(features, compute_uv=False)
    return values[values > 1e-7 * values[0]]


def naive_rankme(features: np.ndarray) -> float:
    values = singular_values(features)
    total = 0.0
    for value in values:
        share = value / values.sum()
        total -= share * np.log(share)
    return float(np.exp(total))


def naive_alpha(features: np.ndarray, first: int, last: int) -> float:
    values = np.linalg.eigvalsh(np.cov(features.T))[::-1][:last]
    index = np.arange(first, len(values) + 1)
    # polyfit squares its weights.
    return -np.polyfit(np.log(index), np.log(values[first - 1 :]), 1, w=index**-0.5)[0]


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1])
def test_ranks_equal_those_of_a_plain_decomposition(shape, seed: int, offset: float) -> None:
    features = features_of(shape, seed, offset)
    if offset == 1e4:  # what a plain decomposition knows of small values beside so large a one
        assert stable_rank(features) == pytest.approx(1, abs=1e-3)
        tolerance = 1e-6
    else:
        tolerance = 1e-9
    values = singular_values(features)
    assert rankme(features) == pytest.approx(naive_rankme(features), rel=tolerance)
    assert stable_rank(features) == pytest.approx((features**2).sum() / values[0] ** 2, rel=1e-9)


def test_rankme_of_the_authors_counts_zeros() -> None:
    features = features_of({"n_samples": 40, "n_features": 12}, 0, 1.0)
    shares = np.linalg.svd(features, compute_uv=False)
    shares = shares / shares.sum() + 1e-7
    expected = np.exp(-(shares * np.log(shares)).sum())
    assert rankme(features, compat="authors") == pytest.approx(expected, rel=1e-9)
    padded = np.pad(features, ((0, 0), (0, 20)))
    shares = np.append(shares, np.full(20, 1e-7))
    expected = np.exp(-(shares * np.log(shares)).sum())
    assert rankme(padded, compat="authors") == pytest.approx(expected, rel=1e-9)
    assert rankme(padded, compat="authors") > rankme(features, compat="authors") * (1 + 1e-5)
    assert rankme(padded) == pytest.approx(rankme(features), rel=1e-9)


class TestRankOneUpdate:
    @pytest.mark.parametrize("seed", range(8))
    def test_equals_the_eigenvalues(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        diagonal = np.sort(rng.exponential(size=300) ** 4)
        vector = rng.standard_normal(300) * 10.0 ** rng.uniform(-6, 2)
        expected = np.linalg.eigvalsh(np.diag(diagonal) + np.outer(vector, vector))
        np.testing.assert_allclose(rank_one_update(diagonal, vector**2), expected, rtol=1e-9, atol=1e-12 * expected[-1])

    def test_equal_entries_and_zeros(self) -> None:
        diagonal, vector = np.array([0.0, 1.0, 1.0, 1.0, 2.0, 5.0]), np.array([1.0, 1.0, 2.0, 0.0, 0.0, 1.0])
        expected = np.linalg.eigvalsh(np.diag(diagonal) + np.outer(vector, vector))
        np.testing.assert_allclose(rank_one_update(diagonal, vector**2), expected, rtol=1e-12)

    def test_nothing_is_added(self) -> None:
        np.testing.assert_allclose(rank_one_update(np.array([1.0, 3.0]), np.zeros(2)), [1.0, 3.0], rtol=1e-14)
        assert rank_one_update(np.empty(0), np.empty(0)).shape == (0,)


class TestAlpha:
    @pytest.mark.parametrize(("n_features", "last"), [(30, 30), (130, 100)])
    def test_equals_a_weighted_line(self, n_features: int, last: int) -> None:
        features = features_of({"n_samples": 300, "n_features": n_features}, 0, 2.0)
        expected = naive_alpha(features, 11, last)
        assert alpha_req(features, compat="authors") == pytest.approx(expected, rel=1e-9)
        assert alpha_req(features) == pytest.approx(-abs(expected - 1), rel=1e-9)

    @pytest.mark.parametrize("alpha", [0.4, 1.0, 1.7])
    def test_of_a_power_law(self, alpha: float) -> None:
        rng = np.random.default_rng(0)
        directions = np.linalg.qr(np.c_[np.ones(200), rng.standard_normal((200, 120))])[0][:, 1:]
        features = directions * np.arange(1, 121) ** (-alpha / 2)
        assert alpha_req(features, compat="authors") == pytest.approx(alpha, rel=1e-9)
        assert alpha_req(features) == pytest.approx(-abs(alpha - 1), abs=1e-9)

    @pytest.mark.parametrize(("rank", "first"), [(2, 1), (3, 2), (8, 4), (12, 6), (20, 10), (21, 11), (40, 11)])
    def test_a_short_spectrum_still_has_a_tail(self, rank: int, first: int) -> None:
        features = features_of({"n_samples": 90, "n_features": rank}, 0, 0.0)
        assert alpha_req(features) == pytest.approx(-abs(naive_alpha(features, first, rank) - 1), rel=1e-9)

    def test_the_published_number_needs_twelve(self) -> None:
        with pytest.raises(
            DataError,
            match=r"^features must have at least 12 components for compat='authors', got 11; give more samples, or "
            r"leave compat out$",
        ):
            alpha_req(features_of({"n_samples": 90, "n_features": 11}, 0, 0.0), compat="authors")
        alpha_req(features_of({"n_samples": 90, "n_features": 12}, 0, 0.0), compat="authors")


@pytest.mark.parametrize("width", [3, 60])
@pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
def test_features_that_carry_nothing(width: int, value: float) -> None:
    features = np.full((40, width), value)
    assert rankme(features) == pytest.approx(float(value != 0), rel=1e-12)
    assert stable_rank(features) == pytest.approx(float(value != 0), rel=1e-12)
    assert alpha_req(features) == -51
    assert np.isfinite(rankme(features, compat="authors"))
    features[0] = 1.0
    assert alpha_req(features) == -51


@pytest.mark.parametrize("score", ALL)
@pytest.mark.parametrize("labels", [None, [0, 1], "nothing", np.full(30, np.nan)])
def test_labels_are_not_looked_at(score, labels) -> None:
    features = features_of({"n_samples": 30}, 0, 0.0)
    assert score(features, labels) == score(features)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_prepared_statistics_of_any_task(task) -> None:
    problem = draw_problem(0, task=task)
    for score in ALL:
        assert score(problem.statistics()) == pytest.approx(score(problem.features), rel=1e-12)


def test_there_is_one_decomposition() -> None:
    statistics = Statistics(features_of({}, 0, 1.0))
    for score in ALL:
        score(statistics)
    assert list(statistics._spectra) == [True]


@pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
@pytest.mark.parametrize("shape", SHAPES)
def test_other_libraries(make, shape) -> None:
    features = features_of(shape, 1, 0.5)
    for score in ALL:
        assert score(make(features)) == pytest.approx(score(features), rel=1e-9)
        assert score(make(np.full((9, 3), 0.5))) == pytest.approx(score(np.full((9, 3), 0.5)), rel=1e-12)


@pytest.mark.parametrize("name", ["rankme", "alpha_req", "stable_rank"])
def test_contract(name: str) -> None:
    check_score(name)


@pytest.mark.parametrize("name", ["rankme", "stable_rank"])
def test_the_origin_counts(name: str) -> None:
    with pytest.raises(AssertionError, match="does not ignore translation"):
        check_invariance(name, draw_problem(0), "translation")


@pytest.mark.parametrize("score", [rankme, alpha_req])
def test_unknown_compat(score) -> None:
    with pytest.raises(UsageError, match=r"^compat must be one of None, 'authors', got 'author'$"):
        score(np.eye(4), compat="author")
