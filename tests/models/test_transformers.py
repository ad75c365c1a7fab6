from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from hubscout.errors import CandidateError, UnsafeFileError, UsageError
from hubscout.models.loading import load_encoder

SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
N_WORDS = 13


def _save(folder, model_class, config, **processor):
    torch.manual_seed(0)
    model = model_class(config)
    model.save_pretrained(folder)
    if processor:
        transformers.ViTImageProcessorPil(**processor).save_pretrained(folder)
    return model.eval()


PROCESSOR = {"size": {"height": 32, "width": 32}, "image_mean": [0.4] * 3, "image_std": [0.2] * 3}


def _encode(encoder, samples):
    return encoder.encode([encoder.prepare(sample) for sample in samples])


@torch.no_grad()
def _one_by_one(model, tokenizer, texts, pick):
    """The library's own call, one text at a time, so that no padding takes part."""
    rows = []
    for text in texts:
        inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=24)
        inputs.pop("token_type_ids", None)
        rows.append(pick(model(**inputs))[0].numpy())
    return np.stack(rows)


class TestBidirectionalText:
    @pytest.mark.parametrize(
        ("pooling", "pick"),
        [
            (None, lambda output: output.last_hidden_state.mean(1)),
            ("mean", lambda output: output.last_hidden_state.mean(1)),
            ("cls", lambda output: output.last_hidden_state[:, 0]),
            ("max", lambda output: output.last_hidden_state.amax(1)),
            ("last", lambda output: output.last_hidden_state[:, -1]),
            ("pooler", lambda output: output.pooler_output),
        ],
    )
    def test_pooling_ignores_padding(self, bert, texts, pooling, pick):
        encoder = load_encoder(f"hf:{bert}", device="cpu", pooling=pooling)
        model = transformers.AutoModel.from_pretrained(bert).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
        features = _encode(encoder, texts).features
        np.testing.assert_allclose(features, _one_by_one(model, tokenizer, texts, pick), atol=1e-5)
        assert encoder.card.transform["pooling"] == pooling or pooling is None

    def test_card(self, bert):
        card = load_encoder(f"hf:{bert}", device="cpu").card
        assert card.address == f"hf:{bert}"
        assert card.identity.startswith("sha256:")
        assert (card.modality, card.feature_dim, card.source_classes) == ("text", 16, None)
        assert card.transform["pooling"] == "mean"
        assert card.transform["max_length"] == 24
        assert card.loader == f"transformers {transformers.__version__}"
        json.dumps(card.to_dict())

    def test_options_in_the_address(self, bert, texts):
        plain = load_encoder(f"hf:{bert}", device="cpu")
        prompted = load_encoder(f"hf:{bert}?prompt=good%20&pooling=cls&max_length=5", device="cpu")
        assert prompted.prepare("film") == plain.prepare("good film")
        assert len(prompted.prepare("film " * 30)) == 5
        assert prompted.card.transform["prompt"] == "good "
        assert prompted.card.transform["pooling"] == "cls"

    def test_long_and_empty_texts(self, bert):
        encoder = load_encoder(f"hf:{bert}", device="cpu")
        assert len(encoder.prepare("film " * 100)) == 24
        assert np.isfinite(_encode(encoder, ["film " * 100, ""]).features).all()

    def test_the_tokenizer_is_part_of_the_transform(self, bert, tmp_path, tokenizer_in):
        folder = tmp_path / "copy"
        shutil.copytree(bert, folder)
        before = load_encoder(f"hf:{folder}", device="cpu").card
        text = (folder / "tokenizer.json").read_text()
        (folder / "tokenizer.json").write_text(text.replace('"film"', '"movie"'))
        after = load_encoder(f"hf:{folder}", device="cpu").card
        assert after.identity == before.identity
        assert after.transform != before.transform

    def test_threads_may_tokenize_at_once(self, bert, texts):
        encoder = load_encoder(f"hf:{bert}", device="cpu")
        expected = [encoder.prepare(text) for text in texts]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(encoder.prepare, texts * 50))
        assert found == expected * 50

    def test_position_zero_is_the_padding_s_in_roberta(self, tmp_path, tokenizer_in):
        config = transformers.RobertaConfig(
            vocab_size=N_WORDS, max_position_embeddings=12, pad_token_id=0, type_vocab_size=1, **SMALL
        )
        _save(tmp_path, transformers.RobertaModel, config)
        tokenizer_in(tmp_path)
        encoder = load_encoder(f"hf:{tmp_path}", device="cpu")
        assert encoder.card.transform["max_length"] == 11
        assert np.isfinite(_encode(encoder, ["film " * 100]).features).all()

    def test_encoder_of_an_encoder_decoder(self, tmp_path, tokenizer_in, texts):
        config = transformers.T5Config(
            vocab_size=N_WORDS, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=0,
            decoder_start_token_id=0,
        )  # fmt: skip
        model = _save(tmp_path, transformers.T5ForConditionalGeneration, config)
        tokenizer = tokenizer_in(tmp_path, model_max_length=24)
        encoder = load_encoder(f"hf:{tmp_path}", device="cpu")
        expected = _one_by_one(model.get_encoder(), tokenizer, texts, lambda output: output[0].mean(1))
        np.testing.assert_allclose(_encode(encoder, texts).features, expected, atol=1e-5)


class TestCausalText:
    @pytest.mark.parametrize("kind", ["llama", "gpt2"])
    @pytest.mark.parametrize("side", ["left", "right"])
    def test_last_token_whichever_side_the_tokenizer_pads(self, tmp_path, tokenizer_in, texts, kind, side):
        if kind == "llama":
            config = transformers.LlamaConfig(vocab_size=N_WORDS, max_position_embeddings=24, **SMALL)
            model = _save(tmp_path, transformers.LlamaForCausalLM, config)
        else:
            config = transformers.GPT2Config(vocab_size=N_WORDS, n_positions=24, n_embd=16, n_layer=2, n_head=2)
            model = _save(tmp_path, transformers.GPT2LMHeadModel, config)
        tokenizer = tokenizer_in(tmp_path, special=False, eos_token="<eos>", padding_side=side)
        encoder = load_encoder(f"hf:{tmp_path}", device="cpu")
        expected = _one_by_one(model.base_model, tokenizer, texts, lambda output: output[0][:, -1])
        np.testing.assert_allclose(_encode(encoder, texts).features, expected, atol=1e-5)
        assert encoder.card.transform["pooling"] == "last"
        assert encoder.card.notes == (
            "the tokenizer has no padding token: its end token '<eos>' fills up, and is masked",
        )

    def test_classifier_s_logits(self, tmp_path, tokenizer_in, texts):
        config = transformers.GPT2Config(
            vocab_size=N_WORDS, n_positions=24, n_embd=16, n_layer=2, n_head=2, num_labels=3, pad_token_id=None
        )
        model = _save(tmp_path, transformers.GPT2ForSequenceClassification, config)
        tokenizer = tokenizer_in(tmp_path, special=False, eos_token="<eos>")
        batch = _encode(load_encoder(f"hf:{tmp_path}", device="cpu"), texts)
        expected = _one_by_one(model, tokenizer, texts, lambda output: output.logits)
        np.testing.assert_allclose(batch.logits, expected, atol=1e-5)
        hidden = _one_by_one(model.base_model, tokenizer, texts, lambda output: output[0][:, -1])
        np.testing.assert_allclose(batch.features, hidden, atol=1e-5)


class TestClassifiers:
    @pytest.mark.parametrize("kind", ["Bert", "Roberta", "DistilBert"])
    def test_text(self, tmp_path, tokenizer_in, texts, kind):
        sizes = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32} if kind == "DistilBert" else SMALL
        config = getattr(transformers, f"{kind}Config")(
            vocab_size=N_WORDS, max_position_embeddings=30, pad_token_id=0, num_labels=3, **sizes
        )
        model = _save(tmp_path, getattr(transformers, f"{kind}ForSequenceClassification"), config)
        tokenizer = tokenizer_in(tmp_path)
        encoder = load_encoder(f"hf:{tmp_path}", device="cpu")
        batch = _encode(encoder, texts)
        expected = _one_by_one(model, tokenizer, texts, lambda output: output.logits)
        np.testing.assert_allclose(batch.logits, expected, atol=1e-5)
        assert encoder.card.transform["pooling"] == "head"
        assert (encoder.card.feature_dim, encoder.card.source_classes) == (16, 3)
        head = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 3][-1]
        with torch.no_grad():
            np.testing.assert_allclose(head(torch.from_numpy(batch.features)).numpy(), batch.logits, atol=1e-5)
        everything = sum(p.numel() for p in model.parameters())
        assert encoder.card.n_parameters == everything - sum(p.numel() for p in head.parameters())

    def test_asked_pooling_goes_before_the_head(self, tmp_path, tokenizer_in, texts):
        config = transformers.BertConfig(vocab_size=N_WORDS, max_position_embeddings=24, num_labels=3, **SMALL)
        model = _save(tmp_path, transformers.BertForSequenceClassification, config)
        tokenizer = tokenizer_in(tmp_path)
        batch = _encode(load_encoder(f"hf:{tmp_path}", device="cpu", pooling="mean"), texts)
        expected = _one_by_one(model.base_model, tokenizer, texts, lambda output: output[0].mean(1))
        np.testing.assert_allclose(batch.features, expected, atol=1e-5)
        assert batch.logits.shape == (3, 3)

    @pytest.mark.parametrize("kind", ["ViT", "ResNet"])
    def test_images(self, tmp_path, pictures, kind):
        if kind == "ViT":
            config = transformers.ViTConfig(num_labels=5, **VISION)
        else:
            config = transformers.ResNetConfig(
                num_labels=5, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
            )
        model = _save(tmp_path, getattr(transformers, f"{kind}ForImageClassification"), config, **PROCESSOR)
        encoder = load_encoder(f"hf:{tmp_path}", device="cpu")
        batch = _encode(encoder, pictures)
        processor = transformers.ViTImageProcessorPil.from_pretrained(tmp_path)
        with torch.no_grad():
            pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
            output = model(pixels, output_hidden_states=True)
            base = model.base_model(pixels)
        np.testing.assert_allclose(batch.logits, output.logits.numpy(), atol=1e-5)
        expected = base[0][:, 0] if kind == "ViT" else base.pooler_output.flatten(1)
        np.testing.assert_allclose(batch.features, expected.numpy(), atol=1e-5)
        assert encoder.card.source_classes == 5

    def test_head_without_weights(self, tmp_path, pictures):
        folder, other = tmp_path / "a", tmp_path / "b"
        _save(folder, transformers.ViTModel, transformers.ViTConfig(**VISION), **PROCESSOR)
        _save(other, transformers.ViTForImageClassification, transformers.ViTConfig(num_labels=5, **VISION))
        shutil.copy(other / "config.json", folder)
        encoder = load_encoder(f"hf:{folder}", device="cpu")
        assert _encode(encoder, pictures).logits is None
        assert encoder.card.notes == ("the checkpoint's head has no weights, so there are no source logits",)


class TestImages:
    def test_class_token_of_a_vit(self, tmp_path, pictures):
        model = _save(tmp_path, transformers.ViTModel, transformers.ViTConfig(**VISION), **PROCESSOR)
        encoder = load_encoder(f"hf:{tmp_path}", device="cpu")
        processor = transformers.ViTImageProcessorPil.from_pretrained(tmp_path)
        with torch.no_grad():
            output = model(processor(images=pictures, return_tensors="pt")["pixel_values"])
        np.testing.assert_allclose(
            _encode(encoder, pictures).features, output.last_hidden_state[:, 0].numpy(), atol=1e-5
        )
        assert encoder.card.transform["pooling"] == "cls"
        assert encoder.card.transform["image_mean"] == [0.4] * 3
        patches = output.last_hidden_state[:, 1:]
        for pooling, expected in (("mean", patches.mean(1)), ("max", patches.amax(1))):
            encoder = load_encoder(f"hf:{tmp_path}", device="cpu", pooling=pooling)
            np.testing.assert_allclose(_encode(encoder, pictures).features, expected.numpy(), atol=1e-5)

    def test_registers_are_no_patches(self, tmp_path, pictures):
        config = transformers.Dinov2WithRegistersConfig(
            num_register_tokens=3, num_hidden_layers=1, num_attention_heads=2, hidden_size=16, image_size=32,
            patch_size=8,
        )  # fmt: skip
        model = _save(tmp_path, transformers.Dinov2WithRegistersModel, config, **PROCESSOR)
        encoder = load_encoder(f"hf:{tmp_path}", device="cpu", pooling="mean")
        prepared = [encoder.prepare(picture) for picture in pictures]
        with torch.no_grad():
            hidden = model(torch.from_numpy(np.stack(prepared))).last_hidden_state
        np.testing.assert_allclose(encoder.encode(prepared).features, hidden[:, 4:].mean(1).numpy(), atol=1e-5)

    def test_masked_autoencoder_sees_everything(self, tmp_path, pictures):
        config = transformers.ViTMAEConfig(decoder_hidden_size=16, decoder_num_attention_heads=2, **VISION)
        _save(tmp_path, transformers.ViTMAEModel, config, **PROCESSOR)
        encoder = load_encoder(f"hf:{tmp_path}", device="cpu")
        one, two = _encode(encoder, pictures), _encode(encoder, pictures)
        np.testing.assert_allclose(one.features, two.features, atol=1e-5)
        assert encoder.card.notes == ("the model hides patches at random while it trains; hiding is off",)

    @pytest.mark.parametrize("side", ["image", "text"])
    def test_two_sided_model(self, tmp_path, tokenizer_in, pictures, texts, side):
        config = transformers.CLIPConfig(
            text_config={"vocab_size": N_WORDS, "max_position_embeddings": 24, "eos_token_id": 3, **SMALL},
            vision_config=VISION,
            projection_dim=8,
        )
        _save(tmp_path, transformers.CLIPModel, config, **PROCESSOR)
        tokenizer_in(tmp_path)
        query = "?modality=text" if side == "text" else ""
        encoder = load_encoder(f"hf:{tmp_path}{query}", device="cpu")
        features = _encode(encoder, texts if side == "text" else pictures).features
        assert features.shape == (3, 8)
        assert encoder.card.modality == side
        assert encoder.card.transform["pooling"] == "joint"
        if side == "text":
            assert encoder.card.transform["max_length"] == 24

    def test_a_processor_that_does_not_fit_the_model(self, tmp_path):
        _save(tmp_path, transformers.ViTModel, transformers.ViTConfig(**VISION), do_resize=False)
        with pytest.raises(CandidateError, match="cannot be loaded: ValueError"):
            load_encoder(f"hf:{tmp_path}", device="cpu")


class TestRefusals:
    def _refuse(self, error, message, address, **settings):
        with pytest.raises(error) as caught:
            load_encoder(address, device="cpu", **settings)
        assert str(caught.value) == message

    def test_code_of_a_repository(self, bert, tmp_path):
        folder, mark = tmp_path / "auto", tmp_path / "executed"
        shutil.copytree(bert, folder)
        config = json.loads((folder / "config.json").read_text())
        config.update(model_type="my_own", auto_map={"AutoConfig": "code.Config", "AutoModel": "code.Model"})
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "code.py").write_text(f"open({str(mark)!r}, 'w').close()")
        self._refuse(
            UnsafeFileError,
            f"model {str(folder)!r} comes with Python code of its own, which is not run; "
            f"read that code, and if you trust it add --trust-remote-code {folder}",
            f"hf:{folder}",
        )
        with pytest.raises(UnsafeFileError):
            load_encoder(f"hf:{folder}", trust_remote_code=["another/model"])
        assert not mark.exists()

    def test_code_that_is_trusted_runs(self, bert, tmp_path, monkeypatch, texts):
        monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
        monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
        folder = tmp_path / "auto"
        shutil.copytree(bert, folder)
        config = json.loads((folder / "config.json").read_text())
        config.update(model_type="my_own", auto_map={"AutoConfig": "own_code.Config", "AutoModel": "own_code.Model"})
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "own_code.py").write_text(
            "from transformers import BertConfig, BertModel\n"
            "class Config(BertConfig):\n    model_type = 'my_own'\n"
            "class Model(BertModel):\n    config_class = Config\n"
        )
        encoder = load_encoder(f"hf:{folder}", device="cpu", trust_remote_code=[str(folder)])
        expected = _encode(load_encoder(f"hf:{bert}", device="cpu"), texts).features
        np.testing.assert_allclose(_encode(encoder, texts).features, expected, atol=1e-6)

    def test_models_of_other_libraries(self, timm_folder, bert, tmp_path):
        folder = timm_folder("test_vit", num_classes=7)
        self._refuse(
            CandidateError,
            f"model {str(folder)!r} is one of timm's; load it as timm:local-dir:{folder}",
            f"hf:{folder}",
        )
        shutil.copytree(bert, tmp_path / "st")
        (tmp_path / "st" / "modules.json").write_text("[]")
        assert load_encoder(f"hf:{tmp_path / 'st'}", device="cpu").card.notes == (
            (
                "this is a model of sentence-transformers, whose own pooling and prompts are not used here; "
                f"st:{tmp_path / 'st'} uses them"
            ),
        )

    def test_tokenizer_code_does_not_run(self, bert, tmp_path):
        folder, mark = tmp_path / "auto", tmp_path / "executed"
        shutil.copytree(bert, folder)
        config = json.loads((folder / "tokenizer_config.json").read_text())
        config.update(tokenizer_class="Own", auto_map={"AutoTokenizer": ["code.Own", None]})
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        (folder / "code.py").write_text(f"open({str(mark)!r}, 'w').close()")
        with pytest.raises(UnsafeFileError, match="comes with Python code of its own"):
            load_encoder(f"hf:{folder}", device="cpu")
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        assert load_encoder(f"hf:{folder}", device="cpu").card.notes == (
            (
                "Python code named in tokenizer_config.json is not run; "
                "transformers' own 'PreTrainedTokenizerFast' takes its place"
            ),
        )
        assert not mark.exists()

    def test_random_features_are_noticed(self, bert, monkeypatch):
        monkeypatch.setattr("hubscout.models.torch_runtime.ready", lambda model, device: model.train())
        self._refuse(
            CandidateError,
            f"model of 'hf:{bert}' gives other features each time; it cannot be ranked",
            f"hf:{bert}",
        )

    def test_evil_bin_does_not_run(self, bert, tmp_path):
        class Evil:
            def __reduce__(self):
                return os.system, (f"touch {tmp_path / 'executed'}",)

        folder = tmp_path / "evil"
        shutil.copytree(bert, folder)
        (folder / "model.safetensors").unlink()
        torch.save({"a": Evil()}, folder / "pytorch_model.bin")
        with pytest.raises(UnsafeFileError, match="hold more than tensors"):
            load_encoder(f"hf:{folder}", device="cpu")
        assert not (tmp_path / "executed").exists()

    def test_plain_bin_loads(self, bert, tmp_path, texts):
        folder = tmp_path / "bin"
        shutil.copytree(bert, folder)
        (folder / "model.safetensors").unlink()
        torch.save(transformers.BertModel.from_pretrained(bert).state_dict(), folder / "pytorch_model.bin")
        expected = _encode(load_encoder(f"hf:{bert}", device="cpu"), texts).features
        np.testing.assert_allclose(_encode(load_encoder(f"hf:{folder}", device="cpu"), texts).features, expected)

    def test_missing_weights_are_not_filled_with_random_numbers(self, bert, tmp_path):
        from safetensors.torch import load_file, save_file

        folder = tmp_path / "part"
        shutil.copytree(bert, folder)
        state = load_file(folder / "model.safetensors")
        del state["encoder.layer.0.output.dense.weight"]
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        self._refuse(
            CandidateError,
            f"model {str(folder)!r} lacks 1 of its weights, such as "
            "'encoder.layer.0.output.dense.weight'; fetch or save it again",
            f"hf:{folder}",
        )

    def test_wrong_shapes(self, bert, tmp_path):
        folder = tmp_path / "wrong"
        shutil.copytree(bert, folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 32}))
        with pytest.raises(CandidateError, match=f"candidate 'hf:{folder}' cannot be loaded: "):
            load_encoder(f"hf:{folder}", device="cpu")

    def test_missing_shard(self, bert, tmp_path):
        folder = tmp_path / "shards"
        shutil.copytree(bert, folder)
        (folder / "model.safetensors").unlink()
        transformers.BertModel.from_pretrained(bert).save_pretrained(folder, max_shard_size="5KB")
        sorted(folder.glob("model-*.safetensors"))[0].unlink()
        with pytest.raises(CandidateError, match="cannot be loaded: "):
            load_encoder(f"hf:{folder}", device="cpu")

    def test_untrained_pooler(self, tmp_path, tokenizer_in):
        config = transformers.BertConfig(vocab_size=N_WORDS, max_position_embeddings=24, **SMALL)
        _save(tmp_path, transformers.BertForMaskedLM, config)
        tokenizer_in(tmp_path)
        self._refuse(
            UsageError,
            "pooling 'pooler' cannot be used: the model has no trained pooler; use cls or mean or max or last",
            f"hf:{tmp_path}",
            pooling="pooler",
        )

    def test_no_processor(self, tmp_path):
        _save(tmp_path, transformers.ViTModel, transformers.ViTConfig(**VISION))
        self._refuse(
            CandidateError,
            f"model of 'hf:{tmp_path}' has no image processor (preprocessor_config.json), so its input is unknown; "
            "save its own there with save_pretrained()",
            f"hf:{tmp_path}",
        )

    def test_no_tokenizer(self, bert, tmp_path):
        for name in ("config.json", "model.safetensors"):
            shutil.copy(bert / name, tmp_path)
        self._refuse(
            CandidateError,
            f"folder {str(tmp_path)!r} holds no tokenizer; save the model's own there with save_pretrained()",
            f"hf:{tmp_path}",
        )

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "folder {folder!r} holds no config.json; save the model there with save_pretrained()"),
            ("{", "config.json in {folder!r} cannot be read (JSONDecodeError); fetch it again"),
            ("[]", "config.json in {folder!r} must hold an object, got list"),
        ],
    )
    def test_config(self, bert, tmp_path, content, message):
        shutil.copy(bert / "model.safetensors", tmp_path)
        if content is not None:
            (tmp_path / "config.json").write_text(content)
        self._refuse(CandidateError, message.format(folder=str(tmp_path)), f"hf:{tmp_path}")

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("pooling=sum", "pooling must be one of cls, mean, max, last, pooler, got 'sum'"),
            ("modality=audio", "modality must be image or text, got 'audio'"),
            ("modality=image", "model {folder!r} takes text; leave modality=image out"),
            ("max_length=0", "max_length must be a number of tokens from 1 to 24, got '0'"),
            ("max_length=25", "max_length must be a number of tokens from 1 to 24, got '25'"),
            ("pool=cls", "hf: addresses have no option 'pool'; did you mean 'pooling'?"),
        ],
    )
    def test_options(self, bert, query, message):
        self._refuse(UsageError, message.format(folder=str(bert)), f"hf:{bert}?{query}")

    def test_image_models_have_no_last_token(self, tmp_path):
        _save(tmp_path, transformers.ViTModel, transformers.ViTConfig(**VISION), **PROCESSOR)
        self._refuse(
            UsageError,
            "pooling of an image model must be cls, mean, max or pooler, got 'last'",
            f"hf:{tmp_path}",
            pooling="last",
        )

    def test_pictures_of_different_sizes(self, tmp_path):
        _save(tmp_path, transformers.ViTModel, transformers.ViTConfig(**VISION), **PROCESSOR)
        encoder = load_encoder(f"hf:{tmp_path}", device="cpu")
        small = encoder.prepare(Image.new("RGB", (9, 9)))
        with pytest.raises(CandidateError, match="gives pictures of different sizes"):
            encoder.encode([small, small[:, :16]])
