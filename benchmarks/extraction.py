"""Speed of extract() against a bare loop of the same model, batch and loader work.

    python benchmarks/extraction.py [--images 1024] [--repetitions 5] [--device auto]

Writes JPEG files to a temporary folder, and times, alternating within one run:

- ``bare``: decode, transform, run the model, keep the features, one batch after the other in one thread;
- ``bare, loader threads``: the same with the decoding in as many threads as extract() uses, nothing else;
- ``extract``: hubscout.features.extract into an empty store, with its checks, checksums and commits;
- ``stored``: the same call again, which verifies and maps what the store holds.

Prints the median images per second of each and the ratio of extract to the first, whose target is 0.9.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hubscout.data.task import Probe, Task
from hubscout.features import FeatureStore, extract
from hubscout.features.loader import default_threads
from hubscout.models.card import EncodedBatch, ModelCard

SIZE = 128
BATCH = 32


class JpegSamples:
    """JPEG files of a folder."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Image.Image:
        with Image.open(self.paths[index], formats=("JPEG",)) as image:
            return image.convert("RGB")

    def content(self, index: int) -> bytes:
        """Return the bytes of one file."""
        return self.paths[index].read_bytes()

    def name(self, index: int) -> str:
        """Return the name of one file."""
        return self.paths[index].name

    def subset(self, rows: Any) -> JpegSamples:
        """Keep some files."""
        return JpegSamples([self.paths[i] for i in rows])


class ConvEncoder:
    """A small convolutional network with random weights."""

    def __init__(self, device: str) -> None:
        torch.manual_seed(0)
        layers: list[torch.nn.Module] = []
        for inputs, outputs in [(3, 16), (16, 32), (32, 64), (64, 128)]:
            layers += [torch.nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), torch.nn.ReLU()]
            layers += [torch.nn.Conv2d(outputs, outputs, 3, padding=1), torch.nn.ReLU()]
        self.device = device
        self.body = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).to(device).eval()
        self.head = torch.nn.Linear(128, 100).to(device)
        self.card = ModelCard(
            "torch:benchmark", "sha256:0", "image", {"size": SIZE}, 128, source_classes=100, device=device
        )

    def prepare(self, sample: Image.Image) -> torch.Tensor:
        """Resize to the model's input."""
        pixels = np.asarray(sample.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)

    def encode(self, prepared: Sequence[torch.Tensor]) -> EncodedBatch:
        """Run the model on one batch."""
        with torch.inference_mode():
            features = self.body(torch.stack(list(prepared)).to(self.device).float().div_(255).sub_(0.5))
            return EncodedBatch(features.cpu().numpy(), self.head(features).cpu().numpy())


def write_images(folder: Path, n: int) -> list[Path]:
    """Write smooth random JPEG files of 320 x 240."""
    generator = np.random.default_rng(0)
    paths = []
    for i in range(n):
        coarse = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        path = folder / f"{i:05d}.jpg"
        Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC).save(path, quality=90)
        paths.append(path)
    return paths


def make_probe(samples: JpegSamples) -> Probe:
    """Take all files as the probe."""
    n = len(samples)
    digest = hashlib.sha256()
    for i in range(n):
        digest.update(samples.content(i))
    labels, rows = np.arange(n) % 2, np.arange(n)
    task = Task("benchmark", "classification", "image", ("a", "b"))
    return Probe(task, samples, labels, rows, digest.hexdigest(), n, 0, "all")


def bare(encoder: ConvEncoder, samples: JpegSamples, pool: ThreadPoolExecutor | None = None) -> np.ndarray:
    """Do the work of extract() with nothing around it."""

    def load(row: int) -> torch.Tensor:
        return encoder.prepare(samples[row])

    rows = range(len(samples))
    stream = map(load, rows) if pool is None else pool.map(load, rows)
    parts, batch = [], []
    for prepared in stream:
        batch.append(prepared)
        if len(batch) == BATCH:
            parts.append(encoder.encode(batch).features)
            batch = []
    if batch:
        parts.append(encoder.encode(batch).features)
    return np.concatenate(parts)


def main() -> None:
    """Time all variants in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    encoder = ConvEncoder(options.device)
    threads = default_threads()
    seconds: dict[str, list[float]] = {"bare": [], "bare, loader threads": [], "extract": [], "stored": []}
    with tempfile.TemporaryDirectory() as name:
        samples = JpegSamples(write_images(Path(name), options.images))
        probe = make_probe(samples)
        bare(encoder, samples)  # warm caches and kernels for all
        for repetition in range(options.repetitions):
            store = FeatureStore(Path(name) / f"store{repetition}")
            with ThreadPoolExecutor(threads) as pool:
                runs = {
                    "bare": lambda: bare(encoder, samples),
                    "bare, loader threads": lambda pool=pool: bare(encoder, samples, pool),
                    "extract": lambda store=store: extract(encoder, probe, store, batch_size=BATCH).features,
                    "stored": lambda store=store: extract(encoder, probe, store, batch_size=BATCH).features,
                }
                results = []
                for label, run in runs.items():
                    begin = time.perf_counter()
                    results.append(run())
                    seconds[label].append(time.perf_counter() - begin)
            for other in results[1:]:
                np.testing.assert_allclose(other, results[0], rtol=1e-3, atol=1e-5)
    print(f"{options.images} JPEG images, batch {BATCH}, device {options.device}, {threads} loader threads")
    for label, values in seconds.items():
        ratios = [a / b for a, b in zip(seconds["bare"], values, strict=True)]
        rate = options.images / statistics.median(values)
        print(f"{label:22s} {rate:10.1f} images/s   {statistics.median(ratios):6.2f} x bare")
    ratio = statistics.median([a / b for a, b in zip(seconds["bare"], seconds["extract"], strict=True)])
    print(f"extract / bare = {ratio:.2f} (target at least 0.90)")


if __name__ == "__main__":
    main()
