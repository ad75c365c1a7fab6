"""Real processes: killed at random moments, and two at once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from feature_fakes import FakeEncoder, features_of, make_probe

from hubscout.features.extract import extract
from hubscout.features.store import FeatureStore

CHILD = Path(__file__).with_name("extract_child.py")
N = 5000
EXPECTED = features_of(range(N), 3)


def start(root: Path, delay: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(CHILD), str(root), str(N), str(delay)], stdout=subprocess.PIPE)


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> dict[str, bytes]:
    store = FeatureStore(tmp_path_factory.mktemp("reference"))
    extract(FakeEncoder(), make_probe(range(N)), store)
    return arrays(store)


def arrays(store: FeatureStore) -> dict[str, bytes]:
    (key,) = store.entry_keys()
    return {path.name: path.read_bytes() for path in store.directory(key).glob("*.npy")}


class TestKill:
    def test_killed_runs_resume_to_the_same_bytes(self, tmp_path, reference):
        moments = random.Random(0)
        store = FeatureStore(tmp_path)
        kept = 0
        for trial in range(12):
            with start(tmp_path / str(trial // 3), delay=0.004) as child:
                assert child.stdout is not None
                assert child.stdout.readline() == b"go\n"
                time.sleep(moments.uniform(0.0, 0.5))
                child.kill()
            # Whatever is complete is whole; whatever is not is resumed after every third kill.
            if trial % 3 == 2:
                store = FeatureStore(tmp_path / str(trial // 3))
                found = extract(FakeEncoder(), make_probe(range(N)), store)
                np.testing.assert_array_equal(found.features, EXPECTED)
                assert arrays(store) == reference
                assert found.provenance["rows_repaired"] == 0
                kept += found.provenance["rows_cached"]
        assert kept > 0


class TestTwoProcesses:
    def test_one_computes_and_the_other_finds_the_work_done(self, tmp_path, reference):
        with start(tmp_path, delay=0.005) as first, start(tmp_path, delay=0.005) as second:
            assert first.stdout is not None
            assert second.stdout is not None
            facts = [json.loads(child.stdout.read().splitlines()[-1]) for child in (first, second)]
        assert sorted(fact["rows_computed"] for fact in facts) == [0, N]
        assert sorted(fact["rows_cached"] for fact in facts) == [0, N]
        assert arrays(FeatureStore(tmp_path)) == reference
