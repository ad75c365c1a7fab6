from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hubscout.data.mask_folder import looks_like_masks, mask_folder_target
from hubscout.data.parts import Points
from hubscout.data.splits import TEST_NOTE
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, UsageError

Write = Callable[..., Path]
CODES = np.repeat(np.repeat(np.array([[0, 1], [2, 255]], np.uint8), 5, axis=0), 6, axis=1)


@pytest.fixture
def write(tmp_path: Path, picture: Callable[..., bytes]) -> Write:
    """Write photos below paths that end in .jpg, and masks of four quarters below all others."""

    def make(*paths: str, mask: np.ndarray = CODES, root: str = "roads") -> Path:
        for path in paths:
            file = tmp_path / root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if path.endswith(".jpg"):
                file.write_bytes(picture(len(path), (12, 10), "JPEG"))
            else:
                Image.fromarray(mask).save(file)
        return tmp_path / root

    return make


def read(root: Path, **options: Any) -> Target:
    return mask_folder_target(root, name=root.name, **options)


def refusal(root: Path, error: type[Exception], **options: Any) -> str:
    with pytest.raises(error) as caught:
        read(root, **options)
    return str(caught.value)


def names(target: Target) -> list[str]:
    return [target.samples.name(i) for i in range(len(target.samples))]


class TestFolders:
    @pytest.mark.parametrize(
        ("images", "masks"), [("images", "masks"), ("Img", "Labels"), ("JPEGImages", "SegmentationClass")]
    )
    def test_the_same_names(self, write: Write, images: str, masks: str) -> None:
        root = write(*(f"{images}/{i}.jpg" for i in (10, 9)), *(f"{masks}/{i}.png" for i in (9, 10)))
        assert looks_like_masks(root)
        target = read(root)
        assert (names(target), target.split, target.problems) == (
            [f"{images}/9.jpg", f"{images}/10.jpg"],
            "all",
            (),
        )
        assert (target.task.kind, target.task.label_names) == ("segmentation", ("0", "1", "2"))
        sample = target.samples[0]
        assert isinstance(sample, Points)
        assert (sample.image.size, sample.image.mode) == ((12, 10), "RGB")
        rows, columns = (sample.points[:, 1] * 10).astype(int), (sample.points[:, 0] * 12).astype(int)
        assert CODES[rows, columns].tolist() == target.labels[: len(sample)].tolist()

    def test_deeper_folders_and_other_names_of_masks(self, write: Write) -> None:
        root = write("images/a/1.jpg", "images/b/1.jpg", "masks/a/1.png", "masks/b/1_mask.png")
        assert names(read(root)) == ["images/a/1.jpg", "images/b/1.jpg"]

    def test_missing_partners_are_problems(self, write: Write) -> None:
        root = write("images/1.jpg", "images/2.jpg", "images/3.jpg", "images/3.png", "masks/1.png", "masks/4.png")
        assert set(read(root).problems) == {
            RowProblem("images/2.jpg", "image has no mask"),
            RowProblem("images/3.jpg", "image has no mask"),
            RowProblem("images/3.png", "another file has the same name, 'images/3.jpg'"),
            RowProblem("masks/4.png", "mask has no image"),
        }

    def test_bad_masks_are_problems_of_their_images(self, write: Write) -> None:
        root = write(*(f"images/{i}.jpg" for i in range(6)), *(f"masks/{i}.png" for i in range(4)))
        (root / "masks/1.png").write_bytes((root / "masks/1.png").read_bytes()[:60])
        Image.fromarray(CODES[:, :5]).save(root / "masks/2.png")
        outside = write("x.png", root="elsewhere")
        (root / "masks/3.png").unlink()
        (root / "masks/3.png").symlink_to(outside / "x.png")
        (root / "masks/4.jpg").write_bytes((root / "images/4.jpg").read_bytes())
        os.mkfifo(root / "masks/5.png")
        target = read(root)
        assert names(target) == ["images/0.jpg"]
        assert {problem.row: problem.reason for problem in target.problems} == {
            "images/1.jpg": "mask is truncated",
            "images/2.jpg": "mask has 5 x 10 pixels, which are not the proportions of the image, 12 x 10",
            "images/3.jpg": "mask cannot be read: path leads out of the folder",
            "images/4.jpg": "mask is a JPEG file, which does not keep values exactly; save masks as PNG",
            "images/5.jpg": "mask cannot be read: not a regular file",
        }

    def test_samples_travel_to_another_process(self, write: Write) -> None:
        target = read(write("images/1.jpg", "images/2.jpg", "masks/1.png", "masks/2.png"))
        copy = pickle.loads(pickle.dumps(target.samples))
        np.testing.assert_array_equal(copy[1].points, target.samples[1].points)


class TestClasses:
    def test_names(self, write: Write) -> None:
        root = write("images/1.jpg", "masks/1.png")
        (root / "classes.txt").write_text("sky\nroad\ncar\ntree\n")
        target = read(root)
        assert target.task.label_names == ("sky", "road", "car", "tree")
        assert target.notes[0] == "the classes are named in 'classes.txt'"
        assert np.unique(target.labels).tolist() == [0, 1, 2]

    def test_colours(self, write: Write) -> None:
        colours = np.zeros((10, 12, 3), np.uint8)
        colours[:5] = (64, 128, 64)
        colours[9, 11] = (1, 1, 1)
        root = write("images/1.jpg", "masks/1.png", mask=colours)
        assert read(root).task.label_names == ("#000000", "#010101", "#408040")
        (root / "label_colors.txt").write_text("64 128 64\tanimal\n0 0 0\tvoid\n")
        target = read(root)
        assert target.task.label_names == ("animal", "void")
        assert set(target.labels[: len(target.labels) // 2].tolist()) == {0}
        assert target.notes[-1] == "1 pixels (0.83 %) hold a value of no class, such as #010101, and give no points"

    def test_255_is_a_class_where_so_many_are_named(self, write: Write) -> None:
        root = write("images/1.jpg", "masks/1.png")
        (root / "labels.txt").write_text("\n".join(f"c{i}" for i in range(256)))
        assert 255 in read(root).labels

    def test_colour_masks_that_classes_do_not_name(self, write: Write) -> None:
        root = write("images/1.jpg", "masks/1.png", mask=np.full((10, 12, 3), (9, 8, 7), np.uint8))
        (root / "classes.txt").write_text("a\nb\n")
        assert refusal(root, DataError) == (
            "the folder 'roads' must hold images with masks, got none; the first of 1 problems is 'images/1.jpg': "
            "mask holds no value that is a class: #090807 is none of the 2 classes"
        )


class TestSplits:
    @pytest.mark.parametrize(
        "paths",
        [
            ("images/training/1", "annotations/training/1", "images/validation/2", "annotations/validation/2"),
            ("images/train/1", "masks/training/1", "images/val/2", "masks/validation/2"),
            ("train/images/1", "train/masks/1", "valid/images/2", "valid/masks/2"),
        ],
    )
    def test_either_way_round(self, write: Write, paths: tuple[str, ...]) -> None:
        root = write(*(path + (".jpg" if "images" in path else ".png") for path in paths))
        assert looks_like_masks(root)
        assert (names(read(root)), read(root).split, read(root).problems) == ([f"{paths[0]}.jpg"], "train", ())
        assert names(read(root, split="validation")) == [f"{paths[2]}.jpg"]
        assert "has no split 'test'; name one of its splits" in refusal(root, UsageError, split="test")

    def test_splits_that_resemble_each_other(self, write: Write) -> None:
        root = write("images/dev/1.jpg", "images/val/1.jpg")
        write("masks/dev/1.png", "masks/val/1.png")
        (root / "masks/dev/1.png").write_bytes(b"")
        assert names(read(root, split="val")) == ["images/val/1.jpg"]
        assert "mask is empty (0 bytes)" in refusal(root, DataError, split="dev")

    def test_a_split_without_masks(self, write: Write) -> None:
        root = write("images/train/1.jpg", "images/test/2.jpg", "masks/train/1.png")
        assert refusal(root, DataError, split="test") == (
            "the folder 'roads' must hold images with masks, got none; "
            "the first of 1 problems is 'images/test/2.jpg': image has no mask"
        )

    def test_lists_of_voc(self, write: Write) -> None:
        root = write(
            *(f"JPEGImages/2007_{i}.jpg" for i in range(6)), *(f"SegmentationClass/2007_{i}.png" for i in range(4))
        )
        (root / "Annotations").mkdir()
        (root / "ImageSets/Segmentation").mkdir(parents=True)
        (root / "ImageSets/Segmentation/train.txt").write_bytes(b"2007_1\r\n2007_0\n\n../../x\n2007_5\n")
        (root / "ImageSets/Segmentation/test.txt").write_text("2007_2\n")
        assert looks_like_masks(root)
        target = read(root)
        assert (names(target), target.split) == (["JPEGImages/2007_0.jpg", "JPEGImages/2007_1.jpg"], "train")
        assert target.problems == (
            RowProblem("../../x", "image is listed and not there"),
            RowProblem("JPEGImages/2007_5.jpg", "image has no mask"),
        )
        target = read(root, split="test")
        assert (names(target), target.notes[-1]) == (["JPEGImages/2007_2.jpg"], TEST_NOTE)
        (root / "ImageSets/Segmentation/train.txt").write_bytes(b"\xff")
        assert refusal(root, DataError) == (
            "'ImageSets/Segmentation/train.txt' must be a file that can be read, got 'file is not UTF-8 text'"
        )

    def test_none_to_choose_from(self, write: Write) -> None:
        root = write("images/1.jpg", "masks/1.png")
        assert refusal(root, UsageError, split="val") == (
            "the folder 'roads' has no splits, but split='val' was asked for; leave split (--split) out to "
            "use all of it"
        )


class TestLooks:
    def test_other_folders(self, write: Write, tmp_path: Path) -> None:
        boxes = write("images/1.jpg", "images/2.jpg", root="boxes")
        (boxes / "labels").mkdir()
        (boxes / "labels/1.txt").write_text("0 .5 .5 .1 .1")
        for root in (
            boxes,
            write("mask/1.png", "no_mask/1.png", root="faces"),
            write("train/cat/1.png", "train/dog/1.png", root="pets"),
            tmp_path / "absent",
        ):
            assert not looks_like_masks(root)

    def test_refusal(self, write: Write) -> None:
        assert refusal(write("photos/1.jpg", "masks/1.png"), DataError) == (
            "the folder 'roads' must hold a folder 'images' and a folder 'masks' with the same names of files, got "
            "['masks', 'photos']; rename them"
        )
