"""Smaller probes inside of the drawn one."""

from __future__ import annotations

import numpy as np
import pytest

from hubscout.data import draw_probe, load_target
from hubscout.data.task import Probe, Task
from hubscout.ranking.nesting import fingerprint, grow, nested_order, take_samples


class Numbers:
    def __init__(self, rows):
        self.rows = np.asarray(rows)

    def __len__(self):
        return len(self.rows)

    def content(self, index):
        return int(self.rows[index]).to_bytes(8, "little")

    def subset(self, rows):
        return Numbers(self.rows[rows])


def build(labels, kind="classification", **facts):
    n = len(facts.get("unit_counts", labels))
    task = Task("t", kind, "features", tuple(map(str, range(9))))
    return Probe(task, Numbers(np.arange(n) + 100), np.asarray(labels), np.arange(n), "", n, 0, "all", **facts)


class TestOrder:
    def test_every_beginning_has_the_shares_of_the_whole(self):
        labels = np.repeat([0, 1, 2], [600, 300, 100])
        order = nested_order(build(labels), 0)
        assert sorted(order) == list(range(1000))
        for size in (50, 100, 500):
            shares = np.bincount(labels[order[:size]]) / size
            np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.04)

    def test_rare_classes_come_first(self):
        labels = np.concatenate([np.zeros(990, int), np.arange(1, 6), np.arange(1, 6)])
        order = nested_order(build(labels), 0)
        assert (np.bincount(labels[order[:12]]) == 2).all()

    def test_numbers_are_spread(self):
        labels = np.random.default_rng(0).exponential(size=1000)
        order = nested_order(build(labels, "regression"), 3)
        bins = np.searchsorted(np.quantile(labels, np.linspace(0, 1, 11)[1:-1]), labels[order[:100]])
        np.testing.assert_allclose(np.bincount(bins), 10, atol=1)

    def test_is_seeded(self):
        probe = build(np.arange(100) % 3)
        np.testing.assert_array_equal(nested_order(probe, 1), nested_order(probe, 1))
        assert not np.array_equal(nested_order(probe, 1), nested_order(probe, 2))


class TestGrow:
    def test_blocks_stay_when_the_probe_grows(self):
        probe = build(np.arange(100) % 3)
        order = nested_order(probe, 0)
        small = grow(None, probe, order, 30)
        large = grow(small, probe, order, 70)
        assert [len(block) for block in large.blocks] == [30, 40]
        assert large.blocks[0] is small.blocks[0]
        assert set(large.positions) == set(order[:70])
        np.testing.assert_array_equal(large.probe.labels, probe.labels[large.positions])
        np.testing.assert_array_equal(large.probe.samples.rows, large.positions + 100)
        assert len({large.probe.fingerprint, small.probe.fingerprint, *(b.fingerprint for b in large.blocks)}) >= 3

    def test_units_go_with_their_samples(self):
        counts = np.array([2, 1, 3])
        boxes = np.arange(24.0).reshape(6, 4)
        probe = build(np.arange(6), "detection", unit_counts=counts, boxes=boxes)
        found = take_samples(probe, np.array([2, 0]), "x")
        np.testing.assert_array_equal(found.labels, [3, 4, 5, 0, 1])
        np.testing.assert_array_equal(found.boxes, boxes[[3, 4, 5, 0, 1]])
        np.testing.assert_array_equal(found.groups, [0, 0, 0, 1, 1])


def test_fingerprint_is_that_of_a_drawn_probe(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f"word {n} here,{'ab'[n % 2]}\n" for n in range(20)))
    probe = draw_probe(load_target(tmp_path / "t.csv"))
    assert fingerprint(probe.samples) == probe.fingerprint
    assert pytest.approx(20) == len(probe)
