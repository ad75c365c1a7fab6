"""Input of every bad kind, and the one stated outcome of each score on it."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from hubscout.errors import DataError, HubscoutError
from hubscout.scores import evaluate, get_spec, list_scores
from hubscout.stats import Statistics, chunks
from hubscout.testing import draw_problem

FEATURE_SCORES = [name for name in list_scores() if "features" in get_spec(name).needs]
SOURCE_SCORES = [name for name in list_scores() if "source_probs" in get_spec(name).needs]
SUPERVISED = [name for name in list_scores() if "labels" in get_spec(name).needs]
BOTH_TASKS = [name for name in list_scores("regression") if name in SUPERVISED]
RNG = np.random.default_rng(0)
FEATURES = RNG.standard_normal((24, 4))
LABELS = RNG.permutation(np.arange(24) % 3)
PROBS = RNG.dirichlet(np.ones(5), 24)


def call(name: str, array, labels, **options) -> float:
    return get_spec(name).function(array, labels, **required(name, labels), **options)


def required(name: str, labels) -> dict[str, np.ndarray]:
    """Options that a score cannot do without, made up to fit the labels where those are good."""
    if "label_embeddings" not in get_spec(name).required_options:
        return {}
    try:
        n_classes = len(np.unique(np.asarray(labels)))
    except (TypeError, ValueError):
        n_classes = 3
    return {"label_embeddings": np.random.default_rng(0).standard_normal((n_classes, 4))}


def refusal(name: str, array, labels, **options) -> str:
    with pytest.raises(DataError) as error:
        call(name, array, labels, **options)
    return str(error.value)


def damaged(value: float, dtype=np.float64) -> np.ndarray:
    features = FEATURES.astype(dtype)
    features[5, 3] = value
    return features


def object_array(values: list[object]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


BAD_FEATURES = [
    (damaged(np.nan), "features must be finite: row 5, column 3 is nan"),
    (damaged(np.inf), "features must be finite: row 5, column 3 is inf"),
    (damaged(-np.inf), "features must be finite: row 5, column 3 is -inf"),
    (damaged(np.inf, np.float16), "features must be finite: row 5, column 3 is inf"),
    (damaged(np.nan, np.float32), "features must be finite: row 5, column 3 is nan"),
]
BAD_FORMS = [
    (FEATURES[:, 0], "features must have shape (n_samples, n_features) with no empty axis, got (24,)"),
    (FEATURES[None], "features must have shape (n_samples, n_features) with no empty axis, got (1, 24, 4)"),
    (FEATURES[:, :0], "features must have shape (n_samples, n_features) with no empty axis, got (24, 0)"),
    (FEATURES[:0], "features must have shape (n_samples, n_features) with no empty axis, got (0, 4)"),
    (FEATURES[:1], "features must hold at least 2 samples, got 1"),
    (3.0, "features must have shape (n_samples, n_features) with no empty axis, got ()"),
    (FEATURES.astype(str), "features must be real numbers, got an array of <U32; convert it to float32 first"),
    (FEATURES.astype(object), "features must be real numbers, got an array of object; convert it to float32 first"),
    (FEATURES + 1j, "features must be real numbers, got an array of complex128; convert it to float32 first"),
    ([[1.0, 2.0], [3.0]], "features must have rows of one length, got rows of different lengths"),
    (
        np.ma.masked_greater(FEATURES, 1),
        "features must not be a masked array; fill its missing values or leave out their rows first",
    ),
    (1e100 * FEATURES, "features must have a root mean square within 1e-60 to 1e60, and theirs is above; rescale them"),
    (1e-99 * FEATURES, "features must have a root mean square within 1e-60 to 1e60, and theirs is below; rescale them"),
]
BAD_LABELS = [
    (np.zeros(24), "labels must hold at least 2 classes, got 1 (0.0); one class cannot be told apart"),
    (LABELS[:20], "labels must hold one row a sample, got 20 rows for 24 samples"),
    (3, "labels must have shape (n_samples,), got the single value 3"),
    (PROBS, "labels must have shape (n_samples,) for classification, got (24, 5)"),
    (["cat", "dog", 7] * 8, "labels must be of one kind, got a mixture of int, str; convert them to strings"),
    (["cat", "dog", True] * 8, "labels must be of one kind, got a mixture of bool, str; convert them to strings"),
    (["cat", None] * 12, "labels must not be missing: row 1 is None"),
    (["cat", "dog", float("nan")] * 8, "labels must not be missing: row 2 is nan"),
    (object_array(["cat", 1] * 12), "labels must be of one kind, got a mixture of int, str; convert them to strings"),
    ([0.0, np.nan] * 12, "labels must not be missing: row 1 is np.float64(nan)"),
    ([[1], [2, 3]] * 12, "labels must have rows of one length, got rows of different lengths"),
    (
        np.linspace(0, 1, 24),
        (
            "labels must give some class at least 2 samples, got 24 classes for 24 samples; "
            "give task='regression' for numbers to predict"
        ),
    ),
]


class TestFeatures:
    @pytest.mark.parametrize("name", FEATURE_SCORES)
    @pytest.mark.parametrize("case", range(len(BAD_FEATURES)))
    def test_bad_values(self, name: str, case: int) -> None:
        features, text = BAD_FEATURES[case]
        assert (
            refusal(name, features, LABELS) == f"{text}; an overflow of float16 or a broken sample is the usual cause"
        )

    @pytest.mark.parametrize("name", FEATURE_SCORES)
    @pytest.mark.parametrize("case", range(len(BAD_FORMS)))
    def test_bad_forms(self, name: str, case: int) -> None:
        features, text = BAD_FORMS[case]
        assert refusal(name, features, LABELS) == text

    @pytest.mark.parametrize("wide", [False, True])
    @pytest.mark.parametrize("options", [{"center": False}, {"covariance": "class"}, {"hard_fraction": 0.5}])
    def test_disco_sees_bad_values_on_every_way(self, options, wide: bool) -> None:
        features = np.tile(damaged(np.nan), (1, 9 if wide else 1))
        assert refusal("disco", features, LABELS, **options).startswith("features must be finite: row 5, column 3")


class TestLabels:
    @pytest.mark.parametrize("name", SUPERVISED)
    @pytest.mark.parametrize("case", range(len(BAD_LABELS)))
    def test_bad_labels(self, name: str, case: int) -> None:
        labels, text = BAD_LABELS[case]
        array = FEATURES if name in FEATURE_SCORES else PROBS
        assert refusal(name, array, labels) == text

    @pytest.mark.parametrize("name", sorted(set(list_scores()) - set(SUPERVISED)))
    def test_scores_without_labels_read_none(self, name: str) -> None:
        found = call(name, FEATURES, None)
        assert np.isfinite(found)
        for labels in (LABELS, np.zeros(24), ["cat", None] * 12):
            assert call(name, FEATURES, labels) == found

    @pytest.mark.parametrize("name", SUPERVISED)
    def test_no_labels(self, name: str) -> None:
        array = FEATURES if name in FEATURE_SCORES else PROBS
        with pytest.raises(HubscoutError, match=r"^labels must be given: this score compares features with labels$"):
            call(name, array, None)

    @pytest.mark.parametrize("name", BOTH_TASKS)
    @pytest.mark.parametrize(
        ("targets", "text"),
        [
            (
                ["cat", "dog"] * 12,
                "labels must be numbers for regression, got <U3; give task='classification' for classes",
            ),
            (np.zeros(24), "labels must vary for regression: column 0 is 0.0 in all rows"),
            (np.c_[FEATURES, np.ones(24)], "labels must vary for regression: column 4 is 1.0 in all rows"),
            (damaged(np.nan), "labels must be finite for regression: row 5, column 3 is nan"),
            (
                np.empty((24, 0)),
                "labels must have shape (n_samples,) or (n_samples, n_targets) for regression, got (24, 0)",
            ),
            (
                FEATURES[:, :, None],
                "labels must have shape (n_samples,) or (n_samples, n_targets) for regression, got (24, 4, 1)",
            ),
            (
                1e200 * FEATURES,
                "labels must have a root mean square within 1e-60 to 1e60, and theirs is above; rescale them",
            ),
        ],
    )
    def test_bad_targets(self, name: str, targets, text: str) -> None:
        assert refusal(name, FEATURES, targets, task="regression") == text


class TestSourceProbs:
    @pytest.mark.parametrize("name", SOURCE_SCORES)
    @pytest.mark.parametrize(
        ("probs", "text"),
        [
            (2 * PROBS, "row 0 sums to 2; apply a softmax to logits first"),
            (
                np.where(np.arange(24)[:, None] == 7, np.nan, PROBS),
                "row 7 sums to nan; apply a softmax to logits first",
            ),
            (np.log(PROBS), f"row 0 sums to {np.log(PROBS)[0].sum():.4g}; apply a softmax to logits first"),
        ],
    )
    def test_rows_that_are_no_distribution(self, name: str, probs, text: str) -> None:
        expected = f"source_probs must be non-negative and sum to 1 in each row: {text}"
        assert refusal(name, probs, LABELS) == expected

    @pytest.mark.parametrize("name", SOURCE_SCORES)
    def test_shapes(self, name: str) -> None:
        expected = "source_probs must have shape (n_samples, n_source_classes), got (24,)"
        assert refusal(name, PROBS[:, 0], LABELS) == expected
        assert refusal(name, PROBS[:9], LABELS) == "labels must hold one row a sample, got 24 rows for 9 samples"
        text = "source_probs must be real numbers, got an array of <U32; convert it to float32 first"
        assert refusal(name, PROBS.astype(str), LABELS) == text

    def test_beside_features_of_another_length(self) -> None:
        with pytest.raises(DataError, match=r"^source_probs must hold one row a sample, got 9 rows for 24 samples$"):
            evaluate(FEATURES, LABELS, source_probs=PROBS[:9])


# What each score says of features that carry nothing: of ScoreSpec.degenerate, in numbers.
SHARES = np.array([0.5, 0.3, 0.2])
UNEQUAL = np.repeat([0, 1, 2], [20, 12, 8])
NO_SIGNAL = {
    "disco": SHARES @ SHARES,
    "h_score": 0.0,
    "h_score_shrunk": 0.0,
    "nearest_centroid": 0.0,
    "linear_probe": 0.5,
    # Half the posterior under the shares of the other samples, half the share of the largest class.
    "held_out": 0.5 * (0.5 + (20 * 19 + 12 * 11 + 8 * 7) / (40 * 39)),
    "knn": 0.5,  # the first samples are of the largest class
    "lda": SHARES @ SHARES,
    "sfda": SHARES @ SHARES,
    "ped": SHARES @ SHARES,
    "ncti": 2 * SHARES @ SHARES - 1,
    "gbc": -6.0,
    "parc": 0.0,
    "lfc": 0.0,
    "etran": SHARES @ SHARES,
    "nleep": SHARES @ np.log(SHARES),
    "alpha_req": -51.0,
    "transrate": 0.0,
    "tmi": np.log(2e-6),
    "emms": -((40 / 39) ** 2),
}


class TestNoSignal:
    @pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
    @pytest.mark.parametrize("width", [3, 60])
    @pytest.mark.parametrize("name", NO_SIGNAL)
    def test_constant_features(self, name: str, width: int, value: float) -> None:
        found = call(name, np.full((40, width), value), UNEQUAL)
        assert found == pytest.approx(NO_SIGNAL[name], abs=1e-12)

    @pytest.mark.parametrize("width", [3, 60])
    def test_label_free_scores(self, width: int) -> None:
        for name in ("rankme", "stable_rank"):  # of uncentred features: one direction, or none
            assert call(name, np.full((40, width), 0.1), None) == pytest.approx(1.0, abs=1e-9)
            assert call(name, np.zeros((40, width)), None) == 0.0
        assert call("energy", np.full((40, width), 0.1), None) == pytest.approx(0.1 + np.log(width))

    @pytest.mark.parametrize("width", [3, 60])
    def test_pactran_is_the_entropy_and_the_price_of_a_useless_feature(self, width: int) -> None:
        constant, nothing = (call("pactran", np.full((40, width), value), UNEQUAL) for value in (0.1, 0.0))
        assert constant == nothing == call("pactran", np.zeros((40, 1)), UNEQUAL)
        assert constant < SHARES @ np.log(SHARES)

    @pytest.mark.parametrize("width", [3, 60])
    def test_logme_is_that_of_an_intercept_or_of_noise(self, width: int) -> None:
        constant, nothing = (call("logme", np.full((40, width), value), UNEQUAL) for value in (0.1, 0.0))
        assert constant == pytest.approx(call("logme", np.ones((40, 1)), UNEQUAL), abs=1e-9)
        assert nothing == pytest.approx(np.mean(-0.5 * (np.log(2 * np.pi * SHARES) + 1)), rel=1e-12)
        assert constant > nothing

    @pytest.mark.parametrize("name", SOURCE_SCORES)
    def test_a_head_that_always_answers_the_same(self, name: str) -> None:
        assert call(name, np.tile([0.6, 0.4], (40, 1)), UNEQUAL) == pytest.approx(SHARES @ np.log(SHARES))

    @pytest.mark.parametrize(("name", "expected"), [("disco", "minus the variance"), ("linear_probe", "zero")])
    def test_regression(self, name: str, expected: str) -> None:
        targets = FEATURES[:, :2]
        found = call(name, np.full((24, 3), 0.1), targets, task="regression")
        assert found == pytest.approx(-targets.var(axis=0).mean() if expected != "zero" else 0, abs=1e-12)

    @pytest.mark.parametrize("value", [0.0, 0.1])
    def test_consensus_is_the_sum_of_what_its_two_scores_give(self, value: float) -> None:
        features = np.full((40, 3), value)
        expected = call("held_out", features, UNEQUAL) + call("logme", features, UNEQUAL)
        assert call("consensus", features, UNEQUAL) == expected

    def test_every_score_is_in_the_table(self) -> None:
        apart = {"consensus", "logme", "rankme", "stable_rank", "energy", "pactran"}
        assert {*NO_SIGNAL, *SOURCE_SCORES, *apart} == set(list_scores())


class TestFewSamples:
    @pytest.mark.parametrize("name", FEATURE_SCORES)
    def test_fewer_samples_than_features(self, name: str) -> None:
        problem = draw_problem(0, n_samples=12, n_features=200, n_classes=2)
        found = call(name, problem.features, problem.labels)
        assert np.isfinite(found)
        if name == "h_score":
            assert found == pytest.approx(1)  # C - 1, and its Notes say so

    @pytest.mark.parametrize("name", list_scores())
    def test_nearly_as_many_classes_as_samples(self, name: str) -> None:
        labels = np.r_[0, np.arange(23)]
        found = call(name, FEATURES if name in FEATURE_SCORES else PROBS, labels)
        assert np.isfinite(found)
        if get_spec(name).is_baseline:
            assert found <= 2 / 24  # samples alone in their class are never right

    @pytest.mark.parametrize("name", list_scores())
    def test_classes_of_one_sample(self, name: str) -> None:
        labels = np.r_[7, 8, 9, LABELS[3:]]
        statistics = Statistics(FEATURES, labels, source_probs=PROBS)
        result = get_spec(name).estimate(statistics, **required(name, labels))
        assert np.isfinite(result.value)
        if result.terms is not None:
            assert np.isfinite(result.terms()).all()
        if get_spec(name).is_baseline:
            assert result.terms is not None
            assert not result.terms()[:3].any()

    @pytest.mark.parametrize("name", FEATURE_SCORES)
    def test_the_smallest_input(self, name: str) -> None:
        if name == "knn":
            assert refusal(name, FEATURES[:3], [0, 0, 1]) == "k must be below the number of samples, 3, got 5"
            assert call(name, FEATURES[:3], [0, 0, 1], k=2) <= 2 / 3
        else:
            assert np.isfinite(call(name, FEATURES[:3], [0, 0, 1]))


class TestDuplicates:
    @pytest.mark.parametrize("name", list_scores())
    def test_repeated_rows(self, name: str) -> None:
        rows = np.repeat(np.arange(24), 3)
        array = FEATURES if name in FEATURE_SCORES else PROBS
        found = call(name, array[rows], LABELS[rows])
        assert np.isfinite(found)
        if "duplication" in get_spec(name).invariances:
            assert found == pytest.approx(call(name, array, LABELS), rel=1e-9)

    def test_neighbours_see_copies_as_their_notes_say(self) -> None:
        rows = np.repeat(np.arange(24), 2)
        assert call("knn", FEATURES[rows], LABELS[rows], k=1) == 1.0

    @pytest.mark.parametrize("name", FEATURE_SCORES)
    def test_one_sample_over_and_over(self, name: str) -> None:
        features = np.repeat(FEATURES[:2], [39, 1], axis=0)
        assert np.isfinite(call(name, features, UNEQUAL))


@pytest.mark.parametrize("name", list_scores())
def test_ten_thousand_classes_need_no_square_of_them(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    import tracemalloc

    monkeypatch.setattr(chunks, "CHUNK_BYTES", 8 * 2**20)
    # PACTran iterates over samples x classes, for minutes with so many: fewer of them show the same.
    n_classes = 1_000 if name == "pactran" else 10_000
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.r_[np.arange(n_classes), np.arange(200)])
    array = rng.standard_normal((len(labels), 1)).astype(np.float32)
    if name in SOURCE_SCORES:
        array = rng.dirichlet(np.ones(4), len(labels))
    call(name, array[:9], np.arange(9) % 2)  # what is imported on the way is no memory of the score
    tracemalloc.start()
    found = call(name, array, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.isfinite(found)
    assert peak < 8 * n_classes**2 / 2 + 8 * 2**20


def test_functions_take_a_task_where_there_are_several() -> None:
    takes_task = [name for name in list_scores() if "task" in inspect.signature(get_spec(name).function).parameters]
    assert takes_task == [name for name in SUPERVISED if len(get_spec(name).tasks) > 1]
    assert set(BOTH_TASKS) <= set(takes_task)
