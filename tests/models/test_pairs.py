"""Pairs of texts as one input or as two vectors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.parts import TextPair
from hubscout.errors import UsageError
from hubscout.models.loading import load_encoder
from hubscout.models.pairs import combine_vectors, cut_longest_first
from hubscout.models.reading import Reading, Readout

SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
PAIRS = (TextPair("a good film", "it was not bad"), TextPair("bad", "a"), TextPair("quick brown fox", "lazy dog"))
NOTES = {
    "joint": "a pair is one input: first text, separator, second text, as the tokenizer builds pairs",
    "joint by newline": "a pair is one input: first text, newline, second text",
    "vectors": "a pair is read as two texts with vectors u and v, taken as [u, v, |u - v|, u * v]",
}


def _load(folder, query="", **settings):
    return load_encoder(f"hf:{folder}{query}", device="cpu", reading=Reading("pair", **settings))


def _encode(encoder, pairs):
    return encoder.encode([encoder.prepare(pair) for pair in pairs])


@torch.no_grad()
def _naive(model, tokenizer, pairs, pick):
    rows = []
    for pair in pairs:
        inputs = tokenizer(pair.first, pair.second, return_tensors="pt", truncation="longest_first", max_length=24)
        rows.append(pick(model(**inputs, output_hidden_states=True))[0].numpy())
    return np.stack(rows)


def _stated(encoder, style):
    assert encoder.card.transform["pair"] == style
    assert encoder.card.unit == "pair"
    assert encoder.card.notes[-1] == NOTES[style]
    json.dumps(encoder.card.to_dict())


class TestJoint:
    @pytest.mark.parametrize(
        ("pooling", "pick"),
        [
            (None, lambda output: output.last_hidden_state.mean(1)),
            ("cls", lambda output: output.last_hidden_state[:, 0]),
            ("pooler", lambda output: output.pooler_output),
        ],
    )
    def test_as_the_tokenizer_builds_pairs(self, pieced, pooling, pick):
        encoder = load_encoder(f"hf:{pieced}", device="cpu", pooling=pooling, reading=Reading("pair"))
        tokenizer = transformers.AutoTokenizer.from_pretrained(pieced)
        model = transformers.AutoModel.from_pretrained(pieced).eval()
        features = _encode(encoder, PAIRS).features
        np.testing.assert_allclose(features, _naive(model, tokenizer, PAIRS, pick), atol=1e-5)
        _stated(encoder, "joint")

    def test_the_second_text_has_its_own_segment(self, pieced):
        encoder = _load(pieced)
        prepared = encoder.prepare(PAIRS[1])
        assert prepared.segments == [0] * 5 + [1] * 2
        features = encoder.encode([prepared]).features
        assert np.abs(features - encoder.encode([list(prepared)]).features).max() > 1e-3

    def test_the_longer_text_is_cut_first(self, pieced):
        prepared = _load(pieced).prepare(TextPair("a" * 40, "bad"))
        assert len(prepared) == 24
        assert prepared.segments == [0] * 20 + [1] * 4

    def test_logits_of_a_classifier_of_pairs(self, tmp_path, pieces_in):
        torch.manual_seed(0)
        config = transformers.BertConfig(vocab_size=57, max_position_embeddings=24, num_labels=3, **SMALL)
        model = transformers.BertForSequenceClassification(config).eval()
        model.save_pretrained(tmp_path)
        tokenizer = pieces_in(tmp_path)
        batch = _encode(_load(tmp_path), PAIRS)
        np.testing.assert_allclose(batch.logits, _naive(model, tokenizer, PAIRS, lambda o: o.logits), atol=1e-5)
        expected = _naive(model.bert, tokenizer, PAIRS, lambda output: output.pooler_output)
        np.testing.assert_allclose(batch.features, expected, atol=1e-5)
        apart = _load(tmp_path, "?pair=vectors")
        assert _encode(apart, PAIRS).logits is None
        assert apart.card.source_classes is None

    def test_models_without_segments_do_not_get_them(self, tmp_path, pieces_in):
        config = transformers.DistilBertConfig(
            vocab_size=57, max_position_embeddings=24, dim=16, n_layers=2, n_heads=2, hidden_dim=32
        )
        transformers.DistilBertModel(config).save_pretrained(tmp_path)
        pieces_in(tmp_path)
        encoder = _load(tmp_path)
        assert type(encoder.prepare(PAIRS[0])) is list
        assert _encode(encoder, PAIRS).features.shape == (3, 16)
        _stated(encoder, "joint")


class TestNewline:
    @pytest.fixture
    def causal(self, tmp_path, tokenizer_in):
        torch.manual_seed(0)
        config = transformers.LlamaConfig(vocab_size=13, max_position_embeddings=24, **SMALL)
        transformers.LlamaForCausalLM(config).save_pretrained(tmp_path)
        tokenizer_in(tmp_path, special=False, eos_token="<eos>")
        return tmp_path

    def test_causal_model(self, causal):
        encoder = _load(causal)
        model = transformers.AutoModel.from_pretrained(causal).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(causal)
        rows = []
        for pair in PAIRS:
            with torch.no_grad():
                inputs = tokenizer(f"{pair.first}\n{pair.second}", return_tensors="pt", return_token_type_ids=False)
                rows.append(model(**inputs).last_hidden_state[0, -1].numpy())
        np.testing.assert_allclose(_encode(encoder, PAIRS).features, np.stack(rows), atol=1e-5)
        _stated(encoder, "joint by newline")

    def test_the_second_text_is_never_lost(self, causal):
        encoder = _load(causal)
        assert encoder.prepare(TextPair("good " * 50, "bad film")) == [7] * 22 + [8, 9]
        assert encoder.prepare(TextPair("good", "bad " * 50)) == [7] + [8] * 23
        assert encoder.prepare(TextPair("good " * 50, "bad " * 50)) == [7] * 12 + [8] * 12

    def test_a_tokenizer_that_would_run_texts_together(self, bert):
        """Its template knows single texts only, so each text is read on its own."""
        _stated(_load(bert), "vectors")
        joined = _load(bert, "?pair=joint")
        _stated(joined, "joint by newline")
        assert joined.prepare(TextPair("good", "bad")) == [2, 7, 8, 3]


class TestVectors:
    def test_two_vectors_combined(self, pieced):
        encoder = _load(pieced, "?pair=vectors")
        single = load_encoder(f"hf:{pieced}", device="cpu")
        u, v = (
            np.concatenate([single.encode([single.prepare(getattr(pair, side))]).features for pair in PAIRS])
            for side in ("first", "second")
        )
        expected = np.hstack([u, v, np.abs(u - v), u * v])
        np.testing.assert_allclose(_encode(encoder, PAIRS).features, expected, atol=1e-5)
        assert encoder.card.feature_dim == 64
        _stated(encoder, "vectors")

    def test_length_counts_both_texts(self, pieced):
        assert len(_load(pieced, "?pair=vectors").prepare(PAIRS[1])) == 5 + 3

    def test_a_common_space_holds_one_vector_a_text(self, tmp_path, pieces_in):
        config = transformers.CLIPConfig(
            text_config={"vocab_size": 57, "max_position_embeddings": 24, "eos_token_id": 3, **SMALL},
            vision_config={"image_size": 32, "patch_size": 8, **SMALL},
            projection_dim=8,
        )
        transformers.CLIPModel(config).save_pretrained(tmp_path)
        pieces_in(tmp_path)
        encoder = _load(tmp_path, "?modality=text")
        assert _encode(encoder, PAIRS).features.shape == (3, 32)
        _stated(encoder, "vectors")


class TestLayers:
    def test_joint(self, pieced):
        encoder = _load(pieced, layers="all", poolings=("cls", "max"))
        tokenizer = transformers.AutoTokenizer.from_pretrained(pieced)
        model = transformers.AutoModel.from_pretrained(pieced).eval()
        expected = [
            _naive(model, tokenizer, PAIRS, lambda output, i=i, p=pool: p(output.hidden_states[i]))
            for i in (1, 2)
            for pool in (lambda hidden: hidden[:, 0], lambda hidden: hidden.amax(1))
        ]
        np.testing.assert_allclose(_encode(encoder, PAIRS).features, np.hstack(expected), atol=1e-5)

    def test_vectors_are_combined_layer_by_layer(self, pieced):
        encoder = _load(pieced, "?pair=vectors", layers=(1, 2))
        assert encoder.card.readouts == (Readout(1, "mean", 64), Readout(2, "mean", 64))
        features = _encode(encoder, PAIRS).features
        last = _encode(_load(pieced, "?pair=vectors"), PAIRS).features
        np.testing.assert_allclose(features[:, 64:], last, atol=1e-5)


class TestArithmetic:
    @given(a=st.integers(0, 12), b=st.integers(0, 12), room=st.integers(0, 20))
    def test_cutting_as_the_library_does(self, a, b, room):
        """One token at a time off the longer list; of two equal ones off the second."""
        expected = [a, b]
        while sum(expected) > room:
            expected[0 if expected[0] > expected[1] else 1] -= 1
        first, second = cut_longest_first([1] * a, [2] * b, room)
        assert [len(first), len(second)] == expected

    def test_readouts_stay_apart(self):
        u, v = np.float32([[1, 2, 3]]), np.float32([[3, 0, 5]])
        combined = combine_vectors(u, v, [1, 2])
        assert combined.tolist() == [[1, 3, 2, 3, 2, 3, 0, 5, 2, 2, 0, 15]]


def test_unknown_style(pieced):
    with pytest.raises(UsageError, match="pair must be joint or vectors, got 'both'"):
        _load(pieced, "?pair=both")
