"""Pairs, words and layers of ONNX files that take tokens."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hubscout.data.parts import TextPair, Words
from hubscout.errors import CandidateError, UsageError
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading, Readout

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(57, 4)).astype(np.float32)
SEGMENTS = RNG.normal(size=(2, 4)).astype(np.float32)
WEIGHT = RNG.normal(size=(4, 6)).astype(np.float32)
HEAD = RNG.normal(size=(6, 3)).astype(np.float32)
TEXTS = ("ab c", "d", "efg h")
PAIRS = tuple(TextPair(a, b) for a, b in zip(TEXTS, TEXTS[::-1], strict=True))


@pytest.fixture
def make(tmp_path, pieces_in):
    """A function that saves two layers over the tokens' and segments' vectors, and returns the address."""
    pieces_in(tmp_path / "tokenizer")

    def make(hidden=True, labels=False, length="t", pooled=False):
        nodes = [
            helper.make_node("Gather", ["table", "input_ids"], ["words"]),
            helper.make_node("Gather", ["segments", "token_type_ids"], ["sides"]),
            helper.make_node("Add", ["words", "sides"], ["hidden_states.0"]),
            helper.make_node("MatMul", ["hidden_states.0", "weight"], ["hidden_states.1"]),
            helper.make_node("Identity", ["hidden_states.1"], ["last_hidden_state"]),
            helper.make_node("MatMul", ["last_hidden_state", "head"], ["logits"]),
            helper.make_node("ReduceMean", ["last_hidden_state"], ["features"], axes=[1], keepdims=0),
        ]
        widths = {"hidden_states.0": 4, "hidden_states.1": 6} if hidden else {}
        widths = {"features": 6} if pooled else {**widths, "last_hidden_state": 6, **({"logits": 3} if labels else {})}
        shapes = {name: ["n", width] if pooled else ["n", length, width] for name, width in widths.items()}
        graph = helper.make_graph(
            nodes,
            "text",
            [
                helper.make_tensor_value_info(name, TensorProto.INT64, ["n", length])
                for name in ("input_ids", "token_type_ids")
            ],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
            [
                numpy_helper.from_array(array, name)
                for name, array in (("table", TABLE), ("segments", SEGMENTS), ("weight", WEIGHT), ("head", HEAD))
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = tmp_path / "text.onnx"
        path.write_bytes(model.SerializeToString())
        onnx.checker.check_model(model)
        return f"onnx:{path}?tokenizer={tmp_path / 'tokenizer'}"

    return make


def _load(address, reading, **settings):
    return load_encoder(address, device="cpu", reading=reading, **settings)


def _encode(encoder, samples):
    return encoder.encode([encoder.prepare(sample) for sample in samples])


def _layers(ids, sides=0):
    first = TABLE[ids] + SEGMENTS[np.broadcast_to(sides, np.shape(ids))]
    return [first, first @ WEIGHT]


def _letters(text):
    """The number of each letter in the tokenizer: the first of a word, then those that go on."""
    return [5 + ord(c) - 97 + (26 if i else 0) for word in text.split() for i, c in enumerate(word)]


class TestWords:
    @pytest.mark.parametrize("length", ["t", 12])
    def test_against_a_loop(self, make, length):
        encoder = _load(make(length=length), Reading("word"))
        features = _encode(encoder, [Words(("ab", "c")), Words(("d",) * 15)]).features
        expected = [_layers(_letters(word))[1].mean(0) for word in ("ab", "c", *"d" * 15)]
        np.testing.assert_allclose(features, expected, atol=1e-5)
        assert encoder.card.transform["max_length"] == (12 if length == 12 else 512)
        json.dumps(encoder.card.to_dict())

    def test_layers(self, make):
        encoder = _load(make() + "&subword=first", Reading("word", layers=(0, -1)))
        features = _encode(encoder, [Words(("ab", "c"))]).features
        expected = [np.hstack(_layers(_letters(letter))) for letter in ("a", "c")]
        np.testing.assert_allclose(features, np.concatenate(expected), atol=1e-5)
        assert encoder.card.readouts == (Readout(0, "first", 4), Readout(1, "first", 6))

    def test_logits_of_a_file_that_labels_tokens(self, make):
        encoder = _load(make(labels=True), Reading("word"))
        batch = _encode(encoder, [Words(("ab", "c"))])
        np.testing.assert_allclose(batch.logits, batch.features @ HEAD, atol=1e-5)
        assert encoder.card.source_classes == 3

    def test_a_file_that_pools_is_refused(self, make):
        with pytest.raises(CandidateError, match="not one vector a token, so words have none"):
            _load(make(pooled=True), Reading("word"))


class TestLayers:
    @pytest.mark.parametrize("length", ["t", 12])
    def test_each_layer_over_the_mask(self, make, length):
        encoder = _load(make(length=length), Reading(layers=(0, 1), poolings=("max", "last")))
        rows = []
        for text in TEXTS:
            layers = _layers([2, *_letters(text), 3])
            rows.append(np.hstack([part for h in layers for part in (h.max(0), h[-1])]))
        np.testing.assert_allclose(_encode(encoder, TEXTS).features, rows, atol=1e-5)
        assert encoder.card.transform["pooling"] == "max, last"

    def test_the_last_layer_is_the_plain_features(self, make):
        address = make()
        expected = _encode(load_encoder(address, device="cpu"), TEXTS).features
        np.testing.assert_array_equal(_encode(_load(address, Reading(layers="all")), TEXTS).features, expected)

    def test_without_hidden_states(self, make):
        address = make(hidden=False)
        with pytest.raises(CandidateError) as caught:
            _load(address, Reading(layers="all"))
        assert str(caught.value).endswith(
            "has no outputs hidden_states.0, hidden_states.1 and so on; export it with its hidden states, or leave "
            "layers (--layers) out"
        )


class TestPairs:
    def test_vectors(self, make):
        address = make()
        encoder = _load(address, Reading("pair"))
        single = load_encoder(address, device="cpu")
        u, v = _encode(single, TEXTS).features, _encode(single, TEXTS[::-1]).features
        expected = np.hstack([u, v, np.abs(u - v), u * v])
        np.testing.assert_allclose(_encode(encoder, PAIRS).features, expected, atol=1e-5)
        assert encoder.card.transform["pair"] == "vectors"

    @pytest.mark.parametrize("length", ["t", 14])
    def test_joint_with_segments(self, make, length):
        encoder = _load(make(length=length) + "&pair=joint", Reading("pair"))
        rows = []
        for pair in PAIRS:
            first, second = [2, *_letters(pair.first), 3], [*_letters(pair.second), 3]
            sides = [0] * len(first) + [1] * len(second)
            rows.append(_layers(first + second, sides)[1].mean(0))
        np.testing.assert_allclose(_encode(encoder, PAIRS).features, rows, atol=1e-5)
        assert encoder.card.transform["pair"] == "joint"

    def test_options(self, make):
        with pytest.raises(UsageError, match="pair must be joint or vectors, got 'both'"):
            _load(make() + "&pair=both", Reading("pair"))
