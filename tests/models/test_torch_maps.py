from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from hubscout.data.parts import Regions
from hubscout.errors import CandidateError
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading
from hubscout.models.regions import pool_boxes

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


class TestReturnedMaps:
    def test_each_box_from_its_level_of_a_pyramid(self, nets, pictures):
        encoder = _load("Pyramid", Reading(unit="box"))
        prepared, batch, places = _box_batch(encoder, pictures)
        with torch.no_grad():
            maps = list(nets.seeded("Pyramid").eval()(batch).values())[:3]
        each = [pool_boxes(one.numpy(), places, [3, 2, 1]) for one in maps]
        side = 32 * np.sqrt((places[:, 2] - places[:, 0]) * (places[:, 3] - places[:, 1]))
        level = np.clip(np.floor(4 + np.log2(side / 224)) - 1, 0, 2).astype(int)
        expected = np.array([each[k][row] for row, k in enumerate(level)])
        np.testing.assert_allclose(encoder.encode(prepared).features, expected, atol=1e-5)
        assert encoder.card.feature_dim == 4
        assert encoder.card.transform["level_of"] == "each box by its size"
        assert [level["name"] for level in encoder.card.transform["levels"]] == ["0", "1", "2"]
        assert encoder.card.notes[-1] == "each box is read from the one of 3 levels of the pyramid that fits its size"

    def test_large_and_small_boxes_take_different_levels(self, nets, pictures):
        encoder = load_encoder(
            "torch:map_nets:seeded?kind=Pyramid&input_size=512&mean=0.5&std=0.5&levels=4",
            device="cpu",
            reading=Reading(unit="box"),
        )
        prepared = [encoder.prepare(Regions(pictures[0], BOXES))]
        with torch.no_grad():
            maps = list(nets.seeded("Pyramid", levels=4).eval()(torch.from_numpy(prepared[0].pixels[None])).values())[
                :4
            ]
        each = [pool_boxes(one.numpy(), prepared[0].places, [3]) for one in maps]
        # About 216, 432 and 31 pixels a side: strides 8, 16 and 2.
        expected = np.stack([each[2][0], each[3][1], each[0][2]])
        np.testing.assert_allclose(encoder.encode(prepared).features, expected, atol=1e-5)

    def test_maps_of_different_width_give_one_level(self, nets, pictures):
        encoder = _load("Pyramid", Reading(unit="box", typical_size=0.9), wider=2)
        prepared, batch, places = _box_batch(encoder, pictures)
        with torch.no_grad():
            one = nets.seeded("Pyramid", wider=2).eval()(batch)["1"]
        np.testing.assert_allclose(
            encoder.encode(prepared).features, pool_boxes(one.numpy(), places, [3, 2, 1]), atol=1e-5
        )
        assert encoder.card.notes[-1] == "read from layer 2 of 3 (1, 8 x 8 cells)"

    def test_a_detector_s_backbone_and_colours(self, nets, pictures):
        encoder = load_encoder(
            "torch:map_nets:seeded?kind=Detector&input_size=32", device="cpu", reading=Reading(unit="box")
        )
        prepared, _, _ = _box_batch(encoder, pictures)
        assert encoder.encode(prepared).features.shape == (6, 4)
        card = encoder.card
        assert card.transform["maps"] == "backbone"
        assert (card.transform["mean"], card.transform["std"]) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
        assert card.n_parameters == sum(p.numel() for p in nets.Detector().backbone.parameters())

    def test_a_real_detector_s_backbone(self, pictures):
        pytest.importorskip("torchvision")
        factory = "torchvision.models.detection:ssdlite320_mobilenet_v3_large"
        encoder = load_encoder(
            f"torch:{factory}?weights_backbone=null&input_size=96", device="cpu", reading=Reading(unit="box")
        )
        prepared, _, _ = _box_batch(encoder, pictures)
        assert encoder.encode(prepared).features.shape == (6, 480)
        assert encoder.card.transform["levels"] == [{"layer": 2, "name": "1", "cells": [3, 3]}]
        assert encoder.card.transform["mean"] == [0.5, 0.5, 0.5]

    def test_returned_maps_are_layers_where_there_are_no_blocks(self, nets, pictures):
        encoder = _load("Pyramid", ALL)
        batch = encoder.encode([encoder.prepare(pictures[0])])
        assert [readout.name for readout in encoder.card.readouts] == [
            "layer 1, mean",
            "layer 2, mean",
            "layer 3, mean",
        ]
        assert batch.features.shape == (1, 12)
        assert batch.logits is None


def test_a_module_without_maps(nets):
    for reading in (Reading(unit="box"), ALL):
        with pytest.raises(CandidateError) as caught:
            _load("Vector", reading)
        assert str(caught.value) == (
            "module of 'map_nets:seeded' has no feature maps; let forward_features or forward return maps of shape "
            "(b, d, h, w), or keep its blocks in a list named blocks, layers, stages or features"
        )


def test_timm_s_models_are_read_as_by_timm(timm_folder, pictures):
    folder = timm_folder("test_vit", num_classes=7)
    encoder = load_encoder(
        f"torch:timm:create_model?model_name=test_vit&num_classes=7&weights={folder}/model.safetensors",
        device="cpu",
        reading=ALL,
    )
    reference = load_encoder(f"timm:local-dir:{folder}", device="cpu", reading=ALL)
    batch = encoder.encode([encoder.prepare(picture) for picture in pictures])
    expected = reference.encode([reference.prepare(picture) for picture in pictures])
    np.testing.assert_allclose(batch.features, expected.features, atol=1e-4)
    assert encoder.card.readouts == reference.card.readouts
    assert encoder.card.n_parameters == reference.card.n_parameters
