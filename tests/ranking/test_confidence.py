"""Candidates held against each other on the same samples."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import hubscout
from hubscout.ranking import Ranking
from hubscout.ranking.confidence import add_standings, compare
from hubscout.ranking.evidence import Evidence
from hubscout.ranking.records import ScoreEntry


def with_terms(record, name, terms, kind="samples"):
    evidence = Evidence(np.asarray(terms, dtype=float), kind)
    entry = ScoreEntry(float(np.mean(terms)), evidence.standard_error)
    return record(name, scores={"logme": entry}, evidence=evidence)


@pytest.fixture
def terms():
    return np.random.default_rng(0).standard_normal((3, 200))


class TestCompare:
    def test_is_the_paired_t_test(self, record, terms):
        first, other = (with_terms(record, name, own) for name, own in zip("ab", terms, strict=False))
        found = compare(first, other, "logme")
        expected = stats.ttest_rel(terms[0], terms[1])
        assert found.difference / found.standard_error == pytest.approx(expected.statistic, rel=1e-9)
        assert found.is_clear(0.9) == (expected.pvalue < 0.1 and expected.statistic > 0)

    def test_shared_noise_cancels(self, record, terms):
        shared = 10 * terms[0]
        first, other = with_terms(record, "a", shared + 0.1), with_terms(record, "b", shared + 1e-3 * terms[1])
        paired = compare(first, other, "logme")
        alone = compare(*(replace(each, evidence=None) for each in (first, other)), "logme")
        assert (paired.method, alone.method) == ("samples", "independent")
        assert paired.is_clear()
        assert not alone.is_clear()
        assert alone.standard_error > 100 * paired.standard_error

    def test_units_of_another_kind_are_not_paired(self, record, terms):
        first = with_terms(record, "a", terms[0])
        other = with_terms(record, "b", terms[1], "folds")
        assert compare(first, other, "logme").method == "independent"

    def test_unknown_errors(self, record):
        first = record("a", 1.0)
        assert compare(first, record("b", scores={"logme": ScoreEntry(0.5)}), "logme") is None
        assert compare(first, record("b"), "logme") is None


class TestProbability:
    def test_of_two_is_the_normal_one(self, record, ranking, terms):
        first, other = with_terms(record, "a", terms[0] + 0.2), with_terms(record, "b", terms[1])
        ordered = ranking(first, other).records
        found = add_standings(ordered, "logme", seed=1)
        judged = compare(ordered[0], ordered[1], "logme")
        expected = stats.t.cdf(judged.difference / judged.standard_error, 199)
        assert found[0].standing.probability_best == pytest.approx(expected, abs=0.01)
        assert found[0].standing.probability_best + found[1].standing.probability_best == pytest.approx(1.0)

    def test_copies_share_it(self, record, ranking, terms):
        records = [with_terms(record, name, terms[0]) for name in "abc"]
        found = add_standings(ranking(*records).records, "logme")
        assert [each.standing.probability_best for each in found] == pytest.approx([1 / 3] * 3)
        assert [each.standing.is_tie for each in found] == [False, True, True]

    def test_is_seeded(self, record, ranking, terms):
        records = ranking(*(with_terms(record, name, own) for name, own in zip("abc", terms, strict=True))).records
        one, two, three = (add_standings(records, "logme", seed=seed) for seed in (0, 0, 1))
        assert [r.standing for r in one] == [r.standing for r in two] != [r.standing for r in three]

    def test_from_standard_errors_alone(self, record, ranking):
        ordered = ranking(record("a", 1.0), record("b", 0.99)).records  # each with an error of 0.01
        found = add_standings(ordered, "logme")
        assert found[0].standing.probability_best == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.01)
        assert (found[1].standing.method, found[1].standing.is_tie) == ("independent", True)
        assert found[1].standing.difference_error == pytest.approx(0.01 * np.sqrt(2))

    def test_a_missing_error_is_said(self, record, ranking):
        ordered = ranking(record("a", 1.0), record("b", scores={"logme": ScoreEntry(0.5)}), record("c", 0.4)).records
        found = add_standings(ordered, "logme")
        assert [each.standing.probability_best for each in found] == [None] * 3
        assert found[0].standing.reason == "logme has no standard error for 1 of 3 candidates"
        assert found[1].standing.is_tie is None
        assert found[2].standing.is_tie is False

    def test_unranked_and_single(self, record, ranking):
        found = add_standings(ranking(record("a", 1.0), record("b")).records, "logme")
        assert (found[0].standing.probability_best, found[1].standing) == (1.0, None)
        assert add_standings((), "logme") == ()


class TestJson:
    def test_standings_stay_and_terms_go(self, record, ranking, terms):
        made = ranking(with_terms(record, "a", terms[0]), with_terms(record, "b", terms[1]))
        made = replace(made, records=add_standings(made.records, "logme"))
        text = made.to_json()
        assert '"evidence"' not in text
        back = Ranking.from_json(text)
        assert back == made
        assert back.records[0].standing.method == "samples"
        assert back.records[0].evidence is None


class TestEngines:
    def test_a_process_of_its_own_changes_nothing(self, tmp_path):
        rng = np.random.default_rng(0)
        labels = np.arange(90) % 3
        for name in "ab":
            np.savez(tmp_path / f"{name}.npz", features=rng.standard_normal((90, 6)) + np.eye(6)[labels])
        np.savez(tmp_path / "target.npz", labels=labels)
        addresses = [f"features:{tmp_path / name}.npz" for name in "ab"]
        found = [
            hubscout.rank(tmp_path / "target.npz", addresses, scores=score, engine=engine)
            for score in ("logme", "gbc")
            for engine in ("inline", "local")
        ]
        standings = [[record.standing for record in each.records] for each in found]
        assert standings[0] == standings[1]
        assert standings[2] == standings[3]
        assert [each[1].method for each in standings] == ["samples", "samples", "folds", "folds"]
        assert all(0 < each[1].probability_best < 1 for each in standings)
        assert [record.peak_memory is None for record in found[0].records] == [True, True]
        if sys.platform == "linux":
            assert all(record.peak_memory > 10_000_000 for record in found[1].records)
