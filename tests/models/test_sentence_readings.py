"""Pairs, words and layers of models of sentence-transformers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from hubscout.data.parts import TextPair, Words
from hubscout.errors import CandidateError, UsageError
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading, Readout

TEXTS = ("a good film", "bad", "it was not")
PAIRS = tuple(TextPair(a, b) for a, b in zip(TEXTS, TEXTS[::-1], strict=True))


@pytest.fixture(scope="module")
def sentences(pieced, tmp_path_factory):
    """A function that saves a model with a pooling of its own, a dense layer and normalisation."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

    made = {}

    def make(pooling="max"):
        if pooling not in made:
            made[pooling] = tmp_path_factory.mktemp("sentences")
            torch.manual_seed(0)
            width = 32 if isinstance(pooling, tuple) else 16
            modules = [Transformer(str(pieced)), Pooling(16, pooling_mode=pooling), Dense(width, 6), Normalize()]
            model = SentenceTransformer(modules=modules, prompts={"query": "good "}, device="cpu")
            model.save_pretrained(str(made[pooling]))
        return made[pooling]

    return make


def _load(folder, reading, query="", **settings):
    return load_encoder(f"st:{folder}{query}", device="cpu", reading=reading, **settings)


def _encode(encoder, samples):
    return encoder.encode([encoder.prepare(sample) for sample in samples]).features


def _texts(folder, texts, query=""):
    return _encode(load_encoder(f"st:{folder}{query}", device="cpu"), texts)


class TestPairs:
    @pytest.mark.parametrize("query", ["", "?pair=vectors", "?prompt_name=query"])
    def test_vectors_of_the_model_s_own_modules(self, sentences, query):
        folder = sentences()
        encoder = _load(folder, Reading("pair"), query)
        prompt = query if "prompt" in query else ""
        u, v = _texts(folder, TEXTS, prompt), _texts(folder, TEXTS[::-1], prompt)
        np.testing.assert_allclose(_encode(encoder, PAIRS), np.hstack([u, v, np.abs(u - v), u * v]), atol=1e-6)
        assert encoder.card.transform["pair"] == "vectors"
        assert encoder.card.feature_dim == 24
        more = 2 * len("good") if prompt else 0
        assert [len(encoder.prepare(pair)) - more for pair in PAIRS] == [11 + 10, 5 + 5, 10 + 11]

    def test_joint(self, sentences):
        from sentence_transformers import SentenceTransformer

        folder = sentences()
        encoder = _load(folder, Reading("pair"), "?pair=joint")
        model = SentenceTransformer(str(folder), device="cpu")
        rows = []
        for pair in PAIRS:
            features = dict(model.tokenizer(pair.first, pair.second, return_tensors="pt"))
            with torch.no_grad():
                rows.append(model(features)["sentence_embedding"][0].numpy())
        np.testing.assert_allclose(_encode(encoder, PAIRS), np.stack(rows), atol=1e-6)
        assert encoder.card.transform["pair"] == "joint"
        json.dumps(encoder.card.to_dict())


class TestWords:
    def test_words_of_its_transformer(self, sentences, pieced):
        words = [Words(tuple(text.split())) for text in TEXTS] + [Words(("bad",) * 30)]
        encoder = _load(sentences(), Reading("word"))
        other = load_encoder(f"hf:{pieced}", device="cpu", reading=Reading("word"))
        np.testing.assert_allclose(_encode(encoder, words), _encode(other, words), atol=1e-6)
        assert (encoder.card.unit, encoder.card.feature_dim) == ("word", 16)
        assert encoder.card.notes == (
            "word vectors are those of the model's transformer; its own pooling and what follows are not used",
        )

    def test_layers(self, sentences, pieced):
        words = [Words(tuple(text.split())) for text in TEXTS]
        reading = Reading("word", layers="all")
        found = _encode(_load(sentences(), reading, "?subword=first"), words)
        expected = load_encoder(f"hf:{pieced}?subword=first", device="cpu", reading=reading)
        np.testing.assert_allclose(found, _encode(expected, words), atol=1e-6)


class TestLayers:
    @pytest.mark.parametrize(
        ("pooling", "own"), [("max", "max"), ("lasttoken", "last"), (("cls", "mean"), "mean"), ("weightedmean", "mean")]
    )
    def test_own_pooling(self, sentences, pieced, pooling, own):
        encoder = _load(sentences(pooling), Reading(layers="all"))
        assert encoder.card.readouts == (Readout(1, own, 16), Readout(2, own, 16))
        other = load_encoder(f"hf:{pieced}", device="cpu", reading=Reading(layers="all", poolings=(own,)))
        np.testing.assert_allclose(_encode(encoder, TEXTS), _encode(other, TEXTS), atol=1e-6)

    def test_flags_of_earlier_versions(self, sentences, tmp_path):
        import shutil

        shutil.copytree(sentences(), tmp_path / "copy")
        flags = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
        (tmp_path / "copy" / "1_Pooling" / "config.json").write_text(json.dumps(flags | {"include_prompt": True}))
        encoder = _load(tmp_path / "copy", Reading(layers=(1,)))
        assert encoder.card.readouts == (Readout(1, "cls", 16),)

    def test_asked_poolings_and_the_prompt(self, sentences, pieced):
        reading = Reading(layers=(0, 2), poolings=("cls", "last"))
        encoder = _load(sentences(), reading, "?prompt_name=query")
        other = load_encoder(f"hf:{pieced}?prompt=good%20", device="cpu", reading=reading)
        np.testing.assert_allclose(_encode(encoder, TEXTS), _encode(other, TEXTS), atol=1e-6)
        assert encoder.card.notes == (
            "layers are those of the model's transformer; its own pooling and what follows are not used",
        )
        asked = _load(sentences(), Reading(layers=(2,)), pooling="mean")
        assert asked.card.readouts == (Readout(2, "mean", 16),)

    @pytest.mark.parametrize("query", ["", "?pair=joint"])
    def test_of_pairs(self, sentences, pieced, query):
        reading = Reading("pair", layers=(1, 2), poolings=("mean",))
        found = _encode(_load(sentences(), reading, query), PAIRS)
        other = load_encoder(f"hf:{pieced}{query or '?pair=vectors'}", device="cpu", reading=reading)
        np.testing.assert_allclose(found, _encode(other, PAIRS), atol=1e-6)


class TestRefusals:
    def test_a_model_without_a_transformer(self, pieced, tmp_path):
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(pieced / "tokenizer.json"))
        embedding = StaticEmbedding(tokenizer, embedding_weights=np.ones((57, 4), np.float32))
        SentenceTransformer(modules=[embedding], device="cpu").save_pretrained(str(tmp_path))
        for reading in (Reading("word"), Reading(layers="all")):
            with pytest.raises(CandidateError) as caught:
                _load(tmp_path, reading)
            assert str(caught.value) == (
                f"candidate 'st:{tmp_path}' has no transformer, so it gives no words, layers or joint pairs; "
                "leave it out for this kind of reading"
            )
        assert _load(tmp_path, Reading("pair")).card.feature_dim == 16

    def test_options(self, sentences):
        with pytest.raises(UsageError, match="pair must be joint or vectors, got 'apart'"):
            _load(sentences(), Reading("pair"), "?pair=apart")
        with pytest.raises(UsageError, match="subword must be mean or first, got 'all'"):
            _load(sentences(), Reading("word"), "?subword=all")
