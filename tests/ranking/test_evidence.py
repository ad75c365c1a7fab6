"""What a value rests on: reduced to independent units, and across a process boundary."""

from __future__ import annotations

import numpy as np
import pytest

from hubscout.ranking.evidence import Evidence, evidence_of, find_evidence
from hubscout.scores import ScoreValue, evaluate
from hubscout.stats.clusters import standard_error


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    return rng.standard_normal((120, 5)) + np.eye(5)[labels] * 2, labels


class TestEvidence:
    def test_survives_the_crossing(self):
        evidence = Evidence(np.array([1.0, np.pi, -1e-300]), "folds")
        back = Evidence.from_dict(evidence.to_dict())
        assert back.kind == "folds"
        np.testing.assert_array_equal(back.values, evidence.values)

    @pytest.mark.parametrize("broken", [{"kind": "people", "values": ""}, {"kind": "folds", "values": "?"}])
    def test_refuses_what_it_did_not_write(self, broken):
        with pytest.raises(ValueError, match="evidence must"):
            Evidence.from_dict(broken)

    def test_degrees(self):
        assert [Evidence(np.zeros(20), kind).degrees for kind in ("samples", "folds", "halves")] == [19, 19, 10]


class TestEvidenceOf:
    def test_single_samples(self):
        terms = np.array([1.0, 2.0, 6.0])
        found = evidence_of(ScoreValue(3.5, terms=terms))
        np.testing.assert_allclose(found.values, terms + 0.5)
        assert found.standard_error == pytest.approx(standard_error(terms))

    def test_groups_keep_the_cluster_robust_error(self):
        rng = np.random.default_rng(0)
        groups = np.sort(np.concatenate([np.arange(7), rng.integers(0, 7, 40)]))
        terms = rng.standard_normal(47) + groups
        found = evidence_of(ScoreValue(float(terms.mean()), terms=terms), groups)
        assert len(found.values) == 7
        assert found.values.mean() == pytest.approx(terms.mean())
        assert found.standard_error == pytest.approx(standard_error(terms, groups), rel=1e-12)

    @pytest.mark.parametrize(
        "value",
        [
            ScoreValue(None, reason="it is flat"),
            ScoreValue(1.0),
            ScoreValue(1.0, terms=np.ones(1)),
            ScoreValue(1.0, terms=np.ones(3), parts={"classes": 0.5, "boxes": 0.5}),
        ],
    )
    def test_nothing_to_rest_on(self, value):
        assert evidence_of(value) is None


class TestFindEvidence:
    @pytest.mark.parametrize(
        ("score", "options", "kind"),
        [
            ("logme", {}, "samples"),
            ("linear_probe", {}, "samples"),
            ("knn", {}, "halves"),
            ("disco", {"cross_fit": 5}, "halves"),
            ("gbc", {}, "folds"),
            ("transrate", {}, "folds"),
        ],
    )
    def test_kind_and_mean(self, problem, score, options, kind):
        value = evaluate(*problem, [score], options={score: options})[score]
        found = find_evidence(*problem, score, value, options=options)
        assert found.kind == kind
        assert found.values.mean() == pytest.approx(value.value, rel=1e-9)
        assert 0 < found.standard_error < abs(value.value) + 1

    def test_halves_keep_the_mean_square_of_the_gaps(self, problem):
        from hubscout.scores.jackknife import half_samples

        value = evaluate(*problem, ["knn"])["knn"]
        gaps = half_samples(*problem, "knn")
        found = find_evidence(*problem, "knn", value)
        assert found.standard_error == pytest.approx(np.sqrt(np.mean(gaps**2)), rel=1e-9)

    def test_too_few_samples_for_a_jackknife(self, problem):
        features, labels = problem[0][::10], problem[1][::10]
        value = evaluate(features, labels, ["gbc"])["gbc"]
        assert find_evidence(features, labels, "gbc", value) is None
