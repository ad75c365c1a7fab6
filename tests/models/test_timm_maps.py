from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from hubscout.data.parts import Points, Regions
from hubscout.errors import CandidateError, UsageError
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading
from hubscout.models.regions import pool_boxes, sample_points

ALL = Reading(layers="all")
WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])
BOXES = np.array([[0.1, 0.2, 0.6, 0.7], [0.5, 0.5, 1.0, 1.0], [0.0, 0.9, 0.3, 1.0]])


def _load(folder, reading, **options):
    return load_encoder(f"timm:local-dir:{folder}", device="cpu", reading=reading, **options)


def _model(folder):
    import timm

    return timm.create_model(f"local-dir:{folder}", pretrained=True).eval().to(memory_format=torch.channels_last)


def _hooked(folder, modules, batch):
    """What modules return inside the model's usual forward pass."""
    model, found = _model(folder), {}
    for name in modules:
        model.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out}))
    with torch.no_grad():
        model(batch)
    return model, [found[name] for name in modules]


def _batch(prepared):
    return torch.stack([torch.as_tensor(item) for item in prepared]).to(memory_format=torch.channels_last)


@pytest.fixture
def vit(timm_folder):
    return timm_folder("test_vit", num_classes=7)


@pytest.fixture
def resnet(timm_folder):
    return timm_folder("test_resnet", num_classes=7)


class TestLayers:
    @pytest.mark.parametrize(
        "name", ["test_vit", "test_vit2", "test_vit3", "test_resnet", "test_efficientnet", "test_convnext"]
    )
    def test_the_last_readout_is_the_model_s_own_output(self, timm_folder, pictures, name):
        folder = timm_folder(name, num_classes=7)
        encoder, own = _load(folder, ALL), load_encoder(f"timm:local-dir:{folder}", device="cpu")
        batch = encoder.encode([encoder.prepare(picture) for picture in pictures])
        expected = own.encode([own.prepare(picture) for picture in pictures])
        width = encoder.card.readouts[-1].width
        np.testing.assert_allclose(batch.features[:, -width:], expected.features, atol=1e-6)
        np.testing.assert_allclose(batch.logits, expected.logits, atol=1e-6)
        assert encoder.card.n_parameters == own.card.n_parameters
        assert encoder.card.source_classes == own.card.source_classes == 7
        assert encoder.card.feature_dim == batch.features.shape[1] == sum(r.width for r in encoder.card.readouts)

    def test_every_block_of_a_transformer(self, vit, pictures):
        encoder = _load(vit, Reading(layers="all", poolings=("cls", "mean", "max")))
        prepared = [encoder.prepare(picture) for picture in pictures]
        model, tokens = _hooked(vit, [f"blocks.{k}" for k in range(6)], _batch(prepared))
        with torch.no_grad():
            tokens = [model.norm(each) for each in tokens]
        columns = [column for each in tokens for column in (each[:, 0], each[:, 1:].mean(1), each[:, 1:].max(1).values)]
        np.testing.assert_allclose(encoder.encode(prepared).features, torch.cat(columns, 1).numpy(), atol=1e-5)
        assert [readout.name for readout in encoder.card.readouts[:4]] == [
            "layer 1, cls",
            "layer 1, mean",
            "layer 1, max",
            "layer 2, cls",
        ]
        assert encoder.card.transform["layers"] == [f"blocks.{k}" for k in range(6)]
        assert encoder.card.transform["final_norm"] is True
        assert encoder.card.transform["crop_pct"]
        assert encoder.card.notes == ()
        json.dumps(encoder.card.to_dict())

    def test_every_stage_of_a_convolutional_network(self, resnet, pictures):
        encoder = _load(resnet, Reading(layers=(0, 1, 2, 3, 4)))
        prepared = [encoder.prepare(picture) for picture in pictures]
        names = ["act1", "layer1", "layer2", "layer3", "layer4"]
        _, maps = _hooked(resnet, names, _batch(prepared))
        expected = torch.cat([each.mean((2, 3)) for each in maps], 1).numpy()
        np.testing.assert_allclose(encoder.encode(prepared).features, expected, atol=1e-5)
        assert [readout.layer for readout in encoder.card.readouts] == [0, 1, 2, 3, 4]
        assert encoder.card.transform["layers"] == names
        assert [readout.layer for readout in _load(resnet, ALL).card.readouts] == [1, 2, 3, 4]

    def test_chosen_layers_are_columns_of_all(self, vit, pictures):
        everything, some = _load(vit, ALL), _load(vit, Reading(layers=(-1, 2)))
        prepared = [everything.prepare(picture) for picture in pictures]
        columns = everything.encode(prepared).features.reshape(3, 6, -1)
        np.testing.assert_allclose(some.encode(prepared).features.reshape(3, 2, -1), columns[:, [1, 5]], atol=1e-6)
        assert [readout.name for readout in some.card.readouts] == ["layer 2, cls", "layer 6, cls"]

    def test_a_model_that_normalises_what_it_pooled(self, timm_folder, pictures):
        folder = timm_folder("test_vit", num_classes=7, global_pool="avg", fc_norm=True)
        encoder = _load(folder, Reading(layers=(3,)))
        prepared = [encoder.prepare(pictures[0])]
        model, (tokens,) = _hooked(folder, ["blocks.2"], _batch(prepared))
        with torch.no_grad():
            expected = model.fc_norm(tokens[:, 1:].mean(1))
        np.testing.assert_allclose(encoder.encode(prepared).features, expected.numpy(), atol=1e-5)

    def test_one_forward_pass_a_batch(self, vit, pictures, monkeypatch):
        encoder = _load(vit, ALL)
        prepared = [encoder.prepare(picture) for picture in pictures]
        calls = []
        model = encoder._source._model
        model.patch_embed.register_forward_hook(lambda *_: calls.append(1))
        encoder.encode(prepared)
        assert calls == [1]

    def test_poolings_that_do_not_apply_are_left_out(self, resnet):
        card = _load(resnet, Reading(layers=(4,), poolings=("cls", "max", "last"))).card
        assert [readout.pooling for readout in card.readouts] == ["max"]
        assert card.notes == ("poolings left out, since this model has nothing of the kind: cls, last",)

    def test_the_single_pooling_of_a_request_is_used(self, vit):
        card = _load(vit, Reading(layers=(1,)), pooling="mean").card
        assert [readout.name for readout in card.readouts] == ["layer 1, mean"]

    def test_a_pooler_acts_on_the_last_layer_alone(self, timm_folder):
        card = _load(timm_folder("test_vit3", num_classes=7), Reading(layers=(8, 9), poolings=("mean", "pooler"))).card
        assert [readout.name for readout in card.readouts] == ["layer 8, mean", "layer 9, mean", "layer 9, pooler"]

    def test_refusals(self, resnet, vit):
        with pytest.raises(CandidateError) as caught:
            _load(resnet, Reading(layers=(1,), poolings=("cls", "last")))
        assert str(caught.value) == (
            f"candidate 'timm:local-dir:{resnet}' has none of the poolings cls, last (--pool) at these layers; "
            "it has mean, max"
        )
        with pytest.raises(CandidateError) as caught:
            _load(vit, Reading(layers=(0,)))
        assert str(caught.value) == (
            f"candidate 'timm:local-dir:{vit}' does not give what goes into its first layer; ask for layers from 1 on"
        )
        with pytest.raises(UsageError, match=r"must lie between -6 and 6, got 7"):
            _load(vit, Reading(layers=(7,)))

    def test_layer_0_is_left_out_where_it_is_not_there(self, vit):
        card = _load(vit, Reading(layers=(0, 1))).card
        assert [readout.layer for readout in card.readouts] == [1]
        assert card.notes == ("layer 0 is left out: this model does not give what goes into its first layer",)


class TestPlaces:
    @pytest.mark.parametrize(
        ("name", "module", "size"), [("test_resnet", "layer3", 0.9), ("test_resnet", "layer2", 0.3)]
    )
    def test_boxes_are_pooled_from_one_stage_by_their_typical_size(self, timm_folder, pictures, name, module, size):
        folder = timm_folder(name, num_classes=7)
        encoder = _load(folder, Reading(unit="box", typical_size=size))
        samples = [Regions(pictures[0], BOXES), Regions(pictures[1], WHOLE), Regions(pictures[2], BOXES[:2])]
        prepared = [encoder.prepare(sample) for sample in samples]
        features = encoder.encode(prepared).features
        _, (maps,) = _hooked(folder, [module], _batch([item.pixels for item in prepared]))
        places = np.concatenate([item.places for item in prepared])
        np.testing.assert_allclose(features, pool_boxes(maps.numpy(), places, [3, 1, 2]), atol=1e-5)
        card = encoder.card
        assert (card.unit, card.readouts, card.source_classes) == ("box", (), None)
        assert card.transform["levels"][0]["name"] == module
        assert card.transform["fit"].startswith("whole picture")
        assert "crop_pct" not in card.transform
        assert card.notes[0].startswith(f"read from layer {module[-1]} of 4 ({module}, ")
        json.dumps(card.to_dict())

    def test_rows_stay_with_their_picture(self, vit, pictures):
        encoder = _load(vit, Reading(unit="box"))
        samples = [Regions(pictures[0], BOXES), Regions(pictures[1], BOXES[:1]), Regions(pictures[2], BOXES[1:])]
        prepared = [encoder.prepare(sample) for sample in samples]
        together = encoder.encode(prepared).features
        alone = [encoder.encode([item]).features for item in prepared]
        np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)
        turned = encoder.encode(prepared[::-1]).features
        np.testing.assert_allclose(turned, np.concatenate(alone[::-1]), atol=1e-5)

    def test_points_of_a_transformer(self, vit, pictures):
        encoder = _load(vit, Reading(unit="point"))
        points = np.random.default_rng(0).random((4, 2))
        prepared = [encoder.prepare(Points(pictures[0], points)), encoder.prepare(Points(pictures[1], points[:1]))]
        features = encoder.encode(prepared).features
        model, (tokens,) = _hooked(vit, ["blocks.5"], _batch([item.pixels for item in prepared]))
        with torch.no_grad():
            maps = model.norm(tokens)[:, 1:].mT.reshape(2, -1, 10, 10)
        places = np.concatenate([item.places for item in prepared])
        np.testing.assert_allclose(features, sample_points(maps.numpy(), places, [4, 1]), atol=1e-5)
        assert encoder.card.unit == "point"
        assert encoder.card.transform["places"] == "bilinear"

    def test_boxes_of_several_layers_stand_side_by_side(self, resnet, pictures):
        encoder = _load(resnet, Reading(unit="box", layers=(2, 4)))
        prepared = [encoder.prepare(Regions(pictures[0], BOXES))]
        _, maps = _hooked(resnet, ["layer2", "layer4"], _batch([prepared[0].pixels]))
        expected = np.hstack([pool_boxes(each.numpy(), prepared[0].places, [3]) for each in maps])
        np.testing.assert_allclose(encoder.encode(prepared).features, expected, atol=1e-5)
        assert [readout.name for readout in encoder.card.readouts] == ["layer 2, mean", "layer 4, mean"]

    def test_layers_behind_the_level_are_not_run(self, resnet, pictures):
        encoder = _load(resnet, Reading(unit="box", typical_size=0.3))
        encoder._source._model.layer4.register_forward_hook(lambda *_: pytest.fail("layer4 was run"))
        encoder.encode([encoder.prepare(Regions(pictures[0], BOXES))])

    def test_poolings(self, vit):
        note = "poolings not used, since boxes and points are pooled by their mean: cls"
        assert note in _load(vit, Reading(unit="box"), pooling="cls").card.notes
        with pytest.raises(CandidateError) as caught:
            _load(vit, Reading(unit="box", layers=(1,), poolings=("cls",)))
        assert str(caught.value) == (
            f"candidate 'timm:local-dir:{vit}' pools boxes and points by 'mean' alone, got cls (--pool); add mean"
        )

    def test_other_units_are_refused(self, vit):
        with pytest.raises(CandidateError, match="gives no features of words; leave it out for this kind of task"):
            _load(vit, Reading(unit="word"))
