"""Against the values of the authors' own programs: golden/README.md says whose and how near."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubscout import scores
from hubscout.scores._disco_estimate import group_ratios, group_slices
from hubscout.stats import Statistics

FOLDER = Path(__file__).parents[1] / "golden"
VALUES = json.loads((FOLDER / "golden.json").read_text())
EXACT, FIXED_POINT = 1e-6, 1e-3


@pytest.fixture(scope="module", params=sorted(VALUES))
def case(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with np.load(FOLDER / "golden.npz") as arrays:
        prefix = f"{request.param}/"
        data = {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
    return VALUES[request.param], data


class TestDisco:
    @pytest.mark.parametrize(
        ("key", "options"),
        [
            ("identity", {"compat": "authors"}),
            ("identity", {"covariance": "identity"}),
            ("shared_ridge1e-6", {}),
            ("shared_ridge1e-6", {"covariance": "shared", "ridge": 1e-6}),
            ("class_ridge1e-2", {"covariance": "class"}),
        ],
    )
    def test_classification(self, case, key: str, options: dict[str, Any]) -> None:
        values, data = case
        expected = values["disco"]
        shape = {"n_components": expected["n_components"], "n_groups": expected["n_groups"]}
        found = scores.disco(data["features"], data["labels"], **shape, **options)
        assert found == pytest.approx(expected[key], rel=EXACT)

    def test_ratio_of_each_group(self, case) -> None:
        values, data = case
        expected = values["disco"]
        spectrum = Statistics(data["features"], data["labels"]).spectrum(expected["n_components"])
        groups = group_slices(spectrum.n_components, expected["n_groups"])
        np.testing.assert_allclose(group_ratios(spectrum, groups), expected["ratio"], rtol=EXACT)

    def test_confidence_of_each_group(self, case) -> None:
        from hubscout.scores._disco_models import PooledModel

        values, data = case
        expected = values["disco"]
        statistics = Statistics(data["features"], data["labels"])
        spectrum = statistics.spectrum(expected["n_components"])
        groups = group_slices(spectrum.n_components, expected["n_groups"])
        found = [
            PooledModel(statistics, spectrum, [group], "identity", 0.0).terms(np.ones(1)).mean() for group in groups
        ]
        np.testing.assert_allclose(found, expected["ncc"], rtol=EXACT)

    @pytest.mark.parametrize(("key", "center"), [("regression_centered", True), ("regression_uncentered", False)])
    def test_regression(self, case, key: str, center: bool) -> None:
        values, data = case
        expected = values["disco"]
        shape = {"n_components": expected["n_components"], "n_groups": expected["n_groups"]}
        found = scores.disco(data["features"], data["targets"], task="regression", center=center, **shape)
        assert found == pytest.approx(expected[key], rel=EXACT)


class TestLogme:
    @pytest.mark.parametrize("key", ["classification_icml_no_epsilon", "classification_icml_thuml"])
    def test_classification(self, case, key: str) -> None:
        values, data = case
        found = scores.logme(data["features"], data["labels"])
        assert found == pytest.approx(values["logme"][key], rel=FIXED_POINT)

    def test_regression(self, case) -> None:
        values, data = case
        found = scores.logme(data["features"], data["targets"], task="regression")
        assert found == pytest.approx(values["logme"]["regression_icml"], rel=FIXED_POINT)

    def test_compat_is_the_published_number_with_its_error_for_few_samples(self, case) -> None:
        values, data = case
        found = scores.logme(data["features"], data["labels"], compat="authors")
        # The same iterations, so far nearer than the tolerance of two fixed points.
        assert found == pytest.approx(values["logme"]["thuml_fixed_point"], rel=EXACT)

    def test_the_default_does_not_share_that_error(self, case) -> None:
        values, data = case
        n_samples, n_features = data["features"].shape
        found = scores.logme(data["features"], data["labels"])
        is_equal = found == pytest.approx(values["logme"]["thuml_fixed_point"], rel=FIXED_POINT)
        assert is_equal is (n_samples >= n_features)


@pytest.mark.parametrize("name", ["h_score", "h_score_shrunk"])
def test_h_score(case, name: str) -> None:
    values, data = case
    found = getattr(scores, name)(data["features"], data["labels"])
    assert found == pytest.approx(values[name], rel=EXACT)


@pytest.mark.parametrize(
    ("name", "key", "tolerance"),
    [
        ("transrate", "transrate", EXACT),
        ("sfda", "sfda", 1e-4),
        ("etran", "etran_classification", EXACT),
        ("gbc", "gbc_diagonal_no_pca", EXACT),
        ("tmi", "tmi", EXACT),
    ],
)
def test_compat_is_the_published_number(case, name: str, key: str, tolerance: float) -> None:
    values, data = case
    found = getattr(scores, name)(data["features"], data["labels"], compat="authors")
    assert found == pytest.approx(values[key], rel=tolerance)


def test_terms_of_ncti(case) -> None:
    values, data = case
    found = scores.ncti_terms(data["features"], data["labels"], compat="authors")
    assert (found.seli, found.ncc, found.vc) == pytest.approx(values["ncti_seli_ncc_vc"], rel=1e-3)
    value = scores.ncti(data["features"], data["labels"], compat="authors")
    assert value == pytest.approx(found.ncc + found.seli - found.vc)


@pytest.mark.parametrize("name", ["leep", "nce"])
def test_source_head(case, name: str) -> None:
    values, data = case
    found = getattr(scores, name)(data["source_probs"], data["labels"])
    assert found == pytest.approx(values[name], rel=EXACT)
