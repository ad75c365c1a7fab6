"""Fine-tune every image encoder of a hub on one of its sets, with the code of `hubscout verify`.

    python benchmarks/finetune_hub.py sign_digits mnist10 --hub ../shared/hub

One row is written a learning rate as soon as an encoder is done, and encoders that stand in the table are not run
again, so the tool may be stopped at any time. Runs in between keep a checkpoint an epoch under HUBSCOUT_HOME. The
recipe stands in benchmarks/ground_truth/README.md.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import io
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hubscout.data import Target, Task, draw_probe
from hubscout.evaluation.finetune.data import Parts, divide
from hubscout.evaluation.finetune.fine_tuning import fine_tune
from hubscout.evaluation.finetune.objective import balanced_accuracy
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.runs import Run
from hubscout.models.address import Address

COLUMNS = (
    "dataset", "model", "size", "lr", "epochs", "n_train", "n_test", "val_accuracy", "test_accuracy",
    "balanced_accuracy", "seed",
)  # fmt: skip
OUT = Path(__file__).parent / "ground_truth"
WITHOUT_FLIPS = ("sign_digits", "mnist10")
SIZE = 96  # pixels a side, or the encoder's own size where that is smaller
N_DRAWN, N_TEST = 600, 400  # a fifth of the drawn training pictures chooses the learning rate
RECIPE = Recipe(
    learning_rates=(3e-4, 1.5e-3),
    epochs=5,
    schedule="one-cycle",
    warmup=0.3,
    batch_size=32,
    weight_decay=0.01,
    label_smoothing=0.05,
    head_factor=5.0,
    clip_norm=None,
    patience=None,
    validation=0.2,
    train_size=N_DRAWN,
    test_size=N_TEST,
)


class Pictures:
    """Pictures in memory, as the samples of a target."""

    def __init__(self, pixels: np.ndarray, name: str) -> None:
        self._pixels, self._name = pixels, name

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self._pixels)

    def __getitem__(self, index: int) -> Image.Image:
        """Return one picture."""
        return Image.fromarray(self._pixels[index])

    def content(self, index: int) -> bytes:
        """Return its pixels."""
        return self._pixels[index].tobytes()

    def name(self, index: int) -> str:
        """Say where it stands."""
        return f"{self._name} {index}"

    def subset(self, rows: np.ndarray) -> Pictures:
        """Keep some of them."""
        return Pictures(self._pixels[rows], self._name)


def read_set(hub: Path, name: str, seed: int) -> Parts:
    """Draw training, validation and test pictures of one set."""
    probes = []
    for split, size in (("train", N_DRAWN), ("test", N_TEST)):
        with np.load(hub / "data" / f"{name}.npz") as arrays:
            kept = np.flatnonzero(arrays["split"] == (split == "test"))
            raw, offset = arrays["bytes"].tobytes(), arrays["offset"]
            pictures = [Image.open(io.BytesIO(raw[offset[i] : offset[i + 1]])).convert("RGB") for i in kept]
            labels, classes = arrays["label"][kept].astype(int), tuple(str(each) for each in arrays["classes"])
        pixels = np.stack([np.asarray(picture) for picture in pictures])
        target = Target(Task(name, "classification", "image", classes), Pictures(pixels, name), labels, split)
        probes.append(draw_probe(target, size=size, seed=seed))
    return divide(probes[0], probes[1], RECIPE)


def address_of(hub: Path, row: dict[str, str], size: int) -> str:
    """Write the address of one encoder of the hub's manifest."""
    options = {key: row[key] for key in ("config", "mean", "std")}
    weights = str(hub / "weights" / f"{row['name']}.safetensors")
    return str(Address("torch", "hub_models:build", options={**options, "input_size": str(size), "weights": weights}))


def known_rows(path: Path) -> set[tuple[str, str]]:
    """Return model and seed of all rows of a table."""
    if not path.is_file():
        return set()
    with path.open(newline="", encoding="utf-8") as stream:
        return {(row["model"], row["seed"]) for row in csv.DictReader(stream)}


def append(path: Path, rows: list[dict[str, Any]]) -> None:
    """Append rows in one write, so that a stop leaves whole encoders."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        writer.writeheader()
    writer.writerows(rows)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, text.getvalue().encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def row_of(name: str, model: str, size: int, parts: Parts, run: Run) -> dict[str, Any]:
    """Write one run as a row of the table."""
    labels = parts.test.labels
    best = run.best
    reached = run.predicted
    return {
        "dataset": name,
        "model": model,
        "size": size,
        "lr": f"{run.setting:g}",
        "epochs": len(run.epochs),
        "n_train": len(parts.train),
        "n_test": len(parts.test),
        "val_accuracy": "" if best is None or best.validation is None else round(best.validation, 4),
        "test_accuracy": "" if best is None else round(float(np.mean(reached == labels)), 4),
        "balanced_accuracy": "" if best is None else round(balanced_accuracy(reached, labels), 4),
        "seed": run.seed,
    }


def main() -> None:
    """Fill the tables of the named sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", help="names of image sets of the hub")
    parser.add_argument("--hub", type=Path, default=Path(__file__).parents[2] / "shared" / "hub")
    parser.add_argument("--models", default="*", help="encoders, with wildcards")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the tables")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    hub = given.hub.resolve()
    sys.path.append(str(hub))
    with (hub / "weights" / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        encoders = [row for row in csv.DictReader(stream) if row["kind"] == "image"]
    encoders = sorted((row for row in encoders if fnmatch.fnmatch(row["name"], given.models)), key=_cost)
    for name in given.sets:
        finetune_set(name, hub, encoders, given)


def finetune_set(name: str, hub: Path, encoders: list[dict[str, str]], given: argparse.Namespace) -> None:
    """Fine-tune the encoders that the table of one set lacks."""
    path = given.out / f"{name}.csv"
    parts = read_set(hub, name, given.seed)
    for row in encoders:
        if (row["name"], str(given.seed)) in known_rows(path):
            continue
        start = time.perf_counter()
        size = min(SIZE, int(row["input_size"]))
        recipe = Recipe.from_dict({**RECIPE.to_dict(), "seeds": [given.seed], "flips": name not in WITHOUT_FLIPS})
        found = fine_tune(address_of(hub, row, size), parts, recipe, device=given.device)
        rows = [row_of(name, row["name"], size, parts, run) for run in found.trials]
        append(path, rows)
        spent = time.perf_counter() - start
        print(f"{name} {row['name']}: {[each['test_accuracy'] for each in rows]} in {spent:.0f} s", flush=True)


def _cost(row: dict[str, str]) -> int:
    return int(row["params"])


if __name__ == "__main__":
    main()
