"""Candidates that learn: the features they start from are those of a ranking, and gradients reach the weights."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hubscout.errors import CandidateError, MissingExtraError
from hubscout.evaluation.finetune.data import read_parts
from hubscout.evaluation.finetune.fine_tuning import fine_tune
from hubscout.evaluation.finetune.lora import add_adapters
from hubscout.evaluation.finetune.models import check_method, open_trainable
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.models import load_encoder

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz")
PICTURES = [Image.effect_noise((40, 30), 60).convert("RGB"), Image.new("RGB", (30, 40), "red")]
TEXTS = ["a b c", "x y"]


@pytest.fixture(scope="session")
def timm_folder(tmp_path_factory) -> Path:
    import timm
    from timm.models import save_for_hf

    folder = tmp_path_factory.mktemp("timm")
    torch.manual_seed(0)
    save_for_hf(timm.create_model("test_resnet", num_classes=7), folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory) -> Path:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("bert")
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=24,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory) -> Path:
    import transformers

    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=8
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def check_start(address, modality, samples):
    """The features before training are the ranking's, and their gradients reach a weight."""
    candidate = open_trainable(address, modality=modality, device="cpu")
    encoder = load_encoder(address, device="cpu")
    candidate.module.eval()
    features = candidate.features(candidate.collate([candidate.prepare(sample) for sample in samples]))
    theirs = encoder.encode([encoder.prepare(sample) for sample in samples]).features
    np.testing.assert_allclose(features.detach().numpy(), theirs, atol=1e-5)
    assert candidate.card == encoder.card
    features.sum().backward()
    assert any(each.grad is not None and bool(each.grad.any()) for each in candidate.module.parameters())
    return candidate


class TestStart:
    def test_factory_of_pictures(self, image_address):
        check_start(image_address(), "image", PICTURES)

    def test_factory_of_texts(self):
        check_start("torch:tiny_factories:texts?modality=text&max_length=4", "text", ["hello world", "ab"])

    def test_timm(self, timm_folder):
        check_start(f"timm:local-dir:{timm_folder}", "image", PICTURES)

    def test_transformers_text(self, bert_folder):
        check_start(f"hf:{bert_folder}", "text", TEXTS)

    def test_transformers_images_with_a_source_head(self, vit_folder):
        check_start(f"hf:{vit_folder}", "image", PICTURES)

    def test_transformers_learn(self, bert_folder, text_target):
        spaced = text_target()
        spaced.samples.items = [" ".join(text) for text in spaced.samples.items]
        recipe = Recipe(learning_rates=(1e-2,), epochs=6, batch_size=16, patience=None)
        run = fine_tune(f"hf:{bert_folder}", read_parts(spaced, recipe), recipe, device="cpu").chosen[0]
        assert run.epochs[-1].train_loss < 0.7 * run.epochs[0].train_loss

    @pytest.mark.parametrize("source", ["timm", "hf"])
    def test_pictures_learn(self, source, timm_folder, vit_folder, image_target):
        address = f"timm:local-dir:{timm_folder}" if source == "timm" else f"hf:{vit_folder}"
        recipe = Recipe(learning_rates=(3e-3,), epochs=3, batch_size=16, patience=None)
        target = image_target(24)
        run = fine_tune(address, read_parts(target, recipe), recipe, device="cpu").chosen[0]
        assert run.epochs[-1].train_loss < run.epochs[0].train_loss


class TestRefusals:
    @pytest.mark.parametrize("address", ["bundled:shapes-supervised", "onnx:model.onnx", "features:f.npz"])
    def test_what_is_only_read(self, address):
        scheme = address.partition(":")[0]
        with pytest.raises(CandidateError) as caught:
            check_method(address, "full")
        assert str(caught.value) == (
            f"candidate {address!r} cannot be trained, as {scheme}: addresses are only read; take --method linear-probe"
        )
        check_method(address, "linear-probe")

    def test_sentence_transformers_are_pointed_to_hf(self):
        with pytest.raises(CandidateError, match="take the same as hf:, or --method linear-probe"):
            check_method("st:org/name", "full")

    def test_lora_is_for_transformers(self):
        with pytest.raises(CandidateError) as caught:
            check_method("timm:resnet18", "lora")
        assert str(caught.value) == (
            "candidate 'timm:resnet18' takes no LoRA, which is for hf: addresses; take --method full"
        )

    def test_another_modality(self, image_address):
        with pytest.raises(CandidateError, match="takes image inputs and the target holds text"):
            open_trainable(image_address(), modality="text", device="cpu")

    def test_a_missing_model(self):
        with pytest.raises(CandidateError, match="cannot be found"):
            open_trainable("torch:no_such_module:f", modality="image", device="cpu")

    def test_a_broken_sample_is_named(self, image_address, image_target):
        target = image_target()
        parts = read_parts(target, Recipe())
        row = int(parts.train.rows[0])
        parts.train.probe.samples.items[row] = "no picture"
        with pytest.raises(CandidateError, match=r"sample 'sample \d+' cannot be prepared \(AttributeError: "):
            fine_tune(image_address(), parts, Recipe(epochs=1), device="cpu")


class TestLora:
    def test_without_peft(self, bert_folder, monkeypatch):
        monkeypatch.setitem(sys.modules, "peft", None)
        candidate = open_trainable(f"hf:{bert_folder}", modality="text", device="cpu")
        with pytest.raises(MissingExtraError) as caught:
            add_adapters(candidate, Recipe(method="lora"))
        assert str(caught.value) == (
            "recipes of method lora need peft, which is not installed; run: pip install 'hubscout[lora]'"
        )

    def test_only_adapters_learn(self, bert_folder, monkeypatch, text_target):
        """A stand-in with peft's names: ``inject_adapter_in_model`` puts adapters beside linear layers."""
        monkeypatch.setitem(sys.modules, "peft", stand_in())
        recipe = Recipe(method="lora", learning_rates=(1e-2,), epochs=2, lora_rank=4, patience=None)
        candidate = add_adapters(open_trainable(f"hf:{bert_folder}", modality="text", device="cpu"), recipe)
        learning = {name for name, each in candidate.module.named_parameters() if each.requires_grad}
        assert learning
        assert all("lora_" in name for name in learning)
        again = add_adapters(open_trainable(f"hf:{bert_folder}", modality="text", device="cpu"), recipe)
        for name in learning:
            assert torch.equal(candidate.module.get_parameter(name), again.module.get_parameter(name))
        run = fine_tune(f"hf:{bert_folder}", read_parts(text_target(), recipe), recipe, device="cpu").chosen[0]
        assert run.epochs[1].train_loss < run.epochs[0].train_loss


class _Adapted(torch.nn.Module):
    def __init__(self, base: torch.nn.Linear, rank: int) -> None:
        super().__init__()
        self.base_layer = base
        self.lora_A = torch.nn.Linear(base.in_features, rank, bias=False)
        self.lora_B = torch.nn.Linear(rank, base.out_features, bias=False)
        torch.nn.init.zeros_(self.lora_B.weight)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.base_layer(inputs) + self.lora_B(self.lora_A(inputs))


def stand_in() -> types.ModuleType:
    def inject(config, model):
        assert config["target_modules"] == "all-linear"
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, torch.nn.Linear) and not isinstance(module, _Adapted):
                    setattr(module, name, _Adapted(child, config["r"]))
        return model

    module = types.ModuleType("peft")
    module.LoraConfig = dict
    module.inject_adapter_in_model = inject
    return module


class TestRecipe:
    def test_round_trip(self):
        recipe = replace(Recipe(), learning_rates=(0.1, 0.2), seeds=(0, 3), patience=None)
        assert Recipe.from_dict({**recipe.to_dict(), "of_a_later_version": 1}) == recipe

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"method": "prompt"}, "method of the recipe must be one of full, linear-probe, lora, got 'prompt'"),
            (
                {"learning_rates": (0.1, 0.1)},
                "learning_rates of the recipe must be numbers above 0, different from each",
            ),
            ({"learning_rates": ()}, "learning_rates of the recipe must be numbers above 0"),
            ({"epochs": 0}, "epochs of the recipe must be a whole number of at least 1, got 0"),
            ({"batch_size": 1}, "batch_size of the recipe must be a whole number of at least 2, got 1"),
            ({"shifts": 0.9}, "shifts of the recipe must be a share from 0 to 0.5, got 0.9"),
            ({"seeds": (1, 1)}, "seeds of the recipe must be whole numbers of at least 0, different from each other"),
            ({"validation": 0}, "validation of the recipe must be a share from 0.01 to 0.5, got 0"),
            ({"weight_decay": float("nan")}, "weight_decay of the recipe must be a number of at least 0, got nan"),
        ],
    )
    def test_refusals(self, change, message):
        from hubscout.errors import UsageError

        with pytest.raises(UsageError) as caught:
            Recipe(**change)
        assert str(caught.value).startswith(message)

    def test_schedules(self):
        from hubscout.evaluation.finetune.optimisation import build_optimiser, build_schedule

        network = torch.nn.ModuleDict({"body": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 2)})
        for schedule in ("cosine", "one-cycle"):
            recipe = Recipe(schedule=schedule, warmup=0.25, head_factor=5.0, weight_decay=0.1)
            optimiser = build_optimiser(network, recipe, 0.01)
            moving = build_schedule(optimiser, recipe, 20)
            rates = []
            for _ in range(20):
                rates.append([group["lr"] for group in optimiser.param_groups])
                optimiser.step()
                if len(rates) < 20:
                    moving.step()
            rates = np.array(rates)
            assert rates[:, 2] == pytest.approx(5 * rates[:, 0])
            assert 4 <= rates[:, 0].argmax() <= 5
            assert rates[:, 0].max() == pytest.approx(0.01)
            assert rates[-1, 0] < 1e-3
            assert [group["weight_decay"] for group in optimiser.param_groups] == [0.1, 0.0, 0.1, 0.0]
