"""Null references: what scores say of labels in random order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hubscout.errors import DataError, UsageError
from hubscout.scores import Estimate, NullReference, evaluate, get_spec, list_scores
from hubscout.scores.null import null_references
from hubscout.testing import draw_problem

ANALYTIC = [name for name in list_scores() if get_spec(name).null is not None]
SUPERVISED = [name for name in list_scores() if "labels" in get_spec(name).needs]


class TestZ:
    def test_standard_deviations_above_the_mean(self) -> None:
        assert NullReference(1.0, 0.5, "permutation").z(2.0) == 2.0

    def test_no_spread_and_no_distance_is_no_evidence(self) -> None:
        assert NullReference(3.0, 0.0, "analytic").z(3.0 + 1e-12) == 0.0

    def test_no_spread_and_a_distance_has_no_z(self) -> None:
        assert NullReference(3.0, 1e-15, "analytic").z(4.0) is None


@pytest.mark.parametrize("name", SUPERVISED)
class TestEverySupervisedScore:
    def test_a_signal_is_far_from_none(self, name: str) -> None:
        spec = get_spec(name)
        problem = draw_problem(0, n_samples=150, signal=2.0)
        options = {name: problem.options(spec, {})}
        found = evaluate(problem.statistics(), scores=[name], null_draws=20, options=options)[name]
        assert found.null is not None
        assert (found.z > 4) if spec.rewards_signal else (found.z < -4)

    def test_noise_is_near(self, name: str) -> None:
        spec = get_spec(name)
        found = []
        for seed in range(6):
            problem = draw_problem(seed, n_samples=100, signal=0.0)
            options = {name: problem.options(spec, {})}
            found.append(evaluate(problem.statistics(), scores=[name], null_draws=20, options=options)[name].z)
        assert np.abs(found).max() < 4.5
        assert abs(np.mean(found)) < 4 / 6**0.5


@pytest.mark.parametrize("name", ANALYTIC)
def test_a_formula_agrees_with_draws(name: str) -> None:
    spec = get_spec(name)
    # Source classes must be well filled for the formulas of LEEP and NCE.
    problem = draw_problem(3, n_samples=400, n_classes=3, n_source_classes=2)
    statistics = problem.statistics()
    assert spec.null is not None
    known = spec.null(statistics)
    assert known is not None
    assert known.method == "analytic"
    drawn = [
        spec.estimate(statistics.relabelled(np.random.default_rng(seed).permutation(statistics.codes))).value
        for seed in range(300)
    ]
    deviation = np.std(drawn, ddof=1)
    assert known.mean == pytest.approx(np.mean(drawn), abs=4 * deviation / 300**0.5)
    assert known.standard_deviation == pytest.approx(deviation, rel=0.2)


class TestNullReferences:
    def test_label_free_scores_have_none(self) -> None:
        for name in list_scores():
            found = evaluate(draw_problem(0).statistics(), scores=[name], null_draws=2)[name]
            assert (found.null is None) is ("labels" not in get_spec(name).needs or found.value is None), name

    def test_the_seed_decides(self) -> None:
        specs = [get_spec("disco")]
        first, again, other = (
            null_references(draw_problem(0).statistics(), specs, n_draws=4, seed=seed)["disco"] for seed in (0, 0, 1)
        )
        assert first == again != other

    def test_a_score_does_not_depend_on_its_company(self) -> None:
        statistics = draw_problem(0).statistics()
        alone = null_references(statistics, [get_spec("disco")], n_draws=4, seed=0)
        together = null_references(statistics, [get_spec("logme"), get_spec("disco")], n_draws=4, seed=0)
        assert alone["disco"] == together["disco"]

    def test_options_and_progress_are_passed_on(self) -> None:
        statistics = draw_problem(0).statistics()
        said: list[tuple[int, int]] = []
        plain, other = (
            null_references(statistics, [get_spec("knn")], n_draws=3, seed=0, options=options, progress=progress)
            for options, progress in ((None, None), ({"knn": {"k": 1}}, lambda *call: said.append(call)))
        )
        assert plain != other
        assert said == [(1, 3), (2, 3), (3, 3)]

    def test_a_score_that_is_infinite_under_some_order_has_none(self) -> None:
        values = iter([1.0, float("inf"), 2.0])
        broken = replace(get_spec("disco"), name="broken", estimate=lambda statistics: Estimate(next(values)))
        assert null_references(draw_problem(0).statistics(), [broken], n_draws=3, seed=0) == {}

    def test_a_score_that_fails_under_some_order_has_none(self) -> None:

        calls: list[int] = []

        def fails(statistics) -> Estimate:
            calls.append(1)
            if len(calls) == 2:
                msg = "no"
                raise DataError(msg)
            return Estimate(1.0)

        broken = replace(get_spec("disco"), name="broken", estimate=fails)
        found = null_references(draw_problem(0).statistics(), [broken, get_spec("knn")], n_draws=3, seed=0)
        assert list(found) == ["knn"]
        assert len(calls) == 2


class TestEvaluate:
    def test_none_by_default(self) -> None:
        found = evaluate(draw_problem(0).statistics(), scores=["disco"])["disco"]
        assert found.null is None
        assert found.z is None

    def test_one_draw_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"^null_draws must be 0 or at least 2, got 1; one draw has no spread$"):
            evaluate(draw_problem(0).statistics(), scores=["disco"], null_draws=1)
