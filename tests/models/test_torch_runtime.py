from __future__ import annotations

import importlib.util
import shutil
import sys

import numpy as np
import pytest
import torch

from hubscout.errors import CandidateError, MissingExtraError, UsageError
from hubscout.models import torch_runtime
from hubscout.models.loading import load_encoder


class TestCheckTorchvision:
    @pytest.fixture
    def _broken(self, monkeypatch, tmp_path):
        (tmp_path / "torchvision.py").write_text('raise RuntimeError("operators of another build")')
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(tmp_path)

    @pytest.mark.usefixtures("_broken")
    @pytest.mark.parametrize("scheme", ["timm", "hf", "st"])
    def test_another_build_is_named_in_one_sentence(self, scheme, bert, tmp_path):
        shutil.copytree(bert, tmp_path / "model")
        (tmp_path / "model" / "modules.json").write_text("[]")
        source = "local-dir:" if scheme == "timm" else ""
        with pytest.raises(MissingExtraError) as caught:
            load_encoder(f"{scheme}:{source}{tmp_path / 'model'}")
        assert str(caught.value) == (
            f"{scheme}: addresses need torch and torchvision of one build, and the installed ones do not match; "
            "reinstall both together: pip install --force-reinstall torch torchvision"
        )

    def test_none_is_fine(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        torch_runtime.check_torchvision("hf: addresses")


class TestChooseDevice:
    def test_cpu_is_always_there(self):
        assert torch_runtime.choose_device("cpu") == "cpu"

    def test_auto_prefers_the_accelerator(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert torch_runtime.choose_device("auto") == "cuda:0"
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        assert torch_runtime.choose_device("cuda") == "cuda:0"
        assert torch_runtime.choose_device("cuda:1") == "cuda:1"
        with pytest.raises(UsageError, match="device 'cuda:2' is not there"):
            torch_runtime.choose_device("cuda:2")

    def test_missing_device(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        assert torch_runtime.choose_device("auto") == "cpu"
        with pytest.raises(UsageError) as caught:
            torch_runtime.choose_device("cuda")
        assert str(caught.value) == ("device 'cuda' is not there; this machine has cpu: use one of them, or auto")

    @pytest.mark.parametrize("name", ["gpu", "cuda:x", ""])
    def test_unknown(self, name):
        with pytest.raises(UsageError, match="device must be auto, cpu, cuda, cuda:N or mps, got"):
            torch_runtime.choose_device(name)


class TestForwardPass:
    @pytest.mark.parametrize(
        "text",
        [
            "CUDA out of memory. Tried to allocate 20.00 MiB",
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried 1 bytes",
            "MPS backend out of memory (MPS allocated: 1 GB)",
        ],
    )
    def test_full_memory_has_one_name(self, text):
        with pytest.raises(MemoryError), torch_runtime.forward_pass():
            raise RuntimeError(text)

    def test_a_real_allocation_too_large(self):
        with pytest.raises(MemoryError), torch_runtime.forward_pass():
            torch.empty(2**50)

    def test_other_errors_stay(self):
        with pytest.raises(RuntimeError, match="shapes"), torch_runtime.forward_pass():
            raise RuntimeError("shapes do not fit")

    def test_no_gradients(self):
        weight = torch.ones(1, requires_grad=True)
        with torch_runtime.forward_pass():
            assert (weight * 2).is_inference()


class TestStateDigest:
    def test_follows_values_types_and_names(self):
        def digest(**tensors):
            module = torch.nn.Module()
            for name, tensor in tensors.items():
                module.register_buffer(name, tensor)
            return torch_runtime.state_digest(module)

        one = digest(a=torch.ones(2))
        assert one == digest(a=torch.ones(2))
        others = [digest(b=torch.ones(2)), digest(a=torch.zeros(2)), digest(a=torch.ones(2).double())]
        assert len({one, *others, digest(a=torch.ones(2).bool())}) == 5


class TestCountParameters:
    def test_head_and_shared_weights(self):
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
        assert torch_runtime.count_parameters(model) == 26
        assert torch_runtime.count_parameters(model, without=model[1]) == 16
        model[0].weight = torch.nn.Parameter(model[1].weight)
        model[1].weight = model[0].weight
        assert torch_runtime.count_parameters(model) == 8 + 4 + 2


class TestPoolMap:
    def test_means(self):
        assert torch_runtime.pool_map(torch.ones(2, 5, 3, 3)).shape == (2, 5)
        assert torch_runtime.pool_map(torch.ones(2, 7, 5)).shape == (2, 5)

    def test_no_features(self):
        with pytest.raises(CandidateError, match=r"must have shape \(b, d\).*got \(2,\)"):
            torch_runtime.pool_map(torch.ones(2))


class Net(torch.nn.Module):
    """A trunk and a head; ``late`` pools after the classifier, so that the classifier does not fit a pooled vector."""

    def __init__(self, late: bool, num_classes: int = 4) -> None:
        super().__init__()
        self.trunk = torch.nn.Conv2d(3, 5, 1)
        self.late, self.num_classes = late, num_classes
        self.head = torch.nn.Conv2d(5, num_classes, 1) if late else torch.nn.Linear(5, num_classes)
        self.trunk_runs = self.head_runs = 0

    def get_classifier(self):
        return self.head

    def forward_features(self, x):
        self.trunk_runs += 1
        return torch.relu(self.trunk(x))

    def forward_head(self, x, pre_logits=False):
        self.head_runs += 1
        if pre_logits:
            return x.mean((2, 3))
        return self.head(x).mean((2, 3)) if self.late else self.head(x.mean((2, 3)))


class TestSplitHead:
    @pytest.mark.parametrize("late", [True, False])
    def test_one_trunk_run_and_the_model_s_own_logits(self, late):
        torch.manual_seed(0)
        model = Net(late)
        example = torch.rand(2, 3, 4, 4)
        run, (features, logits) = torch_runtime.split_head(model, example)
        model.trunk_runs = model.head_runs = 0
        with torch_runtime.forward_pass():
            again, more = run(example)
        assert model.trunk_runs == 1
        assert model.head_runs == (2 if late else 1)
        expected = model.forward_head(model.forward_features(example))
        np.testing.assert_allclose(more.numpy(), expected.detach().numpy(), rtol=1e-5)
        np.testing.assert_array_equal(more.numpy(), logits.numpy())
        np.testing.assert_array_equal(again.numpy(), features.numpy())

    def test_no_classes_no_logits(self):
        model = Net(late=False)
        model.num_classes, model.head = 0, torch.nn.Identity()
        run, (_, logits) = torch_runtime.split_head(model, torch.rand(1, 3, 4, 4))
        assert logits is None
        assert run(torch.rand(1, 3, 4, 4))[1] is None
