"""Do 90 % intervals of scores, and of differences between candidates, hold on probes of real features: a count.

    python benchmarks/coverage.py FOLDER [--scores ...] [--tasks ...] [--probe 300] [--pairs 60]

FOLDER holds one file ``TASK__MODEL.npz`` a candidate, with arrays ``features`` and ``labels``, such as
``hubscout bench hub`` extracts. Two disjoint probes of one task are two independent looks at it: the difference of
their values has mean zero, whatever the bias of the score at that size, and an interval about it must hold zero as
often as it says. The same for the paired difference between two candidates.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hubscout.ranking.confidence import t_quantile
from hubscout.ranking.evidence import Evidence, find_evidence
from hubscout.scores import evaluate

LEVEL = 0.9


def main() -> None:
    """Print one line a score: how many intervals held, of single values and of paired differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scores", nargs="+", default=["logme", "disco", "knn", "linear_probe", "lda", "gbc", "ncti"])
    parser.add_argument("--tasks", nargs="+", default=["caltech25", "textures10", "mnist10"])
    parser.add_argument("--models", type=int, default=4, help="candidates a task, evenly among those there are")
    parser.add_argument("--probe", type=int, default=300)
    parser.add_argument("--pairs", type=int, default=60, help="pairs of disjoint probes a task")
    given = parser.parse_args()
    write = sys.stdout.write
    write(f"{'score':14}{'value':>8}{'pairs':>8}   share of {LEVEL:.0%} intervals that hold, probe {given.probe}\n")
    for score in given.scores:
        name, _, folds = score.partition(":")
        held: dict[str, list[bool]] = defaultdict(list)
        for task in given.tasks:
            for kind, is_held in _looks(given, task, name, {"cross_fit": int(folds)} if folds else {}):
                held[kind].append(is_held)
        cells = "".join(f"{np.mean(held[kind]):8.3f}" for kind in ("value", "difference"))
        write(f"{score:14}{cells}   of {len(held['value'])} and {len(held['difference'])}\n")
        sys.stdout.flush()


def _looks(given: argparse.Namespace, task: str, score: str, options: dict[str, int]) -> Iterator[tuple[str, bool]]:
    files = sorted(given.folder.glob(f"{task}__*.npz"))
    arrays = [np.load(files[place]) for place in np.linspace(0, len(files) - 1, given.models).astype(int)]
    features, labels = [each["features"] for each in arrays], arrays[0]["labels"]
    rng = np.random.default_rng(0)
    size = min(given.probe, len(labels) // 2)
    for _ in range(given.pairs):
        order = rng.permutation(len(labels))
        probes = order[:size], order[size : 2 * size]
        found = [[_evidence(own[rows], labels[rows], score, options) for rows in probes] for own in features]
        known = [(one, two) for one, two in found if one is not None and two is not None]
        for one, two in known:
            yield "value", _holds(one, two)
        for (one, two), (other_one, other_two) in itertools.combinations(known, 2):
            yield "difference", _holds(_less(one, other_one), _less(two, other_two))


def _evidence(features: np.ndarray, labels: np.ndarray, score: str, options: dict[str, int]) -> Evidence | None:
    value = evaluate(features, labels, [score], options={score: options})[score]
    return find_evidence(features, labels, score, value, options=options)


def _less(one: Evidence, other: Evidence) -> Evidence:
    return Evidence(one.values - other.values, one.kind)


def _holds(one: Evidence, two: Evidence) -> bool:
    gap = abs(one.values.mean() - two.values.mean())
    degrees = one.degrees + two.degrees
    return bool(gap <= t_quantile((1 + LEVEL) / 2, degrees) * np.hypot(one.standard_error, two.standard_error))


if __name__ == "__main__":
    main()
