from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import hubscout
from hubscout.errors import DataError, UsageError
from hubscout.scores import RECOMMENDED_SCORE, Estimate, ScoreSpec, evaluate, get_spec, list_scores
from hubscout.scores._spec import REGISTRY
from hubscout.stats import Statistics
from hubscout.testing import draw_problem

PROBLEM = draw_problem(0)
FEATURES, LABELS, PROBS = PROBLEM.features, PROBLEM.labels, PROBLEM.source_probs


def facts(name: str, estimate, **more) -> ScoreSpec:
    texts = dict.fromkeys(
        ("title", "summary", "formula", "range", "cost", "reference", "deviations", "degenerate"), "A toy."
    )
    return ScoreSpec(
        name=name,
        estimate=estimate,
        function=lambda features, labels=None: 0.0,
        tasks=("classification",),
        needs=frozenset({"features", "labels"}),
        invariances=frozenset(),
        spectrum="none",
        **texts,
        **more,
    )


@pytest.fixture
def toys() -> Iterator[list[int]]:
    """Scores that draw, that give no number, and that refuse; the seeds that the first was given."""
    seeds: list[int] = []

    def draws(statistics: Statistics, *, seed: int = 0) -> Estimate:
        seeds.append(seed)
        return Estimate(float(seed))

    def refuses(statistics: Statistics) -> Estimate:
        msg = "these features will not do"
        raise DataError(msg)

    toys = {"toy_draws": draws, "toy_infinite": lambda statistics: Estimate(float("inf")), "toy_refuses": refuses}
    for name, estimate in toys.items():
        REGISTRY.add(name, facts(name, estimate))
    yield seeds
    for name in toys:
        REGISTRY.remove(name)


class TestChoice:
    def test_order_is_that_of_the_names(self) -> None:
        names = ["knn", "disco", "h_score"]
        assert list(evaluate(FEATURES, LABELS, names)) == names
        assert list(evaluate(FEATURES, LABELS, names[::-1])) == names[::-1]

    def test_a_name_twice_is_computed_once(self) -> None:
        assert list(evaluate(FEATURES, LABELS, ["knn", "disco", "knn"])) == ["knn", "disco"]

    def test_one_name_may_stand_alone(self) -> None:
        assert list(evaluate(FEATURES, LABELS, "knn")) == ["knn"]

    def test_default_is_the_recommended_score(self) -> None:
        assert list(evaluate(FEATURES, LABELS)) == [RECOMMENDED_SCORE]
        assert RECOMMENDED_SCORE in list_scores()

    def test_all_is_what_the_arrays_allow(self) -> None:
        needs_source = ["leep", "nce"]
        ready = [name for name in list_scores() if not get_spec(name).required_options]
        assert list(evaluate(FEATURES, LABELS, "all")) == [name for name in ready if name not in needs_source]
        assert list(evaluate(FEATURES, LABELS, "all", source_probs=PROBS)) == ready
        assert list(evaluate(None, LABELS, "all", source_probs=PROBS)) == needs_source
        label_free = [name for name in ready if "labels" not in get_spec(name).needs]
        assert list(evaluate(FEATURES, scores="all")) == label_free
        numbers = draw_problem(0, task="regression")
        found = evaluate(numbers.features, numbers.labels, "all", source_probs=PROBS, task="regression")
        assert list(found) == list_scores("regression")

    def test_all_takes_a_score_whose_required_options_are_given(self) -> None:
        for name in list_scores():
            if get_spec(name).required_options:
                options = {name: PROBLEM.options(get_spec(name), {})}
                assert name in evaluate(FEATURES, LABELS, "all", options=options)

    def test_a_required_option_that_is_missing(self) -> None:
        found = evaluate(FEATURES, LABELS, ["emms", "disco"])
        assert found["emms"].reason == (
            "label_embeddings must be given: this score has no default for it; pass it as an option of the score, or "
            "as an array of that name in a file of features"
        )
        assert found["disco"].reason is None

    def test_all_without_anything_to_score_is_refused(self) -> None:
        with pytest.raises(UsageError) as error:
            evaluate(None, scores="all", source_probs=PROBS)
        assert str(error.value) == "scores='all' found no score that works on these arrays alone; give labels too"

    def test_unknown_score(self) -> None:
        with pytest.raises(UsageError, match="unknown score 'discoo'; did you mean 'disco'"):
            evaluate(FEATURES, LABELS, ["knn", "discoo"])


class TestOptions:
    def test_they_reach_their_score(self) -> None:
        found = evaluate(
            FEATURES, LABELS, ["disco", "knn"], options={"disco": {"covariance": "identity"}, "knn": {"k": 1}}
        )
        assert found["disco"].value == hubscout.scores.disco(FEATURES, LABELS, covariance="identity")
        assert found["knn"].value == hubscout.scores.knn(FEATURES, LABELS, k=1)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"knn": {"n_neighbors": 3}}, "score 'knn' has no option 'n_neighbors'; its options: k, average"),
            ({"h_score": {"ridge": 3}}, "score 'h_score' has no option 'ridge'; its options: average"),
            (
                {"logme": {"task": "regression"}},
                "score 'logme' has no option 'task'; its options: compat, average, scale_targets",
            ),
            ({"stable_rank": {"k": 2}}, "score 'stable_rank' has no option 'k'; its options: none"),
        ],
    )
    def test_unknown_options_are_refused_before_anything_is_computed(self, monkeypatch, options, text: str) -> None:
        monkeypatch.setattr(Statistics, "chunks", None)  # any pass would fail
        with pytest.raises(UsageError) as error:
            evaluate(FEATURES, LABELS, ["knn", "h_score", "logme"], options=options)
        assert str(error.value) == text

    def test_options_of_an_unknown_score(self) -> None:
        with pytest.raises(UsageError, match="unknown score 'kn'; did you mean 'knn'"):
            evaluate(FEATURES, LABELS, ["knn"], options={"kn": {}})

    def test_bad_values_are_the_reason_of_their_score_alone(self) -> None:
        found = evaluate(FEATURES, LABELS, ["knn", "disco"], options={"knn": {"k": 0}})
        assert found["knn"].value is None
        assert found["knn"].reason == "k must be a whole number of at least 1, got 0"
        assert found["disco"].value is not None


class TestFailures:
    def test_one_failure_does_not_stop_the_others(self, toys) -> None:
        found = evaluate(FEATURES, LABELS, ["toy_refuses", "toy_infinite", "leep", "disco"])
        assert found["toy_refuses"].reason == "these features will not do"
        assert found["toy_infinite"].reason == "the value is inf: numbers too large or too small for this formula"
        expected = "source_probs must be given: this score compares the source head with the labels"
        assert found["leep"].reason == expected
        assert found["disco"].reason is None
        for name in ("toy_refuses", "toy_infinite", "leep"):
            assert found[name].value is None
            assert found[name].standard_error is None

    def test_a_score_of_another_task(self) -> None:
        numbers = draw_problem(0, task="regression")
        found = evaluate(numbers.features, numbers.labels, ["h_score", "logme"], task="regression")
        assert found["h_score"].reason == "it is defined for classification and multilabel, not for regression"
        assert found["logme"].reason is None

    def test_features_missing(self) -> None:
        found = evaluate(None, LABELS, ["disco", "leep"], source_probs=PROBS)
        assert found["disco"].reason == "features must be given: this score compares features with the labels"
        assert found["leep"].value is not None

    def test_labels_missing(self) -> None:
        found = evaluate(FEATURES, scores=["disco", "logme"])
        for value in found.values():
            assert value.reason == "labels must be given: this score compares features with labels"

    def test_data_that_no_score_can_use_is_an_error(self) -> None:
        features = FEATURES.copy()
        features[2, 1] = np.nan
        with pytest.raises(DataError, match="features must be finite: row 2, column 1 is nan"):
            evaluate(features, LABELS, ["disco"])


class TestValues:
    @pytest.mark.parametrize("name", list_scores())
    def test_equal_the_public_functions(self, name: str) -> None:
        first = FEATURES if "features" in get_spec(name).needs else PROBS
        options = PROBLEM.options(get_spec(name), {})
        together = evaluate(FEATURES, LABELS, "all", source_probs=PROBS, options={name: options})[name]
        assert together.value == pytest.approx(get_spec(name).function(first, LABELS, **options), rel=1e-12)
        assert together.seconds >= 0

    @pytest.mark.parametrize("name", list_scores())
    def test_standard_errors(self, name: str) -> None:
        options = {name: PROBLEM.options(get_spec(name), {})}
        found = evaluate(FEATURES, LABELS, [name], source_probs=PROBS, options=options)[name]
        if found.terms is None:
            assert found.standard_error is None
            return
        assert found.terms.shape == (60,)
        assert found.terms.mean() == pytest.approx(found.value, rel=1e-9, abs=1e-12)
        assert found.standard_error == pytest.approx(found.terms.std(ddof=1) / 60**0.5)
        without = evaluate(FEATURES, LABELS, [name], source_probs=PROBS, options=options, standard_errors=False)[name]
        assert without.value == found.value
        assert without.terms is None
        assert without.standard_error is None

    def test_prepared_statistics_are_used(self) -> None:
        prepared = Statistics(FEATURES, LABELS, source_probs=PROBS)
        found = evaluate(prepared, scores="all")
        assert list(found) == [name for name in list_scores() if not get_spec(name).required_options]
        assert prepared.spectrum() is prepared.spectrum()
        again = evaluate(prepared, scores=["disco"])
        assert again["disco"].value == found["disco"].value


class TestSeed:
    def test_it_reaches_scores_that_take_one(self, toys: list[int]) -> None:
        evaluate(FEATURES, LABELS, ["toy_draws"], seed=7)
        evaluate(FEATURES, LABELS, ["toy_draws"], seed=7, options={"toy_draws": {"seed": 3}})
        assert hubscout.score(FEATURES, LABELS, ["toy_draws"], seed=5) == {"toy_draws": 5.0}
        assert toys == [7, 3, 5]

    @pytest.mark.parametrize("seed", [-1, 0.5, None])
    def test_bad_seeds(self, seed) -> None:
        with pytest.raises(UsageError, match="seed must be a whole number of at least 0, got"):
            evaluate(FEATURES, LABELS, seed=seed)


class TestScore:
    def test_gives_plain_numbers_in_order(self) -> None:
        found = hubscout.score(FEATURES, LABELS, ["knn", "disco"])
        assert list(found) == ["knn", "disco"]
        assert [type(value) for value in found.values()] == [float, float]

    def test_default_scores(self) -> None:
        assert list(hubscout.score(FEATURES, LABELS)) == list(dict.fromkeys([RECOMMENDED_SCORE, "disco"]))

    def test_source_probs_and_task_are_positional_too(self) -> None:
        assert list(hubscout.score(FEATURES, LABELS, ["leep"], PROBS, "classification")) == ["leep"]

    def test_of_all_scores_those_without_a_value_are_left_out_with_a_warning(self, toys) -> None:
        with pytest.warns(UserWarning, match="has no value and is left out") as warned:
            found = hubscout.score(FEATURES, LABELS, "all")
        assert {"disco", "toy_draws"} <= set(found)
        assert not {"toy_refuses", "toy_infinite"} & set(found)
        texts = [str(each.message) for each in warned]
        assert "score 'toy_refuses' has no value and is left out: these features will not do" in texts

    def test_a_score_without_a_value_is_an_error(self) -> None:
        with pytest.raises(UsageError) as error:
            hubscout.score(FEATURES, LABELS, ["disco", "leep"])
        expected = "source_probs must be given: this score compares the source head with the labels"
        assert str(error.value) == f"score 'leep' has no value: {expected}"


@pytest.mark.parametrize("task", ["classification", "multilabel", "detection"])
@pytest.mark.parametrize("shape", [{}, {"n_samples": 30, "n_features": 45}])
def test_all_scores_share_one_decomposition(monkeypatch: pytest.MonkeyPatch, shape, task) -> None:
    from hubscout.stats import statistics as module

    calls: list[str] = []
    for name in ("spectrum_of_gram", "spectrum_of_samples"):
        plain = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, plain=plain, name=name, **k: calls.append(name) or plain(*a, **k))
    problem = draw_problem(0, task=task, **shape)
    options = {name: problem.options(get_spec(name), {}) for name in list_scores(task)}
    found = evaluate(problem.statistics(), scores="all", options=options, null_draws=3)
    assert list(found) == list_scores(task)
    assert len(calls) == 1
