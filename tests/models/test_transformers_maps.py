"""Layers, boxes and points of vision models of transformers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from hubscout.data.parts import Points, Regions
from hubscout.errors import CandidateError
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading, Readout
from hubscout.models.regions import pool_boxes, sample_points

SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
PROCESSOR = {"size": {"height": 32, "width": 32}, "image_mean": [0.4] * 3, "image_std": [0.2] * 3}
STAGES = {
    "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
    "ConvNext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
    "Segformer": {
        "num_encoder_blocks": 2, "depths": [1, 1], "sr_ratios": [2, 1], "hidden_sizes": [8, 16],
        "patch_sizes": [3, 3], "strides": [2, 2], "num_attention_heads": [1, 1], "mlp_ratios": [2, 2],
    },
}  # fmt: skip
SWIN = {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4}
BOXES = np.array([[0.1, 0.2, 0.6, 0.7], [0.5, 0.5, 1.0, 1.0], [0.0, 0.9, 0.3, 1.0]])


def _load(folder, reading, query="", **settings):
    return load_encoder(f"hf:{folder}{query}", device="cpu", reading=reading, **settings)


def _layers(folder, layers, *poolings, **settings):
    return _load(folder, Reading(layers=layers, poolings=poolings), **settings)


def _save(folder, kind, config, **processor):
    torch.manual_seed(0)
    model = getattr(transformers, kind)(config)
    model.save_pretrained(folder)
    transformers.ViTImageProcessorPil(**{**PROCESSOR, **processor}).save_pretrained(folder)
    return model.eval()


@pytest.fixture
def vit(tmp_path):
    return tmp_path, _save(tmp_path, "ViTModel", transformers.ViTConfig(**VISION))


@torch.no_grad()
def _hidden(model, prepared, **settings):
    return model(torch.from_numpy(np.stack(prepared)), output_hidden_states=True, **settings)


def _placed(pictures):
    return [Regions(pictures[0], BOXES), Regions(pictures[1], BOXES[:1]), Regions(pictures[2], BOXES[1:])]


class TestLayers:
    @pytest.mark.parametrize("kind", ["ViTModel", "ViTForImageClassification"])
    def test_vision_transformer(self, tmp_path, pictures, kind):
        model = _save(tmp_path, kind, transformers.ViTConfig(num_labels=5, **VISION))
        encoder = _layers(tmp_path, (0, 1, 2), "cls", "mean", "max")
        prepared = [encoder.prepare(picture) for picture in pictures]
        batch = encoder.encode(prepared)
        output = _hidden(model.base_model, prepared)
        hidden = [*output.hidden_states[:2], output.last_hidden_state]
        expected = [part for h in hidden for part in (h[:, 0], h[:, 1:].mean(1), h[:, 1:].amax(1))]
        np.testing.assert_allclose(batch.features, torch.cat(expected, 1).numpy(), atol=1e-5)
        plain = load_encoder(f"hf:{tmp_path}", device="cpu")
        logits = plain.encode([plain.prepare(picture) for picture in pictures]).logits
        assert (logits is None) == (kind == "ViTModel")
        assert logits is None or np.array_equal(batch.logits, logits)
        json.dumps(encoder.card.to_dict())

    def test_the_last_layer_is_the_plain_features(self, tmp_path, pictures):
        for kind, config in (
            ("ViTForImageClassification", transformers.ViTConfig(num_labels=5, **VISION)),
            ("ConvNextForImageClassification", transformers.ConvNextConfig(num_labels=5, **STAGES["ConvNext"])),
            ("SwinModel", transformers.SwinConfig(**SWIN)),
        ):
            _save(tmp_path / kind, kind, config)
            plain = load_encoder(f"hf:{tmp_path / kind}", device="cpu")
            expected = plain.encode([plain.prepare(picture) for picture in pictures]).features
            encoder = _layers(tmp_path / kind, (-1,))
            found = encoder.encode([encoder.prepare(picture) for picture in pictures]).features
            np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
    def test_so_it_is_with_a_pooling(self, vit, pictures, pooling):
        folder, _ = vit
        plain = load_encoder(f"hf:{folder}", device="cpu", pooling=pooling)
        expected = plain.encode([plain.prepare(picture) for picture in pictures]).features
        for encoder in (_layers(folder, (-1,), pooling), _layers(folder, (-1,), pooling=pooling)):
            found = encoder.encode([encoder.prepare(picture) for picture in pictures]).features
            np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_transformer_without_class_token(self, tmp_path, pictures):
        model = _save(tmp_path, "SwinModel", transformers.SwinConfig(**SWIN))
        encoder = _layers(tmp_path, "all", "mean")
        assert encoder.card.readouts == (Readout(1, "mean", 16), Readout(2, "mean", 16))
        prepared = [encoder.prepare(picture) for picture in pictures]
        output = _hidden(model, prepared)
        expected = [output.hidden_states[1].mean(1), output.last_hidden_state.mean(1)]
        np.testing.assert_allclose(encoder.encode(prepared).features, torch.cat(expected, 1).numpy(), atol=1e-5)

    @pytest.mark.parametrize("kind", list(STAGES))
    def test_stages_of_convolutional_networks(self, tmp_path, pictures, kind):
        config = getattr(transformers, f"{kind}Config")(**STAGES[kind])
        model = _save(tmp_path, f"{kind}Model", config)
        encoder = _layers(tmp_path, "all", "mean", "max", "cls")
        prepared = [encoder.prepare(picture) for picture in pictures]
        stages = _hidden(model, prepared).hidden_states[-2:]
        expected = [part for stage in stages for part in (stage.mean((2, 3)), stage.amax((2, 3)))]
        np.testing.assert_allclose(encoder.encode(prepared).features, torch.cat(expected, 1).numpy(), atol=1e-5)
        assert [(readout.layer, readout.width) for readout in encoder.card.readouts] == [(1, 8)] * 2 + [(2, 16)] * 2
        assert encoder.card.notes == ("poolings left out, since this model has nothing of the kind: cls",)

    def test_what_goes_into_the_first_layer_may_be_unknown(self, tmp_path):
        _save(tmp_path, "SegformerModel", transformers.SegformerConfig(**STAGES["Segformer"]))
        encoder = _layers(tmp_path, (0, 1))
        assert [readout.layer for readout in encoder.card.readouts] == [1]
        assert "layer 0 is left out" in encoder.card.notes[0]

    def test_image_side_of_a_two_sided_model(self, tmp_path, pictures):
        config = transformers.CLIPConfig(
            text_config={"vocab_size": 13, **SMALL}, vision_config=VISION, projection_dim=8
        )
        model = _save(tmp_path, "CLIPModel", config)
        encoder = _layers(tmp_path, "all")
        assert [readout.name for readout in encoder.card.readouts] == ["layer 1, cls", "layer 2, cls"]
        prepared = [encoder.prepare(picture) for picture in pictures]
        output = _hidden(model.vision_model, prepared)
        expected = [output.hidden_states[1][:, 0], output.last_hidden_state[:, 0]]
        np.testing.assert_allclose(encoder.encode(prepared).features, torch.cat(expected, 1).numpy(), atol=1e-5)


class TestBoxes:
    def test_vision_transformer(self, vit, pictures):
        folder, model = vit
        encoder = _load(folder, Reading("box"))
        assert (encoder.card.unit, encoder.card.feature_dim, encoder.card.source_classes) == ("box", 16, None)
        prepared = [encoder.prepare(sample) for sample in _placed(pictures)]
        tokens = _hidden(model, [item.pixels for item in prepared]).last_hidden_state[:, 1:]
        maps = tokens.reshape(3, 4, 4, 16).permute(0, 3, 1, 2).numpy()
        expected = pool_boxes(maps, np.concatenate([item.places for item in prepared]), [3, 1, 2])
        np.testing.assert_allclose(encoder.encode(prepared).features, expected, atol=1e-5)
        json.dumps(encoder.card.to_dict())

    @pytest.mark.parametrize("size", [0.2, 0.9])
    def test_the_stage_follows_the_size_of_boxes(self, tmp_path, pictures, size):
        sizes = {"hidden_sizes": [4, 8, 16, 32], "depths": [1, 1, 1, 1], "num_stages": 4}
        _save(tmp_path, "ConvNextModel", transformers.ConvNextConfig(**sizes), size={"height": 224, "width": 224})
        encoder = _load(tmp_path, Reading("box", typical_size=size))
        # Stages of 56, 28, 14 and 7 cells a side; the deeper half of them is looked at.
        assert encoder.card.feature_dim == {0.2: 16, 0.9: 32}[size]
        assert encoder.encode([encoder.prepare(sample) for sample in _placed(pictures)]).features.shape[0] == 6

    def test_layers(self, vit, pictures):
        folder, model = vit
        encoder = _load(folder, Reading("box", layers=(1, 2)))
        assert encoder.card.readouts == (Readout(1, "mean", 16), Readout(2, "mean", 16))
        prepared = [encoder.prepare(sample) for sample in _placed(pictures)]
        features = encoder.encode(prepared).features
        last = _load(folder, Reading("box")).encode(prepared).features
        np.testing.assert_allclose(features[:, 16:], last, atol=1e-6)
        tokens = _hidden(model, [item.pixels for item in prepared]).hidden_states[1][:, 1:]
        maps = tokens.reshape(3, 4, 4, 16).permute(0, 3, 1, 2).numpy()
        expected = pool_boxes(maps, np.concatenate([item.places for item in prepared]), [3, 1, 2])
        np.testing.assert_allclose(features[:, :16], expected, atol=1e-5)

    def test_maps_of_a_hierarchical_transformer(self, tmp_path, pictures):
        """Its last hidden state comes as tokens; laid out, it is the normalised map."""
        model = _save(tmp_path, "SwinModel", transformers.SwinConfig(**SWIN))
        encoder = _load(tmp_path, Reading("box", layers=(2,)))
        prepared = [encoder.prepare(sample) for sample in _placed(pictures)]
        maps = _hidden(model, [item.pixels for item in prepared]).last_hidden_state
        maps = maps.reshape(3, 8, 8, 16).permute(0, 3, 1, 2).numpy()
        expected = pool_boxes(maps, np.concatenate([item.places for item in prepared]), [3, 1, 2])
        np.testing.assert_allclose(encoder.encode(prepared).features, expected, atol=1e-5)

    def test_a_masked_autoencoder_keeps_its_patches_in_order(self, tmp_path, pictures):
        config = transformers.ViTMAEConfig(decoder_hidden_size=16, decoder_num_attention_heads=2, **VISION)
        model = _save(tmp_path, "ViTMAEModel", config)
        model.config.mask_ratio = 0.0
        encoder = _load(tmp_path, Reading("box"))
        prepared = [encoder.prepare(sample) for sample in _placed(pictures)]
        noise = torch.arange(16.0).expand(3, 16)
        tokens = _hidden(model, [item.pixels for item in prepared], noise=noise).last_hidden_state[:, 1:]
        maps = tokens.reshape(3, 4, 4, 16).permute(0, 3, 1, 2).numpy()
        expected = pool_boxes(maps, np.concatenate([item.places for item in prepared]), [3, 1, 2])
        np.testing.assert_allclose(encoder.encode(prepared).features, expected, atol=1e-5)

    def test_points(self, vit, pictures):
        folder, model = vit
        encoder = _load(folder, Reading("point"))
        points = np.random.default_rng(0).random((5, 2))
        prepared = [encoder.prepare(Points(picture, points)) for picture in pictures]
        tokens = _hidden(model, [item.pixels for item in prepared]).last_hidden_state[:, 1:]
        maps = tokens.reshape(3, 4, 4, 16).permute(0, 3, 1, 2).numpy()
        expected = sample_points(maps, np.concatenate([item.places for item in prepared]), [5, 5, 5])
        np.testing.assert_allclose(encoder.encode(prepared).features, expected, atol=1e-5)


class TestPixels:
    """The processor's size and colours, found by giving it plain pictures."""

    @pytest.mark.parametrize(
        "processor",
        [
            {},
            {"do_rescale": False, "do_normalize": False},
            {"do_normalize": False, "resample": 3},
            {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7], "resample": 0},
        ],
    )
    def test_a_picture_that_fits_comes_out_alike(self, tmp_path, processor):
        _save(tmp_path, "ViTModel", transformers.ViTConfig(**VISION), **processor)
        picture = Image.effect_mandelbrot((32, 32), (-2, -1.5, 1, 1.5), 20).convert("RGB")
        whole = _load(tmp_path, Reading("box")).prepare(Regions(picture, BOXES))
        usual = load_encoder(f"hf:{tmp_path}", device="cpu").prepare(picture)
        np.testing.assert_allclose(whole.pixels, usual, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(whole.places, BOXES)

    def test_resampling_is_the_processor_s(self, vit):
        card = _load(vit[0], Reading("box")).card
        assert card.transform["interpolation"] == "bilinear"
        assert card.transform["input_size"] == [3, 32, 32]
        assert (card.transform["mean"], card.transform["std"]) == ([0.4] * 3, [0.2] * 3)

    def test_other_orders_of_colours_are_refused(self, tmp_path):
        config = transformers.MobileViTConfig(
            image_size=32, hidden_sizes=[8, 8, 8], neck_hidden_sizes=[4, 4, 4, 4, 4, 4, 8], num_attention_heads=2
        )
        transformers.MobileViTModel(config).save_pretrained(tmp_path)
        processor = transformers.MobileViTImageProcessorPil(size={"shortest_edge": 32}, do_center_crop=False)
        processor.save_pretrained(tmp_path)
        with pytest.raises(CandidateError) as caught:
            _load(tmp_path, Reading("box"))
        assert str(caught.value) == (
            f"the image processor of 'hf:{tmp_path}' does more to colours than scale each channel, so whole pictures "
            "cannot be given to it; leave it out for this kind of task"
        )

    def test_random_maps_are_refused(self, vit, monkeypatch):
        monkeypatch.setattr("hubscout.models.torch_runtime.ready", lambda model, device: model.train())
        config = json.loads((vit[0] / "config.json").read_text())
        (vit[0] / "config.json").write_text(json.dumps({**config, "hidden_dropout_prob": 0.5}))
        with pytest.raises(CandidateError, match="gives other features each time; it cannot be ranked"):
            _load(vit[0], Reading("box"))
