"""Fine-tune every bundled encoder on the embedded digits, and store the test accuracies as ground truth.

Usage: ``python tools/measure_bundled_truth.py [--seeds 10] [--only NAME ...]``. Some minutes on one core.

The weights come from the ONNX files, so that what is measured is what ships, and the images pass through the
transform of the adapter. All encoders get the same budget and the same choice of learning rates.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bundled_network import Network, read_onnx
from hubscout.data.digits import digits_target
from hubscout.models.image_transform import ImageTransform

PACKAGE = Path(__file__).parent.parent / "src" / "hubscout"
HUB = PACKAGE / "models" / "bundled_hub"
TABLE = PACKAGE / "evaluation" / "tables" / "bundled_digits.csv"
COLUMNS = ("task", "model", "value", "standard_error", "n_seeds", "measure", "protocol", "source", "licence")
RATES = (3e-4, 1e-3)
EPOCHS = 5
BATCH = 32
WEIGHT_DECAY = 0.01
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """Images as one encoder takes them, (n, channels, H, W), and their labels (n,)."""

    images: Tensor
    labels: Tensor

    def take(self, rows: Tensor) -> Split:
        """Keep some rows."""
        return Split(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class Result:
    """Test accuracies of one encoder, one a seed, at the learning rate that validation chose."""

    accuracies: tuple[float, ...]
    rate: float

    @property
    def value(self) -> float:
        """Mean accuracy."""
        return float(np.mean(self.accuracies))

    @property
    def standard_error(self) -> float:
        """Standard error of the mean over the seeds."""
        return float(np.std(self.accuracies, ddof=1)) / math.sqrt(len(self.accuracies))


def read_split(row: dict[str, str], split: str) -> Split:
    """Transform the images of one split for one encoder."""
    size, channels = int(row["input_size"]), int(row["channels"])
    mean, std = ((float(row[name]),) * channels for name in ("mean", "std"))
    transform = ImageTransform(size, size, mean=mean, std=std)
    target = digits_target(split)
    images = np.stack([transform(target.samples[index]) for index in range(len(target.samples))])
    return Split(torch.from_numpy(images), torch.from_numpy(np.asarray(target.labels, dtype=np.int64)))


def fine_tune(path: Path, train: Split, test: Split, *, rate: float, seed: int) -> float:
    """Train the whole encoder with a new head from the shipped weights, and return the accuracy on ``test``."""
    torch.manual_seed(seed)
    network: Network = read_onnx(path)
    model = nn.Sequential(network.encoder, nn.Linear(network.feature_dim, int(train.labels.max()) + 1)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
    n_steps = EPOCHS * math.ceil(len(train.labels) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(train.labels)).split(BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(model(train.images[rows]), train.labels[rows]).backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.inference_mode():
        return float((model(test.images).argmax(1) == test.labels).double().mean())


def validation_rows(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Split the rows into a training and a stratified validation part."""
    rng = np.random.default_rng(seed)
    held: list[int] = []
    for label in labels.unique():
        rows = rng.permutation(np.flatnonzero((labels == label).numpy()))
        held += rows[: round(VALIDATION_SHARE * len(rows))].tolist()
    is_held = torch.zeros(len(labels), dtype=torch.bool)
    is_held[held] = True
    return torch.where(~is_held)[0], torch.where(is_held)[0]


def measure(row: dict[str, str], seeds: Sequence[int]) -> Result:
    """Choose the learning rate on validation parts of the training split, then train on all of it and test."""
    path = HUB / row["file"]
    train, test = read_split(row, "train"), read_split(row, "test")

    def validated(rate: float) -> float:
        parts = [validation_rows(train.labels, seed) for seed in seeds]
        return float(
            np.mean(
                [
                    fine_tune(path, train.take(kept), train.take(held), rate=rate, seed=seed)
                    for seed, (kept, held) in zip(seeds, parts, strict=True)
                ]
            )
        )

    best = max(RATES, key=validated)
    return Result(tuple(fine_tune(path, train, test, rate=best, seed=seed) for seed in seeds), best)


def table_row(name: str, result: Result, n_train: int, n_test: int) -> dict[str, str]:
    """Write one line of the table."""
    n_seeds = len(result.accuracies)
    rates = " or ".join(f"{rate:g}" for rate in RATES)
    protocol = (
        f"whole encoder, {EPOCHS} epochs over {n_train} training images, AdamW, cosine, batch {BATCH}, "
        f"learning rate {rates} by validation; seeds 0 to {n_seeds - 1}"
    )
    return {
        "task": digits_target().task.name,
        "model": f"bundled:{name}",
        "value": f"{result.value:.4f}",
        "standard_error": f"{result.standard_error:.4f}",
        "n_seeds": str(n_seeds),
        "measure": f"accuracy on {n_test} test images",
        "protocol": protocol,
        "source": f"python tools/measure_bundled_truth.py --seeds {n_seeds}",
        "licence": "Apache-2.0",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every encoder, print, and write the table."""
    parser = argparse.ArgumentParser(description="Fine-tune every bundled encoder on the embedded digits.")
    parser.add_argument("--seeds", type=int, default=10, help="number of runs of each encoder")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="print these and write nothing")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    with (HUB / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        manifest = list(csv.DictReader(lines))
    n_train, n_test = (len(digits_target(split).samples) for split in ("train", "test"))
    rows = []
    for row in manifest:
        if options.only and row["name"] not in options.only:
            continue
        start = time.perf_counter()
        result = measure(row, range(options.seeds))
        rows.append(table_row(row["name"], result, n_train, n_test))
        print(
            f"{row['name']:20} {result.value:.4f} +- {result.standard_error:.4f} at {result.rate:g} "
            f"({time.perf_counter() - start:.0f} s)",
            flush=True,
        )
    if not options.only:
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        with TABLE.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
