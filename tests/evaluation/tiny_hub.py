"""A hub of two tiny encoders and two sets, laid out as the shared one."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

PROGRAM = """
import torch

class Net(torch.nn.Module):
    def __init__(self, width, num_classes):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, width, 3, stride=2)
        self.head = torch.nn.Linear(width, num_classes)

    def forward_features(self, x):
        return self.conv(x).relu()

    def forward_head(self, f, pre_logits=False):
        pooled = f.mean((2, 3))
        return pooled if pre_logits else self.head(pooled)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))

def build(config):
    return Net(**config)
"""
SETS = ("stripes", "blobs")
ENCODERS = {"narrow": 4, "middle": 8, "wide": 12}


def write_hub(root: Path, *, n: int = 60) -> Path:
    """Write the whole folder."""
    import torch
    from safetensors.torch import save_file

    (root / "weights").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "hub_models.py").write_text(PROGRAM, encoding="utf-8")
    rows = []
    for place, (name, width) in enumerate(ENCODERS.items()):
        generator = torch.Generator().manual_seed(place)
        shapes = {"conv.weight": (width, 3, 3, 3), "conv.bias": (width,), "head.weight": (5, width), "head.bias": (5,)}
        state = {key: torch.randn(*shape, generator=generator) for key, shape in shapes.items()}
        save_file(state, root / "weights" / f"{name}.safetensors")
        rows.append(
            {
                "name": name,
                "kind": "image",
                "config": json.dumps({"width": width, "num_classes": 5}),
                "mean": "[0.5, 0.5, 0.5]",
                "std": "[0.5, 0.5, 0.5]",
                "feature_dim": width,
                "params": 100 * width,
                "top1_published": "",
            }
        )
    _write(root / "weights" / "manifest.csv", rows)
    for seed, name in enumerate(SETS):
        write_set(root / "data" / f"{name}.npz", seed, n)
    _write(root / "ground_truth.csv", [row for name in SETS for row in truth_rows(name)])
    return root


def truth_rows(name: str) -> list[dict[str, object]]:
    """Return two learning rates for each encoder; the one with the better validation accuracy is the worse on test."""
    reached = {"narrow": 0.4, "middle": 0.6, "wide": 0.8}
    common = {"dataset": name, "size": 16, "epochs": 1, "n_train": 40, "n_test": 50}
    return [
        {**common, "model": model, "lr": lr, "val_accuracy": val, "test_accuracy": test}
        for model, value in reached.items()
        for lr, val, test in ((0.1, 0.9, value), (0.2, 0.1, 0.99))
    ]


def write_set(path: Path, seed: int, n: int) -> None:
    """Write pictures whose brightness and colour tell two classes apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    files = []
    for label in labels:
        pixels = rng.integers(0, 120, (16, 16, 3))
        pixels[..., 0] += 8 * label
        stream = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
        files.append(np.frombuffer(stream.getvalue(), np.uint8))
    offset = np.cumsum([0, *(len(file) for file in files)])
    split = (np.arange(n) % 5 == 4).astype(np.uint8)
    arrays = {"label": labels, "split": split, "classes": np.array(["dim", "red"])}
    np.savez(path, bytes=np.concatenate(files), offset=offset, **arrays)


def write_audio(root: Path) -> Path:
    """Write features of three encoders on one set, and their linear probes."""
    (root / "features" / "heart_audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 12)
    features = {f"feat_{name}": rng.standard_normal((36, 6)) + k * labels[:, None] for k, name in enumerate("abc")}
    np.savez(root / "features" / "heart_audio" / "clinic.npz", labels=labels, murmurs=labels > 0, **features)
    rows = [
        {"dataset": task, "model": name, "metric": metric, "value": value}
        for task in ("clinic", "clinic_murmurs")
        for place, name in enumerate("abc")
        for metric, value in (("lp_cv_acc", 0.4 + 0.2 * place), ("lp_cv_acc_se", 0.01), ("lp_cv_bal_acc", 0.1))
    ]
    _write(root / "heart_audio_linear_probe.csv", rows)
    return root


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
