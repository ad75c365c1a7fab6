"""A test of the tests: scores that are wrong in one way each, and one that is right."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from hubscout.errors import DataError, UsageError
from hubscout.scores import Estimate, get_spec, register_score
from hubscout.scores._spec import REGISTRY
from hubscout.stats import Statistics
from hubscout.testing import check_invariance, check_score, draw_problem

ALL = ("sample_order", "label_names", "rotation", "translation", "constant_columns", "duplication", "scale")


@pytest.fixture
def register() -> Iterator[Callable[..., str]]:
    """A function that registers a toy score and gives its name."""
    names: list[str] = []

    def add(estimate, invariances=("sample_order", "label_names"), function=None, **facts) -> str:
        def toy(features, labels=None) -> float:
            return estimate(Statistics.of(features, labels)).value

        texts = dict.fromkeys(
            ("title", "summary", "formula", "range", "cost", "reference", "deviations", "degenerate"), "A toy."
        )
        public = function or toy
        register_score(estimate=estimate, invariances=invariances, spectrum="none", **{**texts, **facts})(public)
        names.append(public.__name__)
        return public.__name__

    yield add
    for name in names:
        REGISTRY.remove(name)


def separation(statistics: Statistics) -> Estimate:
    """A right score: variance of the class means over the variance of all features."""
    features, codes = np.asarray(statistics.features, dtype=np.float64), statistics.codes
    centred = features - features.mean(axis=0)
    total = np.mean(np.sum(centred**2, axis=1))
    # 0.1 in all rows does not average to 0.1, so what is smaller than rounding is none.
    if total <= 1e-28 * np.mean(np.sum(features**2, axis=1)):
        return Estimate(0.0)
    means = np.stack([centred[codes == c].mean(axis=0) for c in range(statistics.n_targets)])
    return Estimate(float(statistics.priors @ np.sum(means**2, axis=1) / total))


def trace(statistics: Statistics) -> Estimate:
    """A score that depends on the scale of the features."""
    codes, features = statistics.codes, np.asarray(statistics.features, dtype=np.float64)
    means = np.stack([features[codes == c].mean(axis=0) for c in range(statistics.n_targets)])
    return Estimate(float(np.sum((means - features.mean(axis=0)) ** 2)))


class TestRight:
    def test_a_right_toy_passes(self, register) -> None:
        name = register(separation, ALL)
        check_score(name)
        check_score(get_spec(name))
        check_score(get_spec(name).function)

    def test_options_are_passed_on(self) -> None:
        with pytest.raises(AssertionError, match="score 'disco' does not ignore scale"):
            check_score("disco", options={"covariance": "identity"})

    def test_unknown_score(self) -> None:
        with pytest.raises(UsageError, match="unknown score 'toyy'"):
            check_score("toyy")

    def test_unknown_invariance(self) -> None:
        with pytest.raises(UsageError, match=r"invariance must be one of 'sample_order', .*, got 'colour'"):
            check_invariance("nce", draw_problem(), "colour")


def writes(statistics: Statistics) -> Estimate:
    if statistics.features.flags.writeable:
        statistics.features[:] = statistics.features - statistics.features.mean(axis=0)
    return separation(statistics)


def tries_to_write(statistics: Statistics) -> Estimate:
    statistics.features[0, 0] += 0.0
    return separation(statistics)


def draws(statistics: Statistics) -> Estimate:
    np.random.shuffle(np.arange(3))  # noqa: NPY002 - the mistake that is to be found
    return separation(statistics)


def wavers(statistics: Statistics) -> Estimate:
    return Estimate(separation(statistics).value + float(np.random.default_rng().random()) * 1e-3)


def prints(statistics: Statistics) -> Estimate:
    sys.stderr.write("computing\n")
    return separation(statistics)


def warns(statistics: Statistics) -> Estimate:
    warnings.warn("hm", RuntimeWarning, stacklevel=1)
    return separation(statistics)


def lower_is_better(statistics: Statistics) -> Estimate:
    return Estimate(-separation(statistics).value)


def not_a_number_on_constants(statistics: Statistics) -> Estimate:
    value = separation(statistics).value
    return Estimate(value if value else float("nan"))


def single_precision(statistics: Statistics) -> Estimate:
    return Estimate(separation(statistics).value * (1.01 if statistics.features.dtype == np.float32 else 1.0))


def contiguous_only(statistics: Statistics) -> Estimate:
    return Estimate(separation(statistics).value * (1.0 if statistics.features.flags.c_contiguous else 1.01))


def not_a_float(statistics: Statistics) -> Estimate:
    return Estimate(np.float64(separation(statistics).value))  # close, but it prints and stores as NumPy's


def not_finite_for_few_samples(statistics: Statistics) -> Estimate:
    return Estimate(float("inf")) if statistics.n_samples < statistics.n_features else separation(statistics)


def wrong_terms(statistics: Statistics) -> Estimate:
    return Estimate(separation(statistics).value, lambda: np.zeros(statistics.n_samples))


def one_term(statistics: Statistics) -> Estimate:
    value = separation(statistics).value
    return Estimate(value, lambda: np.array([value]))


def follows_the_order(statistics: Statistics) -> Estimate:
    return Estimate(separation(statistics).value + 1e-3 * float(statistics.features[0, 0] > 0))


def counts_the_samples(statistics: Statistics) -> Estimate:
    return Estimate(separation(statistics).value + 1e-4 * statistics.n_samples)


@pytest.mark.parametrize(
    ("estimate", "invariances", "complaint"),
    [
        (trace, ("scale",), "does not ignore scale, on 60 samples of 8 features"),
        (follows_the_order, ("sample_order",), "does not ignore sample_order"),
        (counts_the_samples, ("duplication",), "does not ignore duplication"),
        (writes, (), "writes to its features"),
        (tries_to_write, (), "writes to its input: assignment destination is read-only"),
        (draws, (), "draws from the global random state; take a seed as option"),
        (wavers, (), "on the same input"),
        (prints, (), r"prints 'computing\\n'"),
        (warns, (), "warns 'hm'"),
        (lower_is_better, (), "is not higher with a signal"),
        (not_a_number_on_constants, (), "gives nan on constant features, neither a number nor an error that says why"),
        (not_finite_for_few_samples, (), "gives inf, not a finite number"),
        (single_precision, (), "differs between float32 features and the same numbers in plain float64"),
        (contiguous_only, (), "differs between Fortran-ordered features and the same numbers in plain float64"),
        (not_a_float, (), "returns a float64, not a float"),
        (wrong_terms, (), "has terms of mean 0.0 and the value"),
        (one_term, (), r"has terms of shape \(1,\), not \(60,\)"),
    ],
)
def test_a_wrong_toy_fails(register, estimate, invariances, complaint: str) -> None:
    name = register(estimate, invariances)
    with pytest.raises(AssertionError, match=rf"^score 'toy' .*{complaint}"):
        check_score(name)


def test_labels_that_are_read_as_numbers(register) -> None:
    def reads_names(statistics: Statistics) -> Estimate:
        return Estimate(separation(statistics).value + 1e-3 * float(statistics.classes.dtype.kind == "U"))

    with pytest.raises(AssertionError, match="differs between labels as words and as codes"):
        check_score(register(reads_names, ("label_names",)))


def test_a_refusal_of_degenerate_input_is_a_stated_outcome(register) -> None:
    def refuses(statistics: Statistics) -> Estimate:
        found = separation(statistics)
        if not found.value:
            msg = "features must vary, these are constant"
            raise DataError(msg)
        return found

    check_score(register(refuses, ALL))


class TestSignature:
    def test_another_first_argument(self, register) -> None:
        def toy(matrix, labels=None) -> float:
            return separation(Statistics.of(matrix, labels)).value

        with pytest.raises(AssertionError, match=r"score 'toy' takes \['matrix'\] first, not 'features'"):
            check_score(register(separation, function=toy))

    def test_an_option_of_the_function_alone(self, register) -> None:
        def toy(features, labels=None, *, power: int = 2) -> float:
            return separation(Statistics.of(features, labels)).value

        with pytest.raises(AssertionError, match=r"score 'toy' has options \['power'\], its estimate \[\]"):
            check_score(register(separation, function=toy))

    def test_a_task_for_one_task(self, register) -> None:
        def toy(features, labels=None, *, task: str = "classification") -> float:
            return separation(Statistics.of(features, labels)).value

        with pytest.raises(AssertionError, match="must take task just when it is defined for several"):
            check_score(register(separation, function=toy))

    def test_a_function_that_is_not_its_estimate(self, register) -> None:
        def toy(features, labels=None) -> float:
            return 2 * separation(Statistics.of(features, labels)).value

        with pytest.raises(AssertionError, match=r"as a function and .* as an estimate"):
            check_score(register(separation, function=toy))
