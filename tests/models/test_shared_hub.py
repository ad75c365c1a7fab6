"""Two real encoders, through the address a user would write."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from hubscout.models.address import Address
from hubscout.models.loading import load_encoder

HUB = Path(__file__).parents[2].parent / "shared" / "hub"


@pytest.fixture
def rows(monkeypatch):
    """The hub's manifest, with its builders importable."""
    if not HUB.is_dir():
        pytest.skip(f"no folder {HUB} beside the checkout")
    monkeypatch.setattr(sys, "path", [*sys.path, str(HUB)])
    try:
        import hub_models  # noqa: F401
    except ImportError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{HUB} is there and cannot be used: {error}")
        pytest.skip(f"{HUB} cannot be used: {error}")
    with (HUB / "weights" / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        return {row["name"]: row for row in csv.DictReader(stream)}


@pytest.mark.hub
@pytest.mark.parametrize("name", ["mobilenetv1_025.tf_in1k_r128", "cifar_resnet20.akamaster_cifar10_r32"])
def test_real_encoders(rows, pictures, name):
    import hub_models
    import torch
    from safetensors.torch import load_file

    row = rows[name]
    weights = HUB / "weights" / f"{name}.safetensors"
    options = {key: row[key] for key in ("config", "input_size", "mean", "std")}
    address = Address("torch", "hub_models:build", options={**options, "weights": str(weights)})
    encoder = load_encoder(str(address), device="cpu")
    prepared = [encoder.prepare(picture) for picture in pictures]
    batch = encoder.encode(prepared)

    model = hub_models.build(json.loads(row["config"])).eval()
    state = {key: value.float() if value.is_floating_point() else value for key, value in load_file(weights).items()}
    model.load_state_dict(state)
    with torch.no_grad():
        maps = model.forward_features(torch.from_numpy(np.stack(prepared)))
        np.testing.assert_allclose(batch.features, model.forward_head(maps, pre_logits=True).numpy(), atol=1e-4)
        np.testing.assert_allclose(batch.logits, model.forward_head(maps).numpy(), atol=1e-4)
    assert encoder.card.feature_dim == int(row["feature_dim"])
    assert encoder.card.transform["input_size"] == [3, int(row["input_size"]), int(row["input_size"])]
