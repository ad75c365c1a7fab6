"""Probes of several labels, several targets, pairs, and samples that have parts."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.parts import PlacedImages, TextPairs, WordLists
from hubscout.data.samples import RowNumbers, Texts
from hubscout.data.sampling import draw_probe
from hubscout.data.task import RowProblem, Target, Task
from hubscout.errors import DataError


class Pictures(RowNumbers):
    """Images of which every one hundredth does not decode."""

    def __getitem__(self, index: int) -> int:
        if self.positions[index] % 100 == 7:
            msg = "image is truncated"
            raise DataError(msg)
        return self.positions[index]

    def subset(self, rows: np.ndarray) -> Pictures:
        return Pictures(tuple(self.positions[row] for row in rows.tolist()))


def multilabel(labels: object) -> Target:
    array = np.asarray(labels, dtype=np.int8)
    samples = Texts(tuple(f"t{i}" for i in range(len(array))), tuple(range(1, len(array) + 1)))
    return Target(Task("t", "multilabel", "text", tuple("abcdef"[: array.shape[1]])), samples, array, "all")


def boxes(classes: list[list[int]], *, names: tuple[str, ...] = ("cat", "dog", "owl")) -> Target:
    """Images with boxes that name image and place, so that none can be mistaken."""
    counts = np.array([len(row) for row in classes], dtype=np.intp)
    places = tuple(
        np.array([[i, j, i + 1, j + 1] for j in range(len(row))], dtype=np.float64).reshape(-1, 4)
        for i, row in enumerate(classes)
    )
    samples = PlacedImages(Pictures(tuple(range(len(classes)))), places)
    labels = np.array([code for row in classes for code in row], dtype=np.intp)
    task = Task("t", "detection", "image", names)
    return Target(task, samples, labels, "all", unit_counts=counts, boxes=np.concatenate(places))


class TestParts:
    @pytest.mark.parametrize("size", [50, 5000])
    def test_units_go_with_their_samples(self, size: int) -> None:
        generator = np.random.default_rng(0)
        classes = [generator.integers(0, 3, 1 + i % 5).tolist() for i in range(300)]
        probe = draw_probe(boxes(classes), size=size, seed=2)
        assert probe.unit_counts is not None
        assert probe.boxes is not None
        assert 7 not in probe.rows % 100
        assert len(probe) == len(probe.samples) == len(probe.unit_counts)
        start = 0
        for position, row in enumerate(probe.rows.tolist()):
            stop = start + len(classes[row])
            assert probe.unit_counts[position] == len(classes[row])
            assert probe.labels[start:stop].tolist() == classes[row]
            assert probe.boxes[start:stop, 0].tolist() == [row] * len(classes[row])
            assert np.array_equal(probe.samples.places[position], probe.boxes[start:stop])
            start = stop
        assert start == probe.n_units == len(probe.boxes)
        assert probe.groups.tolist() == [i for i, row in enumerate(probe.rows) for _ in classes[row]]

    def test_size_counts_samples_and_notes_say_so(self) -> None:
        classes = [[0, 0, 0], [0, 1]] * 500
        target = boxes(classes)
        probe = draw_probe(target, size=292, seed=5)
        assert probe.n_target == 1000
        n_bad = len(probe.problems)
        assert n_bad > 0
        assert probe.problems[0].reason == "image is truncated"
        assert len(probe) == 292 - n_bad
        assert probe.notes == (
            "292 of 1000 images were drawn, stratified by the rarest class in each, with seed 5",
            f"the probe holds {probe.n_units} of 2500 boxes in {292 - n_bad} images",
        )

    def test_rare_classes_keep_a_few_images(self) -> None:
        classes = [[0] * 5 for _ in range(600)]
        for i in (3, 111, 222, 333, 444, 555):
            classes[i] = [0, 1]
        classes[500] = [0, 2]
        probe = draw_probe(boxes(classes), size=60, seed=0)
        assert np.bincount(probe.labels)[1:].tolist() == [5, 1]
        assert probe.notes[-1] == "the class 'owl' has one box in the probe, on which some scores cannot be judged"

    def test_a_class_that_is_lost(self) -> None:
        classes = [[0, 1]] * 20
        classes[7] = [2, 0]
        probe = draw_probe(boxes(classes))
        assert probe.notes == (
            "the probe holds 38 of 40 boxes in 19 images",
            "the class 'owl' has no box in the probe",
        )

    def test_boxes_of_one_class_still_have_places(self) -> None:
        probe = draw_probe(boxes([[0, 0], [0]] * 3))
        assert probe.notes == (
            "the probe holds 9 boxes in 6 images",
            "all boxes are of one class, so that only their places tell candidates apart",
        )

    def test_boxes_that_do_not_differ(self) -> None:
        target = Target(
            Task("t", "detection", "image", ("cat",)), Pictures((0, 1)), np.zeros(2, dtype=np.intp), "all",
            unit_counts=np.array([1, 1]), boxes=np.full((2, 4), 0.5),
        )  # fmt: skip
        with pytest.raises(DataError) as caught:
            draw_probe(target)
        assert str(caught.value) == (
            "the probe of 't' must hold boxes of at least two classes, got 2 of one class after 0 unreadable ones were "
            "left out; repair them or raise size (--probe-size)"
        )

    def test_words(self) -> None:
        texts = tuple((f"a{i}", f"b{i}", f"c{i}") for i in range(40))
        samples = WordLists(texts, tuple(range(1, 41)), ((0, 2),) * 40)
        task = Task("t", "token_classification", "text", ("O", "PER"))
        target = Target(task, samples, np.array([0, 1] * 40), "all", unit_counts=np.full(40, 2))
        probe = draw_probe(target, size=10)
        assert probe.notes == (
            "10 of 40 texts were drawn, stratified by the rarest class in each, with seed 0",
            "the probe holds 20 of 80 words in 10 texts",
        )
        assert probe.samples[0].words == texts[probe.rows[0]]

    def test_words_of_one_class(self) -> None:
        samples = WordLists((("a", "b"), ("c", "d")), (1, 2))
        task = Task("t", "token_classification", "text", ("O",))
        target = Target(task, samples, np.zeros(4, dtype=np.intp), "all", unit_counts=np.array([2, 2]))
        with pytest.raises(DataError, match="must hold words of at least two classes, got 4 of one class after 0"):
            draw_probe(target)

    @pytest.mark.parametrize("counts", [[1, 1, 1], [2, 1], [1, 2, 1]])
    def test_counts_that_do_not_add_up(self, counts: list[int]) -> None:
        samples = WordLists((("a",), ("b",), ("c",)), (1, 2, 3))
        task = Task("t", "token_classification", "text", ("O", "P"))
        target = Target(task, samples, np.array([0, 1, 0, 1]), "all", unit_counts=np.array(counts))
        if sum(counts) == 4 and len(counts) == 3:
            assert draw_probe(target).n_units == 4
            return
        with pytest.raises(DataError) as caught:
            draw_probe(target)
        assert str(caught.value) == (
            "the labels of target 't' must be one a sample, or as many as unit_counts add up to and as there are "
            "boxes, got 4 for 3 samples; mend what made the target"
        )

    def test_pickles(self) -> None:
        probe = draw_probe(boxes([[0, 1], [1]] * 3))
        copy = pickle.loads(pickle.dumps(probe))
        assert np.array_equal(copy.boxes, probe.boxes)
        assert copy.unit_counts.tolist() == [2, 1] * 3


class TestSeveralLabels:
    def test_each_label_keeps_a_few(self) -> None:
        labels = np.zeros((1000, 4), dtype=np.int8)
        labels[:700, 0], labels[::100, 1], labels[5:8, 2], labels[6, 3] = 1, 1, 1, 1
        probe = draw_probe(multilabel(labels), size=100, seed=3)
        assert probe.labels.shape == (100, 4)
        assert np.array_equal(probe.labels, labels[probe.rows])
        assert (probe.labels.sum(axis=0)[1:] >= [5, 3, 1]).all()
        assert (~probe.labels.any(axis=1)).sum() >= 20
        assert probe.notes == (
            "100 of 1000 samples were drawn, stratified by the rarest label of each, with seed 3",
            "the label 'd' has one sample in the probe, on which some scores cannot be judged",
        )

    def test_labels_that_tell_nothing_are_noted(self) -> None:
        probe = draw_probe(multilabel([[1, 1, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]]))
        assert probe.notes == (
            "the 2 labels 'c', 'd' have no sample in the probe, which leaves nothing to judge",
            "the label 'b' has all samples of the probe, which leaves nothing to judge",
        )

    def test_no_label_that_tells_samples_apart(self) -> None:
        with pytest.raises(DataError) as caught:
            draw_probe(multilabel([[1, 0], [1, 0]]))
        assert str(caught.value) == (
            "the probe of 't' must hold samples that a label tells apart, got 2 with the same labels after 0 "
            "unreadable ones were left out; repair them or raise size (--probe-size)"
        )

    @given(
        st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=6, max_size=60), st.integers(4, 20)
    )
    def test_any_labels_are_drawn_or_refused(self, rows: list[tuple[bool, ...]], size: int) -> None:
        labels = np.array(rows)
        try:
            probe = draw_probe(multilabel(labels), size=size)
        except DataError:
            return
        assert len(probe) == min(size, len(rows))
        assert np.array_equal(probe.labels, labels[probe.rows])
        assert (probe.labels.any(axis=0) == labels.any(axis=0)).all()


class TestSeveralTargets:
    @staticmethod
    def target(labels: np.ndarray) -> Target:
        n = len(labels)
        samples = Texts(tuple(f"t{i}" for i in range(n)), tuple(range(1, n + 1)))
        return Target(Task("t", "regression", "text", (), ("x", "y")), samples, labels, "all")

    def test_draws(self) -> None:
        labels = np.random.default_rng(0).normal(size=(400, 2))
        probe = draw_probe(self.target(labels), size=100)
        assert np.array_equal(probe.labels, labels[probe.rows])
        assert probe.notes == (
            "100 of 400 samples were drawn, stratified by the main direction of the targets, with seed 0",
        )

    def test_a_target_that_is_constant(self) -> None:
        labels = np.column_stack([np.arange(5.0), np.full(5, 2.0)])
        with pytest.raises(
            DataError, match=r"must hold targets that differ, got 5 with one value of 'y' after 0 unread"
        ):
            draw_probe(self.target(labels))


class TestPairs:
    def test_are_called_pairs(self) -> None:
        pairs = TextPairs(tuple((f"a{i}", f"b{i}") for i in range(30)), tuple(range(1, 31)))
        labels = np.array([0] * 29 + [1])
        target = Target(Task("t", "classification", "text", ("no", "yes"), is_pair=True), pairs, labels, "all")
        probe = draw_probe(target, size=10)
        assert probe.notes == (
            "10 of 30 pairs were drawn, stratified by class, with seed 0",
            "the class 'yes' has one pair in the probe, on which some scores cannot be judged",
        )
        assert probe.samples[9] == pairs[29]


def test_problems_of_the_target_come_first() -> None:
    target = boxes([[0, 1]] * 20)
    with_problem = Target(**{**target.__dict__, "problems": (RowProblem("row 9", "label is missing"),)})
    assert [problem.reason for problem in draw_probe(with_problem).problems] == [
        "label is missing",
        "image is truncated",
    ]
