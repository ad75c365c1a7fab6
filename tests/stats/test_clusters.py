"""Standard errors of means over groups, against means of fresh groups and statsmodels' definition by loops."""

from __future__ import annotations

import numpy as np
import pytest

from hubscout.stats.clusters import standard_error

RNG = np.random.default_rng(0)


def test_without_groups_it_is_the_usual_one() -> None:
    terms = RNG.standard_normal(30)
    assert standard_error(terms) == pytest.approx(terms.std(ddof=1) / 30**0.5, rel=1e-12)
    assert standard_error(terms, RNG.permutation(30)) == pytest.approx(standard_error(terms), rel=1e-12)


def test_equals_a_loop_over_groups() -> None:
    terms, groups = RNG.standard_normal(50), RNG.integers(0, 7, 50)
    total = sum(sum(terms[i] - terms.mean() for i in range(50) if groups[i] == c) ** 2 for c in range(7))
    assert standard_error(terms, groups) == pytest.approx((total * 7 / 6) ** 0.5 / 50, rel=1e-12)


def test_copies_of_each_sample_change_nothing_within_their_groups() -> None:
    terms = RNG.standard_normal(20)
    groups = np.repeat(np.arange(20), 9)
    assert standard_error(np.repeat(terms, 9), groups) == pytest.approx(standard_error(terms), rel=1e-12)
    assert standard_error(np.repeat(terms, 9)) < 0.4 * standard_error(terms)


def test_is_the_spread_of_fresh_groups() -> None:
    means, stated = [], []
    for _ in range(400):
        sizes = RNG.integers(1, 9, 40)
        groups = np.repeat(np.arange(40), sizes)
        terms = RNG.standard_normal(40)[groups] + 0.5 * RNG.standard_normal(len(groups))
        means.append(terms.mean())
        stated.append(standard_error(terms, groups))
    assert np.mean(stated) == pytest.approx(np.std(means), rel=0.1)


def test_one_group_says_nothing() -> None:
    assert standard_error(np.arange(5.0), np.zeros(5, dtype=np.intp)) is None
