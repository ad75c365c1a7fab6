from __future__ import annotations

import numpy as np
import pytest

from hubscout.scores import consensus, evaluate, held_out, logme
from hubscout.testing import check_score


def problem(n: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return rng.standard_normal((n, 12)) + 0.8 * rng.standard_normal((3, 12))[labels], labels


def test_is_the_sum_of_both_scores():
    features, labels = problem()
    assert consensus(features, labels) == held_out(features, labels) + logme(features, labels)


def test_several_labels():
    features, labels = problem()
    matrix = np.stack([labels == 0, labels == 1, np.arange(90) % 2], axis=1).astype(int)
    for average in ("macro", "weighted"):
        options = {"task": "multilabel", "average": average}
        assert consensus(features, matrix, **options) == held_out(features, matrix, **options) + logme(
            features, matrix, **options
        )


def test_regression_does_not_depend_on_the_units_of_the_targets():
    features, labels = problem()
    targets = features[:, :2] @ np.array([[1.0, 2.0], [0.5, -1.0]]) + labels[:, None]
    value = consensus(features, targets, task="regression")
    expected = held_out(features, targets, task="regression")
    expected += logme(features, targets, task="regression", scale_targets=True)
    assert value == expected
    assert consensus(features, targets * [1000.0, 0.1] + 7, task="regression") == pytest.approx(value)


def test_terms_are_paired_sums():
    features, labels = problem()
    found = evaluate(features, labels, ["consensus", "held_out", "logme"])
    assert np.allclose(found["consensus"].terms, found["held_out"].terms + found["logme"].terms)
    assert found["consensus"].terms.mean() == pytest.approx(found["consensus"].value)


def test_signal_raises_it():
    features, labels = problem()
    shuffled = np.random.default_rng(1).permutation(labels)
    assert consensus(features, labels) > consensus(features, shuffled) + 0.2


def test_what_every_score_must_hold_to():
    check_score("consensus")
