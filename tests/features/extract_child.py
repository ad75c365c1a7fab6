"""Runs one extraction in a process of its own: STORE ROWS DELAY; prints ``go``, then the provenance."""

from __future__ import annotations

import json
import sys

from feature_fakes import FakeEncoder, make_probe

from hubscout.features import FeatureStore, extract, job


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    root, rows, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    job._COMMIT_SECONDS = 0.02  # commits at many places, so that kills meet every kind of moment
    probe = make_probe(range(rows))
    say("go")
    found = extract(FakeEncoder(delay=delay), probe, FeatureStore(root), loader_threads=1)
    say(json.dumps(found.provenance))


if __name__ == "__main__":
    main()
