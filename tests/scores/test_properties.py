"""The declared invariances of every score, over random shapes, and the honesty of what is not declared."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubscout.scores import INVARIANCES, get_spec, list_scores
from hubscout.testing import FEATURE_INVARIANCES, Problem, check_invariance, check_score, draw_problem

DECLARED = [(name, invariance) for name in list_scores() for invariance in sorted(get_spec(name).invariances)]
UNDECLARED = [
    (name, invariance)
    for name in list_scores()
    for invariance in INVARIANCES
    if invariance not in get_spec(name).invariances
    # What a score does not read cannot change it.
    and not (invariance in FEATURE_INVARIANCES and "features" not in get_spec(name).needs)
]


@st.composite
def problems(draw: st.DrawFn, name: str) -> Problem:
    n_features = draw(st.integers(1, 40))
    return draw_problem(
        draw(st.integers(0, 10**6)),
        n_samples=draw(st.integers(10, 60)),
        n_features=n_features,
        n_classes=draw(st.integers(2, 9)),
        # With one source class, the label embeddings made from them are all equal, and rightly refused.
        n_source_classes=draw(st.integers(2 if get_spec(name).required_options else 1, 12)),
        signal=draw(st.sampled_from([0.0, 0.5, 2.0])),
        n_dead=draw(st.integers(0, n_features - 1)),
        task=draw(st.sampled_from(get_spec(name).kinds)),
    )


@pytest.mark.parametrize(("name", "invariance"), DECLARED)
def test_a_declared_invariance_holds(name: str, invariance: str) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(problems(name), st.integers(0, 10**6))
    def holds(problem: Problem, seed: int) -> None:
        check_invariance(name, problem, invariance, seed=seed)

    holds()


@pytest.mark.parametrize(("name", "invariance"), UNDECLARED)
def test_an_undeclared_invariance_is_really_broken(name: str, invariance: str) -> None:
    # Otherwise the table of `hubscout scores` would promise less than is true.
    for seed in range(20):
        try:
            check_invariance(name, draw_problem(seed), invariance, seed=seed, tolerance=1e-4)
        except AssertionError:
            return
    pytest.fail(f"{name} ignores {invariance}: declare it")


@pytest.mark.parametrize("name", list_scores())
def test_every_score_keeps_the_contract(name: str) -> None:
    check_score(name)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("disco", {"covariance": "class"}),
        ("disco", {"n_components": None, "n_groups": 3}),
        ("disco", {"ridge": 0.1, "n_groups": 1}),
        ("knn", {"k": 1}),
    ],
)
def test_the_contract_holds_under_options(name: str, options) -> None:
    check_score(name, options=options, seeds=(2,))


@pytest.mark.parametrize("options", [{"compat": "authors"}, {"covariance": "identity"}])
def test_without_a_covariance_disco_depends_on_the_scale(options) -> None:
    for invariance in ("sample_order", "rotation", "translation", "constant_columns", "duplication"):
        check_invariance("disco", draw_problem(0), invariance, options=options)
    with pytest.raises(AssertionError, match="score 'disco' does not ignore scale"):
        check_invariance("disco", draw_problem(0), "scale", options=options)
