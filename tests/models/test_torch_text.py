"""Pairs, words and layers of text modules that a factory makes."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from hubscout.data.parts import TextPair, Words
from hubscout.errors import CandidateError, UsageError
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading, Readout

SOURCE = '''
import torch
from torch import nn


class Letters(nn.Module):
    """A recurrent net over letters: 1 opens a text, 2 closes it."""

    max_len = 12
    opening, closing = [1], [2]

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(200, 4)
        self.net = nn.RNN(4, 6, batch_first=True)

    def tokenize(self, text):
        return [*self.opening, *(3 + ord(letter) % 190 for letter in text), *self.closing]

    def hidden(self, ids):
        embedded = self.table(ids)
        return [embedded, self.net(embedded)[0]]


class Forward(Letters):
    def forward(self, ids, mask):
        return self.hidden(ids)[-1]


class Masked(Letters):
    """The mean over the mask is taken off every layer, so that it sees whether the mask came."""

    def hidden(self, ids, mask):
        weights = mask[..., None] / mask.sum(1)[:, None, None]
        return [h - (h * weights).sum(1, keepdim=True) for h in super().hidden(ids)]


class Pooled(Forward):
    hidden = None

    def forward(self, ids, mask):
        return self.table(ids).mean(1)


class Embedding(Letters):
    def hidden(self, ids):
        return [self.table(ids)]


class Bags(nn.Module):
    """Words by their length; letters beyond ASCII are dropped."""

    dropped = ()

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(30, 4)

    def tokenize(self, text):
        return [len(word) for word in text.split() if word.isascii() and word not in self.dropped]

    def forward(self, ids, mask):
        return {"pooler_output": self.table(ids).sum(1), "last_hidden_state": self.table(ids)}


class Foreign(Bags):
    dropped = ("The", "quick", "brown", "fox")
'''
TEXTS = ("ab c", "d", "efg h")
PAIRS = tuple(TextPair(a, b) for a, b in zip(TEXTS, TEXTS[::-1], strict=True))


@pytest.fixture(autouse=True)
def nets(tmp_path, monkeypatch):
    """A module beside the user, in the current folder."""
    (tmp_path / "text_nets.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "text_nets", raising=False)
    yield tmp_path
    sys.modules.pop("text_nets", None)


def _load(name, reading, query="", **settings):
    return load_encoder(f"torch:text_nets:{name}?modality=text{query}", device="cpu", reading=reading, **settings)


def _encode(encoder, samples):
    return encoder.encode([encoder.prepare(sample) for sample in samples]).features


@torch.no_grad()
def _hidden(name, ids):
    import text_nets

    return [layer[0].numpy() for layer in getattr(text_nets, name)().eval().hidden(torch.tensor([ids]))]


def _ids(text):
    return [1, *(3 + ord(letter) for letter in text), 2]


class TestWords:
    def test_against_one_text_at_a_time(self):
        encoder = _load("Forward", Reading("word"))
        features = _encode(encoder, [Words(("ab", "c")), Words(("efg",)), Words(("d", "e", "f"), (0, 2))])
        # A space stands before every word but the first, and counts as part of the word.
        whole = _hidden("Forward", _ids("ab c"))[1]
        np.testing.assert_allclose(features[:2], [whole[1:3].mean(0), whole[3:5].mean(0)], atol=1e-6)
        np.testing.assert_allclose(features[2], _hidden("Forward", _ids("efg"))[1][1:4].mean(0), atol=1e-6)
        last = _hidden("Forward", _ids("d e f"))[1]
        np.testing.assert_allclose(features[3:], [last[1], last[4:6].mean(0)], atol=1e-6)
        assert encoder.card.transform["words"]["leading_space"] is True
        assert encoder.card.transform["words"]["window"] == 10
        json.dumps(encoder.card.to_dict())

    def test_long_texts_keep_all_words(self):
        encoder = _load("Forward", Reading("word"))
        assert _encode(encoder, [Words(tuple("abcdefghijklm"))]).shape == (13, 6)

    def test_layers(self):
        encoder = _load("Letters", Reading("word", layers=(0, 1)), "&subword=first")
        features = _encode(encoder, [Words(("ab", "c"))])
        layers = _hidden("Letters", _ids("ab c"))
        np.testing.assert_allclose(features, [np.hstack([h[i] for h in layers]) for i in (1, 3)], atol=1e-6)
        assert encoder.card.readouts == (Readout(0, "first", 4), Readout(1, "first", 6))

    def test_one_vector_a_token_goes_before_one_a_text(self):
        encoder = _load("Bags", Reading("word"))
        features = _encode(encoder, [Words(("a", "bb", "é", "dd"))])
        assert encoder.card.transform["words"]["leading_space"] is False
        np.testing.assert_array_equal(features[1], features[3])
        # A word that leaves no token has the vector zero, alone in its batch too.
        np.testing.assert_array_equal(features[2], np.zeros(4))
        np.testing.assert_array_equal(_encode(encoder, [Words(("é", "ü"))]), np.zeros((2, 4)))

    def test_a_vocabulary_without_our_own_example(self):
        assert _load("Foreign", Reading("word")).card.feature_dim == 4

    def test_poolings_have_nothing_to_act_on(self):
        card = _load("Forward", Reading("word", poolings=("cls", "mean"))).card
        assert "poolings not used, since a word is pooled over its own tokens: cls" in card.notes

    def test_a_module_that_pools_itself_is_refused(self):
        with pytest.raises(CandidateError) as caught:
            _load("Pooled", Reading("word"))
        assert str(caught.value) == (
            "candidate 'torch:text_nets:Pooled?modality=text' gives (1, 4) numbers for 12 tokens, not one vector a "
            "token, so words have none; leave it out for this kind of task"
        )


class TestLayers:
    @pytest.mark.parametrize("pooling", ["cls", "mean", "max", "last"])
    def test_each_layer_over_the_mask(self, pooling):
        encoder = _load("Letters", Reading(layers=(0, 1), poolings=(pooling,)))
        pool = {"cls": lambda h: h[0], "mean": lambda h: h.mean(0), "max": lambda h: h.max(0), "last": lambda h: h[-1]}
        expected = [np.hstack([pool[pooling](h) for h in _hidden("Letters", _ids(text))]) for text in TEXTS]
        np.testing.assert_allclose(_encode(encoder, TEXTS), expected, atol=1e-6)
        assert encoder.card.readouts == (Readout(0, pooling, 4), Readout(1, pooling, 6))
        assert encoder.card.transform["pooling"] == pooling
        json.dumps(encoder.card.to_dict())

    def test_the_last_layer_is_the_plain_features(self):
        for name in ("Letters", "Forward"):
            plain = load_encoder(f"torch:text_nets:{name}?modality=text", device="cpu")
            np.testing.assert_array_equal(_encode(_load(name, Reading(layers=(-1,))), TEXTS), _encode(plain, TEXTS))

    def test_a_module_may_ask_for_the_mask(self):
        encoder = _load("Masked", Reading(layers=(1,)))
        np.testing.assert_allclose(_encode(encoder, TEXTS), 0, atol=1e-6)

    def test_a_model_that_is_its_embedding(self):
        assert _load("Embedding", Reading(layers="all")).card.readouts == (Readout(0, "mean", 4),)

    def test_no_hidden_states(self):
        with pytest.raises(CandidateError) as caught:
            _load("Bags", Reading(layers="all"))
        assert str(caught.value) == (
            "candidate 'torch:text_nets:Bags?modality=text' does not give its hidden states: its module needs "
            "hidden(ids) -> list of (b, tokens, d); add it, or leave layers (--layers) out"
        )


class TestPairs:
    def test_vectors(self):
        encoder = _load("Forward", Reading("pair"))
        single = load_encoder("torch:text_nets:Forward?modality=text", device="cpu")
        u, v = _encode(single, TEXTS), _encode(single, TEXTS[::-1])
        np.testing.assert_allclose(_encode(encoder, PAIRS), np.hstack([u, v, np.abs(u - v), u * v]), atol=1e-6)
        assert encoder.card.transform["pair"] == "vectors"
        assert encoder.card.transform["arguments"] == {}

    def test_joint(self):
        encoder = _load("Forward", Reading("pair"), "&pair=joint")
        assert encoder.prepare(TextPair("ab", "c")) == [1, 100, 101, 13, 102, 2]
        assert encoder.prepare(TextPair("a" * 30, "bc")) == [1, *[100] * 7, 13, 101, 102, 2]
        expected = _hidden("Forward", encoder.prepare(PAIRS[0]))[1].mean(0)
        np.testing.assert_allclose(_encode(encoder, PAIRS)[0], expected, atol=1e-6)
        assert encoder.card.transform["pair"] == "joint by newline"

    def test_options(self):
        with pytest.raises(UsageError, match="pair must be joint or vectors, got 'both'"):
            _load("Forward", Reading("pair"), "&pair=both")
