from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hubscout.data.samples import Texts
from hubscout.data.sampling import draw_probe
from hubscout.data.sources import load_target
from hubscout.data.task import RowProblem, Target, Task
from hubscout.errors import DataError, UsageError


def text_target(labels: list[int], names: tuple[str, ...] = ("a", "b", "c"), kind: str = "classification") -> Target:
    n = len(labels)
    samples = Texts(tuple(f"text {i}" for i in range(n)), tuple(range(1, n + 1)))
    dtype = np.intp if kind == "classification" else np.float64
    task = Task("t", kind, "text", names if kind == "classification" else ())
    return Target(
        task, samples, np.array(labels, dtype=dtype), "train", (RowProblem("row 99", "text is empty"),), ("n",)
    )


@pytest.fixture
def pets(folder: Callable[..., Path]) -> Path:
    """Twenty pictures of two classes."""
    return folder(*(f"{name}/{i}.png" for name in ("cat", "dog") for i in range(10)))


class TestWholeTarget:
    def test_everything_is_carried_over(self) -> None:
        target = text_target([0, 1, 2, 0, 1, 2])
        probe = draw_probe(target)
        assert (len(probe), probe.rows.tolist(), probe.labels.tolist()) == (6, list(range(6)), [0, 1, 2, 0, 1, 2])
        assert (probe.task, probe.samples, probe.split) == (target.task, target.samples, "train")
        assert (probe.n_target, probe.seed, probe.notes, probe.problems) == (6, 0, ("n",), target.problems)

    def test_fingerprint_is_over_contents_and_lengths(self) -> None:
        digest = hashlib.sha256()
        for i in range(4):
            digest.update((6).to_bytes(8, "little") + f"text {i}".encode())
        assert draw_probe(text_target([0, 1, 0, 1])).fingerprint == digest.hexdigest()

    def test_labels_are_not_part_of_the_fingerprint(self) -> None:
        one, other = draw_probe(text_target([0, 1, 0, 1])), draw_probe(text_target([1, 1, 0, 0]))
        assert one.fingerprint == other.fingerprint

    def test_progress_ends_at_the_number_of_samples(self) -> None:
        seen: list[tuple[int, int]] = []
        draw_probe(text_target([0, 1] * 50), progress=lambda done, n: seen.append((done, n)))
        assert seen == [(64, 100), (100, 100)]

    def test_pickles(self, pets: Path) -> None:
        probe = draw_probe(load_target(pets), size=8)
        copy = pickle.loads(pickle.dumps(probe))
        assert copy.fingerprint == probe.fingerprint
        assert np.array_equal(np.asarray(copy.samples[3]), np.asarray(probe.samples[3]))


class TestSubsample:
    def test_is_stratified_ascending_and_noted(self) -> None:
        probe = draw_probe(text_target([0] * 900 + [1] * 90 + [2] * 10), size=100, seed=3)
        assert np.bincount(probe.labels).tolist() == [86, 9, 5]
        assert (np.diff(probe.rows) > 0).all()
        assert [probe.samples[i] for i in (0, 99)] == [f"text {probe.rows[0]}", f"text {probe.rows[99]}"]
        assert probe.notes == ("n", "100 of 1000 samples were drawn, stratified by class, with seed 3")
        assert (probe.n_target, probe.seed) == (1000, 3)

    def test_default_size(self) -> None:
        assert len(draw_probe(text_target([0, 1] * 3000))) == 5000

    def test_same_seed_same_probe(self) -> None:
        target = text_target([0, 1] * 100)
        one, same, other = (draw_probe(target, size=50, seed=seed) for seed in (7, 7, 8))
        assert one.fingerprint == same.fingerprint != other.fingerprint
        assert np.array_equal(one.rows, same.rows)

    def test_regression_is_stratified_by_target(self) -> None:
        targets = np.random.default_rng(0).exponential(size=1000)
        probe = draw_probe(text_target(targets.tolist(), kind="regression"), size=100)
        assert probe.notes == ("n", "100 of 1000 samples were drawn, stratified by target, with seed 0")
        tenths = np.searchsorted(np.quantile(targets, np.arange(1, 10) / 10), probe.labels)
        assert np.bincount(tenths).tolist() == [10] * 10


class TestBadSamples:
    def test_are_dropped_and_reported(self, pets: Path) -> None:
        (pets / "cat/3.png").write_bytes(b"")
        (pets / "dog/7.png").write_text("<html>")
        target = load_target(pets)
        probe = draw_probe(target)
        assert probe.problems == (
            RowProblem("cat/3.png", "image is empty (0 bytes)"),
            RowProblem("dog/7.png", "not an image in one of the formats JPEG, PNG, WEBP, BMP, GIF, TIFF"),
        )
        assert probe.rows.tolist() == [*range(3), *range(4, 17), 18, 19]
        assert probe.samples.name(3) == "cat/4.png"
        assert np.bincount(probe.labels).tolist() == [9, 9]
        assert probe.notes == ()

    def test_do_not_change_the_fingerprint_of_the_others(self, pets: Path) -> None:
        (pets / "cat/3.png").write_bytes(b"")
        with_bad = draw_probe(load_target(pets)).fingerprint
        (pets / "cat/3.png").unlink()
        assert draw_probe(load_target(pets)).fingerprint == with_bad

    def test_a_flipped_byte_changes_the_fingerprint(self, pets: Path) -> None:
        before = draw_probe(load_target(pets)).fingerprint
        (pets / "cat/3.png").write_bytes((pets / "cat/4.png").read_bytes())
        assert draw_probe(load_target(pets)).fingerprint != before

    def test_too_many(self, pets: Path) -> None:
        for i in range(3):
            (pets / f"cat/{i}.png").write_bytes(b"")
        with pytest.raises(DataError) as caught:
            draw_probe(load_target(pets))
        assert str(caught.value) == (
            "at most 2 of the 20 drawn samples may be unreadable, got 3, the first 'cat/0.png' "
            "(image is empty (0 bytes)); repair or remove them, or raise max_bad (--max-bad)"
        )
        assert len(draw_probe(load_target(pets), max_bad=0.15)) == 17

    def test_one_is_allowed_in_a_small_probe_unless_none_may(self, pets: Path) -> None:
        (pets / "cat/0.png").write_bytes(b"")
        target = load_target(pets)
        assert len(draw_probe(target, max_bad=0.01)) == 19
        with pytest.raises(DataError, match=r"^at most 0 of the 20 drawn samples may be unreadable, got 1, "):
            draw_probe(target, max_bad=0)

    def test_one_class_left(self, folder: Callable[..., Path]) -> None:
        root = folder("cat/0.png", "cat/1.png", "dog/0.png")
        (root / "dog/0.png").write_bytes(b"")
        with pytest.raises(DataError) as caught:
            draw_probe(load_target(root))
        assert str(caught.value) == (
            "the probe of 'pets' must hold samples of at least two classes, got 2 of one class after 1 "
            "unreadable ones were left out; repair them or raise size (--probe-size)"
        )

    def test_a_constant_target_left(self) -> None:
        target = text_target([1.0] * 500 + [2.0], kind="regression")
        with pytest.raises(DataError) as caught:
            draw_probe(target, size=2, seed=1)
        assert str(caught.value) == (
            "the probe of 't' must hold targets that differ, got 2 with one value after 0 unreadable ones "
            "were left out; repair them or raise size (--probe-size)"
        )

    def test_a_class_that_is_lost_is_noted(self, folder: Callable[..., Path]) -> None:
        root = folder("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png", "owl/0.png")
        (root / "owl/0.png").write_bytes(b"")
        probe = draw_probe(load_target(root))
        assert probe.notes == ("the class 'owl' has no sample in the probe, because none of theirs could be read",)
        assert probe.task.label_names == ("cat", "dog", "owl")

    def test_a_huge_image_is_a_problem_and_no_warning(self, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from PIL import Image

        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # pictures have 120, so that Pillow warns of each
        assert len(draw_probe(load_target(pets))) == 20


class TestNotes:
    def test_classes_with_one_sample(self) -> None:
        probe = draw_probe(text_target([0, 0, 0, 0, 1]))
        assert probe.notes[1:] == ("the class 'b' has one sample in the probe, on which some scores cannot be judged",)

    def test_more_classes_than_half_the_samples(self) -> None:
        names = tuple("abcdefgh")
        probe = draw_probe(text_target([0, 0, 1, 1, 2, 3, 4, 5, 6, 7], names))
        assert probe.notes[1:] == (
            (
                "the 6 classes 'c', 'd', 'e', 'f', 'g' and 1 more have one sample in the probe, on which some "
                "scores cannot be judged"
            ),
            "there are 8 classes for 10 samples in the probe; check that the label is not an id",
        )


class TestOptions:
    @pytest.mark.parametrize("size", [1, 0, -5, 2.5, "10", True, None])
    def test_size(self, size: object) -> None:
        with pytest.raises(UsageError) as caught:
            draw_probe(text_target([0, 1, 0]), size=size)
        assert str(caught.value) == f"size (--probe-size) must be a whole number of at least 2, got {size!r}"

    def test_numpy_integers_are_whole_numbers(self) -> None:
        assert draw_probe(text_target([0, 1] * 10), size=np.int64(5), seed=np.uint8(1)).seed == 1

    @pytest.mark.parametrize("seed", [-1, 0.5, None])
    def test_seed(self, seed: object) -> None:
        with pytest.raises(UsageError) as caught:
            draw_probe(text_target([0, 1, 0]), seed=seed)
        assert str(caught.value) == f"seed (--seed) must be a whole number of at least 0, got {seed!r}"

    @pytest.mark.parametrize("max_bad", [-0.1, 1, float("nan")])
    def test_max_bad(self, max_bad: float) -> None:
        with pytest.raises(UsageError) as caught:
            draw_probe(text_target([0, 1, 0]), max_bad=max_bad)
        assert str(caught.value) == f"max_bad (--max-bad) must be a share of at least 0 and below 1, got {max_bad!r}"
