"""Detection: a classification and a regression of the same boxes, on shared statistics."""

from __future__ import annotations

import naive_scores
import numpy as np
import pytest
import torch

from hubscout.errors import DataError, UsageError
from hubscout.scores import disco, energy, etran, evaluate, get_spec, h_score, knn, linear_probe, list_scores, logme
from hubscout.stats import Statistics
from hubscout.testing import draw_problem

SHAPES = [{}, {"n_samples": 25, "n_features": 40}, {"n_samples": 80, "n_dead": 3, "n_classes": 6}]
SUPERVISED = [name for name in list_scores("detection") if "labels" in get_spec(name).needs]
WITH_BOXES = [name for name in SUPERVISED if "regression" in get_spec(name).tasks]


def boxes(seed: int = 0, **shape):
    """Features, codes from 0, and boxes."""
    problem = draw_problem(seed, task="detection", **{"signal": 0.7, **shape})
    return problem.features, problem.labels[:, 0].astype(int), problem.labels[:, 1:]


def test_which_scores_read_boxes() -> None:
    assert set(WITH_BOXES) == {"consensus", "disco", "held_out", "logme", "etran", "knn", "linear_probe"}
    assert {"h_score", "transrate", "gbc", "emms"} <= set(SUPERVISED) - set(WITH_BOXES)
    assert not {"leep", "nce"} & set(list_scores("detection"))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1])
class TestDisco:
    def test_boxes_are_fitted_as_by_the_explicit_pseudo_inverse(self, shape, seed: int) -> None:
        features, codes, corners = boxes(seed, **shape)
        found = evaluate(features, (codes, corners), ["disco"], task="detection")["disco"]
        centred, away = features - features.mean(axis=0), corners - corners.mean(axis=0)
        left, values, right = np.linalg.svd(centred, full_matrices=False)
        kept = int((values > 1e-7 * values[0]).sum())
        expected = 0.0
        for group in np.array_split(np.arange(kept), min(8, kept)):
            matrix = left[:, group] @ np.diag(values[group]) @ right[group]
            fitted = matrix @ np.linalg.pinv(matrix, rcond=1e-10) @ away
            share = values[group].sum() / values[:kept].sum()
            expected -= share * np.sum((away - fitted) ** 2) / corners.size
            # The closed form that needs no pseudo-inverse.
            closed = np.sum(away**2) - np.sum((left[:, group].T @ away) ** 2)
            assert np.sum((away - fitted) ** 2) == pytest.approx(closed, rel=1e-8)
        assert found.parts["boxes"] == pytest.approx(expected, rel=1e-9)

    def test_classes_are_those_of_the_naive_way(self, shape, seed: int) -> None:
        features, codes, corners = boxes(seed, **shape)
        expected = naive_scores.disco(features, codes)
        found = evaluate(features, (codes, corners), ["disco"], task="detection")["disco"]
        assert found.parts["classes"] == pytest.approx(expected, rel=1e-6)
        total = disco(features, (codes, corners), task="detection")
        assert total == found.value == found.parts["classes"] + found.parts["boxes"]


class TestNaive:
    @pytest.mark.parametrize("shape", [{}, {"n_samples": 25, "n_features": 40, "n_classes": 2}])
    def test_logme(self, shape) -> None:
        features, codes, corners = boxes(2, **shape)
        expected = naive_scores.logme(features, np.eye(codes.max() + 1)[codes]) + naive_scores.logme(features, corners)
        assert logme(features, (codes, corners), task="detection") == pytest.approx(expected, abs=4e-5)

    @pytest.mark.parametrize("shape", SHAPES)
    def test_h_score_reads_classes_alone(self, shape) -> None:
        features, codes, corners = boxes(3, **shape)
        expected = naive_scores.h_score(features, codes)
        assert h_score(features, (codes, corners), task="detection") == pytest.approx(expected, rel=1e-7)

    @pytest.mark.parametrize("shape", SHAPES)
    def test_probes(self, shape) -> None:
        features, codes, corners = boxes(4, **shape)
        expected = naive_scores.knn(features, codes, 5) + naive_scores.knn_regression(features, corners, 5)
        assert knn(features, (codes, corners), task="detection") == pytest.approx(expected, rel=1e-12)
        expected = naive_scores.linear_probe(features, codes)
        expected += naive_scores.linear_probe(features, targets=corners)
        assert linear_probe(features, (codes, corners), task="detection") == pytest.approx(expected, rel=1e-6)

    def test_etran_has_three_parts(self) -> None:
        features, codes, corners = boxes(5, n_samples=300)
        for options in ({}, {"compat": "authors"}, {"cross_fit": 4}):
            found = evaluate(features, (codes, corners), ["etran"], task="detection", options={"etran": options})
            part = {"compat": "authors"} if "compat" in options else {}
            expected = {
                "classes": etran(features, codes, **options),
                "boxes": etran(features, corners, task="regression", **options),
                "energy": energy(features, **part),
            }
            assert found["etran"].parts == pytest.approx(expected, rel=1e-9)
            assert found["etran"].value == pytest.approx(sum(expected.values()), rel=1e-9)


@pytest.mark.parametrize("name", SUPERVISED)
class TestEveryScore:
    def test_parts_are_the_values_of_both_kinds(self, name: str) -> None:
        problem = draw_problem(6, task="detection")
        spec, features, codes, corners = get_spec(name), problem.features, problem.labels[:, 0], problem.labels[:, 1:]
        options = problem.options(spec, {})
        groups = problem.groups
        found = spec.estimate(problem.statistics(), **options).parts
        expected = {"classes": spec.estimate(Statistics(features, codes, groups=groups), **options).value}
        if name in WITH_BOXES:
            regression = Statistics(features, corners, task="regression", groups=groups)
            expected["boxes"] = spec.estimate(regression, **options).value
        for part, value in expected.items():
            assert found[part] == pytest.approx(value, rel=1e-9), part
        assert set(found) == {*expected, *spec.joined}

    def test_boxes_of_one_class(self, name: str) -> None:
        features, _, corners = boxes(7)
        labels = (["cat"] * 60, corners)
        if get_spec(name).required_options:
            return
        found = evaluate(features, labels, [name], task="detection")[name]
        if name in WITH_BOXES:
            assert list(found.parts) == ["boxes", *get_spec(name).joined]
        else:
            text = "labels must hold at least 2 classes, got 1 ('cat'); one class cannot be told apart"
            assert found.reason == text

    def test_null_reference(self, name: str) -> None:
        problem = draw_problem(8, task="detection", n_samples=100, signal=3.0)
        spec = get_spec(name)
        options = {name: problem.options(spec, {})}
        found = evaluate(problem.statistics(), scores=[name], null_draws=10, options=options)[name]
        assert found.null is not None
        is_formula = spec.null is not None and spec.null(problem.statistics(), **options[name]) is not None
        assert (found.null.method == "analytic") is is_formula
        assert (found.z > 4) if spec.rewards_signal else (found.z < -3)


class TestOutcomes:
    @pytest.mark.parametrize("name", list_scores("detection"))
    def test_constant_features(self, name: str) -> None:
        problem = draw_problem(0, task="detection")
        spec = get_spec(name)
        features = np.full((60, 5), 0.1)
        found = spec.estimate(Statistics(features, problem.labels, task="detection"), **problem.options(spec, {}))
        assert np.isfinite(found.value)

    def test_constant_features_leave_priors_and_variance(self) -> None:
        _, codes, corners = boxes(0)
        shares = np.bincount(codes) / 60
        found = disco(np.full((60, 5), 0.1), (codes, corners), task="detection")
        assert found == pytest.approx(shares @ shares - corners.var(axis=0).mean())

    def test_equal_boxes_are_refused(self) -> None:
        features, codes, corners = boxes(0)
        with pytest.raises(DataError) as error:
            disco(features, (codes, np.tile(corners[:1], (60, 1))), task="detection")
        value = corners[0, 0]
        text = f"boxes must vary: coordinate 0 is {value} in all rows; give task='classification' and the classes alone"
        assert str(error.value) == text

    def test_one_box_is_refused(self) -> None:
        with pytest.raises(DataError, match="features must hold at least 2 samples, got 1"):
            disco(np.ones((1, 3)), (["cat"], [[0, 0, 1, 1]]), task="detection")

    def test_hard_examples_are_of_classes(self) -> None:
        features, codes, corners = boxes(0)
        with pytest.raises(UsageError, match="task must be 'classification' for this score, got 'regression'"):
            disco(features, (codes, corners), task="detection", hard_fraction=0.5)

    def test_other_libraries(self) -> None:
        features, codes, corners = boxes(0)
        expected = disco(features, (codes, corners), task="detection")
        found = disco(torch.tensor(features), (torch.tensor(codes), torch.tensor(corners)), task="detection")
        assert found == pytest.approx(expected, rel=1e-9)


def test_scores_of_one_kind_say_so_to_prepared_detection() -> None:
    problem = draw_problem(0, task="detection")
    with pytest.raises(UsageError, match="task must be 'classification' for this score, got 'detection'"):
        get_spec("gbc").function(problem.statistics())
