"""How the seconds of scoring grow with the number of samples and with the number of features.

Run `python benchmarks/scaling.py` (about five minutes; `--size small` for a quick look). Samples are streamed from a
memory-mapped file in a temporary folder, which was just written and so is still in the system's memory. Prints each
point as it is measured, then the slopes on logarithmic axes over the upper half of the range. At full size, or with
`--write`, the points go to benchmarks/scaling.csv and the chart to docs/images/scaling.svg; `--draw` draws the chart
again from the points.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from hubscout.scores import disco, evaluate, list_scores
from hubscout.stats import Statistics
from problem import attempt
from scaling_chart import Point, draw, read, slopes, write
from scores import make_features, seconds

SCORES = ("disco", "logme", "h_score", "lda", "sfda", "gbc", "transrate", "ncti")
CLASSES, WIDTH, SAMPLES = 20, 256, 10_000
SAMPLE_COUNTS = {
    "full": (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
    "small": (1_000, 2_000, 4_000, 8_000),
}
FEATURE_COUNTS = {"full": (256, 512, 1024, 2048, 4096, 8192), "small": (64, 128, 256)}
# Beyond this width the other scores are left out.
WIDEST_OF_ALL = 4096
ROOT = Path(__file__).resolve().parent.parent
# Calls shorter than this are repeated.
_SHORT = 1.0


def write_features(path: Path, rows: int) -> np.ndarray:
    """Write float32 features of class clusters, block by block; return the labels."""
    rng = np.random.default_rng(0)
    scale = np.arange(1, WIDTH + 1, dtype=np.float32) ** -0.5
    means = 0.5 * rng.standard_normal((CLASSES, WIDTH), dtype=np.float32)
    labels = rng.integers(0, CLASSES, rows)
    features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, WIDTH))
    for start in range(0, rows, 65_536):
        own = labels[start : start + 65_536]
        noise = rng.standard_normal((len(own), WIDTH), dtype=np.float32)
        features[start : start + len(own)] = (noise + means[own]) * scale + np.float32(0.3)
    features.flush()
    return labels


def _median(function: Callable[[], object]) -> float:
    taken = [seconds(function)]
    while taken[0] < _SHORT and len(taken) < 5:
        taken.append(seconds(function))
    return statistics.median(taken)


def _shared(features: np.ndarray, labels: np.ndarray, chosen: list[str]) -> dict[str, float]:
    """Return the seconds of the whole spectrum, and of all the scores with it."""
    spectra, totals = [], []
    while not totals or (totals[0] < _SHORT and len(totals) < 5):
        prepared = Statistics(features, labels)
        spectra.append(seconds(prepared.spectrum))
        if not chosen:
            return {"whole spectrum": spectra[0]}
        start = time.perf_counter()
        found = evaluate(prepared, scores=chosen, standard_errors=False)
        totals.append(spectra[-1] + time.perf_counter() - start)
    for name, result in found.items():
        if result.value is None:
            print(f"  {name} FAILED and counts for little: {result.reason}", flush=True)
    return {f"{len(chosen)} scores together": statistics.median(totals), "whole spectrum": statistics.median(spectra)}


def measure(sweep: str, features: np.ndarray, labels: np.ndarray, chosen: list[str]) -> Iterator[Point]:
    """Measure one size: DISCO alone, the whole spectrum, and all scores with it; print each as it is known."""
    n, d = features.shape
    where = f"{n:>9,} samples, {d:>5,} features"

    def shown(found: dict[str, float] | None) -> list[Point]:
        points = [Point(sweep, series, n, d, CLASSES, taken) for series, taken in (found or {}).items()]
        for point in points:
            print(f"  {where}: {point.series:18}{point.seconds:10.4f} s", flush=True)
        return points

    yield from shown(attempt(f"DISCO of {where}", lambda: {"DISCO alone": _median(lambda: disco(features, labels))}))
    yield from shown(attempt(f"all scores of {where}", lambda: _shared(features, labels, chosen)))


def growing_samples(counts: tuple[int, ...], chosen: list[str]) -> Iterator[Point]:
    """Measure one file's first samples, more and more of them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        labels = write_features(path, max(counts))
        for n in counts:
            yield from measure("samples", np.load(path, mmap_mode="r")[:n], labels[:n], chosen)


def growing_features(counts: list[int], samples: int, chosen: list[str]) -> Iterator[Point]:
    """Measure wider and wider features."""
    for d in counts:
        drawn = attempt(f"drawing {d} features", lambda d=d: make_features(samples, d, CLASSES))
        if drawn is not None:
            yield from measure("features", *drawn, chosen if d <= WIDEST_OF_ALL else [])


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SAMPLE_COUNTS, default="full")
    parser.add_argument("--most-features", type=int, default=WIDEST_OF_ALL, help="8192 takes several minutes more")
    parser.add_argument("--most-samples", type=int, default=1_000_000, help="a million are a file of 1 GB")
    parser.add_argument("--write", action="store_true", help="write the files at small size, too")
    parser.add_argument("--draw", action="store_true", help="measure nothing; draw the chart from the points again")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks" / "scaling.csv")
    parser.add_argument("--svg", type=Path, default=ROOT / "docs" / "images" / "scaling.svg")
    return parser.parse_args()


def main() -> None:
    """Measure, print, write, draw."""
    options = parsed()
    if options.draw:
        draw(read(options.csv), options.svg)
        return
    is_written = options.write or options.size == "full"
    chosen = [name for name in SCORES if name in list_scores()]
    print(f"scores: {', '.join(chosen)}; {CLASSES} classes, float32")
    few = make_features(300, 32, 3)
    attempt("warming up", lambda: (disco(*few), evaluate(*few, scores=chosen)))
    points: list[Point] = []
    samples = tuple(n for n in SAMPLE_COUNTS[options.size] if n <= options.most_samples)
    widths = [d for d in FEATURE_COUNTS[options.size] if d <= options.most_features]
    for sweep in (
        growing_samples(samples, chosen),
        growing_features(widths, SAMPLES if options.size == "full" else 1_500, chosen),
    ):
        for point in sweep:
            points.append(point)
            if is_written:
                write(points, options.csv)
    for (sweep, series), slope in slopes(points).items():
        print(f"  seconds of {series} grow as ({sweep})^{slope:.2f}", flush=True)
    if is_written:
        attempt("drawing the chart", lambda: draw(points, options.svg))
        print(f"wrote {options.csv} and {options.svg}")


if __name__ == "__main__":
    main()
