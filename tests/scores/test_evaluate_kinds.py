"""Parts of detection, and samples that come in groups, through `evaluate`."""

from __future__ import annotations

import numpy as np
import pytest

import hubscout
from hubscout.scores import evaluate
from hubscout.stats.clusters import standard_error
from hubscout.testing import draw_problem

CLASSES = draw_problem(0)
FEATURES, LABELS = CLASSES.features, CLASSES.labels


class TestParts:
    PROBLEM = draw_problem(0, task="detection")

    def test_value_is_their_sum_with_terms_and_errors(self) -> None:
        found = evaluate(self.PROBLEM.statistics(), scores=["disco"])["disco"]
        assert list(found.parts) == ["classes", "boxes"]
        assert found.value == pytest.approx(sum(found.parts.values()), rel=1e-12)
        np.testing.assert_allclose(found.terms, sum(found.part_terms.values()), rtol=1e-12)
        for name, part in found.parts.items():
            assert found.part_terms[name].mean() == pytest.approx(part, rel=1e-9)
            assert found.part_errors[name] == standard_error(found.part_terms[name], self.PROBLEM.groups)
        without = evaluate(self.PROBLEM.statistics(), scores=["disco"], standard_errors=False)["disco"]
        assert without.parts == found.parts
        assert without.part_terms is None
        assert without.part_errors is None

    def test_a_part_without_terms_leaves_the_sum_without(self) -> None:
        found = evaluate(self.PROBLEM.statistics(), scores=["gbc"])["gbc"]
        assert list(found.parts) == ["classes"]
        assert found.standard_error is None
        assert found.part_errors == {"classes": None}

    def test_other_tasks_have_none(self) -> None:
        for name, found in evaluate(FEATURES, LABELS, "all").items():
            assert found.parts is None, name
            assert found.part_errors is None, name

    def test_labels_missing(self) -> None:
        found = evaluate(FEATURES, scores=["disco", "gbc", "rankme"], task="detection")
        for name in ("disco", "gbc"):
            assert found[name].reason == "labels must be given: this score compares features with labels"
        assert found["rankme"].value is not None

    def test_source_heads_say_nothing_of_parts(self) -> None:
        found = evaluate(self.PROBLEM.statistics(), scores=["leep"])["leep"]
        assert found.reason == "it is defined for classification, not for detection"


class TestGroups:
    GROUPS = np.repeat(np.arange(20), 3)

    def test_standard_errors_are_those_of_groups(self) -> None:
        found = evaluate(FEATURES, LABELS, ["disco", "knn", "transrate"], groups=self.GROUPS)
        plain = evaluate(FEATURES, LABELS, ["disco", "knn"])
        assert found["disco"].value == plain["disco"].value
        assert found["disco"].standard_error == standard_error(plain["disco"].terms, self.GROUPS)
        assert found["disco"].standard_error != plain["disco"].standard_error
        assert found["transrate"].standard_error is None

    def test_they_reach_folds_and_plain_scores(self) -> None:
        given = {"groups": self.GROUPS}
        assert hubscout.score(FEATURES, LABELS, ["knn"], **given) == {
            "knn": evaluate(FEATURES, LABELS, ["knn"], **given)["knn"].value
        }
        options = {"disco": {"cross_fit": 4}}
        found = [evaluate(FEATURES, LABELS, ["disco"], options=options, **own)["disco"].value for own in ({}, given)]
        assert found[0] != found[1]

    def test_all_one_group_has_no_error(self) -> None:
        found = evaluate(FEATURES, LABELS, ["disco"], groups=["image"] * 60)["disco"]
        assert found.value is not None
        assert found.standard_error is None
