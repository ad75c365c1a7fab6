from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubscout.data.task import RowProblem, Target
from hubscout.data.verification import verify_samples
from hubscout.data.yolo import yolo_target
from hubscout.errors import DataError, HubscoutError

FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NO_NAMES = "no names of classes were found (names in data.yaml, or classes.txt); their numbers are used"
BOX = "0 .5 .5 .5 .5\n"


@pytest.fixture
def write(folder: Callable[..., Path]) -> Callable[..., Path]:
    """Write files beside images, and return the folder."""

    def make(files: dict[str, str | bytes], *pictures: str) -> Path:
        root = folder(*(pictures or ("images/train/a9.png", "images/train/a10.png")), root="pets")
        for name, content in files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return make


def read(path: Path, **options: object) -> Target:
    return yolo_target(path, name="pets", **options)


def refusal(path: Path, error: type[Exception], **options: object) -> str:
    with pytest.raises(error) as caught:
        read(path, **options)
    return str(caught.value)


def names(target: Target) -> list[str]:
    return [target.samples.name(i) for i in range(len(target.samples))]


class TestContent:
    def test_centres_and_sides(self, write) -> None:
        lines = "1 0.25 0.25 0.5 0.5\n\n0 0.750000 0.75 5e-1 .5\r\n"
        root = write({"labels/train/a10.txt": lines, "labels/train/a9.txt": BOX, "classes.txt": "dog\ncat\n"})
        target = read(root)
        assert names(target) == ["images/train/a9.png", "images/train/a10.png"]
        assert target.boxes.tolist() == [[0.25, 0.25, 0.75, 0.75], [0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]
        assert (target.task.label_names, target.labels.tolist()) == (("cat", "dog"), [1, 0, 1])
        assert (target.problems, target.notes, target.split) == ((), (), "train")

    def test_outlines_count_with_the_box_around_them(self, write) -> None:
        lines = "0 0 .5 .5 .25 .25 1\n0 .25 .1 .75 .2 1 .6 .5 .9\n"
        target = read(write({"labels/train/a9.txt": lines, "classes.txt": "dog"}))
        assert target.boxes.tolist() == [[0, 0.25, 0.5, 1], [0.25, 0.1, 1, 0.9]]
        assert target.notes[0] == "2 objects have outlines, of which the box around each is taken"

    def test_key_points_follow_the_box(self, write) -> None:
        files = {"data.yaml": "names: [dog]\nkpt_shape: [1, 3]", "labels/train/a9.txt": "0 .5 .5 .5 .5 .1 .1 2\n"}
        assert read(write(files)).boxes.tolist() == [[0.25, 0.25, 0.75, 0.75]]

    def test_classes_without_names(self, write) -> None:
        target = read(write({"labels/train/a9.txt": "10 .5 .5 .5 .5\n9.0 .5 .5 .5 .5\n"}))
        assert (target.task.label_names, target.labels.tolist()) == (("9", "10"), [1, 0])
        assert target.notes[0] == NO_NAMES

    def test_images_without_boxes(self, write) -> None:
        pictures = [f"images/train/a{n}.png" for n in (9, 10, 11)]
        target = read(write({"labels/train/a9.txt": BOX, "labels/train/a10.txt": "", "classes.txt": "dog"}, *pictures))
        assert names(target) == ["images/train/a9.png"]
        assert (target.problems, target.notes) == ((), ("2 images without a usable box are left out",))

    def test_an_image_that_does_not_decode_is_refused_by_the_probe(self, write) -> None:
        root = write({"labels/train/a9.txt": BOX, "labels/train/a10.txt": BOX, "images/train/a10.png": b"junk"})
        target = read(root)
        assert target.unit_counts.tolist() == [1, 1]
        assert [problem.row for problem in verify_samples(target.samples).problems] == ["images/train/a10.png"]


class TestLabelFiles:
    def test_label_files_that_are_links_out(self, write, tmp_path: Path) -> None:
        (tmp_path / "secret.txt").write_text(BOX)
        root = write({"labels/train/a9.txt": BOX, "classes.txt": "dog"})
        (root / "labels/train/a10.txt").symlink_to(tmp_path / "secret.txt")
        target = read(root)
        assert target.problems == (RowProblem("labels/train/a10.txt", "path leads out of the folder"),)

    def test_label_files_without_an_image(self, write) -> None:
        files = {"labels/train/a9.txt": BOX, "labels/train/b.txt": BOX, "labels/train/classes.txt": "dog"}
        assert read(write(files)).problems == (RowProblem("labels/train/b.txt", "label file has no image"),)

    def test_label_files_on_top_without_an_image(self, write) -> None:
        root = write({"c.txt": BOX, "a.txt": BOX, "README.txt": "Pictures of pets"}, "a.png")
        assert read(root).problems == (RowProblem("c.txt", "label file has no image"),)

    def test_no_label_files(self, write) -> None:
        assert refusal(write({}), DataError) == (
            "the folder 'pets' must hold label files (.txt) for its images, got none; the first would be "
            "'labels/train/a9.txt'"
        )


class TestFaults:
    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("dog .5 .5 .5 .5", "class must be a whole number of at least 0, got 'dog'"),
            ("-1 .5 .5 .5 .5", "class must be a whole number of at least 0, got '-1'"),
            ("0.5 .5 .5 .5 .5", "class must be a whole number of at least 0, got '0.5'"),
            ("nan .5 .5 .5 .5", "class must be a whole number of at least 0, got 'nan'"),
            ("9e99 .5 .5 .5 .5", "class must be a whole number of at least 0, got '9e99'"),
            ("2 .5 .5 .5 .5", "class 2 is none of the 2 classes"),
            ("0 .5 .5 .5", "line must hold a class and 4 numbers, or a class and an outline, got 4 numbers"),
            ("0 .5 .5 .5 .5 .9", "line must hold a class and 4 numbers, or a class and an outline, got 6 numbers"),
            (
                "0 .5 .5 .5 .5 .9 .9 .9",
                "line must hold a class and 4 numbers, or a class and an outline, got 8 numbers",
            ),
            ("0 .5 .5 wide .5", "coordinates must be numbers, got 'wide'"),
            ("0 .5 .5 1_0 .5", "coordinates must be numbers, got '1_0'"),
            ("0 6 5 12 10", "coordinates must be shares of the image's width and height, got pixels"),
            ("0 inf .5 .5 .5", "coordinates must be shares of the image's width and height, got pixels"),
        ],
    )
    def test_lines(self, write, line: str, reason: str) -> None:
        target = read(write({"labels/train/a9.txt": f"{BOX}{line}\n", "classes.txt": "dog\ncat"}))
        assert target.problems == (RowProblem("labels/train/a9.txt, line 2", reason),)
        assert len(target.labels) == 1

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("0 nan .5 .5 .5", "box is not made of finite numbers"),
            ("0 0 0 1 nan 1 1 0 1", "box is not made of finite numbers"),
            ("0 .5 .5 -.5 .5", "box has a negative width or height"),
            ("0 .5 .5 0 .5", "box is less than one pixel wide or high"),
            ("0 2 .5 .5 .5", "box lies outside of the image"),
        ],
    )
    def test_boxes(self, write, line: str, reason: str) -> None:
        target = read(write({"labels/train/a9.txt": f"{BOX}{line}\n", "classes.txt": "dog"}))
        assert target.problems == (RowProblem("images/train/a9.png, box 2", reason),)

    def test_a_label_file_that_is_no_text(self, write) -> None:
        target = read(write({"labels/train/a9.txt": BOX, "labels/train/a10.txt": b"\xff", "classes.txt": "dog"}))
        assert target.problems == (RowProblem("labels/train/a10.txt", "file is not UTF-8 text"),)


class TestAnything:
    @FUZZ
    @given(st.binary(max_size=100) | st.text("01.-e nan\n", max_size=60).map(str.encode))
    def test_label_files(self, write, content: bytes) -> None:
        try:
            read(write({"labels/train/a9.txt": content, "classes.txt": "dog"}))
        except HubscoutError as error:
            assert len(str(error)) < 1000  # noqa: PT017

    @FUZZ
    @given(
        st.binary(max_size=80)
        | st.lists(
            st.sampled_from(["names: ", "train: ", "path: ", "[", "]", "a", "..", "/", "0: ", "\n", "&x ", "*x", ", "])
        )
        .map("".join)
        .map(str.encode)
    )
    def test_descriptions(self, write, content: bytes) -> None:
        try:
            read(write({"data.yaml": content, "labels/train/a9.txt": BOX}))
        except HubscoutError as error:
            assert len(str(error)) < 1000  # noqa: PT017
