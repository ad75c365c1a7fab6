"""Texts in many scripts, through tokenizers and batches sorted by length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from hubscout.data.parts import TextPairs, WordLists
from hubscout.data.samples import Texts
from hubscout.features.checks import BatchChecker
from hubscout.features.forward import ForwardLoop, make_windows
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading

TEXTS = (
    "Το ποτάμι κυλά",  # noqa: RUF001 - Greek
    "Москва не сразу строилась, а понемногу",  # noqa: RUF001 - Cyrillic
    "السلام عليكم",
    "שלום עולם",
    "नमस्ते दुनिया, आप कैसे हैं",
    "我们明天去北京",
    "สวัสดีชาวโลก",
    "안녕하세요 세계",
    "ⴰⵣⵓⵍ",
    "👩‍👩‍👧 🇪🇺 ok",
    "à",
    "Ünïcödé ﬁne",
)
N = len(TEXTS)
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def _bytes(folder):
    """A tokenizer of bytes as GPT-2's: every script has its tokens."""
    core = Tokenizer(models.BPE({letter: i for i, letter in enumerate(BYTES)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    transformers.PreTrainedTokenizerFast(tokenizer_object=core).save_pretrained(folder)


def _pieces(folder):
    """A tokenizer of characters behind word marks, as multilingual sentence pieces are."""
    letters = sorted({letter for text in TEXTS for letter in text} - {" "})
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "▁", *letters])}
    core = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    core.normalizer = normalizers.NFC()
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", pad_token="<pad>", eos_token="</s>"
    ).save_pretrained(folder)


@pytest.fixture(scope="module", params=["bytes", "pieces"])
def folder(request, tmp_path_factory):
    """A tiny causal model over bytes, and a bidirectional one over characters."""
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    if request.param == "bytes":
        config = transformers.GPT2Config(
            vocab_size=256, n_positions=64, n_embd=16, n_layer=1, n_head=2, bos_token_id=None, eos_token_id=None
        )
        transformers.GPT2LMHeadModel(config).save_pretrained(folder)
        _bytes(folder)
    else:
        config = transformers.XLMRobertaConfig(
            vocab_size=200, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=66, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        )  # fmt: skip
        transformers.XLMRobertaModel(config).save_pretrained(folder)
        _pieces(folder)
    return folder


def _run(encoder, samples, counts):
    """All samples by the forward loop, batches of four sorted by length, against one sample at a time."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    checker = BatchChecker(encoder.card, samples.name, "float32")
    loop = ForwardLoop(encoder, samples, offsets, checker, batch_size=4, window_samples=N, threads=2)
    windows = make_windows(N, N, [(0, N)])
    (features,) = [features for _, features, _ in loop.run(windows)]
    alone = [encoder.encode([encoder.prepare(samples[i])]).features for i in range(N)]
    np.testing.assert_allclose(features, np.concatenate(alone), atol=1e-5)
    assert loop.notes == []
    return features


def _distinct(rows):
    return len(np.unique(np.round(rows, 4), axis=0))


@pytest.mark.parametrize("reading", [Reading(), Reading(layers="all", poolings=("mean", "max"))])
def test_texts(folder, reading):
    encoder = load_encoder(f"hf:{folder}", device="cpu", reading=reading)
    features = _run(encoder, Texts(TEXTS, tuple(range(1, N + 1))), [1] * N)
    assert _distinct(features) == N
    lengths = [len(encoder.prepare(text)) for text in TEXTS]
    assert len(set(lengths)) > 6  # so that batches by length mix the scripts


def test_nothing_becomes_unknown(folder):
    encoder = load_encoder(f"hf:{folder}", device="cpu")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    unknown = tokenizer.unk_token_id
    assert all(unknown is None or unknown not in encoder.prepare(text) for text in TEXTS)


def test_words(folder):
    texts = tuple(tuple(text.split()) for text in TEXTS)
    encoder = load_encoder(f"hf:{folder}", device="cpu", reading=Reading("word"))
    words = [word for text in texts for word in text]
    features = _run(encoder, WordLists(texts, tuple(range(1, N + 1))), [len(text) for text in texts])
    assert features.shape == (len(words), 16)
    assert _distinct(features) == len(words)
    # The tokens of the words are those of the text.
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for text, ids in zip(TEXTS, map(encoder.prepare, map(WordLists(texts, ()).__getitem__, range(N))), strict=True):
        assert list(ids.windows[0]) == tokenizer(text)["input_ids"][: len(ids.windows[0])]


@pytest.mark.parametrize("query", ["", "?pair=vectors"])
def test_pairs(folder, query):
    pairs = TextPairs(tuple(zip(TEXTS, TEXTS[::-1], strict=True)), tuple(range(1, N + 1)))
    encoder = load_encoder(f"hf:{folder}{query}", device="cpu", reading=Reading("pair"))
    features = _run(encoder, pairs, [1] * N)
    assert _distinct(features) == N
