from __future__ import annotations

import contextlib
import math
import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hubscout.data import box_cleaning
from hubscout.data.box_cleaning import BoxRecords
from hubscout.data.boxes import detection_target
from hubscout.data.image_sizes import FramedImages, header_size, stated_size
from hubscout.data.samples import ImageFiles, RowNumbers
from hubscout.data.splits import TEST_NOTE
from hubscout.data.task import RowProblem, Target
from hubscout.data.verification import verify_samples
from hubscout.errors import DataError

SIZE = (200, 100)


def target_of(*boxes: tuple, n: int = 2, in_shares: bool = False, **options: object) -> Target:
    """Make a target of (image, class, corners[, is_ignored]) in images of 200 x 100 pixels."""
    records = BoxRecords(in_shares=in_shares)
    for image, name, corners, *ignored in boxes:
        records.add(image, name, corners, is_ignored=bool(ignored))
    options = {"name": "x", "source": "'x'", "split": "all", **options}
    return detection_target(RowNumbers(tuple(range(n))), [SIZE] * n, records, **options)


GOOD = (0, "cat", (10, 20, 60, 80))


class TestContent:
    def test_boxes_become_shares(self) -> None:
        target = target_of(GOOD, (1, "dog", (0, 0, 200, 100)), (0, "dog", (1.25, 2, 3.5, 4)))
        assert target.boxes.tolist() == [[0.05, 0.2, 0.3, 0.8], [0.00625, 0.02, 0.0175, 0.04], [0, 0, 1, 1]]
        assert target.boxes.dtype == np.float64
        assert (target.labels.tolist(), target.labels.dtype) == ([0, 1, 1], np.intp)
        assert target.unit_counts.tolist() == [2, 1]
        assert (target.task.kind, target.task.modality, target.task.unit) == ("detection", "image", "box")
        assert (target.problems, target.notes, target.split) == ((), (), "all")

    def test_samples_carry_their_boxes(self) -> None:
        target = target_of((2, "a", (0, 0, 20, 20)), (0, "b", (0, 0, 40, 40)), (2, "a", (20, 0, 60, 50)), n=3)
        assert [target.samples.name(i) for i in range(2)] == ["row 1", "row 3"]
        assert target.samples.places[1].tolist() == [[0, 0, 0.1, 0.2], [0.1, 0, 0.3, 0.5]]
        assert target.notes == ("1 image without a usable box is left out",)

    def test_classes_in_natural_order(self) -> None:
        names = ["b10", "B2", "a", "b2"]
        target = target_of(*((0, name, (i, 0, i + 9, 9)) for i, name in enumerate(names)), class_names=[*names, "z9"])
        assert target.task.label_names == ("a", "B2", "b2", "b10")
        assert target.labels.tolist() == [3, 1, 0, 2]
        assert target.notes[-1] == "the class 'z9' has no box that can be used"

    def test_classes_without_boxes_are_counted(self) -> None:
        target = target_of(GOOD, class_names=["cat", *(f"c{i}" for i in range(9))], n=1)
        assert target.notes == ("the classes 'c0', 'c1', 'c2', 'c3', 'c4' and 4 more have no box that can be used",)

    def test_a_test_split_carries_its_note(self) -> None:
        assert target_of(GOOD, n=1, split="test").notes == (TEST_NOTE,)

    def test_notes_and_problems_of_the_reader_stay_first(self) -> None:
        early = RowProblem("a.txt", "file is bad")
        target = target_of(GOOD, (0, "cat", (0, 0, 0, 0)), problems=[early], notes=["read"])
        assert target.problems == (early, RowProblem("row 1, box 2", "box is less than one pixel wide or high"))
        assert target.notes[0] == "read"


class TestCleaning:
    @pytest.mark.parametrize(
        ("corners", "reason"),
        [
            ((math.nan, 0, 10, 10), "box is not made of finite numbers"),
            ((0, 0, math.inf, 10), "box is not made of finite numbers"),
            ((0, 0, 1e308, 1e308), "box is not made of finite numbers"),
            ((60, 20, 10, 80), "box has a negative width or height"),
            ((10, 80, 60, 20), "box has a negative width or height"),
            ((10, 20, 10.99, 80), "box is less than one pixel wide or high"),
            ((10, 20, 60, 20), "box is less than one pixel wide or high"),
            ((200, 0, 210, 10), "box lies outside of the image"),
            ((-10, 0, 0, 10), "box lies outside of the image"),
            ((0, 100, 10, 120), "box lies outside of the image"),
            ((199.5, 0, 210, 10), "box is less than one pixel wide or high inside the image"),
        ],
    )
    def test_faults(self, corners: tuple, reason: str) -> None:
        target = target_of(GOOD, (1, "cat", (0, 0, 9, 9)), (1, "dog", corners))
        assert target.problems == (RowProblem("row 2, box 2", reason),)
        assert (len(target.labels), target.task.label_names) == (2, ("cat",))

    def test_one_pixel_is_enough(self) -> None:
        assert target_of((0, "a", (5, 5, 6, 6)), n=1).boxes.tolist() == [[0.025, 0.05, 0.03, 0.06]]

    def test_clipping_is_counted(self) -> None:
        target = target_of((0, "a", (-5, 10, 20, 300)), (0, "a", (0, 0, 200, 100)), (0, "a", (0, 0, 9, 101)), n=1)
        assert target.boxes[0].tolist() == [0, 0.1, 0.1, 1]
        assert target.notes == ("2 of 3 boxes reach out of the image and were clipped to it",)
        assert target_of((0, "a", (-5, 10, 20, 300)), n=1).notes == (
            "1 of 1 box reaches out of the image and was clipped to it",
        )

    def test_marked_boxes_are_left_out(self) -> None:
        target = target_of(GOOD, (0, "dog", (0, 0, 9, 9), True), (0, "dog", (math.nan,) * 4, True))
        assert target.task.label_names == ("cat",)
        assert (target.problems, target.notes) == (
            (),
            (
                "2 boxes marked as crowd, difficult or ignored are left out",
                "1 image without a usable box is left out",
            ),
        )

    def test_repeated_boxes(self) -> None:
        other_class, other_image = (0, "dog", GOOD[2]), (1, "cat", GOOD[2])
        target = target_of(GOOD, other_class, other_image, GOOD, (0, "cat", (10.001, 20, 60, 80)))
        assert target.labels.tolist() == [0, 1, 0]
        assert target.notes == ("2 boxes repeat another of the same image and class, left out",)

    def test_many_problems_are_counted_and_not_all_listed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(box_cleaning, "MOST_LISTED", 3)
        monkeypatch.setattr("hubscout.data.boxes.MOST_LISTED", 3)
        bad = [(0, "a", (300, 0, 310, 10))] * 4 + [(0, "a", (1, 1, 1, 1))]
        target = target_of(GOOD, *bad, problems=[RowProblem("f", "file is bad")])
        assert [problem.row for problem in target.problems] == ["f", "row 1, box 2", "row 1, box 3"]
        assert target.notes[-1] == (
            "6 boxes and images have problems, of which the first 3 are listed: 4 times 'box lies outside of the "
            "image'; 1 times 'file is bad'; 1 times 'box is less than one pixel wide or high'"
        )

    @pytest.mark.parametrize(
        ("boxes", "options", "cause"),
        [
            ([], {}, "got none of 0; check that it is the right one"),
            ([], {"problems": [RowProblem("a", "is bad")]}, "got none of 0; the first of the problems is 'a': is bad"),
            (
                [(0, "a", (0, 0, 0, 0))],
                {},
                "got none of 1; the first of the problems is 'row 1, box 1': box is less than one pixel wide or high",
            ),
            ([(*GOOD, True)], {}, "got none of 1; 1 box marked as crowd, difficult or ignored is left out"),
        ],
    )
    def test_nothing_left(self, boxes: list, options: dict, cause: str) -> None:
        with pytest.raises(DataError) as caught:
            target_of(*boxes, **options)
        assert str(caught.value) == f"'x' must hold boxes that can be used, {cause}"

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 2),
                st.sampled_from("abc"),
                st.tuples(*[st.one_of(st.floats(-50, 250), st.floats(), st.sampled_from([0, -0.0, 100, 200]))] * 4),
                st.booleans(),
            ),
            max_size=12,
        )
    )
    def test_agrees_with_one_box_at_a_time(self, found: list) -> None:
        records = BoxRecords()
        for image, name, corners, ignored in found:
            records.add(image, name, corners, is_ignored=ignored)
        expected, seen = [], set()
        for image, name, corners, ignored in sorted(found, key=lambda each: each[0]):
            if ignored or not all(math.isfinite(x * 100) for x in corners):
                continue
            grid = [round(x * 100) for x in corners]
            inside = [min(max(x, 0), 100 * side) for x, side in zip(grid, SIZE * 2, strict=True)]
            if min(grid[2] - grid[0], grid[3] - grid[1], inside[2] - inside[0], inside[3] - inside[1]) < 100:
                continue
            if (image, name, *inside) not in seen:
                seen.add((image, name, *inside))
                shares = tuple(x / (100 * side) for x, side in zip(inside, SIZE * 2, strict=True))
                expected.append((image, name, *shares))
        images = RowNumbers((0, 1, 2))
        if not expected:
            with pytest.raises(DataError):
                detection_target(images, [SIZE] * 3, records, name="x", source="'x'", split="all")
            return
        target = detection_target(images, [SIZE] * 3, records, name="x", source="'x'", split="all")
        rows = np.repeat(target.samples.images.positions, target.unit_counts).tolist()
        names = [target.task.label_names[code] for code in target.labels]
        assert [
            (row, name, *box) for row, name, box in zip(rows, names, target.boxes.tolist(), strict=True)
        ] == expected
        assert not np.signbit(target.boxes).any()


class TestSameDataInAnyForm:
    @settings(max_examples=200, deadline=None)
    @given(st.integers(1, 6600), st.integers(1, 6600), st.data())
    def test_six_digits_of_a_share_find_hundredths_of_pixels(
        self, width: int, height: int, data: st.DataObject
    ) -> None:
        left, top = data.draw(st.integers(0, (width - 1) * 100)), data.draw(st.integers(0, (height - 1) * 100))
        right, bottom = data.draw(st.integers(left + 100, width * 100)), data.draw(st.integers(top + 100, height * 100))
        corners = tuple(x / 100 for x in (left, top, right, bottom))
        sides = [corners[2] - corners[0], corners[3] - corners[1]]
        coco = (corners[0], corners[1], corners[0] + sides[0], corners[1] + sides[1])
        centre = [(corners[0] + corners[2]) / 2 / width, (corners[1] + corners[3]) / 2 / height]
        x, y, w, h = (float(f"{each:.6f}") for each in (*centre, sides[0] / width, sides[1] / height))
        found = []
        for in_shares, box in ((False, coco), (True, (x - w / 2, y - h / 2, x + w / 2, y + h / 2))):
            records = BoxRecords(in_shares=in_shares)
            records.add(0, "a", box)
            target = detection_target(RowNumbers((0,)), [(width, height)], records, name="x", source="'x'", split="all")
            assert target.notes == ()
            found.append(target.samples.content(0))
        assert found[0] == found[1]


class TestSizes:
    def images(self, folder: Path, **contents: bytes) -> ImageFiles:
        for name, content in contents.items():
            (folder / f"{name}.png").write_bytes(content)
        return ImageFiles(folder, tuple(f"{name}.png" for name in contents))

    def read(self, images: ImageFiles, sizes: list, boxes: BoxRecords) -> Target:
        return detection_target(images, sizes, boxes, name="x", source="'x'", split="all")

    def test_a_size_that_nobody_states_is_read(self, tmp_path: Path, picture) -> None:
        boxes = BoxRecords()
        boxes.add(0, "a", (0, 0, 10, 10))
        target = self.read(self.images(tmp_path, a=picture(0, (40, 20))), [None], boxes)
        assert target.boxes.tolist() == [[0, 0, 0.25, 0.5]]

    def test_an_image_whose_size_nobody_knows(self, tmp_path: Path, picture) -> None:
        images = self.images(tmp_path, a=b"junk", b=picture(0, (40, 20)))
        missing = ImageFiles(tmp_path, (*images.paths, "c.png"))
        boxes = BoxRecords()
        for row in range(3):
            boxes.add(row, "a", (0, 0, 10, 10))
        target = self.read(missing, [None] * 3, boxes)
        assert target.problems == (
            RowProblem("a.png", "image header cannot be read"),
            RowProblem("c.png", "file does not exist"),
        )
        assert target.unit_counts.tolist() == [1]
        # Shares need no size: the probe refuses the image itself, as for a file of any other form.
        shares = BoxRecords(in_shares=True)
        for row in range(3):
            shares.add(row, "a", (0, 0, 0.25, 0.5))
        target = self.read(missing, [None] * 3, shares)
        assert (target.problems, target.unit_counts.tolist()) == ((), [1, 1, 1])
        verified = verify_samples(target.samples)
        assert verified.kept.tolist() == [1]
        assert verified.problems[1] == RowProblem("c.png", "file does not exist")

    def test_an_image_of_another_shape_is_refused(self, tmp_path: Path, picture) -> None:
        images = self.images(tmp_path, half=picture(0, (20, 10)), odd=picture(1, (13, 7)), turned=picture(2, (20, 40)))
        boxes = BoxRecords()
        for row in range(3):
            boxes.add(row, "a", (0, 0, 10, 10))
        target = self.read(images, [(40, 20)] * 3, boxes)
        verified = verify_samples(target.samples)
        reason = "image is 20 x 40 pixels, but its boxes are for 40 x 20"
        assert verified.problems == (RowProblem("turned.png", reason),)
        with pytest.raises(DataError) as caught:
            target.samples[2]
        assert str(caught.value) == f"sample 'turned.png' cannot be used: {reason}"
        assert target.samples[0].image.size == (20, 10)
        assert target.samples.subset(np.array([2])).images.sizes == ((40, 20),)

    def test_the_same_content_with_and_without_stated_sizes(self, tmp_path: Path, picture) -> None:
        images = self.images(tmp_path, a=picture(0, (40, 20)))
        boxes = BoxRecords()
        boxes.add(0, "a", (0, 0, 10, 10))
        stated, read = self.read(images, [(40, 20)], boxes), self.read(images, [None], boxes)
        assert isinstance(stated.samples.images, FramedImages)
        assert stated.samples.content(0) == read.samples.content(0) == stated.samples.check(0)
        assert pickle.loads(pickle.dumps(stated.samples)).content(0) == read.samples.content(0)

    def test_exif_turns_the_frame(self) -> None:
        image, exif, buffer = Image.new("RGB", (30, 20)), Image.Exif(), BytesIO()
        exif[0x0112] = 6
        image.save(buffer, "JPEG", exif=exif)
        assert header_size(buffer) == (20, 30)

    @given(st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"\xff\xd8\xff"]), st.binary(max_size=200))
    def test_any_header(self, start: bytes, content: bytes) -> None:
        with contextlib.suppress(DataError):
            assert min(header_size(BytesIO(start + content))) > 0

    def test_an_image_without_pixels(self) -> None:
        with pytest.raises(DataError, match=r"^image header cannot be read$"):
            header_size(BytesIO(b"GIF89a" + bytes(20)))

    @pytest.mark.parametrize("sides", [(0, 5), (-1, 5), (1.5, 5), (math.nan, 5), (math.inf, 5), (True, 5), (10**7, 5)])
    def test_no_size(self, sides: tuple) -> None:
        assert stated_size(*sides) is None
