"""Which candidates are worth their cost, and what costs too much."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import hubscout
from hubscout.errors import UsageError
from hubscout.ranking.cost import mark_efficient, pareto_front
from hubscout.ranking.limits import Limits, read_limits


def naive_front(values, costs):
    def beats(i, j):
        is_better = values[i] > values[j] or costs[i] < costs[j]
        return values[i] >= values[j] and costs[i] <= costs[j] and is_better

    places = range(len(values))
    return [not any(beats(i, j) for i in places) for j in places]


class TestFront:
    @pytest.mark.parametrize("seed", range(20))
    def test_is_the_naive_one(self, seed):
        rng = np.random.default_rng(seed)
        values, costs = rng.integers(0, 6, 12).astype(float), rng.integers(0, 6, 12).astype(float)
        assert pareto_front(values, costs) == naive_front(values, costs)

    def test_rounding_decides_nothing(self):
        assert pareto_front([1.0, 1.0 + 1e-13], [1.0, 2.0]) == [True, False]

    def test_marks(self, record, ranking):
        made = ranking(
            record("best", 0.9, n_parameters=100, samples_per_second=10.0, n_macs=None),
            record("small", 0.8, n_parameters=10, samples_per_second=5.0),
            record("dull", 0.7, n_parameters=50, samples_per_second=20.0),
            record("unknown", 0.6, n_parameters=None, samples_per_second=None),
        )
        found = {each.candidate: each for each in mark_efficient(made.records, "logme")}
        assert found["best"].efficient_in == ("parameters", "time")
        assert found["small"].efficient_in == ("parameters",)
        assert found["dull"].efficient_in == ("time",)
        assert (found["unknown"].efficient_in, found["unknown"].is_efficient) == ((), False)

    def test_one_candidate_is_no_front(self, record, ranking):
        (found,) = mark_efficient(ranking(record("a", 0.5)).records, "logme")
        assert not found.is_efficient


class TestLimits:
    @pytest.mark.parametrize(
        ("params", "latency", "expected"),
        [
            ("30M", "20ms", (30_000_000, 0.02)),
            ("1.5k", "1s", (1500, 1.0)),
            (7, 0.5, (7, 0.5)),
            ("2B", "500us", (2_000_000_000, 5e-4)),
            (None, None, (None, None)),
        ],
    )
    def test_are_read(self, params, latency, expected):
        found = read_limits(params, latency)
        assert found.max_params == expected[0]
        assert found.max_latency == (None if expected[1] is None else pytest.approx(expected[1]))

    @pytest.mark.parametrize("given", ["30X", "", "M", "0", "-3M", "1e6", True, "nan"])
    def test_refused(self, given):
        with pytest.raises(UsageError) as caught:
            read_limits(given)
        assert str(caught.value) == (
            "max_params (--max-params) must be a number above 0, alone or with one of k, m, g, b, such as 30M; "
            f"got {given!r}"
        )

    @pytest.mark.parametrize("given", ["", "mit,", []])
    def test_licences_must_be_named(self, given):
        with pytest.raises(UsageError, match=r"^licences \(--license\) must name licences such as apache-2.0,mit"):
            read_limits(licences=given)

    @pytest.mark.parametrize(
        ("limits", "facts", "expected"),
        [
            (Limits(), (None, None), None),
            (Limits(max_params=10), (10, None), None),
            (Limits(max_params=1000), (2500, None), "it has 2,500 parameters, more than the 1,000 that are asked for"),
            (Limits(max_params=1000), (None, None), "its parameters are unknown, and at most 1,000 are asked for"),
            (Limits(licences=("mit",)), (None, "MIT"), None),
            (Limits(licences=("mit", "bsd")), (1, "gpl"), "its licence is 'gpl', and mit or bsd is asked for"),
            (Limits(licences=("mit",)), (1, None), "its licence is unknown, and mit is asked for"),
        ],
    )
    def test_objections(self, limits, facts, expected):
        assert limits.objection(*facts) == expected

    @pytest.mark.parametrize(
        ("rate", "expected"),
        [
            (100.0, None),
            (20.0, "it takes 50 ms for a sample, and at most 20 ms are asked for"),
            (None, "its time for a sample is unknown, and at most 20 ms are asked for"),
        ],
    )
    def test_objections_to_rates(self, rate, expected):
        assert Limits(max_latency=0.02).objection_to_rate(rate) == expected


class TestRank:
    @pytest.fixture
    def images(self, tmp_path):
        from PIL import Image

        rng = np.random.default_rng(0)
        for label, place in itertools.product("ab", range(12)):
            (tmp_path / "images" / label).mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8) // (2 if label == "b" else 1)
            Image.fromarray(pixels).save(tmp_path / "images" / label / f"{place}.png")
        return tmp_path

    def run(self, images, **limits):
        return hubscout.rank(
            images / "images",
            ["bundled:glyphs_wide", "bundled:glyphs_rotation"],
            scores="h_score",
            engine="inline",
            store=images / "store",
            **limits,
        )

    def test_what_is_too_large_is_not_run(self, images):
        sizes = {each.candidate: each.n_parameters for each in self.run(images).records}
        limit = min(sizes.values())
        assert max(sizes.values()) > limit
        found = self.run(images, max_params=limit)
        assert [each.status for each in found.records] == ["ranked", "unranked"]
        assert "parameters, more than the" in found.records[1].reason
        assert (found.records[1].scores, found.records[1].error_type) == ({}, "beyond_limit")
        assert found.records[1].n_parameters == max(sizes.values())

    def test_what_is_too_slow_does_not_decide(self, images):
        rates = sorted(each.samples_per_second for each in self.run(images).records)
        found = self.run(images, max_latency=2 / sum(rates))  # the stored rates: between the two
        assert [each.status for each in found.records] == ["ranked", "unranked"]
        assert found.records[1].value("h_score") is not None
        assert "ms for a sample" in found.records[1].reason
        assert found.records[0].standing.probability_best == 1.0
