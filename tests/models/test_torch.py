from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hubscout.errors import CandidateError, UnsafeFileError, UsageError
from hubscout.models.address import Address
from hubscout.models.loading import load_encoder

SOURCE = '''
import torch
from torch import nn


class Plain(nn.Module):
    """Returns features in the way that is asked for."""

    def __init__(self, width=5, result="vector"):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 1)
        self.dropout = nn.Dropout(0.5)
        self.result = result

    def forward(self, x):
        x = self.dropout(self.conv(x))
        vector = x.mean((2, 3))
        return {
            "vector": vector, "map": x, "tuple": (vector, None), "dict": {"last_hidden_state": x.flatten(2).mT},
            "none": None, "scalar": vector.sum(),
        }[self.result]


class Configured(Plain):
    pretrained_cfg = {"input_size": (3, 12, 12), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


class Words(nn.Module):
    max_len = 6

    def __init__(self, pooled=False):
        super().__init__()
        self.table = nn.Embedding(30, 4)
        self.pooled = pooled

    def tokenize(self, text):
        return [len(word) for word in text.split()]

    def forward(self, ids, mask):
        vectors = self.table(ids)
        if self.pooled:
            return (vectors * mask[..., None]).sum(1)
        return vectors


def not_a_module():
    return 3


constant = 3
'''


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A module beside the user, in the current folder."""
    (tmp_path / "my_nets.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    yield tmp_path
    sys.modules.pop("my_nets", None)


def _weights(path, state):
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def _state(width=5):
    generator = torch.Generator().manual_seed(0)
    shapes = {"conv.weight": (width, 3, 1, 1), "conv.bias": (width,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


SETTINGS = "input_size=8&mean=0.5&std=0.5"


class TestImages:
    @pytest.mark.parametrize("result", ["vector", "map", "tuple", "dict"])
    def test_features_whatever_forward_returns(self, nets, pictures, result):
        _weights(nets / "w.safetensors", _state())
        encoder = load_encoder(f"torch:my_nets:Plain?weights=w.safetensors&result={result}&{SETTINGS}", device="cpu")
        prepared = [encoder.prepare(picture) for picture in pictures]
        state = _state()
        expected = np.einsum("bchw,dc->bd", np.stack(prepared), state["conv.weight"][:, :, 0, 0].numpy()) / 64
        features = encoder.encode(prepared).features
        np.testing.assert_allclose(features, expected + state["conv.bias"].numpy(), rtol=1e-4, atol=1e-5)
        assert encoder.card.feature_dim == 5
        assert encoder.card.n_parameters == 20
        assert encoder.card.notes == ()

    def test_timm_s_surface_is_used(self, timm_folder, pictures):
        folder = timm_folder("test_resnet", num_classes=7)
        # timm's own factory, called with arguments from the address
        encoder = load_encoder(
            f"torch:timm:create_model?model_name=test_resnet&num_classes=7&weights={folder}/model.safetensors",
            device="cpu",
        )
        reference = load_encoder(f"timm:local-dir:{folder}", device="cpu")
        batch = encoder.encode([encoder.prepare(picture) for picture in pictures])
        expected = reference.encode([reference.prepare(picture) for picture in pictures])
        np.testing.assert_allclose(batch.features, expected.features, atol=1e-4)
        np.testing.assert_allclose(batch.logits, expected.logits, atol=1e-4)
        assert encoder.card.identity == reference.card.identity
        assert encoder.card.n_parameters == reference.card.n_parameters

    def test_the_model_s_own_configuration(self, nets):
        card = load_encoder("torch:my_nets:Configured?std=0.25", device="cpu").card
        assert card.transform["input_size"] == [3, 12, 12]
        assert card.transform["mean"] == [0.5, 0.5, 0.5]
        assert card.transform["std"] == [0.25, 0.25, 0.25]

    def test_what_is_assumed_is_said(self, nets):
        card = load_encoder("torch:my_nets:Plain", device="cpu").card
        assert card.transform["input_size"] == [3, 224, 224]
        assert card.notes == (
            "no weights= in the address: the parameters are those the factory set",
            (
                "the model does not state its input_size, mean, std: ImageNet's usual values are assumed; "
                "set input_size=, mean=, std= in the address to change them"
            ),
        )

    def test_identity_and_transform_name_everything_that_decides(self, nets):
        _weights(nets / "w.safetensors", _state())
        address = f"torch:my_nets:Plain?weights=w.safetensors&{SETTINGS}"
        card = load_encoder(address, device="cpu").card
        assert card.identity.startswith("sha256:")
        assert card.transform["factory"] == "my_nets:Plain"
        assert card.transform["arguments"] == {}
        assert load_encoder(address, device="cpu").card == card
        json.dumps(card.to_dict())
        mapped = load_encoder(f"{address}&result=map", device="cpu").card
        assert mapped.transform["arguments"] == {"result": "map"}
        (nets / "my_nets.py").write_text(SOURCE + "\n# edited")
        assert load_encoder(address, device="cpu").card.transform != card.transform

    def test_arguments_are_json_where_they_are_json(self, nets):
        address = Address("torch", "my_nets:Plain", options={"width": "9", "result": "map", "input_size": "4"})
        assert load_encoder(address, device="cpu").card.feature_dim == 9

    def test_half_precision_weights(self, nets, pictures):
        _weights(nets / "w.safetensors", {name: tensor.half() for name, tensor in _state().items()})
        encoder = load_encoder(f"torch:my_nets:Plain?weights=w.safetensors&{SETTINGS}", device="cpu")
        assert encoder.encode([encoder.prepare(pictures[0])]).features.dtype == np.float32

    def test_a_full_memory_is_a_memory_error(self, nets, pictures, monkeypatch):
        encoder = load_encoder(f"torch:my_nets:Plain?{SETTINGS}", device="cpu")
        monkeypatch.setattr(
            torch.nn.Conv2d, "forward", lambda *_: (_ for _ in ()).throw(RuntimeError("CUDA out of memory."))
        )
        with pytest.raises(MemoryError):
            encoder.encode([encoder.prepare(pictures[0])])


class TestText:
    @pytest.mark.parametrize("pooling", ["mean", "last", "cls"])
    def test_pools_tokens_over_the_mask(self, nets, pooling):
        torch.manual_seed(0)
        table = torch.randn(30, 4)
        _weights(nets / "w.safetensors", {"table.weight": table})
        encoder = load_encoder("torch:my_nets:Words?weights=w.safetensors&modality=text", device="cpu", pooling=pooling)
        prepared = [encoder.prepare(text) for text in ("a bb ccc", "dddd", "")]
        assert [len(row) for row in prepared] == [3, 1, 1]
        rows = {"mean": table[[1, 2, 3]].mean(0), "last": table[3], "cls": table[1]}
        features = encoder.encode(prepared).features
        np.testing.assert_allclose(features[0], rows[pooling].numpy(), rtol=1e-6)
        np.testing.assert_allclose(features[1], table[4].numpy(), rtol=1e-6)
        assert encoder.card.modality == "text"
        assert encoder.card.transform["pooling"] == pooling

    def test_length_is_cut(self, nets):
        encoder = load_encoder("torch:my_nets:Words?modality=text", device="cpu")
        assert len(encoder.prepare("a " * 50)) == 6
        encoder = load_encoder("torch:my_nets:Words?modality=text&max_length=2", device="cpu")
        assert len(encoder.prepare("a " * 50)) == 2

    def test_a_module_that_pools_itself(self, nets):
        encoder = load_encoder("torch:my_nets:Words?modality=text&pooled=true", device="cpu")
        assert encoder.encode([encoder.prepare("a b")]).features.shape == (1, 4)

    def test_no_tokenizer(self, nets):
        with pytest.raises(CandidateError) as caught:
            load_encoder("torch:my_nets:Plain?modality=text", device="cpu")
        assert str(caught.value) == (
            "module of 'my_nets:Plain' must have tokenize(text) -> list of int for modality=text; add it"
        )


class TestRefusals:
    @pytest.mark.parametrize(
        ("address", "message"),
        [
            (
                "torch:no_nets:build",
                (
                    "module 'no_nets' of address 'torch:no_nets:build' cannot be found; "
                    "install it, or run in the folder that holds it"
                ),
            ),
            (
                "torch:my_nets:Plane",
                "module 'my_nets' has no factory 'Plane'; did you mean 'my_nets:Plain'?",
            ),
            (
                "torch:my_nets:constant",
                "module 'my_nets' has no factory 'constant'; name a function or class that it defines",
            ),
            (
                "torch:my_nets:not_a_module",
                "factory 'my_nets:not_a_module' must return a torch.nn.Module, got int",
            ),
            (
                "torch:my_nets:Plain?result=none&input_size=4",
                "the module must return a tensor, or a tuple or dict that holds one, got NoneType",
            ),
            (
                "torch:my_nets:Plain?weights=nope.safetensors",
                "weights 'nope.safetensors' do not exist; check the path, which is relative to the current folder",
            ),
            (
                "torch:my_nets:Plain?weights=w.safetensors&width=6",
                (
                    "weights 'w.safetensors' do not fit the module: 'conv.bias' has shape (5,), "
                    "not (6,); check the factory's arguments"
                ),
            ),
            (
                "torch:my_nets:Words?weights=w.safetensors",
                (
                    "weights 'w.safetensors' do not fit the module of 'my_nets:Words': 1 missing ['table.weight'], "
                    "2 unexpected ['conv.bias', 'conv.weight']; check the factory's arguments"
                ),
            ),
        ],
    )
    def test_messages(self, nets, address, message):
        _weights(nets / "w.safetensors", _state())
        with pytest.raises(CandidateError) as caught:
            load_encoder(address, device="cpu")
        assert str(caught.value) == message

    def test_unknown_argument(self, nets):
        with pytest.raises(CandidateError, match=r"cannot be called with \['depth'\]: TypeError"):
            load_encoder("torch:my_nets:Plain?depth=3")

    def test_unknown_modality(self, nets):
        with pytest.raises(UsageError, match="modality must be image or text, got 'audio'"):
            load_encoder("torch:my_nets:Plain?modality=audio")

    def test_evil_weights_do_not_run(self, nets):
        class Evil:
            def __reduce__(self):
                return os.system, (f"touch {nets / 'executed'}",)

        torch.save({"conv.weight": Evil()}, nets / "w.pth")
        with pytest.raises(UnsafeFileError):
            load_encoder("torch:my_nets:Plain?weights=w.pth")
        assert not (nets / "executed").exists()

    def test_the_current_folder_cannot_stand_in_for_a_library(self, nets):
        (nets / "timm.py").write_text("raise SystemExit('ran a file of the current folder')")
        load_encoder("torch:my_nets:Plain?input_size=4", device="cpu")
        assert sys.path[-1] == str(nets)
