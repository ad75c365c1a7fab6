from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from feature_fakes import FakeEncoder, FakeSamples, features_of, with_features
from hypothesis import given
from hypothesis import strategies as st

from hubscout.errors import CandidateError, UnsafeFileError
from hubscout.features.checks import BatchChecker
from hubscout.features.forward import ForwardLoop, make_windows
from hubscout.models.card import EncodedBatch


def make_loop(encoder: FakeEncoder, values: Any, batch_size: int = 4, window: int = 4, **options: Any) -> ForwardLoop:
    samples = FakeSamples(values)
    checker = BatchChecker(encoder.card, samples.name, "float32")
    counts = options.pop("counts", np.ones(len(samples), dtype=np.intp))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    return ForwardLoop(
        encoder, samples, offsets, checker, batch_size=batch_size, window_samples=window, threads=2, **options
    )


def run(loop: ForwardLoop, n: int, window: int = 4) -> tuple[np.ndarray, np.ndarray | None]:
    results = list(loop.run(make_windows(n, window, [(0, n)])))
    logits = [part for _, _, part in results]
    return np.concatenate([part for _, part, _ in results]), None if logits[0] is None else np.concatenate(logits)


class TestMakeWindows:
    @given(st.integers(1, 200), st.integers(1, 50), st.data())
    def test_windows_lie_on_the_grid_and_cover_what_is_wanted(self, n, size, data):
        cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=6)))
        wanted = list(zip(cuts[::2], cuts[1::2], strict=False))
        windows = make_windows(n, size, wanted)
        assert all(begin % size == 0 and end == min(begin + size, n) for begin, end in windows)
        assert windows == sorted(set(windows))
        covered = {row for begin, end in windows for row in range(begin, end)}
        needed = {row for begin, end in wanted for row in range(begin, end)}
        assert needed <= covered
        assert all(needed & set(range(begin, end)) for begin, end in windows)


class TestRun:
    def test_images_keep_their_order(self):
        encoder = FakeEncoder()
        features, logits = run(make_loop(encoder, range(10)), 10)
        np.testing.assert_array_equal(features, features_of(range(10), 3))
        np.testing.assert_array_equal(logits, features_of(np.arange(10) + 0.5, 2))
        assert encoder.sizes == [4, 4, 4, 2]  # the first batch runs twice

    @given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=40), st.integers(1, 7))
    def test_texts_are_sorted_for_the_model_and_returned_in_order(self, texts, batch_size):
        encoder = FakeEncoder(modality="text")
        loop = make_loop(encoder, texts, batch_size, 3 * batch_size)
        features, logits = run(loop, len(texts), 3 * batch_size)
        values = [float(sum(map(ord, text))) for text in texts]
        np.testing.assert_array_equal(features, features_of(values, 3))
        np.testing.assert_array_equal(logits, features_of(np.add(values, 0.5), 2))
        batches = encoder.batches[1:]
        for begin in range(0, len(batches), 3):
            lengths = [len(text) for batch in batches[begin : begin + 3] for text in batch]
            assert lengths == sorted(lengths, reverse=True)

    @given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=5), min_size=1, max_size=20), st.integers(1, 7))
    def test_samples_with_several_rows_keep_their_order(self, samples, batch_size):
        # Words of a text: longest texts first within a window, each with one row a word.
        encoder = FakeEncoder(modality="text", prepare=lambda words: words)

        def encode(prepared):
            return EncodedBatch(features_of([word for words in prepared for word in words], 3))

        encoder.encode = encode
        loop = make_loop(encoder, samples, batch_size, 3 * batch_size, counts=[len(words) for words in samples])
        features, _ = run(loop, len(samples), 3 * batch_size)
        np.testing.assert_array_equal(features, features_of([word for words in samples for word in words], 3))

    def test_a_model_that_gives_one_row_for_several_parts_is_refused(self):
        loop = make_loop(FakeEncoder(), range(3), counts=[2, 1, 2])
        with pytest.raises(CandidateError, match="returned 3 rows of features for the 5 rows"):
            run(loop, 3)

    def test_a_model_without_logits(self):
        _, logits = run(make_loop(FakeEncoder(classes=None), range(5)), 5)
        assert logits is None

    def test_rows_and_seconds_are_measured_without_the_second_run_of_the_first_batch(self):
        loop = make_loop(FakeEncoder(delay=0.02), range(12))
        run(loop, 12)
        assert loop.n_samples == 12
        assert loop.seconds >= 0.06

    def test_rows_are_reported_batch_by_batch(self):
        seen: list[int] = []
        run(make_loop(FakeEncoder(), range(10), 4, 8, on_samples=seen.append), 10, 8)
        assert seen == [4, 4, 2]


class TestOutOfMemory:
    def test_the_batch_is_halved_and_the_safe_size_remembered(self):
        encoder = FakeEncoder(fits=3)
        loop = make_loop(encoder, range(40), 16, 16)
        features, _ = run(loop, 40, 16)
        np.testing.assert_array_equal(features, features_of(range(40), 3))
        assert encoder.sizes[:3] == [16, 8, 4]
        assert set(encoder.sizes[3:]) == {2}
        assert (loop.batch_size, loop.safe_batch_size) == (2, 2)
        assert loop.notes == ["memory did not suffice for a batch of 4, so batches of 2 were run"]

    def test_memory_may_run_out_in_the_middle(self):
        encoder = FakeEncoder()
        encode = encoder.encode

        def encode_less_later(prepared):
            encoder.fits = 8 if len(encoder.sizes) < 3 else 2
            return encode(prepared)

        encoder.encode = encode_less_later
        features, _ = run(make_loop(encoder, range(30), 8, 8), 30, 8)
        np.testing.assert_array_equal(features, features_of(range(30), 3))

    def test_a_single_sample_that_does_not_fit_is_named(self):
        loop = make_loop(FakeEncoder(fits=0), range(10))
        with pytest.raises(CandidateError) as caught:
            run(loop, 10)
        assert str(caught.value) == (
            "candidate 'bundled:fake' runs out of memory on the single sample 'sample 0'; use a device with more "
            "memory, or leave the candidate out"
        )


class TestFailingModels:
    def test_a_model_that_raises_is_named_with_its_batch(self):
        def fail(batch, call):
            if call == 3:
                raise RuntimeError("mat1 and mat2\nshapes")
            return batch

        with pytest.raises(CandidateError) as caught:
            run(make_loop(FakeEncoder(change=fail), range(10)), 10)
        assert str(caught.value) == (
            "candidate 'bundled:fake' failed on the batch of 4 that begins at sample 'sample 4' (RuntimeError: 'mat1 "
            "and mat2\\nshapes'); leave the candidate out or mend its adapter"
        )

    def test_something_else_than_a_batch_is_refused(self):
        with pytest.raises(CandidateError) as caught:
            run(make_loop(FakeEncoder(change=lambda batch, call: {"x": 1}), range(10)), 10)
        assert str(caught.value) == (
            "candidate 'bundled:fake' failed on the batch of 4 that begins at sample 'sample 0' (it returned dict "
            "instead of an EncodedBatch); leave the candidate out or mend its adapter"
        )

    def test_our_own_errors_pass(self):
        def refuse(batch, call):
            raise UnsafeFileError("no")

        with pytest.raises(UnsafeFileError):
            run(make_loop(FakeEncoder(change=refuse), range(10)), 10)

    def test_a_width_that_changes_between_batches_is_refused(self):
        def widen(batch, call):
            return with_features(batch, np.ones((len(batch.features), 4))) if call == 3 else batch

        with pytest.raises(CandidateError, match="returned features of width 4 at sample 'sample 4' where its card"):
            run(make_loop(FakeEncoder(change=widen), range(10)), 10)

    def test_nan_in_sorted_texts_names_the_right_sample(self):
        def poison(batch, call):
            features = batch.features.copy()
            features[0, 1] = np.nan
            return with_features(batch, features) if call == 2 else batch

        texts = ["a", "bb", "cccc", "ddd"]
        encoder = FakeEncoder(modality="text", change=poison)
        with pytest.raises(CandidateError, match="nan in column 1 of the features of sample 'sample 2'"):
            run(make_loop(encoder, texts), 4)


class TestDeterminism:
    def test_noise_is_noted(self):
        def noisy(batch, call):
            return with_features(batch, batch.features + np.float32(call))

        loop = make_loop(FakeEncoder(change=noisy), range(10))
        run(loop, 10)
        assert len(loop.notes) == 1
        assert loop.notes[0].startswith("not deterministic: the same batch gave features that differ by ")
        assert loop.notes[0].endswith(" of the largest one, so the scores change from run to run")

    def test_a_steady_model_has_no_note(self):
        loop = make_loop(FakeEncoder(), range(10))
        run(loop, 10)
        assert loop.notes == []
