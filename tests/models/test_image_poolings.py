from __future__ import annotations

import numpy as np
import pytest
import torch

from hubscout.errors import CandidateError
from hubscout.models.image_poolings import find_own_pooling, plan_readouts, pool_layer
from hubscout.models.levels import Level
from hubscout.models.map_source import LayerOutput, SourceFacts


def _facts(own, *, token=False, n=3):
    return SourceFacts(tuple(Level(k, f"b{k}", 4, 2, 2, has_class_token=token) for k in range(1, n + 1)), own)


def _plan(facts, poolings=(), places=(0, 2)):
    chosen = plan_readouts(facts, places, poolings, "x:y")
    return [(each.place, each.how, each.is_own) for each in chosen.readouts], chosen.notes


class TestPlanReadouts:
    @pytest.mark.parametrize(
        ("own", "token", "expected"),
        [
            ("cls", True, [(0, "cls", False), (2, "cls", True)]),
            ("mean", True, [(0, "mean", False), (2, "mean", True)]),
            ("max", False, [(0, "max", False), (2, "max", True)]),
            # A class token that the blocks do not give, as where it joins after them.
            ("cls", False, [(0, "mean", False), (2, "cls", True)]),
            ("pooler", False, [(0, "mean", False), (2, "pooler", True)]),
            ("pooler", True, [(0, "cls", False), (2, "pooler", True)]),
            (None, False, [(0, "mean", False), (2, "mean", False)]),
            (None, True, [(0, "cls", False), (2, "cls", False)]),
        ],
    )
    def test_by_default_the_model_s_own_way(self, own, token, expected):
        assert _plan(_facts(own, token=token)) == (expected, ())

    def test_by_layer_then_by_pooling_each_once(self):
        planned, notes = _plan(_facts("mean", token=True), ("max", "cls", "max", "mean"))
        assert planned == [
            (0, "max", False),
            (0, "cls", False),
            (0, "mean", False),
            (2, "max", False),
            (2, "cls", False),
            (2, "mean", True),
        ]
        assert notes == ()

    def test_a_pooler_that_no_chosen_layer_has(self):
        planned, notes = _plan(_facts("pooler"), ("pooler", "mean"), places=(0, 1))
        assert planned == [(0, "mean", False), (1, "mean", False)]
        assert notes == ("poolings left out, since this model has nothing of the kind: pooler",)

    def test_nothing_left(self):
        with pytest.raises(CandidateError) as caught:
            _plan(_facts("mean"), ("cls", "last"))
        assert str(caught.value) == (
            "candidate 'x:y' has none of the poolings cls, last (--pool) at these layers; it has mean, max"
        )


class TestPoolLayer:
    @pytest.mark.parametrize("library", [np, torch])
    @pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 20, 3)])
    def test_maps_and_tokens(self, library, shape):
        values = np.random.default_rng(0).normal(size=shape)
        rows = values.reshape(2, 3, 20).transpose(0, 2, 1) if len(shape) == 4 else values
        output = LayerOutput(library.asarray(values), "the token")
        np.testing.assert_allclose(pool_layer(output, "mean"), [row.mean(0) for row in rows])
        np.testing.assert_allclose(pool_layer(output, "max"), [row.max(0) for row in rows])
        assert pool_layer(output, "cls") == "the token"


def test_own_pooling_is_found_by_its_numbers():
    own = np.array([[1.0, 2.0]])
    assert find_own_pooling(own, {"mean": own + 1e-7, "max": own}) == "mean"
    assert find_own_pooling(own, {"mean": own + 0.1, "max": own[:, :1]}) == "pooler"
