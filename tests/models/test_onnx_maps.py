from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hubscout.data.parts import Points, Regions
from hubscout.errors import CandidateError
from hubscout.models.bundled import read_manifest
from hubscout.models.loading import load_encoder
from hubscout.models.onnx_graph import Node, find_block_ends, read_nodes, with_outputs
from hubscout.models.reading import Reading
from hubscout.models.regions import pool_boxes, sample_points

ALL = Reading(layers="all")
BOXES = np.array([[0.1, 0.2, 0.6, 0.7], [0.0, 0.0, 1.0, 1.0], [0.5, 0.0, 1.0, 0.2]])


def _residual_file(path: Path, *, size: object = 16, batch: object = "n", external: bool = False) -> Path:
    """Save two convolutions, the second in a residual block of half the resolution, then a mean and a head."""
    rng = np.random.default_rng(0)
    weights = {
        "first": rng.normal(size=(4, 3, 3, 3)),
        "down": rng.normal(size=(6, 4, 1, 1)),
        "inner": rng.normal(size=(6, 4, 3, 3)),
        "head": rng.normal(size=(6, 2)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "first"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1"], ["relu1"]),
        helper.make_node("Conv", ["relu1", "inner"], ["conv2"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["conv2"], ["relu2"]),
        helper.make_node("Conv", ["relu1", "down"], ["skip"], strides=[2, 2]),
        helper.make_node("Add", ["relu2", "skip"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["block"]),
        helper.make_node("GlobalAveragePool", ["block"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "head"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "residual",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, size, size])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, 6]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 2]),
        ],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path), save_as_external_data=external, location="weights.bin", size_threshold=0)
    return path


def _reference(path, tensors, batch):
    """What the reference evaluator of the onnx library gives for inner tensors."""
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(str(path))
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors)
    return ReferenceEvaluator(model).run(tensors, {"image": batch})


@pytest.fixture
def residual(tmp_path):
    return _residual_file(tmp_path / "residual.onnx")


def _load(path, reading):
    return load_encoder(f"onnx:{path}?mean=0.5&std=0.25", device="cpu", reading=reading)


class TestGraph:
    def test_nodes_are_what_the_onnx_library_reads(self, residual, image_file, tmp_path):
        for path in (residual, image_file(tmp_path / "plain.onnx")):
            graph = onnx.load(str(path)).graph
            expected = [Node(node.op_type, tuple(node.input), tuple(node.output)) for node in graph.node]
            assert list(read_nodes(path.read_bytes(), "f")) == expected

    def test_outputs_are_added_as_the_onnx_library_adds_them(self, residual):
        names = ["relu1", "x" * 300]
        changed = onnx.load_from_string(with_outputs(residual.read_bytes(), names))
        expected = onnx.load(str(residual))
        expected.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        assert changed == expected

    @pytest.mark.parametrize(
        "content", [b"\x3a", b"\x3a\x05\x0a", b"\x3a\x02\x0a\x09", b"\x3b\x00", b"\xff" * 30, b"\x3a\x03\x0a\x01\x0a"]
    )
    def test_no_protocol_buffer(self, content):
        with pytest.raises(CandidateError) as caught:
            read_nodes(content, "f.onnx")
        assert str(caught.value) == ("file 'f.onnx' is not an ONNX model: its graph cannot be read; export it again")

    def test_ends_of_blocks(self, residual):
        # Neither the parts of a convolution with its activation, nor anything inside the residual block.
        ends = find_block_ends(read_nodes(residual.read_bytes(), "f"), "image")
        assert ends == ["relu1", "block", "pooled", "features"]

    def test_constants_and_shapes_hide_no_end(self):
        nodes = [
            Node("Constant", (), ("c",)),
            Node("Conv", ("image", "w"), ("a",)),
            Node("Shape", ("a",), ("s",)),
            Node("Mul", ("a", "c"), ("b",)),
            Node("Conv", ("b", "w"), ("d",)),
            Node("Reshape", ("d", "s"), ("e",)),
        ]
        assert find_block_ends(nodes, "image") == ["b", "d"]

    def test_before_a_transpose_channels_may_be_last(self):
        nodes = [
            Node("Add", ("image", "w"), ("a",)),
            Node("Transpose", ("a",), ("b",)),
            Node("Conv", ("b", "w"), ("c",)),
        ]
        assert find_block_ends(nodes, "image") == ["b"]


class TestLayers:
    def test_every_map_between_blocks(self, residual, pictures):
        encoder = _load(residual, Reading(layers="all", poolings=("mean", "max")))
        prepared = [encoder.prepare(picture) for picture in pictures]
        first, block, features, logits = _reference(
            residual, ["relu1", "block", "features", "logits"], np.stack(prepared)
        )
        batch = encoder.encode(prepared)
        expected = [first.mean((2, 3)), first.max((2, 3)), block.mean((2, 3)), block.max((2, 3))]
        np.testing.assert_allclose(batch.features, np.hstack(expected), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(batch.features[:, 8:14], features, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(batch.logits, logits, rtol=1e-4, atol=1e-4)
        card = encoder.card
        assert [readout.name for readout in card.readouts] == [
            "layer 1, mean",
            "layer 1, max",
            "layer 2, mean",
            "layer 2, max",
        ]
        assert (card.feature_dim, card.source_classes) == (20, 2)
        assert card.n_parameters == load_encoder(f"onnx:{residual}", device="cpu").card.n_parameters
        assert card.transform["layers"] == ["relu1", "block"]
        assert card.notes == ("its layers are taken to be 2 maps between its blocks, 'relu1' to 'block'",)
        json.dumps(card.to_dict())

    def test_features_that_are_no_pooled_map_are_a_pooler_s(self, pictures):
        encoder = load_encoder("bundled:glyphs_autoencoder", reading=ALL)
        own = load_encoder("bundled:glyphs_autoencoder")
        assert [readout.name for readout in encoder.card.readouts] == [
            "layer 1, mean",
            "layer 2, mean",
            "layer 3, pooler",
        ]
        prepared = [encoder.prepare(picture) for picture in pictures]
        np.testing.assert_allclose(
            encoder.encode(prepared).features[:, -32:], own.encode(prepared).features, rtol=1e-4, atol=1e-5
        )

    def test_weights_in_a_file_of_their_own(self, tmp_path, pictures, monkeypatch):
        (tmp_path / "far").mkdir()
        path = _residual_file(tmp_path / "far" / "m.onnx", external=True)
        same = _residual_file(tmp_path / "near.onnx")
        monkeypatch.chdir(tmp_path)
        encoder, expected = _load("far/m.onnx", ALL), _load(same, ALL)
        assert path.with_name("weights.bin").is_file()
        prepared = [encoder.prepare(picture) for picture in pictures]
        np.testing.assert_allclose(encoder.encode(prepared).features, expected.encode(prepared).features, rtol=1e-6)

    def test_a_file_exported_for_one_batch_size(self, tmp_path, residual, pictures):
        fixed, free = _load(_residual_file(tmp_path / "fixed.onnx", batch=2), ALL), _load(residual, ALL)
        prepared = [free.prepare(picture) for picture in pictures]
        np.testing.assert_allclose(fixed.encode(prepared).features, free.encode(prepared).features, rtol=1e-5)

    def test_channels_last(self, image_file, tmp_path, pictures):
        path = image_file(tmp_path / "nhwc.onnx", shape=("n", 8, 8, 3))
        encoder = _load(path, Reading(unit="box"))
        plain = _load(image_file(tmp_path / "nchw.onnx"), Reading(unit="box"))
        prepared = [encoder.prepare(Regions(pictures[0], BOXES))]
        np.testing.assert_allclose(encoder.encode(prepared).features, plain.encode(prepared).features, rtol=1e-5)
        assert encoder.card.transform["layout"] == "NHWC"


class TestPlaces:
    def test_boxes(self, residual, pictures):
        encoder = _load(residual, Reading(unit="box", typical_size=0.3))
        samples = [Regions(pictures[0], BOXES), Regions(pictures[1], BOXES[1:2]), Regions(pictures[2], BOXES[:2])]
        prepared = [encoder.prepare(sample) for sample in samples]
        (maps,) = _reference(residual, ["block"], np.stack([item.pixels for item in prepared]))
        expected = pool_boxes(maps, np.concatenate([item.places for item in prepared]), [3, 1, 2])
        batch = encoder.encode(prepared)
        np.testing.assert_allclose(batch.features, expected, rtol=1e-4, atol=1e-4)
        assert batch.logits is None
        assert encoder.card.unit == "box"
        assert encoder.card.notes[-1] == "read from layer 2 of 2 (block, 8 x 8 cells)"

    def test_points(self, residual, pictures):
        encoder = _load(residual, Reading(unit="point", layers=(1, 2)))
        points = np.random.default_rng(0).random((5, 2))
        prepared = [encoder.prepare(Points(pictures[0], points))]
        maps = _reference(residual, ["relu1", "block"], prepared[0].pixels[None])
        expected = np.hstack([sample_points(each, prepared[0].places, [5]) for each in maps])
        np.testing.assert_allclose(encoder.encode(prepared).features, expected, rtol=1e-4, atol=1e-4)

    def test_a_file_without_maps(self, tmp_path):
        graph = helper.make_graph(
            [helper.make_node("Flatten", ["image"], ["features"])],
            "flat",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 4, 4])],
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 48])],
        )
        path = tmp_path / "flat.onnx"
        path.write_bytes(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
        )
        with pytest.raises(CandidateError) as caught:
            load_encoder(f"onnx:{path}", device="cpu", reading=Reading(unit="box"))
        assert str(caught.value) == (
            f"candidate 'onnx:{path}' has no map of shape (b, d, h, w) between its blocks; leave it out here"
        )


class TestBundled:
    @pytest.mark.parametrize("name", read_manifest())
    def test_every_encoder_reads_boxes_and_layers(self, name, pictures):
        boxes = load_encoder(f"bundled:{name}", reading=Reading(unit="box", typical_size=0.3))
        samples = [Regions(pictures[0], BOXES), Regions(pictures[1], BOXES[:1])]
        assert boxes.encode([boxes.prepare(sample) for sample in samples]).features.shape == (4, boxes.card.feature_dim)
        layers, own = load_encoder(f"bundled:{name}", reading=ALL), load_encoder(f"bundled:{name}")
        assert len(layers.card.readouts) >= 3
        assert layers.card.n_parameters == boxes.card.n_parameters == own.card.n_parameters
        prepared = [own.prepare(picture) for picture in pictures]
        last = layers.encode(prepared).features[:, -own.card.feature_dim :]
        expected = own.encode(prepared).features
        np.testing.assert_allclose(last, expected, rtol=1e-3, atol=1e-4 * float(np.abs(expected).max()))

    def test_the_onnx_library_is_not_needed(self, monkeypatch, pictures):
        monkeypatch.setitem(__import__("sys").modules, "onnx", None)
        encoder = load_encoder("bundled:random", reading=ALL)
        assert encoder.encode([encoder.prepare(pictures[0])]).features.shape == (1, 152)
