"""Cost of reading boxes, points and all layers, against the forward pass that they are read from.

    python benchmarks/readouts.py [--images 16] [--repetitions 7] [--models vit_small_patch16_224,resnet50]

Builds timm models with random weights, and times, alternating within one run, one batch:

- ``forward``: the model's maps at the level that boxes are read from, and nothing pooled;
- ``boxes``, ``points``: the same with 16 boxes or 64 points an image pooled by hubscout;
- ``one layer``: features and logits of the last layer alone;
- ``all layers``: those of every layer, by all poolings that the model has.

Prints the median seconds of processor time of each, which other programs on the machine hardly lengthen, and
the ratios, whose targets are 1.15 for boxes and points and 1.3 for all layers.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from timm.models import save_for_hf

from hubscout.data.parts import Points, Regions
from hubscout.models.loading import load_encoder
from hubscout.models.place_encoder import PlaceEncoder
from hubscout.models.reading import Reading

BOXES, POINTS = 16, 64
POOLINGS = ("cls", "mean", "max")


def make_parts(n: int) -> tuple[list[Regions], list[Points]]:
    """Draw pictures with boxes, and the same with points."""
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)) for _ in range(n)]
    corners = np.sort(rng.random((n, BOXES, 2, 2)), axis=2).reshape(n, BOXES, 4)
    regions = [Regions(picture, boxes) for picture, boxes in zip(pictures, corners, strict=True)]
    points = [Points(picture, rng.random((POINTS, 2))) for picture in pictures]
    return regions, points


def bare(encoder: PlaceEncoder, prepared: list) -> Callable[[], object]:
    """Run an encoder's model to the level that it reads, and pool nothing."""
    source, chosen = encoder._source, encoder._chosen

    def run() -> object:
        with source.session():
            return source.run([item.pixels for item in prepared], chosen, whole=False)

    return run


def time_model(name: str, n_images: int, repetitions: int) -> dict[str, float]:
    """Time all readings of one model in turn; return the median seconds of each."""
    regions, points = make_parts(n_images)
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        save_for_hf(timm.create_model(name, num_classes=1000), Path(folder))
        address = f"timm:local-dir:{folder}"
        boxes = load_encoder(address, device="cpu", reading=Reading("box", typical_size=0.4))
        places = load_encoder(address, device="cpu", reading=Reading("point"))
        one = load_encoder(address, device="cpu", reading=Reading(layers=(-1,)))
        every = load_encoder(address, device="cpu", reading=Reading(layers="all", poolings=POOLINGS))
    in_boxes = [boxes.prepare(sample) for sample in regions]
    in_points = [places.prepare(sample) for sample in points]
    whole = [one.prepare(sample.image) for sample in regions]
    runs = {
        "forward": bare(boxes, in_boxes),
        "boxes": lambda: boxes.encode(in_boxes),
        "forward, points": bare(places, in_points),
        "points": lambda: places.encode(in_points),
        "one layer": lambda: one.encode(whole),
        "all layers": lambda: every.encode(whole),
    }
    seconds: dict[str, list[float]] = {label: [] for label in runs}
    for repetition in range(repetitions + 1):
        for label, run in runs.items():
            begin = time.process_time()
            run()
            if repetition:  # the first round warms up
                seconds[label].append(time.process_time() - begin)
    width, n_layers = every.card.feature_dim, len({readout.layer for readout in every.card.readouts})
    print(f"{name}: {boxes.card.notes[-1]}; all layers: {n_layers} layers, {width} columns")
    return {label: statistics.median(values) for label, values in seconds.items()}


def main() -> None:
    """Time each model and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--models", default="vit_small_patch16_224,resnet50")
    options = parser.parse_args()
    threads = torch.get_num_threads()
    print(f"{options.images} images a batch, {BOXES} boxes or {POINTS} points each, {threads} threads, CPU")
    for name in options.models.split(","):
        median = time_model(name, options.images, options.repetitions)
        print("  " + ", ".join(f"{label} {seconds:.3f} s" for label, seconds in median.items()))
        print(f"  boxes / forward       {median['boxes'] / median['forward']:.3f} (target at most 1.15)")
        print(f"  points / forward      {median['points'] / median['forward, points']:.3f} (target at most 1.15)")
        print(f"  all layers / one      {median['all layers'] / median['one layer']:.3f} (target at most 1.30)")


if __name__ == "__main__":
    main()
