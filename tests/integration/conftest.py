"""The shared hub of real encoders and data, and the command line as a user runs it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hubscout.models.address import Address

HERE = Path(__file__).parent
HUB = HERE.parents[1].parent / "shared" / "hub"


class Hub:
    """Real encoders as addresses, and real data as arrays."""

    def __init__(self) -> None:
        sys.path.insert(0, str(HUB))
        try:
            import hub_data
        finally:
            sys.path.remove(str(HUB))
        self.data = hub_data
        with (HUB / "weights" / "manifest.csv").open(newline="", encoding="utf-8") as stream:
            self.manifest = {row["name"]: row for row in csv.DictReader(stream)}

    def image(self, name: str) -> str:
        row = self.manifest[name]
        options = {key: row[key] for key in ("config", "input_size", "mean", "std")}
        weights = str(HUB / "weights" / f"{name}.safetensors")
        return str(Address("torch", "hub_models:build", options={**options, "weights": weights}))

    def text(self, name: str) -> str:
        folder = HUB / "weights" / "text"
        options = {"description": str(folder / f"{name}.json"), "weights": str(folder / f"{name}.safetensors")}
        return str(Address("torch", "hub_factories:text_encoder", options={**options, "modality": "text"}))


@pytest.fixture(scope="session")
def hub():
    if not HUB.is_dir():
        pytest.skip("the shared hub is not beside the checkout")
    return Hub()


@pytest.fixture
def command(tmp_path):
    """Start ``hubscout`` in a process of its own, with a store of its own."""

    def start(*words: object) -> subprocess.Popen[str]:
        environment = dict(os.environ)
        path = [environment.get("PYTHONPATH"), str(HUB), str(HERE)]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        line = [sys.executable, "-m", "hubscout", *map(str, words), "--store", str(tmp_path / "store")]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    return start
