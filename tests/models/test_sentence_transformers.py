from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hubscout.errors import CandidateError, UnsafeFileError, UsageError
from hubscout.models.loading import load_encoder


@pytest.fixture(scope="module")
def sentences(bert, tmp_path_factory) -> Path:
    """A tiny model with its own pooling, normalisation and prompts."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

    folder = tmp_path_factory.mktemp("sentences")
    torch.manual_seed(0)
    transformer = Transformer(str(bert), max_seq_length=12)
    modules = [transformer, Pooling(16, pooling_mode="cls"), Dense(16, 6), Normalize()]
    model = SentenceTransformer(modules=modules, prompts={"query": "good ", "passage": "not "}, device="cpu")
    model.save_pretrained(str(folder))
    return folder


def _library(folder, texts, **settings):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(list(texts), batch_size=1, **settings)


def _encode(encoder, texts):
    return encoder.encode([encoder.prepare(text) for text in texts]).features


class TestAgainstTheLibrary:
    def test_pooling_dense_and_normalisation(self, sentences, texts):
        encoder = load_encoder(f"st:{sentences}", device="cpu")
        features = _encode(encoder, texts)
        np.testing.assert_allclose(features, _library(sentences, texts), atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)

    @pytest.mark.parametrize(
        ("query", "settings"),
        [("prompt_name=query", {"prompt_name": "query"}), ("prompt=bad%20", {"prompt": "bad "})],
    )
    def test_prompts(self, sentences, texts, query, settings):
        encoder = load_encoder(f"st:{sentences}?{query}", device="cpu")
        features = _encode(encoder, texts)
        np.testing.assert_allclose(features, _library(sentences, texts, **settings), atol=1e-6)
        assert np.abs(features - _encode(load_encoder(f"st:{sentences}", device="cpu"), texts)).max() > 1e-4

    def test_the_model_s_default_prompt(self, sentences, tmp_path, texts):
        folder = tmp_path / "copy"
        shutil.copytree(sentences, folder)
        file = folder / "config_sentence_transformers.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "default_prompt_name": "passage"}))
        encoder = load_encoder(f"st:{folder}", device="cpu")
        assert encoder.card.transform["prompt"] == "not "
        expected = _library(sentences, texts, prompt_name="passage")
        np.testing.assert_allclose(_encode(encoder, texts), expected, atol=1e-6)

    def test_card_shows_the_settings(self, sentences):
        card = load_encoder(f"st:{sentences}", device="cpu", pooling="mean").card
        assert (card.modality, card.feature_dim, card.source_classes) == ("text", 6, None)
        assert card.transform["max_length"] == 12
        assert card.transform["prompt"] is None
        assert [module["type"].rpartition(".")[2] for module in card.transform["modules"]] == [
            "Transformer",
            "Pooling",
            "Dense",
            "Normalize",
        ]
        assert card.transform["1_Pooling"]["pooling_mode"] == "cls"
        assert card.notes == ("pooling 'mean' is not used: this model pools its features itself",)
        json.dumps(card.to_dict())

    def test_prepared_texts_have_a_length(self, sentences):
        encoder = load_encoder(f"st:{sentences}", device="cpu")
        assert [len(encoder.prepare(text)) for text in ("a", "a good film", "film " * 40)] == [3, 5, 12]


class TestRefusals:
    @pytest.fixture
    def folder(self, sentences, tmp_path):
        shutil.copytree(sentences, tmp_path / "copy")
        return tmp_path / "copy"

    @pytest.mark.parametrize("kind", ["own_code.Module", "subprocess.Popen", "os.system"])
    def test_classes_of_others_are_not_imported(self, folder, tmp_path, kind):
        modules = json.loads((folder / "modules.json").read_text())
        modules.append({"idx": 9, "name": "9", "path": "", "type": kind})
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "own_code.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()")
        with pytest.raises(UnsafeFileError) as caught:
            load_encoder(f"st:{folder}", device="cpu")
        assert str(caught.value) == (
            f"model {str(folder)!r} comes with Python code of its own, which is not run; "
            f"read that code, and if you trust it add --trust-remote-code {folder}"
        )
        assert not (tmp_path / "executed").exists()

    def test_a_module_outside_its_folder(self, folder):
        modules = json.loads((folder / "modules.json").read_text())
        modules[1]["path"] = "../../elsewhere"
        (folder / "modules.json").write_text(json.dumps(modules))
        with pytest.raises(UnsafeFileError, match=r"points out of its folder, to '\.\./\.\./elsewhere'; it is refused"):
            load_encoder(f"st:{folder}", device="cpu")

    def test_evil_weights_of_one_module_do_not_run(self, folder, tmp_path):
        class Evil:
            def __reduce__(self):
                return os.system, (f"touch {tmp_path / 'executed'}",)

        (folder / "2_Dense" / "model.safetensors").unlink()
        torch.save({"a": Evil()}, folder / "2_Dense" / "pytorch_model.bin")
        with pytest.raises(UnsafeFileError, match="hold more than tensors"):
            load_encoder(f"st:{folder}", device="cpu")
        assert not (tmp_path / "executed").exists()

    def test_code_of_the_transformer(self, folder):
        file = folder / "config.json"
        config = {**json.loads(file.read_text()), "model_type": "own", "auto_map": {"AutoModel": "own.Model"}}
        file.write_text(json.dumps(config))
        with pytest.raises(UnsafeFileError, match="add --trust-remote-code"):
            load_encoder(f"st:{folder}", device="cpu")

    def test_a_plain_transformer_has_no_pooling(self, bert):
        with pytest.raises(CandidateError) as caught:
            load_encoder(f"st:{bert}", device="cpu")
        assert str(caught.value) == (
            f"folder of {str(bert)!r} holds no modules.json, so its pooling is unknown; load it as hf:{bert} instead"
        )

    def test_broken_list(self, folder):
        (folder / "modules.json").write_text("[3]")
        with pytest.raises(CandidateError, match=r"cannot be read \(TypeError\); fetch it again"):
            load_encoder(f"st:{folder}", device="cpu")

    def test_unknown_prompt(self, sentences):
        with pytest.raises(UsageError) as caught:
            load_encoder(f"st:{sentences}?prompt_name=q", device="cpu")
        assert "prompt_name must be one of the model's prompts (" in str(caught.value)
        assert str(caught.value).endswith("got 'q'")
