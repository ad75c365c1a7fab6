"""All layers from one forward pass, against separate ones."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import transformers

from hubscout.errors import CandidateError, UnsafeFileError, UsageError
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading, Readout

SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
PROCESSOR = {"size": {"height": 32, "width": 32}, "image_mean": [0.4] * 3, "image_std": [0.2] * 3}
POOLS = {
    "cls": lambda hidden: hidden[:, 0],
    "mean": lambda hidden: hidden.mean(1),
    "max": lambda hidden: hidden.amax(1),
    "last": lambda hidden: hidden[:, -1],
}


def _load(folder, layers, *poolings, query="", **settings):
    reading = Reading(layers=layers, poolings=poolings)
    return load_encoder(f"hf:{folder}{query}", device="cpu", reading=reading, **settings)


def _encode(encoder, samples):
    return encoder.encode([encoder.prepare(sample) for sample in samples])


def _save(folder, model, **processor):
    torch.manual_seed(0)
    model.save_pretrained(folder)
    if processor:
        transformers.ViTImageProcessorPil(**processor).save_pretrained(folder)
    return model.eval()


@torch.no_grad()
def _naive(model, tokenizer, texts, layer, pool):
    """One forward pass for each text, layer and pooling, so that neither padding nor sharing takes part."""
    rows = []
    for text in texts:
        inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=24, return_token_type_ids=False)
        rows.append(POOLS[pool](model(**inputs, output_hidden_states=True).hidden_states[layer])[0].numpy())
    return np.stack(rows)


class TestText:
    def test_every_layer_and_pooling(self, bert, texts):
        encoder = _load(bert, (0, 1, 2), *POOLS)
        features = _encode(encoder, texts).features
        model = transformers.AutoModel.from_pretrained(bert).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
        expected = [_naive(model, tokenizer, texts, layer, pool) for layer in range(3) for pool in POOLS]
        np.testing.assert_allclose(features, np.hstack(expected), atol=1e-5)
        assert encoder.card.readouts == tuple(Readout(layer, pool, 16) for layer in range(3) for pool in POOLS)
        assert encoder.card.feature_dim == 192
        assert encoder.card.transform["pooling"] == "cls, mean, max, last"
        json.dumps(encoder.card.to_dict())

    def test_all_leaves_out_the_embedding(self, bert):
        assert [readout.name for readout in _load(bert, "all").card.readouts] == ["layer 1, mean", "layer 2, mean"]

    @pytest.mark.parametrize("pooling", ["cls", "mean", "max", "last"])
    def test_the_last_layer_is_the_plain_features(self, bert, texts, pooling):
        plain = load_encoder(f"hf:{bert}", device="cpu", pooling=pooling)
        np.testing.assert_array_equal(
            _encode(_load(bert, (-1,), pooling), texts).features, _encode(plain, texts).features
        )

    def test_the_pooling_of_the_request_is_the_own_choice(self, bert):
        assert _load(bert, (-1,), pooling="max").card.readouts == (Readout(2, "max", 16),)
        assert _load(bert, (-1,), query="?pooling=cls").card.readouts == (Readout(2, "cls", 16),)

    @pytest.mark.parametrize("kind", ["gpt2", "llama"])
    def test_causal(self, tmp_path, tokenizer_in, texts, kind):
        if kind == "gpt2":
            config = transformers.GPT2Config(vocab_size=13, n_positions=24, n_embd=16, n_layer=2, n_head=2)
            model = _save(tmp_path, transformers.GPT2LMHeadModel(config)).transformer
        else:
            config = transformers.LlamaConfig(vocab_size=13, max_position_embeddings=24, **SMALL)
            model = _save(tmp_path, transformers.LlamaForCausalLM(config)).model
        tokenizer = tokenizer_in(tmp_path, special=False, eos_token="<eos>")
        encoder = _load(tmp_path, "all")
        assert [readout.pooling for readout in encoder.card.readouts] == ["last", "last"]
        expected = [_naive(model, tokenizer, texts, layer, "last") for layer in (1, 2)]
        np.testing.assert_allclose(_encode(encoder, texts).features, np.hstack(expected), atol=1e-5)

    @pytest.mark.parametrize(("kind", "own"), [("Bert", ["cls", "pooler"]), ("GPT2", ["last", "last"])])
    def test_classifiers_keep_their_logits(self, tmp_path, tokenizer_in, texts, kind, own):
        sizes = {"n_positions": 24, "n_embd": 16, "n_layer": 2, "n_head": 2} if kind == "GPT2" else SMALL
        config = getattr(transformers, f"{kind}Config")(vocab_size=13, num_labels=3, pad_token_id=0, **sizes)
        _save(tmp_path, getattr(transformers, f"{kind}ForSequenceClassification")(config))
        tokenizer_in(tmp_path, model_max_length=24)
        encoder = _load(tmp_path, "all")
        batch = _encode(encoder, texts)
        plain = _encode(load_encoder(f"hf:{tmp_path}", device="cpu"), texts)
        np.testing.assert_array_equal(batch.logits, plain.logits)
        assert encoder.card.source_classes == 3
        assert [readout.pooling for readout in encoder.card.readouts] == own
        np.testing.assert_array_equal(batch.features[:, 16:], plain.features)

    def test_the_pooler_belongs_to_the_last_layer(self, bert, texts):
        encoder = _load(bert, "all", "pooler", "cls")
        assert [readout.name for readout in encoder.card.readouts] == [
            "layer 1, cls",
            "layer 2, cls",
            "layer 2, pooler",
        ]
        plain = load_encoder(f"hf:{bert}", device="cpu", pooling="pooler")
        np.testing.assert_array_equal(_encode(encoder, texts).features[:, 32:], _encode(plain, texts).features)

    def test_text_side_of_a_two_sided_model(self, tmp_path, pieces_in):
        text = {"vocab_size": 57, "max_position_embeddings": 24, "eos_token_id": 3, **SMALL}
        config = transformers.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=8)
        model = _save(tmp_path, transformers.CLIPModel(config), **PROCESSOR)
        tokenizer = pieces_in(tmp_path)
        encoder = _load(tmp_path, "all", query="?modality=text")
        texts = ("abc", "de", "f ghij")
        assert [readout.name for readout in encoder.card.readouts] == ["layer 1, last", "layer 2, last"]
        features = _encode(encoder, texts).features
        np.testing.assert_allclose(features[:, :16], _naive(model.text_model, tokenizer, texts, 1, "last"), atol=1e-5)
        with torch.no_grad():
            ids = torch.tensor([tokenizer("de")["input_ids"]])
            normed = model.text_model(ids).last_hidden_state
        np.testing.assert_allclose(features[1, 16:], normed[0, -1].numpy(), atol=1e-5)


class TestRefusals:
    def test_no_pooling_is_left(self, tmp_path, tokenizer_in):
        config = transformers.BertConfig(vocab_size=13, max_position_embeddings=24, **SMALL)
        _save(tmp_path, transformers.BertForMaskedLM(config))  # without a pooler
        tokenizer_in(tmp_path)
        with pytest.raises(CandidateError) as caught:
            _load(tmp_path, "all", "pooler")
        assert str(caught.value) == (
            f"candidate 'hf:{tmp_path}' has none of the poolings pooler (--pool) at these layers; "
            "it has cls, mean, max, last"
        )
        assert _load(tmp_path, "all", "pooler", "mean").card.notes == (
            "poolings left out, since this model has nothing of the kind: pooler",
        )

    def test_a_layer_that_is_not_there(self, bert):
        with pytest.raises(UsageError) as caught:
            _load(bert, (3,))
        assert str(caught.value) == f"layers (--layers) of 'hf:{bert}' must lie between -2 and 2, got 3"

    def test_layers_of_other_lengths(self, tmp_path, pieces_in):
        config = transformers.FunnelConfig(
            vocab_size=57, d_model=16, n_head=2, d_head=8, d_inner=16, block_sizes=[1, 1], num_decoder_layers=1
        )
        _save(tmp_path, transformers.FunnelModel(config))
        pieces_in(tmp_path)
        with pytest.raises(CandidateError, match=r"layer 2 of .* has shape \(1, 9, 16\), not one vector for each of "):
            _load(tmp_path, (2,))

    def test_code_is_not_run_for_layers_either(self, bert, tmp_path):
        folder = tmp_path / "auto"
        shutil.copytree(bert, folder)
        config = json.loads((folder / "config.json").read_text())
        config.update(model_type="my_own", auto_map={"AutoConfig": "code.Config", "AutoModel": "code.Model"})
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(UnsafeFileError, match="comes with Python code of its own"):
            _load(folder, "all")
