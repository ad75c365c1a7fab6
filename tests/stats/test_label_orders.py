from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from hubscout.stats.label_orders import CentredSums, PairSums, pair_product_moments, trace_product_moments


def symmetric(seed: int, n: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((n, n)) + 1.5
    return drawn + drawn.T


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix - np.diag(np.diag(matrix))


def centred(matrix: np.ndarray) -> np.ndarray:
    centring = np.eye(len(matrix)) - 1 / len(matrix)
    return centring @ matrix @ centring


def over_all_orders(left: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    found = [np.sum(left * right[np.ix_(order, order)]) for order in permutations(range(len(left)))]
    return float(np.mean(found)), float(np.std(found))


def pair_sums(matrix: np.ndarray) -> PairSums:
    return PairSums(len(matrix), matrix.sum(), (matrix**2).sum(), (matrix.sum(axis=0) ** 2).sum())


def centred_sums(matrix: np.ndarray) -> CentredSums:
    return CentredSums(len(matrix), np.trace(matrix), np.trace(matrix @ matrix), (np.diag(matrix) ** 2).sum())


def same_class(codes: list[int]) -> np.ndarray:
    return (np.array(codes)[:, None] == np.array(codes)).astype(float)


LABELS = [[0, 1], [0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1, 2], [0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 2, 2]]


class TestPairs:
    @pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
    def test_any_two_matrices(self, n: int) -> None:
        left, right = off_diagonal(symmetric(n, n)), off_diagonal(symmetric(n + 10, n))
        found = pair_product_moments(pair_sums(left), pair_sums(right))
        assert found == pytest.approx(over_all_orders(left, right), rel=1e-9, abs=1e-12)

    @pytest.mark.parametrize("codes", LABELS)
    def test_labels(self, codes: list[int]) -> None:
        left, right = off_diagonal(symmetric(1, len(codes))), off_diagonal(same_class(codes))
        sums = PairSums.of_same_class(np.bincount(codes).astype(float))
        assert vars(sums) == pytest.approx(vars(pair_sums(right)))
        found = pair_product_moments(pair_sums(left), sums)
        assert found == pytest.approx(over_all_orders(left, right), rel=1e-9, abs=1e-12)

    def test_a_constant_has_no_spread(self) -> None:
        ones = off_diagonal(np.full((6, 6), 0.1))
        mean, deviation = pair_product_moments(pair_sums(ones), pair_sums(off_diagonal(symmetric(0, 6))))
        assert deviation == 0
        assert mean == pytest.approx(0.1 * off_diagonal(symmetric(0, 6)).sum())

    def test_a_large_constant_costs_no_digits(self) -> None:
        left, right = off_diagonal(symmetric(0, 30)), off_diagonal(symmetric(1, 30))
        _, expected = pair_product_moments(pair_sums(left), pair_sums(right))
        _, shifted = pair_product_moments(pair_sums(off_diagonal(left + 1e3)), pair_sums(right))
        assert shifted == pytest.approx(expected, rel=1e-8)


class TestCentred:
    @pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
    def test_any_two_matrices(self, n: int) -> None:
        left, right = centred(symmetric(n, n)), centred(symmetric(n + 10, n))
        found = trace_product_moments(centred_sums(left), centred_sums(right))
        assert found == pytest.approx(over_all_orders(left, right), rel=1e-9, abs=1e-12)

    @pytest.mark.parametrize("codes", LABELS)
    def test_labels(self, codes: list[int]) -> None:
        counts = np.bincount(codes).astype(float)
        left, right = centred(symmetric(1, len(codes))), centred(same_class(codes) / counts[codes])
        sums = CentredSums.of_class_means(counts)
        assert vars(sums) == pytest.approx(vars(centred_sums(right)))
        found = trace_product_moments(centred_sums(left), sums)
        assert found == pytest.approx(over_all_orders(left, right), rel=1e-9, abs=1e-12)

    def test_what_all_orders_leave_alone_has_no_spread(self) -> None:
        whole = centred_sums(centred(np.eye(40)))
        mean, deviation = trace_product_moments(whole, CentredSums.of_class_means(np.array([20.0, 15.0, 5.0])))
        assert mean == pytest.approx(2)
        assert deviation == 0
