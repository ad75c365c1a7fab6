"""Train the bundled hub again, and print what changed against the files that are committed.

Usage: ``python tools/train_bundled.py [--only NAME ...]``. All of them take some five minutes on one core.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from bundled_network import Network, write_onnx
from bundled_recipes import RECIPES, SOURCES, Recipe
from bundled_training import Lesson

HUB = Path(__file__).parent.parent / "src" / "hubscout" / "models" / "bundled_hub"
COLUMNS = (
    "name", "file", "sha256", "recipe", "source_data", "input_size", "channels", "mean", "std", "feature_dim",
    "n_parameters", "source_classes", "seed", "licence",
)  # fmt: skip
LICENCE = "Apache-2.0"
DATA_SEED = 7


@lru_cache
def source_images(source: str) -> tuple[Tensor, Tensor]:
    """Make the normalised images and labels of one source."""
    facts = SOURCES[source]
    images, labels = facts.make(facts.n, DATA_SEED)
    return (torch.from_numpy(images) - facts.mean) / facts.std, torch.from_numpy(labels)


def build(recipe: Recipe) -> Network:
    """Train one encoder from its seed."""
    images, labels = source_images(recipe.source)
    torch.manual_seed(recipe.seed)
    encoder = recipe.build()
    channels = next(layer for layer in encoder if isinstance(layer, nn.Conv2d)).in_channels
    network = Network(encoder.eval(), None, channels, SOURCES[recipe.source].size)
    if recipe.classes is not None:
        network.head = nn.Linear(network.feature_dim, recipe.classes)
    recipe.learn(Lesson(encoder, network.head, images, labels))
    return network


def compare(path: Path, old: bytes | None) -> str:
    """Say what a new file changes against the one it replaced."""
    new = path.read_bytes()
    sums = f"sha256 {_sha256(new)[:12]}"
    if old is None:
        return f"new, {sums}"
    if old == new:
        return f"unchanged, {sums}"
    sums = f"sha256 {_sha256(old)[:12]} -> {_sha256(new)[:12]}"
    before, after = _features(old), _features(new)
    if before.shape != after.shape:
        return f"changed, {sums}, features {before.shape[1:]} -> {after.shape[1:]}"
    difference = float(np.linalg.norm(after - before) / np.linalg.norm(before))
    return f"changed, {sums}, features differ by {difference:.2g} of their norm"


def _features(content: bytes) -> Any:
    """Encode fixed noise."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape[1:]
    noise = np.random.default_rng(0).normal(size=(64, *shape)).astype(np.float32)
    return session.run(["features"], {"image": noise})[0]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest_row(recipe: Recipe, network: Network, path: Path) -> dict[str, str | int | float]:
    """Collect what the package must know about one encoder."""
    source = SOURCES[recipe.source]
    return {
        "name": recipe.name,
        "file": path.name,
        "sha256": _sha256(path.read_bytes()),
        "recipe": recipe.text,
        "source_data": recipe.source,
        "input_size": network.input_size,
        "channels": network.channels,
        "mean": source.mean,
        "std": source.std,
        "feature_dim": network.feature_dim,
        "n_parameters": network.n_parameters,
        "source_classes": "" if recipe.classes is None else recipe.classes,
        "seed": recipe.seed,
        "licence": LICENCE,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, write, compare, and write the manifest."""
    parser = argparse.ArgumentParser(description="Train the bundled hub again and print what changed.")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[recipe.name for recipe in RECIPES])
    only = parser.parse_args(arguments).only
    # One thread, so that sums are added in one order.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    HUB.mkdir(parents=True, exist_ok=True)
    manifest = HUB / "manifest.csv"
    rows: dict[str, Any] = {}
    if manifest.exists():
        with manifest.open(newline="", encoding="utf-8") as lines:
            rows = {row["name"]: row for row in csv.DictReader(lines)}
    for recipe in RECIPES:
        if only and recipe.name not in only:
            continue
        start = time.perf_counter()
        path = HUB / f"{recipe.name}.onnx"
        old = path.read_bytes() if path.exists() else None
        network = build(recipe)
        write_onnx(network, path)
        rows[recipe.name] = manifest_row(recipe, network, path)
        print(f"{recipe.name:20} {compare(path, old)} ({time.perf_counter() - start:.0f} s)", flush=True)
    names = [recipe.name for recipe in RECIPES if recipe.name in rows]
    for path in sorted(HUB.glob("*.onnx")):
        if path.stem not in names:
            path.unlink()
            print(f"{path.stem:20} removed: it has no recipe")
    with manifest.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[name] for name in names)
    total = sum(path.stat().st_size for path in HUB.iterdir())
    print(f"{len(names)} encoders, {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
