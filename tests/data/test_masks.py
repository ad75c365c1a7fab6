from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hubscout.data.mask_images import COLOUR
from hubscout.data.masks import masks_target
from hubscout.data.parts import PlacedImages
from hubscout.data.samples import EncodedImages
from hubscout.data.splits import TEST_NOTE
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, HubscoutError, UsageError

Shape = tuple[int, int]


@dataclass(frozen=True)
class Pictures(EncodedImages):
    """Encoded pictures of the given heights and widths; None for one that cannot be read."""

    shapes: tuple[Shape | None, ...]

    def __len__(self) -> int:
        return len(self.shapes)

    def name(self, index: int) -> str:
        return f"{index}.png"

    def subset(self, rows: Any) -> Pictures:
        return Pictures(tuple(self.shapes[row] for row in rows))

    def _read(self, index: int) -> bytes:
        shape = self.shapes[index]
        if shape is None:
            raise DataError("file does not exist")
        buffer = io.BytesIO()
        Image.new("RGB", (shape[1], shape[0]), (index % 256, 0, 0)).save(buffer, "PNG")
        return buffer.getvalue()


def read(
    masks: Sequence[np.ndarray] | Callable[[int], Any], shapes: Sequence[Shape | None] | None = None, **options: Any
) -> Target:
    shapes = [mask.shape for mask in masks] if shapes is None else shapes
    call = masks if callable(masks) else lambda i: masks[i]
    options = {"name": "roads", "source": "the folder 'roads'", "split": "all", **options}
    return masks_target(Pictures(tuple(shapes)), call, **options)


def refusal(masks: Any, error: type[Exception] = DataError, **options: Any) -> str:
    with pytest.raises(error) as caught:
        read(masks, **options)
    return str(caught.value)


def halves(height: int = 40, width: int = 60, low: int = 0, high: int = 1) -> np.ndarray:
    mask = np.full((height, width), low, np.uint8)
    mask[:, width // 2 :] = high
    return mask


class TestPoints:
    def test_one_label_a_point(self) -> None:
        masks = [halves(), halves(50, 50), halves(), np.array([[0, 2]], np.uint8)]
        target = read(masks)
        task = target.task
        assert (task.name, task.kind, task.modality, task.unit) == ("roads", "segmentation", "image", "point")
        assert (task.label_names, target.split, target.problems) == (("0", "1", "2"), "all", ())
        assert isinstance(target.samples, PlacedImages)
        counts = target.unit_counts.tolist()
        assert (len(target.samples), sum(counts), target.unit_counts.dtype) == (4, len(target.labels), np.intp)
        # Class 2 is one pixel, and the other classes reach 64 points.
        assert counts == [64, 64, 64, 2]
        begin = 0
        for i, mask in enumerate(masks):
            points = target.samples[i].points
            rows, columns = (points[:, 1] * mask.shape[0]).astype(int), (points[:, 0] * mask.shape[1]).astype(int)
            assert mask[rows, columns].tolist() == target.labels[begin : begin + counts[i]].tolist()
            begin += counts[i]
        (note,) = target.notes
        assert note == (
            "194 points of 4 masks were drawn, stratified by class, with seed 0: up to 64 a mask, and more where a "
            "class would have fewer than that"
        )

    def test_the_same_seed_draws_the_same(self) -> None:
        generator = np.random.default_rng(0)
        masks = [generator.integers(0, 6, (60, 80)).astype(np.uint8) for _ in range(70)]
        masks[3][:30, :40] = 6
        first, second, other = read(masks), read(masks), read(masks, seed=1)
        np.testing.assert_array_equal(first.labels, second.labels)
        for i in range(70):
            np.testing.assert_array_equal(first.samples.places[i], second.samples.places[i])
        assert not np.array_equal(first.samples.places[0], other.samples.places[0])
        assert first.unit_counts[3] > 64

    def test_each_image_has_a_draw_of_its_own(self) -> None:
        target = read([halves()] * 2)
        assert not np.array_equal(target.samples.places[0], target.samples.places[1])

    def test_each_mask_is_read_once_and_several_at_a_time(self) -> None:
        calls: Counter[int] = Counter()
        lock = threading.Lock()

        def mask(i: int) -> np.ndarray:
            with lock:
                calls[i] += 1
            return halves()

        read(mask, [(40, 60)] * 150)
        assert calls == Counter(range(150))

    def test_one_percent_of_the_pixels_gets_points_of_every_mask(self) -> None:
        mask = np.zeros((100, 100), np.uint8)
        mask[40:50, 40:50] = 1
        target = read([mask] * 30)
        labels = target.labels.reshape(30, 64)
        assert (labels.sum(axis=1) >= 5).all()

    def test_a_class_of_one_mask_gets_more_of_its_points(self) -> None:
        masks = [np.zeros((200, 200), np.uint8) for _ in range(80)]
        masks[3][50:90, 50:90] = 1  # 4 % of the mask, in 7 x 7 cells
        target = read(masks)
        n_rare = int(target.labels.sum())
        assert 36 <= n_rare <= 49
        assert target.unit_counts[3] > 64
        assert np.delete(target.unit_counts, 3).tolist() == [64] * 79
        points = target.samples.places[3]
        assert len(np.unique(points, axis=0)) == len(points)
        assert np.lexsort((points[:, 0], points[:, 1])).tolist() == list(range(len(points)))

    def test_a_rare_class_stops_at_its_number(self) -> None:
        masks = [np.zeros((64, 64), np.uint8) for _ in range(3)]
        for mask in masks:
            mask[:32, :32] = 1
        target = read(masks, points_per_image=64)
        assert np.bincount(target.labels)[1] == 64
        assert np.bincount(read(masks, points_per_image=9).labels)[1] >= 9

    def test_images_that_are_no_files(self) -> None:
        class Arrays:
            def __len__(self) -> int:
                return 2

            def __getitem__(self, index: int) -> Image.Image:
                return Image.new("RGB", (60, 40))

            def content(self, index: int) -> bytes:
                return bytes([index])

            def name(self, index: int) -> str:
                return f"row {index + 1}"

            def subset(self, rows: Any) -> Arrays:
                return self

        target = masks_target(Arrays(), lambda i: halves(), name="x", source="x", split="test")
        assert target.unit_counts.tolist() == [64, 64]
        assert target.notes[-1] == TEST_NOTE


class TestClasses:
    def test_named_classes_keep_their_codes(self) -> None:
        target = read([halves(low=1, high=3)], class_names=["sky", "road", "car", "tree"])
        assert target.task.label_names == ("sky", "road", "car", "tree")
        assert np.unique(target.labels).tolist() == [1, 3]

    def test_ignored_values_give_no_points(self) -> None:
        mask = halves(high=255)
        mask[:10] = 7
        target = read([mask, np.full((4, 4), 255, np.uint8)])
        assert (target.task.label_names, len(target.notes)) == (("0", "7"), 1)
        assert target.problems == (RowProblem("1.png", "mask holds no value that is a class: all are ignored"),)
        assert read([mask], ignore=(0,)).task.label_names == ("7", "255")

    def test_values_of_no_class_are_counted(self) -> None:
        mask = np.zeros((10, 100), np.uint16)
        mask[:, 50:] = 1
        mask[0, :20] = 9
        mask[1, 0] = 255
        target = read([mask, np.full((10, 100), 9, np.uint16)], class_names=["a", "b"])
        assert np.unique(target.labels).tolist() == [0, 1]
        assert target.notes[-1] == "20 pixels (2 %) hold a value of no class, such as 9, and give no points"
        assert target.problems == (
            RowProblem("1.png", "mask holds no value that is a class: 9 is none of the 2 classes"),
        )

    def test_colours_are_classes(self) -> None:
        mask = halves().astype(np.int32) * 0xFF0000 + COLOUR
        target = read([mask])
        assert target.task.label_names == ("#000000", "#ff0000")
        assert target.notes[0] == "the masks are in colours: each of the 2 different colours is a class"
        # 255 is what index masks ignore, and pure blue is a colour like others.
        assert read([halves().astype(np.int32) * 255 + COLOUR]).task.label_names == ("#000000", "#0000ff")

    @pytest.mark.parametrize(("names", "expected"), [(None, ("0", "255")), (["no", "yes"], ("no", "yes"))])
    def test_0_and_255_alone_are_two_classes(self, names: Any, expected: tuple[str, ...]) -> None:
        whole = [np.zeros((40, 60), np.uint8), np.full((40, 60), 255, np.uint8)]
        target = read([halves(high=255), *whole], class_names=names)
        assert (target.task.label_names, target.unit_counts.tolist()) == (expected, [64] * 3)
        assert target.labels[64:].tolist() == [0] * 64 + [1] * 64
        assert (
            target.notes[0] == "the masks hold 0 and 255 alone, read as two classes; 255 means no class in other masks"
        )
        assert read(whole, class_names=names).problems == ()

    def test_many_values(self) -> None:
        masks = [np.arange(i * 100, i * 100 + 100, dtype=np.uint16).reshape(10, 10) for i in range(4)]
        assert refusal(masks, points_per_image=100) == (
            "the masks of the folder 'roads' must hold at most 256 different values, got more in the first 3 of them; "
            "they may number objects and not classes, so save the codes of classes"
        )
        target = read(masks, class_names=[str(i) for i in range(400)], ignore=(), points_per_image=100)
        assert target.labels.tolist() == list(range(400))
        target = read([halves(), np.arange(10000).reshape(100, 100)])
        assert target.problems == (RowProblem("1.png", "mask holds more than 256 different values"),)


class TestProblems:
    def test_of_images_and_masks(self) -> None:
        def mask(i: int) -> np.ndarray:
            if i == 1:
                raise DataError("mask is truncated")
            return [halves(), None, halves(), halves(60, 40), np.zeros((4, 6, 3), int), np.zeros((4, 6))][i]

        target = read(
            mask,
            [(40, 60), (4, 4), None, (40, 60), (4, 6), (4, 6)],
            problems=[RowProblem("x.png", "image has no mask")],
            notes=["first"],
        )
        assert target.problems == (
            RowProblem("x.png", "image has no mask"),
            RowProblem("1.png", "mask is truncated"),
            RowProblem("2.png", "file does not exist"),
            RowProblem("3.png", "mask has 40 x 60 pixels, which are not the proportions of the image, 60 x 40"),
            RowProblem("4.png", "mask must hold integers of shape (height, width), got int64 of shape (4, 6, 3)"),
            RowProblem("5.png", "mask must hold integers of shape (height, width), got float64 of shape (4, 6)"),
        )
        assert (len(target.samples), target.notes[0]) == (1, "first")

    @pytest.mark.parametrize(
        ("shape", "fits"), [((40, 60), True), ((400, 600), True), ((400, 606), True), ((400, 607), False)]
    )
    def test_resized_masks_of_the_same_proportions(self, shape: Shape, fits: bool) -> None:
        target = read([halves(), halves(*shape)], [(40, 60), (40, 60)])
        assert len(target.samples) == (2 if fits else 1)

    def test_nothing_left(self) -> None:
        assert refusal([], shapes=[]) == (
            "the folder 'roads' must hold images with masks, got none; check that it is the right one"
        )
        assert refusal([halves(), halves()], shapes=[None, (9, 9)]) == (
            "the folder 'roads' must hold images with masks, got none; "
            "the first of 2 problems is '0.png': file does not exist"
        )

    def test_one_class(self) -> None:
        assert refusal([np.zeros((9, 9), np.uint8)] * 2) == (
            "the masks of the folder 'roads' must hold at least two classes, got only '0' at all 128 points; "
            "check that the masks hold codes of classes"
        )
        assert "got only 'b' at all 64 points" in refusal([np.ones((9, 9), np.uint8)], class_names=["a", "b"])

    def test_options(self) -> None:
        assert refusal([halves()], UsageError, points_per_image=0) == "points_per_image must be at least 1, got 0"
        assert refusal([halves()], class_names=["a", "a"]) == (
            "the class names of the folder 'roads' must differ from each other, got ['a', 'a']; rename the "
            "repeated ones"
        )

    @given(st.data())
    def test_any_masks(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(0, 4))
        side = st.integers(0, 12)
        shapes = [data.draw(st.tuples(side, side)) for _ in range(n)]
        generator = np.random.default_rng(data.draw(st.integers(0, 99)))
        dtype = data.draw(st.sampled_from([np.uint8, np.int8, np.uint16, np.int32, np.int64, np.bool_]))
        high = data.draw(st.sampled_from([1, 2, 5, 300]))
        masks = [generator.integers(0, high, shape).astype(dtype) for shape in shapes]
        names = data.draw(st.sampled_from([None, ["a", "b"], ["a", "b", "c"]]))
        ignore = data.draw(st.sampled_from([(), (255,), (0,)]))
        try:
            target = read(
                masks, [(12, 12)] * n, class_names=names, ignore=ignore, points_per_image=data.draw(st.integers(1, 70))
            )
        except HubscoutError:
            return
        assert len(target.samples) + len(target.problems) == n
        assert target.unit_counts.sum() == len(target.labels)
        assert all(((places > 0) & (places < 1)).all() for places in target.samples.places)
