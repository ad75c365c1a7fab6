"""How much memory scoring takes when the features are a memory-mapped file, and what a file of 20 GB would take.

Run `python benchmarks/mapped_memory.py`. Files of growing length are written to a temporary folder, mapped, and scored
in a process each; the memory of the process (without the file's own pages, which the system takes back at will) is
then held against the accounting: chunk copies, D x D sums, one number a sample.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

WIDTH, CLASSES = 1024, 50
SCORES = ("disco", "logme", "h_score", "h_score_shrunk", "linear_probe", "nearest_centroid")
TARGET_BYTES = 20e9


def write(path: Path, rows: int) -> None:
    """Write float32 features of ``rows`` samples, block by block."""
    rng = np.random.default_rng(0)
    scale = np.arange(1, WIDTH + 1, dtype=np.float32) ** -0.5
    features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, WIDTH))
    for start in range(0, rows, 8192):
        block = features[start : start + 8192]
        block[:] = rng.standard_normal(block.shape, dtype=np.float32) * scale
    features.flush()


def measure(path: Path) -> int:
    """Score one mapped file in this process and return its peak memory in bytes."""
    from hubscout.scores import evaluate
    from peak_memory import peak_above

    features = np.load(path, mmap_mode="r")
    labels = np.random.default_rng(1).integers(0, CLASSES, len(features))
    evaluate(features[:2000], labels[:2000], SCORES)  # libraries are loaded before anything is measured
    return peak_above(lambda: evaluate(features, labels, SCORES))


def main() -> None:
    """Measure files of growing length and extrapolate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 100_000, 200_000])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.measure:
        print(measure(options.measure))
        return
    peaks = {}
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "features.npy"
            write(path, rows)
            command = [sys.executable, __file__, "--measure", str(path)]
            peaks[rows] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    slope, base = np.polyfit(list(peaks), list(peaks.values()), 1)
    rows_of_target = TARGET_BYTES / (4 * WIDTH)
    expected = base + slope * rows_of_target
    if options.json:
        print(json.dumps({"peaks": peaks, "bytes_a_sample": slope, "at_20_gb": expected}, indent=2))
        return
    print(f"scores: {', '.join(SCORES)}; D={WIDTH}, C={CLASSES}, float32, mapped read-only")
    for rows, peak in peaks.items():
        print(f"  {rows:>9,} samples, file of {rows * WIDTH * 4 / 1e9:5.2f} GB: {peak / 1e6:6.0f} MB of memory")
    print(
        f"  grows by {slope:.0f} bytes a sample; a file of 20 GB ({rows_of_target:,.0f} samples): "
        f"{expected / 1e9:.2f} GB (under 2)"
    )


if __name__ == "__main__":
    main()
