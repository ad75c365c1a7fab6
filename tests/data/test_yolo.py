from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubscout.data.task import RowProblem, Target
from hubscout.data.verification import verify_samples
from hubscout.data.yolo import yolo_target
from hubscout.data.yolo_layout import label_file
from hubscout.errors import DataError, HubscoutError, MissingExtraError, UsageError

FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NO_NAMES = "no names of classes were found (names in data.yaml, or classes.txt); their numbers are used"
NAMES = "names of 'data.yaml' must be a list of names, or map class numbers from 0 to names, got"
PLACE = "the split 'train' of the description must name a folder or list below its own folder, got"
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


class TestPlaces:
    @pytest.mark.parametrize(
        ("image", "labels", "split"),
        [
            ("images/train/a.png", "labels/train/a.txt", "train"),
            ("images/train/deep/a.png", "labels/train/deep/a.txt", "train"),
            ("train/images/a.png", "train/labels/a.txt", "train"),
            ("train/a.png", "train/a.txt", "train"),
            ("images/a.png", "labels/a.txt", "all"),
            ("a.png", "a.txt", "all"),
        ],
    )
    def test_without_a_description(self, write, image: str, labels: str, split: str) -> None:
        target = read(write({labels: BOX}, image))
        assert (names(target), target.split) == ([image], split)

    @pytest.mark.parametrize(
        ("described", "image"),
        [
            ("train: images/train", "images/train/a.png"),
            ("path: .\ntrain: images/train", "images/train/a.png"),
            ("path: /home/me/pets\ntrain: images/train", "images/train/a.png"),
            ("path: ../datasets/pets\ntrain: images/train", "images/train/a.png"),
            ("path: inner\ntrain: images/train", "inner/images/train/a.png"),
            ("train: ../train/images", "train/images/a.png"),
            ("train: ..\\train\\images", "train/images/a.png"),
            ("train: /home/me/pets/train/images", "train/images/a.png"),
            ("train: [images/one, images/two]", "images/one/a.png"),
            ("train: train.txt", "images/x/a.png"),
            ("train: lists/train.txt", "lists/images/x/a.png"),
            ("train: .", "a.png"),
            ("val:\ntest: null", "images/train/a.png"),
        ],
    )
    def test_with_a_description(self, write, described: str, image: str) -> None:
        files = {"data.yaml": f"{described}\nnames: [dog]\n", label_file(image): BOX}
        files |= {f"{place}train.txt": "./images/x/a.png\n" for place in ("", "lists/")}
        root = write(files, image, "images/two/b.png")
        for path in (root, root / "data.yaml"):
            target = read(path)
            assert (names(target), target.split) == ([image], "train")
            assert target.task.label_names == ("dog",)

    @pytest.mark.parametrize(
        ("described", "expected"),
        [
            ("[no, 1, dog]", ("1", "dog", "no")),
            ("{2: c, 0: a, 1: b}", ("a", "b", "c")),
            ("\n  - ' a '\n  - b\n  - c", ("a", "b", "c")),
        ],
    )
    def test_names(self, write, described: str, expected: tuple) -> None:
        lines = "".join(f"{code} .5 .5 .{code + 5} .5\n" for code in range(3))
        target = read(write({"pets.yaml": f"names: {described}", "labels/train/a9.txt": lines}))
        assert target.task.label_names == expected

    @pytest.mark.parametrize("listing", ["obj.names", "labels/classes.txt", "pets.names", "train/_darknet.labels"])
    def test_lists_of_names(self, write, listing: str) -> None:
        assert read(write({listing: "dog\n", "labels/train/a9.txt": BOX})).task.label_names == ("dog",)

    def test_a_split_that_is_not_there(self, write) -> None:
        described = write({"data.yaml": "train: images/train\nval: images/val\nnames: [a]", "labels/train/a9.txt": BOX})
        assert refusal(described, UsageError, split="test") == (
            "the folder 'pets' has no split 'test'; name one of its splits ('train', 'val') with split (--split)"
        )
        assert refusal(described, DataError, split="val") == (
            "the split 'val' of the description must name a folder or list below its own folder, got 'images/val'"
        )

    @pytest.mark.parametrize(
        "place", ["../out/images", "{out}/images", "link", "../out/list.txt", "list.txt", "../out"]
    )
    def test_nothing_outside_is_read(self, write, tmp_path: Path, picture, place: str) -> None:
        out = tmp_path / "out"
        for name, content in (("images/x.png", picture()), ("labels/x.txt", BOX.encode()), ("list.txt", b"x.png")):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(content)
        described = f"train: {place.format(out=out)}\nnames: [a]"
        root = write({"data.yaml": described, "list.txt": "../out/images/x.png"}, "b.png")
        (root / "link").symlink_to(out / "images")
        read_nothing = (
            "the split 'train' of the description must name a folder or list below its own folder, got",
            "the folder 'pets' must hold images of split 'train' in 'link', got none",
            "'list.txt' must be a list of images below its folder, got 'file name leads out of the folder'",
        )
        assert refusal(root, DataError).startswith(read_nothing)

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

    def test_no_images(self, write) -> None:
        root = write({"data.yaml": "train: empty\nnames: [a]", "empty/x.txt": ""})
        assert refusal(root, DataError) == "the folder 'pets' must hold images of split 'train' in 'empty', got none"


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

    @pytest.mark.parametrize(
        ("content", "got"),
        [
            ("names: [", "'data.yaml' must be YAML that can be read, got 'while parsing a flow node'"),
            (b"\xff", "'data.yaml' must be YAML that can be read, got 'file is not UTF-8 text'"),
            ("- a", "'data.yaml' must hold the keys names and train, got list"),
            ("[" * 5000, "'data.yaml' must be YAML that can be read, got"),
            ("names: dog", f"{NAMES} 'dog'"),
            ("names: [[a]]", f"{NAMES} [['a']]"),
            ("names: {dog: 0}", f"{NAMES} {{'dog': '0'}}"),
            ("names: {0: a, 1: ''}", f"{NAMES} {{'0': 'a', '1': ''}}"),
            ("names: []", f"{NAMES} []"),
            ("names: [a]\ntrain: {x: y}", f"{PLACE} {{'x': 'y'}}"),
            ("names: [a]\ntrain: nowhere", f"{PLACE} 'nowhere'"),
            ("names: [a]\ntrain: [other, 5]", f"{PLACE} '5'"),
        ],
    )
    def test_descriptions(self, write, content: str | bytes, got: str) -> None:
        root = write({"data.yaml": content, "labels/train/a9.txt": BOX}, "other/a9.png")
        assert refusal(root, DataError).startswith(got)

    def test_nothing_in_a_description_runs(self, write) -> None:
        described = "names: !!python/object/apply:os.system ['exit 1']"
        target = read(write({"data.yaml": described, "labels/train/a9.txt": BOX}))
        assert target.task.label_names == ("exit 1",)

    def test_a_description_that_grows(self, write) -> None:
        levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 12))
        bomb = f"l0: &l0 [x]\n{levels}names: *l11\ntrain: *l11\n"
        assert len(refusal(write({"data.yaml": bomb}), DataError)) < 300

    def test_without_pyyaml(self, write, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "yaml", None)
        root = write({"data.yaml": "names: [a]", "labels/train/a9.txt": BOX})
        assert refusal(root, MissingExtraError) == (
            "reading 'data.yaml' needs pyyaml; install it with pip install 'hubscout[data]'"
        )


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
