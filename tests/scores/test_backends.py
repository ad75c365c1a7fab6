"""The same values from every array library, with the work left to it."""

from __future__ import annotations

import array_api_compat
import array_api_strict
import numpy as np
import pytest
import torch

from hubscout.scores import evaluate, get_spec, list_scores
from hubscout.stats import Statistics
from hubscout.stats.statistics import Statistics as Prepared
from hubscout.testing import draw_problem

MAKERS = {"torch": torch.tensor, "strict": array_api_strict.asarray}
CASES = [
    ({}, "classification"),
    ({"n_samples": 25, "n_features": 40, "n_classes": 5}, "classification"),
    ({"n_dead": 3}, "regression"),
    ({"n_samples": 20, "n_features": 30}, "regression"),
    ({}, "multilabel"),
    ({"n_samples": 25, "n_features": 40, "n_classes": 5}, "multilabel"),
    ({}, "detection"),
    ({"n_samples": 25, "n_features": 40, "n_classes": 5}, "detection"),
    ({}, "segmentation"),
]


@pytest.mark.parametrize("library", MAKERS)
@pytest.mark.parametrize(("shape", "task"), CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_all_scores_agree_with_numpy(library: str, shape, task, dtype: type) -> None:
    problem = draw_problem(1, task=task, **shape)
    make = MAKERS[library]
    features = problem.features.astype(dtype)
    options = {name: problem.options(get_spec(name), {}) for name in list_scores(task)}
    given = {"task": task, "options": options, "groups": problem.groups}
    expected = evaluate(features, problem.labels, "all", source_probs=problem.source_probs, **given)
    found = evaluate(make(features), make(problem.labels), "all", source_probs=make(problem.source_probs), **given)
    assert list(found) == list_scores(task)
    for name, value in found.items():
        assert value.reason is None, name
        assert value.value == pytest.approx(expected[name].value, rel=1e-9, abs=1e-9), name
        if expected[name].terms is None:
            assert value.terms is None, name
            continue
        assert value.standard_error == pytest.approx(expected[name].standard_error, rel=1e-7, abs=1e-9), name
        assert isinstance(value.terms, np.ndarray), name
        assert (value.parts or {}) == pytest.approx(expected[name].parts or {}, rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("library", MAKERS)
@pytest.mark.parametrize("name", list_scores())
def test_public_functions_take_them(library: str, name: str) -> None:
    problem = draw_problem(2)
    spec = get_spec(name)
    array = problem.features if "features" in spec.needs else problem.source_probs
    options = problem.options(spec, {})
    found = spec.function(MAKERS[library](array), problem.labels, **options)
    assert type(found) is float
    assert found == pytest.approx(spec.function(array, problem.labels, **options), rel=1e-9)


@pytest.mark.parametrize("options", [{"covariance": "identity"}, {"cross_fit": 3}, {"average": "weighted"}])
@pytest.mark.parametrize("library", MAKERS)
def test_other_ways_to_several_labels(library: str, options) -> None:
    problem = draw_problem(2, task="multilabel")
    estimate = get_spec("disco").estimate
    expected, found = (
        estimate(Statistics(features, problem.labels, task="multilabel"), **options)
        for features in (problem.features, MAKERS[library](problem.features))
    )
    np.testing.assert_allclose(found.terms(), expected.terms(), rtol=1e-9)


@pytest.mark.parametrize("covariance", ["identity", "class"])
@pytest.mark.parametrize("library", MAKERS)
def test_other_covariances(library: str, covariance: str) -> None:
    problem = draw_problem(2)
    make = MAKERS[library]
    estimate = get_spec("disco").estimate
    values = [
        estimate(Statistics(features, problem.labels), covariance=covariance, center=center).value
        for features in (problem.features, make(problem.features))
        for center in (True, False)
    ]
    assert values[2:] == pytest.approx(values[:2], rel=1e-9)


@pytest.mark.parametrize("task", ["classification", "multilabel", "detection"])
@pytest.mark.parametrize("library", MAKERS)
@pytest.mark.parametrize("shape", [{}, {"n_samples": 25, "n_features": 40}])
def test_large_arrays_never_leave_their_library(monkeypatch: pytest.MonkeyPatch, library: str, shape, task) -> None:
    problem = draw_problem(1, task=task, **shape)
    make = MAKERS[library]
    kind = type(make(problem.features))
    seen: list[type] = []
    plain_chunks, plain_coordinates = Prepared.chunks, Prepared.coordinates

    def watch(walk):
        def watched(self, *args, **options):
            for rows, chunk in walk(self, *args, **options):
                seen.append(type(chunk))
                yield rows, chunk

        return watched

    monkeypatch.setattr(Prepared, "chunks", watch(plain_chunks))
    monkeypatch.setattr(Prepared, "coordinates", watch(plain_coordinates))
    given = {"task": task, "source_probs": make(problem.source_probs), "groups": problem.groups}
    statistics = Statistics(make(problem.features), problem.labels, **given)
    evaluate(statistics, scores="all")
    assert seen
    assert set(seen) == {kind}
    spectrum, moments = statistics.spectrum(), statistics.moments(with_scatter=False)
    for array in (
        statistics.features,
        statistics.source_probs,
        spectrum.right_vectors,
        moments.mean,
        moments.target_sums,
    ):
        assert isinstance(array, kind)
        assert array_api_compat.array_namespace(array) is array_api_compat.array_namespace(make(problem.features))
    assert isinstance(spectrum.singular_values, np.ndarray)


def test_tensors_with_gradients_are_read_as_numbers() -> None:
    problem = draw_problem(0)
    tensor = torch.tensor(problem.features, requires_grad=True)
    found = evaluate(tensor, problem.labels, "all")
    for name, value in evaluate(problem.features, problem.labels, "all").items():
        assert found[name].value == pytest.approx(value.value, rel=1e-9), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64])
def test_other_types_of_tensor(dtype: torch.dtype) -> None:
    problem = draw_problem(0)
    tensor = torch.tensor(4 * problem.features).to(dtype)
    expected = evaluate(tensor.to(torch.float64).numpy(), problem.labels, "all")
    for name, value in evaluate(tensor, problem.labels, "all").items():
        assert value.value == pytest.approx(expected[name].value, rel=1e-6), name
