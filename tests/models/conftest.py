"""Tiny models of every kind, made on the spot, so that the real loading code runs offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image


def _save(graph: onnx.GraphProto, path: Path) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def _constant(name: str, array: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(array, name)


def make_image_file(
    path: Path,
    *,
    shape: tuple[object, ...] = ("n", 3, 8, 8),
    outputs: tuple[str, ...] = ("features", "logits"),
    bias: bool = True,
    width: int = 5,
    pooled: bool = True,
) -> Path:
    """Save a 1x1 convolution, a mean over the map (named ``hidden``), and a classifier."""
    rng = np.random.default_rng(0)
    channels = next(n for n in (shape[1], shape[3]) if n in (1, 3))
    last = shape[3] == channels and shape[1] != channels
    kernel = rng.normal(size=(width, channels, 1, 1)).astype(np.float32)
    head = rng.normal(size=(width, 4)).astype(np.float32)
    nodes, source = [], "image"
    if last:
        nodes.append(helper.make_node("Transpose", ["image"], ["moved"], perm=[0, 3, 1, 2]))
        source = "moved"
    nodes += [
        helper.make_node("Conv", [source, "kernel"], ["map"]),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["hidden"]),
    ]
    if "features" in outputs:
        nodes.append(helper.make_node("Identity", ["hidden" if pooled else "map"], ["features"]))
    if "logits" in outputs or "class_scores" in outputs:
        result = "logits" if "logits" in outputs else "class_scores"
        nodes.append(helper.make_node("MatMul", ["hidden", "head"], ["product"]))
        nodes.append(helper.make_node("Add" if bias else "Identity", ["product", "bias"][: 1 + bias], [result]))
    shapes = {"features": [shape[0], width] if pooled else [shape[0], width, None, None]}
    constants = [
        _constant("kernel", kernel),
        _constant("head", head),
        _constant("bias", np.ones(4, np.float32)),
    ]
    graph = helper.make_graph(
        nodes,
        "image",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes.get(name, [shape[0], 4])) for name in outputs],
        constants,
    )
    return _save(graph, path)


def make_text_file(path: Path, *, vocabulary: int = 40, width: int = 6, length: object = "t") -> Path:
    """Save an embedding of tokens plus a share of the attention mask, so that padding would show."""
    table = np.random.default_rng(0).normal(size=(vocabulary, width)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("Identity", ["embedded"], ["last_hidden_state"]),
        helper.make_node("Cast", ["attention_mask"], ["unused"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "text",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["n", length])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["n", length, width])],
        [_constant("table", table)],
    )
    return _save(graph, path)


@pytest.fixture(scope="session")
def image_file():
    """A function that saves a tiny vision model as ONNX."""
    return make_image_file


@pytest.fixture(scope="session")
def text_file():
    """A function that saves a tiny text model as ONNX."""
    return make_text_file


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Three pictures of different sizes, none square."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for height, width in ((50, 70), (61, 33), (200, 180))
    ]


WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<eos>", "a", "good", "bad", "film", "it", "was", "not")
TEXTS = ("a good film", "it was not a bad film it was a good film", "bad")


def make_tokenizer(folder: Path, *, special: bool = True, **settings: Any) -> Any:
    """Save a tokenizer of whole words."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    if special:
        core.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        settings = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", **settings}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core, unk_token="[UNK]", **settings)
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.fixture(scope="session")
def tokenizer_in():
    """A function that saves a tiny tokenizer into a folder."""
    return make_tokenizer


@pytest.fixture(scope="session")
def texts() -> tuple[str, ...]:
    """Three texts of different lengths."""
    return TEXTS


BERT = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 24,
}


@pytest.fixture(scope="session")
def bert(tmp_path_factory) -> Path:
    """A folder with a tiny BERT and its tokenizer."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    transformers.BertModel(transformers.BertConfig(**BERT)).save_pretrained(folder)
    make_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def timm_folder(tmp_path_factory):
    """A function that saves a randomly initialised timm model into a folder, once."""
    import timm
    import torch
    from timm.models import save_for_hf

    made: dict[tuple[Any, ...], Path] = {}

    def make(name: str, safe: bool | str = True, **settings: Any) -> Path:
        key = (name, safe, *sorted(settings.items()))
        if key not in made:
            made[key] = tmp_path_factory.mktemp(name)
            torch.manual_seed(0)
            model = timm.create_model(name, **settings)
            save_for_hf(model, made[key], safe_serialization=safe)
        return made[key]

    return make


def make_piece_tokenizer(folder: Path) -> Any:
    """Save a tokenizer that cuts words into letters, drops control characters, and builds pairs as BERT's does."""
    import string

    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = [*WORDS[:5], *string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    core = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.fixture(scope="session")
def pieces_in():
    """A function that saves a tokenizer of letters into a folder."""
    return make_piece_tokenizer


@pytest.fixture(scope="session")
def pieced(tmp_path_factory) -> Path:
    """A folder with a tiny BERT over letters, which tells two texts apart."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("pieced")
    torch.manual_seed(1)
    transformers.BertModel(transformers.BertConfig(**{**BERT, "vocab_size": 57})).save_pretrained(folder)
    make_piece_tokenizer(folder)
    return folder
