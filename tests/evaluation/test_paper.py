"""DISCO's benchmarks on stand-ins: tiny networks and folders under the addresses of the real ones."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from hubscout.errors import UsageError
from hubscout.evaluation.paper import bench_paper
from hubscout.evaluation.paper_plan import plan_paper
from hubscout.evaluation.pools import PREPROCESSING, load_pool
from hubscout.evaluation.train_and_val import train_and_val

NAMES = ("resnet34", "densenet121", "mobilenet_v2")


def tiny(width, head):
    """Build a network whose last linear layer hangs where torchvision hangs it."""
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, width, 3, stride=8)
            linear = torch.nn.Linear(width, 7)
            if head == "fc":
                self.fc = linear
            else:
                self.classifier = torch.nn.Sequential(torch.nn.Dropout(0.2), linear) if head == "deep" else linear

        def forward(self, x):
            pooled = self.conv(x).relu().mean((2, 3))
            return self.fc(pooled) if hasattr(self, "fc") else self.classifier(pooled)

    return Net()


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """Stand in for torchvision, and write files of weights under their real names."""
    import torch

    builders = {"resnet34": (6, "fc"), "densenet121": (8, ""), "mobilenet_v2": (10, "deep"), "resnet50": (9, "fc")}
    torchvision, models = ModuleType("torchvision"), ModuleType("torchvision.models")
    for name, (width, head) in builders.items():
        setattr(models, name, lambda weights=None, width=width, head=head: tiny(width, head))
    torchvision.models = models
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for place, model in enumerate(each for each in load_pool("sfda_supervised") if each.name in NAMES):
        torch.manual_seed(place)
        torch.save(tiny(*builders[model.name]).state_dict(), folder / model.weights[0])
    trunk = tiny(9, "fc")
    trunk.fc = torch.nn.Identity()
    for name in ("byol", "swav", "moco-v1"):
        torch.manual_seed(len(name))
        torch.save(trunk.state_dict(), folder / f"{name}.pth")
    return folder


@pytest.fixture
def root(tmp_path):
    """Write folders of pictures with train, val and test."""
    rng = np.random.default_rng(0)
    for name in ("dtd", "pets"):
        for split, n in (("train", 8), ("val", 4), ("test", 3)):
            for code, label in enumerate(("dotted", "plain", "waved")):
                place = tmp_path / "root" / name / split / label
                place.mkdir(parents=True)
                for index in range(n):
                    pixels = rng.integers(0, 80, (24, 24, 3)) + np.array([40 * code, 0, 80 - 40 * code])
                    Image.fromarray(pixels.astype(np.uint8)).save(place / f"{index}.png")
    return tmp_path / "root"


class TestPlan:
    def test_names_files_and_preprocessing(self, weights, root):
        plan = plan_paper("sfda_supervised", root=root, weights=weights)
        models = {model.name: model for model in plan.models}
        assert len(models) == 11
        assert models["resnet34"].is_here
        for name, value in PREPROCESSING.items():
            assert f"{name}={value[:3]}" in models["resnet34"].address
        assert models["resnet34"].address.startswith("torch:hubscout.evaluation.pool_models:resnet34?")
        # Without a file, timm's hub has the same weights of some, and the others are named with their home.
        assert models["resnet50"].address.startswith("timm:resnet50.tv_in1k?")
        assert models["googlenet"].address is None
        assert models["googlenet"].fetch == (
            "googlenet-1378be20.pth from https://download.pytorch.org/models/googlenet-1378be20.pth"
        )
        sets = {each.name: each for each in plan.sets}
        assert (sets["dtd"].is_here, sets["dtd"].n_classes) == (True, 47)
        assert sets["cifar10"].source == "hf:uoft-cs/cifar10"
        assert sets["cars"].source is None
        assert sets["cars"].fetch.endswith("then --root or --data cars=FOLDER")
        json.dumps(plan.to_dict())

    def test_a_set_of_the_user_comes_first(self, root):
        plan = plan_paper("sfda_selfsup", root=root, data=["dtd=hf:org/dtd"], weights=root)
        dtd = next(each for each in plan.sets if each.name == "dtd")
        assert (dtd.source, dtd.is_here) == ("hf:org/dtd", False)

    @pytest.mark.parametrize(
        ("pool", "options", "message"),
        [
            ("vtab", {}, "pool (--pool) must be one of sfda_supervised, sfda_selfsup, detection, got 'vtab'"),
            (
                "detection",
                {},
                "truth (--truth) must be given for the detection pool: a CSV with columns task, model and value",
            ),
            ("sfda_selfsup", {"data": ["dtd"]}, "--data must have the form NAME=SOURCE, got 'dtd'"),
        ],
    )
    def test_arguments(self, pool, options, message):
        with pytest.raises(UsageError) as caught:
            plan_paper(pool, **options)
        assert str(caught.value) == message


class TestBenchPaper:
    def test_supervised_stand_ins(self, weights, root, tmp_path):
        plan = plan_paper("sfda_supervised", root=root, weights=weights)
        here = [each for each in plan.sets if each.name in ("dtd", "pets")]
        models = [each for each in plan.models if each.name in NAMES]
        plan = type(plan)(plan.pool, plan.kind, tuple(models), tuple(here), plan.truths)
        found = bench_paper(
            plan,
            scores=["disco", "disco(compat=authors)", "logme"],
            store=tmp_path / "store",
            engine="inline",
            n_draws=20,
        )
        assert found.failures == ()
        assert [each.name for each in found.standings] == [
            "disco",
            "disco(compat=authors)",
            "logme",
            "random",
            "static order",
            "number of parameters",
            "ImageNet accuracy",
        ]
        assert set(found.values["disco"]["dtd"]) == set(NAMES)
        assert found.values["disco"]["dtd"] != found.values["disco(compat=authors)"]["dtd"]
        assert "dtd has 3 classes here, and 47 in the publication" in found.notes
        assert set(found.standings[4].agreements) == {"dtd", "pets"}
        json.dumps(found.to_dict(), allow_nan=False)

    def test_self_supervised_stand_ins(self, weights, root, tmp_path):
        plan = plan_paper("sfda_selfsup", root=root, weights=weights)
        here = tuple(each for each in plan.sets if each.name == "dtd")
        plan = type(plan)(plan.pool, plan.kind, plan.models, here, plan.truths)
        found = bench_paper(plan, scores=["knn"], store=tmp_path / "store", engine="inline", n_draws=0)
        assert set(found.values["knn"]["dtd"]) == {"byol", "swav", "moco-v1"}
        assert sum(note.startswith("left out for want of ") for note in found.notes) == 9

    def test_detection_with_a_truth_of_the_users(self, tmp_path):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 255, (12, 32, 32, 3)).astype(np.uint8)
        box_image = np.repeat(np.arange(12), 2)
        corners = rng.integers(0, 12, (24, 2))
        boxes = np.concatenate([corners, corners + 15], axis=1)
        np.savez(tmp_path / "cells.npz", images=images, boxes=boxes, box_image=box_image, box_class=np.arange(24) % 2)
        (tmp_path / "truth.csv").write_text("task,model,value\ncells,a,0.3\ncells,b,0.4\ncells,c,0.5\n")
        names = ("bundled:glyphs_supervised", "bundled:glyphs_wide", "bundled:random")
        plan = plan_paper(
            "detection",
            data=[f"cells={tmp_path / 'cells.npz'}"],
            models=[f"{name}={address}" for name, address in zip("abc", names, strict=True)],
            truth=tmp_path / "truth.csv",
        )
        assert plan.kind == "detection"
        found = bench_paper(plan, scores=["logme"], store=tmp_path / "store", engine="inline", n_draws=0)
        values = found.values["logme"]["cells"]
        # Classes and coordinates are spread over 0 to 1 across the candidates before they are added.
        assert set(values) == {"a", "b", "c"}
        assert 0 <= min(values.values()) < max(values.values()) <= 2

    def test_scaling_is_not_for_it(self, weights, root):
        with pytest.raises(UsageError, match=r"must have no scaling and no part of the probe, got 'disco@unit_rms'$"):
            bench_paper(plan_paper("sfda_selfsup", root=root, weights=weights), scores=["disco@unit_rms"])

    def test_nothing_there(self, tmp_path):
        with pytest.raises(UsageError, match=r"^nothing can be run: no data set or no model is there; see "):
            bench_paper(plan_paper("sfda_selfsup", weights=tmp_path), scores=["disco"])


def test_train_and_validation_are_joined(root):
    found = train_and_val(root / "dtd", name="dtd")
    assert (len(found.samples), found.split) == (36, "train+val")
    assert np.bincount(found.labels).tolist() == [12, 12, 12]
    last = found.samples.subset(np.array([35, 0]))
    assert last.name(0) != last.name(1)
    assert last.content(0) == found.samples.content(35)
    assert last.subset(np.array([0]))[0].size == (24, 24)


def test_features_are_what_the_last_linear_layer_is_given(weights):
    import torch

    from hubscout.evaluation import pool_models

    for name in NAMES:
        model = getattr(pool_models, name)().eval()
        head = pool_models._last_linear(model)
        with torch.no_grad():
            images = torch.rand(2, 3, 32, 32)
            features = model.forward_features(images)
            assert torch.allclose(model.forward_head(features), model(images))
            assert features.shape[1] == head.in_features
        assert model.forward_head(features, pre_logits=True) is features


def test_old_names_of_densenet_files_are_read():
    from hubscout.evaluation.pool_models import _rename_old_densenet

    state = {"features.denseblock1.denselayer2.norm.1.weight": 1, "features.conv0.weight": 2}
    _rename_old_densenet(state)
    assert state == {"features.denseblock1.denselayer2.norm1.weight": 1, "features.conv0.weight": 2}
