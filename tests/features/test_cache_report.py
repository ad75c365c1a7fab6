from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from feature_fakes import FakeEncoder, make_probe

from hubscout.errors import UsageError
from hubscout.features.cache_report import CacheEntry, list_entries, prune
from hubscout.features.extract import extract
from hubscout.features.store import FeatureStore

N = 1500


def add(store: FeatureStore, name: str, *, age: float = 0.0, whole: bool = True) -> Path:
    """Write an entry for a candidate; give its folder."""

    def stop(batch, call):
        if call > 40 and not whole:
            raise KeyboardInterrupt
        return batch

    before = set(store.entry_keys())
    try:
        extract(FakeEncoder(address=name, change=stop), make_probe(range(N)), store)
    except KeyboardInterrupt:
        assert not whole
    (key,) = set(store.entry_keys()) - before
    folder = store.directory(key)
    for path in (*folder.iterdir(), folder):
        stamp = path.stat().st_mtime - age
        os.utime(path, (stamp, stamp))
    return folder


def states(store: FeatureStore, *, verify: bool = False) -> dict[str, str]:
    return {entry.address: entry.state for entry in list_entries(store, verify=verify)}


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


class TestListEntries:
    def test_an_absent_store_is_empty(self, store):
        assert list_entries(store) == []
        assert not store.root.exists()

    def test_last_used_comes_first_with_its_facts(self, store):
        add(store, "a:old", age=5000)
        folder = add(store, "a:new", age=100)
        new, old = list_entries(store)
        assert (new.address, old.address) == ("a:new", "a:old")
        assert new.path == folder
        assert new.key == folder.name
        assert new.size_bytes == sum(path.stat().st_size for path in folder.iterdir())
        assert (new.state, new.rows, new.n_rows) == ("complete", N, N)
        assert 100 <= new.age_seconds < 4000 < old.age_seconds
        assert json.loads(json.dumps(new.to_dict()))["address"] == "a:new"

    def test_using_an_entry_makes_it_young(self, store):
        add(store, "a:x", age=5000)
        extract(FakeEncoder(address="a:x"), make_probe(range(N)), store)
        assert list_entries(store)[0].age_seconds < 1000

    def test_a_clock_that_went_back_gives_no_negative_age(self, store):
        add(store, "a:x", age=-5000)
        assert list_entries(store)[0].age_seconds == 0.0

    def test_partial_entries_tell_their_rows(self, store):
        add(store, "a:x", whole=False)
        (entry,) = list_entries(store)
        assert (entry.state, entry.rows, entry.n_rows) == ("partial", 1248, N)

    def test_damage_of_records_and_sizes_is_seen_at_once(self, store):
        (add(store, "a:x") / "meta.json").write_text("garbage")
        path = add(store, "a:y") / "features.npy"
        path.write_bytes(path.read_bytes()[:-1])
        (add(store, "a:z", whole=False) / "progress.json").write_text("garbage")
        add(store, "a:whole")
        assert states(store) == {"a:x": "damaged", "a:y": "damaged", "": "damaged", "a:whole": "complete"}

    def test_a_flipped_bit_is_seen_when_verifying(self, store):
        path = add(store, "a:x") / "logits.npy"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        assert states(store) == {"a:x": "complete"}
        assert states(store, verify=True) == {"a:x": "damaged"}

    def test_entries_of_a_newer_version_are_told_apart(self, store):
        (add(store, "a:x") / "meta.json").write_text('{"format": 9, "address": "a:x", "rows": "many"}')
        assert states(store, verify=True) == {"a:x": "newer"}


class TestPrune:
    def names(self, entries: tuple[CacheEntry, ...]) -> set[str]:
        return {entry.address for entry in entries}

    def test_by_age(self, store):
        add(store, "a:old", age=5000)
        add(store, "a:new")
        result = prune(store, older_than_seconds=3000)
        assert self.names(result.removed) == {"a:old"}
        assert result.in_use == ()
        assert states(store) == {"a:new": "complete"}

    def test_by_size_drops_what_was_not_used_for_longest(self, store):
        for i, name in enumerate(["a:1", "a:2", "a:3", "a:4"]):
            add(store, name, age=1000 * i)
        sizes = [entry.size_bytes for entry in list_entries(store)]
        result = prune(store, max_bytes=sum(sizes[:2]) + 10)
        assert self.names(result.removed) == {"a:3", "a:4"}
        assert result.freed_bytes == sum(sizes[2:])
        assert states(store) == {"a:1": "complete", "a:2": "complete"}

    def test_by_both(self, store):
        for i, name in enumerate(["a:1", "a:2", "a:3"]):
            add(store, name, age=1000 * i)
        result = prune(store, older_than_seconds=1900, max_bytes=0)
        assert self.names(result.removed) == {"a:1", "a:2", "a:3"}

    def test_everything_and_of_every_state(self, store):
        add(store, "a:whole")
        add(store, "a:partial", whole=False)
        (add(store, "a:newer") / "meta.json").write_text('{"format": 9}')
        (add(store, "a:damaged") / "meta.json").write_text("")
        assert len(prune(store, everything=True).removed) == 4
        assert list_entries(store) == []

    def test_an_entry_that_is_written_now_is_left_and_said(self, store):
        folder = add(store, "a:x")
        add(store, "a:y")
        with store.lock(folder.name):
            result = prune(store, everything=True)
        assert self.names(result.removed) == {"a:y"}
        assert self.names(result.in_use) == {"a:x"}
        assert states(store) == {"a:x": "complete"}

    def test_arrays_in_use_stay_readable(self, store):
        found = extract(FakeEncoder(), make_probe(range(N)), store)
        before = found.features.copy()
        prune(store, everything=True)
        assert (found.features == before).all()

    def test_needs_a_rule(self, store):
        with pytest.raises(UsageError) as caught:
            prune(store)
        assert str(caught.value) == "prune needs a rule, got none; give an age, a size, or everything=True"

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"older_than_seconds": -1.0}, "older_than_seconds must be at least 0, got -1.0"),
            ({"older_than_seconds": float("nan")}, "older_than_seconds must be at least 0, got nan"),
            ({"max_bytes": -5}, "max_bytes must be at least 0, got -5"),
        ],
    )
    def test_rules_have_bounds(self, store, options, text):
        with pytest.raises(UsageError) as caught:
            prune(store, **options)
        assert str(caught.value) == text
