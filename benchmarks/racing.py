"""How many forward passes a race saves on real features, and whether its first choice is that of no race.

    python benchmarks/racing.py FOLDER [--score consensus] [--tasks ...] [--first 128] [--seeds 3]

FOLDER holds one file ``TASK__MODEL.npz`` a candidate, with arrays ``features`` and ``labels``. Features are known, so
that a forward pass costs nothing here; they are counted as the race would make them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubscout.data.task import Probe, Task
from hubscout.ranking.candidate import CandidateJob
from hubscout.ranking.entries import score_entry
from hubscout.ranking.evidence import find_evidence
from hubscout.ranking.racing import FIRST_SIZE, RacePlan, race
from hubscout.ranking.records import ScoreRecord
from hubscout.ranking.rounds import passes
from hubscout.scores import RECOMMENDED_SCORE, evaluate


@dataclass(frozen=True)
class Rows:
    """Samples that are their own position."""

    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def content(self, index: int) -> bytes:
        """Identify one sample."""
        return int(self.rows[index]).to_bytes(8, "little")

    def subset(self, rows: np.ndarray) -> Rows:
        """Keep some."""
        return Rows(self.rows[rows])


@dataclass(frozen=True)
class KnownFeatures:
    """An engine that takes features from memory."""

    features: dict[str, np.ndarray]
    labels: np.ndarray

    def run(self, jobs: Sequence[CandidateJob], _: Callable[[Any], None]) -> list[ScoreRecord]:
        """Score all jobs."""
        return [self.one(job) for job in jobs]

    def one(self, job: CandidateJob) -> ScoreRecord:
        """Score the rows that a job looks at."""
        rows = np.arange(len(self.labels)) if job.nested is None else job.nested.positions
        score, features = job.scores[0], self.features[job.address][rows]
        value = evaluate(features, self.labels[rows], [score])[score]
        evidence = find_evidence(features, self.labels[rows], score, value, seed=job.seed)
        entries = {score: score_entry(value)}
        return ScoreRecord(job.address, "ranked", scores=entries, requested=job.address, evidence=evidence)


def main() -> None:
    """Print one line a task and seed, and the totals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--score", default=RECOMMENDED_SCORE)
    parser.add_argument(
        "--tasks", nargs="+", default=["caltech25", "textures10", "pacs_sketch", "mnist10", "sign_digits"]
    )
    parser.add_argument("--first", type=int, default=FIRST_SIZE)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    made = wanted = same = runs = 0
    for task in given.tasks:
        engine = _load(given.folder, task)
        names = sorted(engine.features)
        full = [engine.one(_job(engine, name, given.score, 0)).value(given.score) for name in names]
        best = names[int(np.argmax(full))]
        for seed in range(given.seeds):
            plan = RacePlan(first_size=given.first)
            job = _job(engine, "", given.score, seed)
            records, rounds = race(job, names, lambda _, own=engine: own, lambda _: None, plan)
            values = {r.candidate: r.value(given.score) for r in records if r.status == "ranked"}
            first = max(values, key=lambda name: values[name])
            n_passes, n_all = passes(rounds), len(names) * len(engine.labels)
            is_same = first == best
            made, wanted, same, runs = made + n_passes, wanted + n_all, same + is_same, runs + 1
            history = " ".join(f"{len(each.candidates)}@{each.n_samples}" for each in rounds)
            sys.stdout.write(
                f"{task:12} seed {seed}: {1 - n_passes / n_all:6.1%} saved, first {'same' if is_same else 'OTHER'} "
                f"{'' if is_same else f'({first} for {best}) '}[{history}], {len(values)} left\n"
            )
            sys.stdout.flush()
    sys.stdout.write(
        f"{given.score}: {1 - made / wanted:.1%} of forward passes saved, same first in {same} of {runs}\n"
    )


def _load(folder: Path, task: str) -> KnownFeatures:
    files = {path.stem.split("__", 1)[1]: np.load(path) for path in sorted(folder.glob(f"{task}__*.npz"))}
    labels = np.unique(next(iter(files.values()))["labels"], return_inverse=True)[1]
    return KnownFeatures({name: each["features"] for name, each in files.items()}, labels)


def _job(engine: KnownFeatures, address: str, score: str, seed: int) -> CandidateJob:
    n = len(engine.labels)
    names = tuple(str(each) for each in range(int(engine.labels.max()) + 1))
    task = Task("known", "classification", "features", names)
    probe = Probe(task, Rows(np.arange(n)), engine.labels, np.arange(n), "", n, seed, "all")
    return CandidateJob(address=address, probe=probe, scores=(score,))


if __name__ == "__main__":
    main()
