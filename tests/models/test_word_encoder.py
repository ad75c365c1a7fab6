"""Word vectors of models of transformers, against one text at a time."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from hubscout.data.parts import Words
from hubscout.errors import CandidateError, UsageError
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading, Readout

SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
WORD = Reading("word")
TEXTS = (("a", "good", "film"), ("it", "was", "not"), ("bad",), ("the", "quick", "brown", "fox"))


def _load(folder, query="", **settings):
    return load_encoder(f"hf:{folder}{query}", device="cpu", reading=Reading("word", **settings))


def _encode(encoder, texts):
    return encoder.encode([encoder.prepare(text if isinstance(text, Words) else Words(text)) for text in texts])


@torch.no_grad()
def _naive(folder, words, model_class=transformers.AutoModel, pick=lambda output: output.last_hidden_state):
    """One text, its words through the library's own word numbers, each word a mean in a loop."""
    model = model_class.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(list(words), is_split_into_words=True, return_tensors="pt")
    owners = inputs.word_ids()
    inputs.pop("token_type_ids", None)
    vectors = pick(model(**inputs, output_hidden_states=True))[0].numpy()
    return np.stack([vectors[[owner == i for owner in owners]].mean(0) for i in range(len(words))])


class TestAgainstOneByOne:
    def test_words_of_several_tokens(self, pieced):
        features = _encode(_load(pieced), TEXTS).features
        np.testing.assert_allclose(features, np.concatenate([_naive(pieced, text) for text in TEXTS]), atol=1e-5)

    def test_card(self, pieced):
        card = _load(pieced).card
        assert (card.unit, card.feature_dim, card.source_classes, card.readouts) == ("word", 16, None, ())
        assert card.transform["pooling"] == "mean of each word"
        assert card.transform["words"] == {
            "subword": "mean", "leading_space": False, "window": 22, "overlap": 11, "unknown": 1,
        }  # fmt: skip
        json.dumps(card.to_dict())

    def test_first_token_of_each_word(self, pieced):
        texts = ("ab", "c"), ("b", "ac")
        both = _encode(_load(pieced, "?subword=first"), texts).features
        letters = _encode(_load(pieced), texts).features
        np.testing.assert_allclose(both[[1, 2]], letters[[1, 2]], atol=1e-6)
        assert np.abs(both[[0, 3]] - letters[[0, 3]]).min() > 1e-4

    def test_words_that_are_not_kept_are_context(self, pieced):
        encoder = _load(pieced)
        whole = _encode(encoder, TEXTS).features
        kept = _encode(encoder, [Words(TEXTS[3], (1, 3)), Words(TEXTS[0], (0,))]).features
        np.testing.assert_allclose(kept, whole[[8, 10, 0]], atol=1e-5)

    def test_neighbours_in_the_batch_do_not_matter(self, pieced):
        encoder = _load(pieced)
        texts = [*TEXTS, ("word",) * 30]
        together = _encode(encoder, texts).features
        alone = np.concatenate([_encode(encoder, [text]).features for text in texts])
        np.testing.assert_allclose(together, alone, atol=1e-5)

    def test_a_word_that_loses_all_its_characters(self, pieced):
        """The control character leaves no token; the words behind it must keep their own vectors."""
        encoder = _load(pieced)
        prepared = encoder.prepare(Words(("a", "\u200b", "film", "\x07")))
        assert prepared.windows == ((2, 5, 1, 10, 39, 42, 43, 1, 3),)
        assert prepared.owners[0].tolist() == [-1, 0, 1, 2, 2, 2, 2, 3, -1]
        np.testing.assert_allclose(
            encoder.encode([prepared]).features, _naive(pieced, ("a", "[UNK]", "film", "[UNK]")), atol=1e-5
        )


class TestLongTexts:
    """24 positions, 22 letters a window."""

    def test_every_word_has_its_vector(self, pieced):
        words = tuple("abcdefghijklmnopqrstuvwxyz") * 2
        features = _encode(_load(pieced), [words]).features
        assert features.shape == (52, 16)
        # Letter by letter: the window in which it stands deepest, found by trying all.
        begins = [0, 11, 22, 30]
        windows = {begin: _naive(pieced, words[begin : begin + 22]) for begin in begins}
        for i, row in enumerate(features):
            depth = {begin: min(i - begin, begin + 21 - i) for begin in begins if begin <= i < begin + 22}
            best = max(depth, key=lambda begin: depth[begin])
            np.testing.assert_allclose(row, windows[best][i - best], atol=1e-5)

    def test_a_word_longer_than_the_model(self, pieced):
        features = _encode(_load(pieced), [("a", "b" * 70, "c")]).features
        assert features.shape == (3, 16)
        assert np.isfinite(features).all()
        np.testing.assert_allclose(features[0], _naive(pieced, ("a", "b" * 21))[0], atol=1e-5)

    def test_the_prompt_stands_in_every_window(self, pieced):
        encoder = _load(pieced, "?prompt=abc%20&max_length=9")
        prepared = encoder.prepare(Words(tuple("defghij")))
        assert [window[:4] for window in prepared.windows] == [(2, 5, 32, 33)] * 3
        assert prepared.n_words == 7

    def test_memory_is_bounded_by_the_number_of_texts(self, pieced, monkeypatch):
        encoder = _load(pieced)
        sizes = []
        run = encoder._run
        monkeypatch.setattr(encoder, "_run", lambda rows: sizes.append(len(rows)) or run(rows))
        _encode(encoder, [("abc",) * 40, ("a",)])
        assert max(sizes) == 2


class TestTokenizers:
    def test_slow_tokenizer(self, tmp_path):
        """ByT5's has no word numbers: 3 + the byte, and a closing token."""
        config = transformers.T5Config(
            vocab_size=384, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0
        )
        torch.manual_seed(0)
        transformers.T5ForConditionalGeneration(config).save_pretrained(tmp_path)
        tokenizer = transformers.ByT5Tokenizer()
        assert not tokenizer.is_fast
        tokenizer.save_pretrained(tmp_path)
        encoder = _load(tmp_path)
        text = "Straße", "νερό", "水"
        features = _encode(encoder, [text, ("a",)]).features
        ids = [[3 + byte for byte in word.encode()] for word in (text[0], f" {text[1]}", f" {text[2]}")]
        model = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path).get_encoder().eval()
        with torch.no_grad():
            vectors = (
                model(torch.tensor([[token for word in ids for token in word] + [1]])).last_hidden_state[0].numpy()
            )
        bounds = np.cumsum([0, *map(len, ids)])
        expected = [vectors[a:b].mean(0) for a, b in itertools.pairwise(bounds)]
        np.testing.assert_allclose(features[:3], expected, atol=1e-5)

    def test_bytes_with_the_space_before_words(self, tmp_path):
        """GPT-2's kind: the tokens of words must be those of the text."""
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        core = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core)
        tokenizer.save_pretrained(tmp_path)
        config = transformers.GPT2Config(
            vocab_size=256, n_positions=24, n_embd=16, n_layer=1, n_head=2, bos_token_id=None, eos_token_id=None
        )
        transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
        encoder = _load(tmp_path)
        prepared = encoder.prepare(Words(("Das", "ist", "gut")))
        assert list(prepared.windows[0]) == tokenizer("Das ist gut")["input_ids"]
        assert prepared.owners[0].tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
        assert encoder.encode([prepared]).features.shape == (3, 16)


class TestHeads:
    def test_a_checkpoint_that_labels_tokens(self, tmp_path, pieces_in):
        config = transformers.RobertaConfig(
            vocab_size=57, max_position_embeddings=30, pad_token_id=0, num_labels=5, type_vocab_size=1, **SMALL
        )
        torch.manual_seed(0)
        model_class = transformers.RobertaForTokenClassification
        model_class(config).save_pretrained(tmp_path)
        pieces_in(tmp_path)
        batch = _encode(_load(tmp_path), TEXTS[:2])
        logits = [_naive(tmp_path, text, model_class, lambda output: output.logits) for text in TEXTS[:2]]
        np.testing.assert_allclose(batch.logits, np.concatenate(logits), atol=1e-5)
        hidden = [_naive(tmp_path, text) for text in TEXTS[:2]]
        np.testing.assert_allclose(batch.features, np.concatenate(hidden), atol=1e-5)
        card = _load(tmp_path).card
        assert (card.feature_dim, card.source_classes) == (16, 5)
        with_layers = _encode(_load(tmp_path, layers=(2,)), TEXTS[:2])
        np.testing.assert_allclose(with_layers.features, batch.features, atol=1e-6)
        np.testing.assert_allclose(with_layers.logits, batch.logits, atol=1e-6)

    def test_a_classifier_of_texts_has_no_logits_for_words(self, tmp_path, pieces_in):
        config = transformers.BertConfig(vocab_size=57, max_position_embeddings=24, num_labels=3, **SMALL)
        transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
        pieces_in(tmp_path)
        batch = _encode(_load(tmp_path), TEXTS[:1])
        assert batch.logits is None
        np.testing.assert_allclose(batch.features, _naive(tmp_path, TEXTS[0]), atol=1e-5)


class TestLayers:
    def test_each_layer_s_words(self, pieced):
        encoder = _load(pieced, layers=(0, 1, -1))
        features = _encode(encoder, TEXTS).features
        assert encoder.card.readouts == tuple(Readout(layer, "mean", 16) for layer in (0, 1, 2))
        for layer in range(3):
            expected = [_naive(pieced, text, pick=lambda output, i=layer: output.hidden_states[i]) for text in TEXTS]
            columns = slice(16 * layer, 16 * layer + 16)
            np.testing.assert_allclose(features[:, columns], np.concatenate(expected), atol=1e-5)
        np.testing.assert_allclose(features[:, 32:], _encode(_load(pieced), TEXTS).features, atol=1e-6)


class TestRefusals:
    def test_options(self, pieced):
        with pytest.raises(UsageError, match="subword must be mean or first, got 'last'"):
            _load(pieced, "?subword=last")
        with pytest.raises(UsageError, match="must leave room for words beside 2 special tokens, got 2"):
            _load(pieced, "?max_length=2")

    def test_pictures_have_no_words(self, tmp_path):
        config = transformers.ViTConfig(image_size=32, patch_size=8, **SMALL)
        transformers.ViTModel(config).save_pretrained(tmp_path)
        transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
        with pytest.raises(CandidateError) as caught:
            _load(tmp_path)
        assert str(caught.value) == (
            f"candidate 'hf:{tmp_path}' gives no features of words; leave it out for this kind of task"
        )
