from __future__ import annotations

import naive_scores
import numpy as np
import pytest

from hubscout.errors import UsageError
from hubscout.scores import evaluate, leep, nce
from hubscout.stats import Statistics
from hubscout.testing import draw_problem


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "shape", [{}, {"n_classes": 8, "n_source_classes": 3}, {"n_samples": 10, "n_source_classes": 40}]
)
class TestNaive:
    def test_leep(self, seed: int, shape) -> None:
        problem = draw_problem(seed, **shape)
        expected = naive_scores.leep(problem.source_probs, problem.labels)
        assert leep(problem.source_probs, problem.labels) == pytest.approx(expected, rel=1e-12)

    def test_nce(self, seed: int, shape) -> None:
        problem = draw_problem(seed, **shape)
        expected = naive_scores.nce(problem.source_probs, problem.labels)
        assert nce(problem.source_probs, problem.labels) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import import_module

    problem = draw_problem(0)
    whole = leep(problem.source_probs, problem.labels)
    monkeypatch.setattr(import_module("hubscout.scores.leep"), "_BLOCK_ROWS", 7)
    assert leep(problem.source_probs, problem.labels) == pytest.approx(whole, rel=1e-13)


@pytest.mark.parametrize("score", [leep, nce])
class TestBoth:
    def test_a_head_that_always_answers_the_same_gives_minus_the_entropy(self, score) -> None:
        labels = np.repeat([0, 1, 2], [5, 3, 2])
        shares = np.array([0.5, 0.3, 0.2])
        assert score(np.tile([0.7, 0.2, 0.1], (10, 1)), labels) == pytest.approx(shares @ np.log(shares))

    def test_a_head_that_knows_gives_zero(self, score) -> None:
        labels = np.arange(12) % 3
        assert score(np.eye(5)[labels], labels) == pytest.approx(0, abs=1e-15)

    def test_a_source_class_of_no_probability_takes_no_part(self, score) -> None:
        problem = draw_problem(0)
        padded = np.concatenate([problem.source_probs, np.zeros((60, 2))], axis=1)
        assert score(padded, problem.labels) == pytest.approx(score(problem.source_probs, problem.labels), rel=1e-13)

    def test_prepared_statistics(self, score) -> None:
        problem = draw_problem(0)
        assert score(problem.statistics()) == score(problem.source_probs, problem.labels)

    def test_statistics_without_a_source_head(self, score) -> None:
        problem = draw_problem(0)
        text = "source_probs must be given: this score compares the source head's classes with the labels"
        with pytest.raises(UsageError, match=text):
            score(Statistics(problem.features, problem.labels))

    def test_terms_are_log_likelihoods(self, score) -> None:
        problem = draw_problem(0)
        name = score.__name__
        found = evaluate(problem.features, problem.labels, [name], source_probs=problem.source_probs)[name]
        assert found.terms is not None
        assert (found.terms <= 1e-12).all()
        assert found.terms.mean() == found.value
