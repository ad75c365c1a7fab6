from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from hubscout.stats.gaussian import (
    ledoit_wolf_shrinkage,
    nearest_mean_logits,
    ridged,
    true_class_posterior,
    whitening,
)


def covariance(size: int = 4, seed: int = 0) -> np.ndarray:
    root = np.random.default_rng(seed).standard_normal((size, size))
    return root @ root.T


class TestRidged:
    def test_adds_a_share_of_the_mean_variance(self) -> None:
        matrix = covariance()
        np.testing.assert_allclose(ridged(matrix, 0.1), matrix + 0.1 * np.trace(matrix) / 4 * np.eye(4))

    def test_a_stack_is_taken_one_by_one(self) -> None:
        stack = np.stack([covariance(seed=seed) * 10**seed for seed in range(3)])
        np.testing.assert_allclose(ridged(stack, 0.1), [ridged(matrix, 0.1) for matrix in stack])

    def test_no_spread_at_all_stays_invertible(self) -> None:
        assert np.isfinite(np.linalg.inv(ridged(np.zeros((3, 3)), 1e-6))).all()


class TestWhitening:
    def test_gives_the_inverse(self) -> None:
        whitener = whitening(covariance())
        np.testing.assert_allclose(whitener @ whitener.T, np.linalg.inv(covariance()))

    def test_a_singular_covariance_stays_finite(self) -> None:
        assert np.isfinite(whitening(np.ones((3, 3)))).all()
        assert np.isfinite(whitening(np.zeros((3, 3)))).all()


class TestPosterior:
    @pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
    def test_is_the_softmax_of_the_true_class(self, scale: float) -> None:
        rng = np.random.default_rng(0)
        logits, codes = scale * rng.standard_normal((20, 5)), rng.integers(0, 5, 20)
        expected = softmax(logits, axis=1)[np.arange(20), codes]
        np.testing.assert_allclose(true_class_posterior(logits.copy(), codes), expected, rtol=1e-9, atol=1e-300)

    def test_logits_are_those_of_unit_gaussians(self) -> None:
        from scipy.stats import multivariate_normal

        rng = np.random.default_rng(0)
        points, means, priors = rng.standard_normal((7, 3)), rng.standard_normal((4, 3)), np.array([0.1, 0.2, 0.3, 0.4])
        logits = nearest_mean_logits(points, means, np.log(priors))
        densities = np.stack([multivariate_normal(mean, np.eye(3)).pdf(points) for mean in means], axis=1) * priors
        np.testing.assert_allclose(
            softmax(logits, axis=1), densities / densities.sum(axis=1, keepdims=True), rtol=1e-12
        )


class TestLedoitWolf:
    @pytest.mark.parametrize(("n", "d"), [(40, 5), (8, 30), (200, 30)])
    def test_equals_scikit_learn(self, n: int, d: int) -> None:
        from sklearn.covariance import ledoit_wolf_shrinkage as reference

        features = np.random.default_rng(0).standard_normal((n, d)) * np.linspace(0.2, 2, d) + 3
        centred = features - features.mean(axis=0)
        matrix = centred.T @ centred / n
        found = ledoit_wolf_shrinkage((centred**2).sum(axis=1), (matrix**2).sum(), np.trace(matrix), n, d)
        assert found == pytest.approx(reference(features), rel=1e-9)

    def test_equal_variances_need_none(self) -> None:
        assert ledoit_wolf_shrinkage(np.ones(4), 4.0, 4.0, 4, 4) == 0.0
