from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
import torch

from hubscout.errors import DataError, UsageError
from hubscout.scores import get_spec
from hubscout.scores.emms import _sparsemax, emms
from hubscout.stats import Statistics
from hubscout.testing import check_invariance, check_score, draw_problem

SHAPES = [
    {"n_samples": 60, "n_features": 6},
    {"n_samples": 90, "n_features": 12, "n_classes": 9, "n_dead": 5},
    {"n_samples": 25, "n_features": 40, "n_classes": 5},
]
RIDGES = np.logspace(-4, 4, 33)
RNG = np.random.default_rng(0)


def draw_embeddings(n_encoders: int, n_classes: int, width: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n_encoders, n_classes, width)) + 3.0


def standardised(columns: np.ndarray) -> np.ndarray:
    spread = columns.std(axis=0)
    return np.where(spread > 1e-12, (columns - columns.mean(axis=0)) / np.where(spread > 1e-12, spread, 1), 0)


def naive_sparsemax(values: np.ndarray) -> np.ndarray:
    # The threshold whose excesses sum to one, by bisection.
    low, high = values.min() - 1, values.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(values - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(values - low, 0)


def mixture(targets: list[np.ndarray], fitted: np.ndarray) -> np.ndarray:
    design = np.stack([target.ravel() for target in targets], axis=1)
    weights = naive_sparsemax(np.linalg.lstsq(design, fitted.ravel(), rcond=None)[0])
    return sum(weight * target for weight, target in zip(weights, targets, strict=True))


def naive_authors(features: np.ndarray, codes: np.ndarray, embeddings: np.ndarray) -> float:
    targets = [standardised(own[codes]) for own in embeddings]
    columns = standardised(features)
    slopes = np.linalg.lstsq(columns, np.mean(targets, axis=0), rcond=None)[0]
    target = mixture(targets, columns @ slopes)
    return -(np.linalg.norm(columns @ slopes - target) ** 2) / len(codes) * embeddings.shape[2]


def naive(features: np.ndarray, codes: np.ndarray, embeddings: np.ndarray) -> float:
    targets = [standardised(own[codes]) for own in embeddings]
    centred = features - features.mean(axis=0)
    n, width = centred.shape
    gram = centred.T @ centred
    unit = np.trace(gram) / np.linalg.matrix_rank(centred)
    hats = [np.full((n, n), 1 / n)]
    hats += [centred @ np.linalg.solve(gram + ridge * unit * np.eye(width), centred.T) + 1 / n for ridge in RIDGES]

    def errors(target: np.ndarray) -> list[float]:
        return [np.sum((target - hat @ target) ** 2) / n / (1 - np.trace(hat) / n) ** 2 for hat in hats]

    mixed = np.mean(targets, axis=0)
    target = mixture(targets, hats[int(np.argmin(errors(mixed)))] @ mixed)
    return -min(errors(target)) / (np.sum(target**2) / n)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_encoders", [1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_explicit_regressions(shape, n_encoders: int, seed: int) -> None:
    problem = draw_problem(seed, **shape)
    embeddings = draw_embeddings(n_encoders, problem.labels.max() + 1, seed=seed)
    embeddings[0, :, 1] = 7.0  # a column that says nothing
    found = emms(problem.features, problem.labels, label_embeddings=embeddings)
    assert found == pytest.approx(naive(problem.features, problem.labels, embeddings), rel=1e-7)
    found = emms(problem.features, problem.labels, label_embeddings=embeddings, compat="authors")
    expected = naive_authors(problem.features, problem.labels, embeddings)
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-12)


def test_one_encoder_needs_no_axis_of_its_own() -> None:
    problem = draw_problem(0)
    embeddings = draw_embeddings(1, 3)
    stacked, flat = (
        emms(problem.features, problem.labels, label_embeddings=each) for each in (embeddings, embeddings[0])
    )
    assert stacked == flat


@pytest.mark.parametrize("seed", range(20))
def test_sparsemax(seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(6) * 10.0 ** (seed % 4 - 2)
    np.testing.assert_allclose(_sparsemax(values), naive_sparsemax(values), atol=1e-12)
    assert _sparsemax(values).sum() == pytest.approx(1)


@pytest.mark.parametrize("n_features", [20, 150, 400])
def test_noise_is_worth_minus_one_however_wide(n_features: int) -> None:
    rng = np.random.default_rng(n_features)
    found = [
        emms(
            rng.standard_normal((200, n_features)),
            rng.integers(0, 6, 200),
            label_embeddings=rng.standard_normal((2, 6, 4)),
        )
        for _ in range(12)
    ]
    # The best of many ridges is a little better than none on noise.
    assert -1.02 < np.mean(found) < -0.96
    assert max(found) < -0.85


def test_the_published_residual_vanishes_for_few_samples() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((50, 60)), rng.integers(0, 4, 50)
    embeddings = draw_embeddings(3, 4)
    assert emms(features, labels, label_embeddings=embeddings, compat="authors") == pytest.approx(0, abs=1e-9)
    assert emms(features, labels, label_embeddings=embeddings) < -0.8


def test_perfect_features_give_nearly_zero() -> None:
    labels = np.arange(60) % 3
    embeddings = draw_embeddings(1, 3)
    found = emms(embeddings[0][labels], labels, label_embeddings=embeddings)
    assert -1e-6 < found <= 0
    assert np.isfinite(Statistics(embeddings[0][labels], labels).counts).all()


def test_the_encoder_that_features_know_counts_for_more() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 20, 400)
    known, unknown = draw_embeddings(2, 20, seed=3)
    features = known[labels] + 0.3 * rng.standard_normal((400, 5))
    both, alone, other = (
        emms(features, labels, label_embeddings=each) for each in (np.stack([known, unknown]), known, unknown)
    )
    assert alone > -0.2
    assert other < -0.5
    assert other < both <= alone


@pytest.mark.parametrize("value", [0.0, 0.1, -2.5e6])
def test_constant_features_give_the_error_of_the_mean(value: float) -> None:
    labels = np.arange(20) % 2
    found = emms(np.full((20, 4), value), labels, label_embeddings=draw_embeddings(2, 2))
    assert found == pytest.approx(-((20 / 19) ** 2), rel=1e-12)
    estimate = get_spec("emms").estimate(Statistics(np.full((20, 4), value), labels), label_embeddings=np.eye(2))
    assert estimate.terms is None


def test_rows_follow_the_sorted_labels() -> None:
    problem = draw_problem(0, signal=3.0)
    names = np.array(["walnut", "apple", "pear"])[problem.labels]
    embeddings = draw_embeddings(2, 3)
    expected = emms(problem.features, problem.labels, label_embeddings=embeddings)
    found = emms(problem.features, names, label_embeddings=embeddings[:, [1, 2, 0]])
    assert found == pytest.approx(expected, rel=1e-12)
    assert emms(problem.features, names, label_embeddings=embeddings) != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_the_scale_of_embeddings_does_not_count(scale: float) -> None:
    problem = draw_problem(0)
    embeddings = draw_embeddings(2, 3)
    expected = emms(problem.features, problem.labels, label_embeddings=embeddings)
    found = emms(problem.features, problem.labels, label_embeddings=embeddings * scale)
    assert found == pytest.approx(expected, rel=1e-9)


BAD = [
    (
        np.ones(3),
        "label_embeddings must have shape (n_classes, d) or (n_encoders, n_classes, d), got (3,)",
    ),
    (
        np.ones((3, 0)),
        "label_embeddings must have shape (n_classes, d) or (n_encoders, n_classes, d), got (3, 0)",
    ),
    (
        draw_embeddings(2, 4),
        "label_embeddings must hold one row a class, in the order of the sorted labels, got 4 rows for 3 classes",
    ),
    (
        np.where(np.arange(30).reshape(2, 3, 5) == 27, np.nan, draw_embeddings(2, 3)),
        "label_embeddings must be finite: encoder 1, row 2, column 2 is nan",
    ),
    (np.array([["a"]] * 3), "label_embeddings must be real numbers, got an array of <U1; convert it to float32 first"),
    ([[1.0], [2.0, 3.0], [4.0]], "label_embeddings must have rows of one length, got rows of different lengths"),
    (
        np.stack([draw_embeddings(1, 3)[0], np.full((3, 5), 0.1)]),
        "label_embeddings must differ between classes, and those of encoder 1 are all the same",
    ),
    (
        np.stack([draw_embeddings(1, 3)[0], -draw_embeddings(1, 3)[0]]),
        "label_embeddings of different encoders must not cancel out, and theirs do; give one encoder alone",
    ),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_embeddings(case: int) -> None:
    embeddings, text = BAD[case]
    problem = draw_problem(0)
    with pytest.raises(DataError) as error:
        emms(problem.features, problem.labels, label_embeddings=embeddings)
    assert str(error.value) == text


def test_options() -> None:
    assert get_spec("emms").required_options == ("label_embeddings",)
    with pytest.raises(UsageError, match=r"^compat must be one of None, 'authors', got 'author'$"):
        emms(np.eye(4), [0, 0, 1, 1], label_embeddings=np.eye(2), compat="author")


@pytest.mark.parametrize("make", [torch.tensor, array_api_strict.asarray])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_other_libraries(make, shape, dtype: type) -> None:
    problem = draw_problem(1, **shape)
    features = problem.features.astype(dtype)
    embeddings = draw_embeddings(2, problem.labels.max() + 1)
    expected = get_spec("emms").estimate(Statistics(features, problem.labels), label_embeddings=embeddings)
    found = get_spec("emms").estimate(Statistics(make(features), problem.labels), label_embeddings=make(embeddings))
    assert found.value == pytest.approx(expected.value, rel=1e-9)
    np.testing.assert_allclose(found.terms(), expected.terms(), rtol=1e-6, atol=1e-8)


def test_embeddings_are_left_as_they_are() -> None:
    problem = draw_problem(0)
    embeddings = draw_embeddings(2, 3)
    embeddings.setflags(write=False)
    emms(problem.features, problem.labels, label_embeddings=embeddings)


@pytest.mark.parametrize("seed", [3, 5])
def test_standard_error_is_that_of_fresh_samples(seed: int) -> None:
    n_samples = 200
    pool = draw_problem(seed, n_samples=n_samples * 60, signal=0.8)
    embeddings = draw_embeddings(2, 3)
    found = [
        pool.rows(np.arange(i, i + n_samples)).estimate(get_spec("emms"), label_embeddings=embeddings)
        for i in range(0, len(pool.labels), n_samples)
    ]
    true = np.std([estimate.value for estimate in found], ddof=1)
    assert np.mean([estimate.standard_error() for estimate in found]) == pytest.approx(true, rel=0.25)


def test_contract() -> None:
    check_score("emms")


def test_a_copy_of_a_sample_predicts_it() -> None:
    with pytest.raises(AssertionError, match="does not ignore duplication"):
        check_invariance("emms", draw_problem(0), "duplication")
