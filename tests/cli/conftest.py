"""A command line that runs in this process, and files to run it on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from hubscout.cli.app import run


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def hubscout(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HUBSCOUT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("HUBSCOUT_DEBUG", raising=False)

    def call(*words):
        capsys.readouterr()
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    centres = rng.standard_normal((3, 8))
    for name, signal in (("strong", 2.0), ("weak", 0.5)):
        features = (rng.standard_normal((60, 8)) + signal * centres[labels]).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", features=features, labels=labels)
    np.savez(tmp_path / "target.npz", labels=labels)
    return tmp_path
