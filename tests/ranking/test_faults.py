"""Real torch candidates that break in every way, through the whole of rank()."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

import hubscout

MODELS = textwrap.dedent(
    """
    import os, signal
    import torch

    class Model(torch.nn.Module):
        def __init__(self, fault):
            super().__init__()
            self.fault, self.calls = fault, 0
            self.linear = torch.nn.Linear(192, 12)

        def forward(self, pixels):
            self.calls += 1
            if self.calls > 1 and self.fault == "raise":
                raise RuntimeError("shapes do not fit")
            if self.fault == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            features = self.linear(pixels.flatten(1))
            return features * float("nan") if self.fault == "nan" else features

    def build(fault="none"):
        torch.manual_seed(0)
        return Model(fault)

    def broken():
        raise ImportError("a library is missing")
    """
)


@pytest.fixture
def target(tmp_path, monkeypatch):
    (tmp_path / "faulty_models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(str(tmp_path))
    labels = np.arange(60) % 3
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 3), dtype=np.uint8)
    images[np.arange(60), labels] = 255
    np.savez(tmp_path / "t.npz", images=images, labels=labels)
    return tmp_path / "t.npz"


def test_every_fault_costs_one_candidate(target, tmp_path):
    faults = ["none", "raise", "crash", "nan"]
    addresses = [f"torch:faulty_models:build?fault={fault}&input_size=8" for fault in faults]
    addresses += ["torch:faulty_models:broken", "torch:faulty_models:build?weights=gone.safetensors&input_size=8"]
    found = hubscout.rank(target, addresses, store=tmp_path / "store", workers=2, batch_size=16)
    by_fault = {r.candidate: r for r in found.records}
    assert len(by_fault) == 6
    best = by_fault.pop(next(name for name in by_fault if "fault=none" in name))
    assert (best.status, best.rank, best.n_features) == ("ranked", 1, 12)
    assert best.rows_computed == 60
    assert {r.status for r in by_fault.values()} == {"failed"}
    reasons = {name.split(":", 2)[2]: r.reason for name, r in by_fault.items()}
    assert "shapes do not fit" in reasons[by_key(reasons, "raise")]
    assert reasons[by_key(reasons, "crash")].startswith("its process crashed (signal SIGSEGV)")
    assert "nan" in reasons[by_key(reasons, "nan")].lower()
    assert "a library is missing" in reasons[by_key(reasons, "broken")]
    assert "gone.safetensors" in reasons[by_key(reasons, "weights")]


def by_key(reasons, word):
    return next(key for key in reasons if word in key)
