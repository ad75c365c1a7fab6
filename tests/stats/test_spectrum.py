from __future__ import annotations

import numpy as np
import pytest

from hubscout.stats import Spectrum, Statistics, passes, spectrum


def draw(n: int, d: int, *, seed: int = 0, decay: float = 0.9, offset: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return (rng.standard_normal((n, d)) * decay ** np.arange(d)) @ basis + offset


def assert_decomposes(found: Spectrum, features: np.ndarray, *, rtol: float = 1e-9) -> None:
    """Against NumPy's decomposition: values, and the subspaces they belong to."""
    mean = features.mean(axis=0) if found.is_centred else 0.0
    _, values, right = np.linalg.svd(features - mean, full_matrices=False)
    k = found.n_components
    np.testing.assert_allclose(found.singular_values, values[:k], rtol=rtol)
    vectors = np.asarray(found.right_vectors)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(k), atol=rtol * 100)
    # Signs are free, so directions are compared by their absolute cosines.
    np.testing.assert_allclose(np.abs(np.sum(vectors * right[:k].T, axis=0)), np.ones(k), rtol=1e-6)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("n", "d"), [(60, 12), (12, 60), (20, 20), (21, 20), (20, 21), (2, 5), (5, 1)])
def test_equals_the_singular_value_decomposition(n: int, d: int, centred: bool) -> None:
    features = draw(n, d)
    found = Statistics(features).spectrum(centred=centred)
    assert found.is_whole
    assert found.is_centred is centred
    assert found.n_components == (min(n - 1, d) if centred else min(n, d))
    assert_decomposes(found, features, rtol=1e-7)


@pytest.mark.parametrize(("n", "d"), [(60, 12), (12, 60)])
def test_components_of_zero_value_are_left_out(n: int, d: int) -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n, 4)) @ rng.standard_normal((4, d))
    features[:, 2] = 0.0
    found = Statistics(features).spectrum()
    assert found.n_components == 4
    assert found.is_whole


@pytest.mark.parametrize("value", [0.0, 0.1, -1e7 / 3])
@pytest.mark.parametrize(("n", "d"), [(60, 12), (12, 60)])
def test_constant_features_have_no_component(n: int, d: int, value: float) -> None:
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    for features in (np.full((n, d), value), np.full((n, d), value) @ rotation):
        assert Statistics(features).spectrum().n_components == 0


@pytest.mark.parametrize(("n", "d"), [(60, 12), (12, 60)])
def test_features_that_are_constant_up_to_rounding_have_no_component(n: int, d: int) -> None:
    # As a product of constant features with a matrix can be, whose rows different kernels compute.
    last_bit = np.random.default_rng(0).integers(-1, 2, (n, d))
    assert Statistics(1000 / 3 * (1 + last_bit * np.finfo(float).eps)).spectrum().n_components == 0


def test_small_spread_on_a_large_offset_is_found() -> None:
    features = draw(50, 6, offset=0.0) * 1e-6 + 1e3
    found = Statistics(features).spectrum()
    np.testing.assert_allclose(found.singular_values, np.linalg.svd(features - features.mean(axis=0))[1], rtol=1e-6)


class TestLeading:
    def test_a_whole_spectrum_is_cut(self) -> None:
        prepared = Statistics(draw(50, 10))
        whole = prepared.spectrum()
        part = prepared.spectrum(3)
        assert not part.is_whole
        np.testing.assert_array_equal(part.singular_values, whole.singular_values[:3])
        assert part.right_vectors.shape == (10, 3)
        assert whole.leading(99) is whole

    def test_more_components_than_exist_is_the_whole(self) -> None:
        found = Statistics(draw(50, 10)).spectrum(128)
        assert found.n_components == 10
        assert found.is_whole

    def test_asking_for_more_computes_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spectrum, "_SMALL_SIDE", 8)
        features = draw(90, 40)
        prepared = Statistics(features)
        assert prepared.spectrum(2).n_components == 2
        assert prepared.spectrum(5).n_components == 5
        assert prepared.spectrum().is_whole
        assert_decomposes(prepared.spectrum(), features, rtol=1e-7)

    @pytest.mark.parametrize("centred", [True, False])
    def test_partial_decomposition(self, monkeypatch: pytest.MonkeyPatch, centred: bool) -> None:
        monkeypatch.setattr(spectrum, "_SMALL_SIDE", 8)
        features = draw(90, 40)
        found = Statistics(features).spectrum(6, centred=centred)
        assert found.n_components == 6
        assert not found.is_whole
        assert_decomposes(found, features)

    def test_partial_decomposition_that_meets_the_zeros_is_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spectrum, "_SMALL_SIDE", 8)
        rng = np.random.default_rng(0)
        found = Statistics(rng.standard_normal((90, 3)) @ rng.standard_normal((3, 40))).spectrum(6)
        assert found.n_components == 3
        assert found.is_whole


class TestSinglePrecision:
    """Float32 products are for large input; thresholds are moved so that small input takes their way."""

    @pytest.fixture(autouse=True)
    def _everything_is_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spectrum, "_SMALL_SIDE", 8)
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 0)

    def test_leading_components_to_single_precision(self) -> None:
        features = draw(300, 60).astype(np.float32)
        prepared = Statistics(features)
        found = prepared.spectrum(10)
        assert (True, True) in prepared._moments
        assert (True, False) not in prepared._moments
        assert_decomposes(found, features.astype(np.float64), rtol=3e-6)

    def test_uncentred_components_are_double(self) -> None:
        features = draw(300, 60).astype(np.float32)
        prepared = Statistics(features)
        found = prepared.spectrum(10, centred=False)
        assert (True, False) in prepared._moments
        assert_decomposes(found, features.astype(np.float64), rtol=1e-6)

    def test_double_features_stay_double(self) -> None:
        prepared = Statistics(draw(300, 60))
        assert_decomposes(prepared.spectrum(10), np.asarray(prepared.features), rtol=1e-10)

    def test_a_steep_spectrum_falls_back_to_double(self) -> None:
        features = draw(300, 60, decay=0.3, offset=0.0).astype(np.float32)
        prepared = Statistics(features)
        found = prepared.spectrum(10)
        assert (True, False) in prepared._moments
        assert_decomposes(found, features.astype(np.float64), rtol=1e-6)

    @pytest.mark.parametrize(("single", "is_exact"), [(False, True), (True, False)])
    def test_eigenvectors_have_the_precision_of_the_products(self, single: bool, is_exact: bool) -> None:
        features = draw(300, 60)
        gram = features.T @ features
        vectors = spectrum.spectrum_of_gram(gram, None, 300, 10, single=single).right_vectors
        residual = np.linalg.norm(gram @ vectors - vectors * np.sum(vectors * (gram @ vectors), axis=0))
        largest = np.linalg.norm(gram, 2)
        assert residual < 1e-6 * largest
        assert bool(residual < 1e-12 * largest) is is_exact

    @pytest.mark.parametrize("scale", [1e-25, 1e-15, 1e15, 1e25])
    def test_sizes_whose_squares_leave_float32(self, scale: float) -> None:
        features = draw(300, 60, offset=0.0).astype(np.float32) * np.float32(scale)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            found = Statistics(features).spectrum(10)
        assert_decomposes(found, features.astype(np.float64), rtol=3e-6)

    def test_a_whole_spectrum_is_double(self) -> None:
        features = draw(300, 60).astype(np.float32)
        prepared = Statistics(features)
        prepared.spectrum(10)
        assert_decomposes(prepared.spectrum(), features.astype(np.float64), rtol=1e-7)


def test_torch_takes_the_same_way() -> None:
    import torch

    features = draw(50, 10)
    found = Statistics(torch.tensor(features)).spectrum()
    assert isinstance(found.right_vectors, torch.Tensor)
    assert_decomposes(found, features, rtol=1e-9)
