from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hubscout.data.parts import Regions
from hubscout.models.layer_tensors import as_layer
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading
from hubscout.models.regions import pool_boxes, tokens_to_map
from hubscout.models.torch_blocks import find_blocks

ALL = Reading(layers="all")
BOXES = np.array([[0.1, 0.2, 0.6, 0.7], [0.0, 0.0, 1.0, 1.0], [0.4, 0.4, 0.45, 0.5]])
SETTINGS = "input_size=32&mean=0.5&std=0.5"


@pytest.fixture
def nets(monkeypatch):
    """The modules of map_nets.py, beside this file."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("map_nets")


def _load(kind, reading, **arguments):
    extra = "".join(f"&{key}={value}" for key, value in arguments.items())
    return load_encoder(f"torch:map_nets:seeded?kind={kind}&{SETTINGS}{extra}", device="cpu", reading=reading)


def _box_batch(encoder, pictures):
    samples = [Regions(pictures[0], BOXES), Regions(pictures[1], BOXES[1:]), Regions(pictures[2], BOXES[:1])]
    prepared = [encoder.prepare(sample) for sample in samples]
    batch = torch.from_numpy(np.stack([item.pixels for item in prepared]))
    return prepared, batch, np.concatenate([item.places for item in prepared])


class TestBlocks:
    def test_stages_and_the_module_s_own_output(self, nets, pictures):
        encoder = _load("Stages", Reading(layers="all", poolings=("mean", "max", "pooler")))
        prepared = [encoder.prepare(picture) for picture in pictures]
        model, batch = nets.seeded("Stages").eval(), torch.from_numpy(np.stack(prepared))
        with torch.no_grad():
            first = model.layer1(batch)
            second = model.layer2(first)
            columns = [
                pool(each) for each in (first, second) for pool in (lambda m: m.mean((2, 3)), lambda m: m.amax((2, 3)))
            ]
            expected = torch.cat([*columns, model(batch)], 1).numpy()
        np.testing.assert_allclose(encoder.encode(prepared).features, expected, atol=1e-5)
        assert [readout.name for readout in encoder.card.readouts][-1] == "layer 2, pooler"
        assert encoder.card.notes[-1] == "its layers are taken to be what layer1 to layer2 return, 2 in all"

    def test_boxes_of_plain_stages(self, nets, pictures):
        encoder = _load("Stages", Reading(unit="box", typical_size=0.5))
        prepared, batch, places = _box_batch(encoder, pictures)
        model = nets.seeded("Stages").eval()
        with torch.no_grad():
            maps = model.layer2(model.layer1(batch)).numpy()
        np.testing.assert_allclose(encoder.encode(prepared).features, pool_boxes(maps, places, [3, 2, 1]), atol=1e-5)

    def test_tokens_with_a_class_token_and_registers(self, nets, pictures):
        encoder = _load("Tokens", Reading(layers="all", poolings=("cls", "mean")))
        prepared = [encoder.prepare(picture) for picture in pictures]
        model, batch, found = nets.seeded("Tokens").eval(), torch.from_numpy(np.stack(prepared)), []
        for layer in model.encoder.layers:
            layer.register_forward_hook(lambda _m, _i, out: found.append(out))
        with torch.no_grad():
            model(batch)
        expected = torch.cat([column for out in found for column in (out[:, 0], out[:, 3:].mean(1))], 1)
        np.testing.assert_allclose(encoder.encode(prepared).features, expected.numpy(), atol=1e-5)
        boxes = _load("Tokens", Reading(unit="box"))
        prepared, batch, places = _box_batch(boxes, pictures)
        found.clear()
        with torch.no_grad():
            model(batch)
        maps = tokens_to_map(found[1], 4, 4).numpy()
        np.testing.assert_allclose(boxes.encode(prepared).features, pool_boxes(maps, places, [3, 2, 1]), atol=1e-5)

    def test_the_end_of_a_run_of_plain_parts_is_a_layer(self, nets, pictures):
        encoder = load_encoder(f"torch:map_nets:sequential?{SETTINGS}", device="cpu", reading=ALL)
        assert encoder.card.transform["layers"] == ["2", "4"]
        own = load_encoder(f"torch:map_nets:sequential?{SETTINGS}", device="cpu")
        assert encoder.card.readouts[-1].name == "layer 2, mean"
        assert own.card.feature_dim == encoder.card.readouts[-1].width
        assert encoder.encode([encoder.prepare(pictures[0])]).features.shape == (1, 10)

    def test_hooks_do_not_stay(self, nets, pictures):
        encoder = _load("Stages", ALL)
        encoder.encode([encoder.prepare(pictures[0])])
        assert not any(module._forward_hooks for _, module in encoder._source._blocks)

    @pytest.mark.parametrize(
        ("children", "expected"),
        [
            (
                {"layer2": nn.Identity(), "layer10": nn.Identity(), "layer1": nn.Identity()},
                ["layer1", "layer2", "layer10"],
            ),
            ({"layer1": nn.Identity()}, []),
            ({"blocks": nn.ModuleList([nn.Identity()])}, []),
            (
                {"net": nn.ModuleDict({"features": nn.Sequential(nn.ReLU(), nn.ReLU())})},
                ["net.features.0", "net.features.1"],
            ),
        ],
    )
    def test_which_blocks(self, children, expected):
        assert [name for name, _ in find_blocks(nn.ModuleDict(children))] == expected


class TestShapes:
    def test_channels_first_or_last_by_the_picture_s_proportions(self):
        example = torch.zeros(2, 3, 32, 64)
        first, last = torch.rand(2, 5, 4, 8), torch.rand(2, 4, 8, 5)
        assert as_layer(first, example).maps is first
        np.testing.assert_array_equal(as_layer(last, example).maps, last.permute(0, 3, 1, 2))

    @pytest.mark.parametrize("shape", [(3, 5, 4, 8), (2, 5, 1, 1), (2, 5), (2,)])
    def test_neither_a_map_nor_tokens(self, shape):
        assert as_layer(torch.zeros(shape), torch.zeros(2, 3, 32, 64)) is None

    def test_tokens_without_a_grid_have_no_places(self):
        layer = as_layer(torch.zeros(2, 7, 5), torch.zeros(2, 3, 32, 64))
        assert layer.maps.shape == (2, 7, 5)
        assert layer.class_token is None
