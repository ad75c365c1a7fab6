from __future__ import annotations

import threading
import time

import pytest
from feature_fakes import FakeSamples

from hubscout.errors import CandidateError, DataError
from hubscout.features.loader import Prefetcher, default_threads, phrase


def make_loader(n=100, *, prepare=lambda x: x, step=10, threads=3, ahead=2, slice_rows=3) -> Prefetcher:
    windows = [(i, min(i + step, n)) for i in range(0, n, step)]
    return Prefetcher(
        FakeSamples(range(n)),
        prepare,
        "bundled:fake",
        windows,
        threads=threads,
        slice_rows=slice_rows,
        ahead=ahead,
    )


def loader_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("hubscout-loader")]


class TestPrefetcher:
    def test_windows_come_in_order_whatever_the_threads_do(self):
        def slow_for_some(x):
            time.sleep(0.002 if x % 7 == 0 else 0)
            return x * 10

        got = list(make_loader(95, prepare=slow_for_some))
        assert [window for window, _ in got] == [(i, min(i + 10, 95)) for i in range(0, 95, 10)]
        assert [x for _, items in got for x in items] == [x * 10 for x in range(95)]
        assert loader_threads() == []

    def test_only_a_bounded_number_of_samples_is_prepared_ahead(self):
        prepared = []
        stream = iter(make_loader(1000, prepare=lambda x: prepared.append(x) or x, ahead=2))
        next(stream)
        time.sleep(0.05)
        assert len(prepared) <= 30
        stream.close()

    def test_a_sample_that_fails_is_named(self):
        def fail(x):
            if x == 42:
                raise ValueError("bad\x1b[31m size")
            return x

        with pytest.raises(CandidateError) as caught:
            list(make_loader(prepare=fail))
        assert str(caught.value) == (
            "sample 'sample 42' cannot be prepared for 'bundled:fake' (ValueError: 'bad\\x1b[31m size'); mend or "
            "remove the sample, or leave the candidate out"
        )
        assert isinstance(caught.value.__cause__, ValueError)
        assert loader_threads() == []

    def test_a_sample_that_no_longer_decodes_is_named(self):
        class Vanished(FakeSamples):
            def __getitem__(self, index):
                raise DataError("image is missing")

        loader = Prefetcher(Vanished([1]), str, "a:b", [(0, 1)], threads=1, slice_rows=1, ahead=1)
        with pytest.raises(CandidateError, match=r"sample 'sample 0' .*\(DataError: 'image is missing'\)"):
            list(loader)

    def test_closing_early_waits_for_one_sample_of_each_thread(self):
        prepared = []

        def slow_after_the_first_window(x):
            if x >= 1000:
                time.sleep(0.005)
            prepared.append(x)
            return x

        stream = iter(make_loader(10_000, prepare=slow_after_the_first_window, step=1000, slice_rows=1000))
        next(stream)
        stream.close()
        # Each thread had a slice of 1000 slow samples before it.
        assert len(prepared) < 2000
        assert loader_threads() == []


class TestDefaultThreads:
    def test_is_between_one_and_eight(self):
        assert 1 <= default_threads() <= 8


class TestPhrase:
    def test_is_short_and_safe(self):
        assert phrase(RuntimeError()) == "RuntimeError"
        assert phrase(RuntimeError("a\nb")) == "RuntimeError: 'a\\nb'"
        assert len(phrase(RuntimeError("x" * 10_000))) < 350
