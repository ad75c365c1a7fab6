from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hubscout.data.task import Target
from hubscout.data.yolo import yolo_target
from hubscout.data.yolo_layout import label_file
from hubscout.errors import DataError, MissingExtraError, UsageError

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
            ("train: images/v1/images", "images/v1/images/a.png"),
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

    def test_no_images(self, write) -> None:
        root = write({"data.yaml": "train: empty\nnames: [a]", "empty/x.txt": ""})
        assert refusal(root, DataError) == "the folder 'pets' must hold images of split 'train' in 'empty', got none"


class TestDescriptions:
    @pytest.mark.parametrize(
        ("content", "got"),
        [
            ("names: [", "'data.yaml' must be YAML that can be read, got 'while parsing a flow node'"),
            (b"\xff", "'data.yaml' must be YAML that can be read, got 'file is not UTF-8 text'"),
            ("- a", "'data.yaml' must hold the keys names and train, got list"),
            ("[" * 500, "'data.yaml' must be YAML that can be read, got"),
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
