from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hubscout.data import coco_files
from hubscout.data.coco import coco_target
from hubscout.data.task import RowProblem, Target
from hubscout.data.verification import verify_samples
from hubscout.errors import DataError, UsageError

BAD = "must be JSON in COCO form, got"


def listing(**changes: object) -> dict:
    """Two images of 12 x 10 pixels with a box each."""
    whole = {
        "images": [{"id": n, "file_name": f"b{n}.png", "width": 12, "height": 10} for n in (10, 9)],
        "annotations": [{"image_id": n, "category_id": n, "bbox": [0, 0, 6, 5]} for n in (9, 10)],
        "categories": [{"id": n, "name": f"c{n}"} for n in (9, 10)],
    }
    return {**whole, **changes}


@pytest.fixture
def write(folder: Callable[..., Path]) -> Callable[..., Path]:
    """Write images and annotation files, and return the folder."""

    def make(files: dict[str, object], *pictures: str) -> Path:
        root = folder(*(pictures or ("images/b9.png", "images/b10.png")), root="pets")
        for name, content in files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return root

    return make


def read(path: Path, **options: object) -> Target:
    return coco_target(path, name="pets", **options)


def refusal(path: Path, error: type[Exception], **options: object) -> str:
    with pytest.raises(error) as caught:
        read(path, **options)
    return str(caught.value)


class TestPlaces:
    @pytest.mark.parametrize(
        ("file", "picture_folder"),
        [
            ("annotations/instances_train2017.json", "train2017"),
            ("annotations/instances_train2017.json", "images/train2017"),
            ("annotations/instances_train.json", "images"),
            ("annotations/train.json", "train"),
            ("train/_annotations.coco.json", "train"),
            ("train.json", "."),
            ("annotations/person_train.json", "train/images"),
            ("labels.json", "data"),
        ],
    )
    def test_where_images_lie(self, write, file: str, picture_folder: str) -> None:
        root = write({file: listing()}, f"{picture_folder}/b9.png", f"{picture_folder}/b10.png", "val/b9.png")
        expected = "all" if file == "labels.json" else "train"
        for path, split in ((root, expected), (root / file, "all")):
            target = read(path)
            assert target.split == split
            assert target.samples[0].image.size == (12, 10)
            assert target.samples.name(0).endswith(f"{picture_folder}/b9.png".removeprefix("./")) or path.is_file()

    def test_the_first_folder_wins_a_tie(self, write) -> None:
        root = write({"a.json": listing()}, "images/b9.png", "data/b10.png")
        assert read(root).samples.name(0) == "images/b9.png"

    def test_names_with_folders(self, write) -> None:
        images = [{**each, "file_name": f".\\train\\{each['file_name']}"} for each in listing()["images"]]
        root = write({"a.json": listing(images=images)}, "images/train/b9.png", "images/train/b10.png")
        assert read(root).samples.name(0) == "images/train/b9.png"

    def test_the_folder_of_the_split_wins(self, write) -> None:
        names = [f"{split}2017/{name}" for split in ("train", "val") for name in ("b9.png", "b10.png")]
        files = {f"annotations/instances_{split}2017.json": listing() for split in ("train", "val")}
        root = write({**files, "annotations/captions_val2017.json": {}}, *names)
        assert read(root, split="validation").samples.name(0) == "val2017/b9.png"
        assert refusal(root, UsageError, split="test") == (
            "the folder 'pets' has no split 'test'; name one of its splits ('train', 'val') with split (--split)"
        )

    def test_more_than_one_file(self, write) -> None:
        root = write({"annotations/a.json": listing(), "annotations/b.json": listing()})
        assert refusal(root, UsageError) == (
            "the folder 'pets' must have one annotation file (.json) of split 'train', got 'annotations/a.json', "
            "'annotations/b.json'; give the path of one file"
        )

    def test_no_file(self, write) -> None:
        assert refusal(write({"config.json": {"images": 1}}), UsageError) == (
            "the folder 'pets' must have one annotation file (.json) of split 'train', got none; give the path of one "
            "file"
        )

    def test_no_images(self, write) -> None:
        root = write({"a.json": listing()}, "elsewhere/b9.png")
        assert refusal(root / "a.json", DataError) == (
            "the images of 'a.json' must lie beside it, in images/, or in a folder named like its split, got no file "
            "'b10.png' there; move the images, or give the folder that holds both"
        )

    def test_a_missing_image_is_refused_by_the_probe(self, write) -> None:
        verified = verify_samples(read(write({"a.json": listing()}, "b10.png")).samples)
        assert verified.problems == (RowProblem("b9.png", "file does not exist"),)
        assert verified.kept.tolist() == [1]


class TestFiles:
    @pytest.mark.parametrize(
        ("content", "got"),
        [
            (b"[", f"{BAD} 'Expecting value: line 1 column 2 (char 1)'; export the annotations again"),
            (b"[" * 100_000, f"{BAD} 'too many levels'; export the annotations again"),
            (b"\xff\xfe", "must be a JSON file that can be read, got 'file is not UTF-8 text'"),
            (b"[]", "must hold the lists images, annotations and categories, got 'list'"),
            (b'{"images": [], "annotations": {}, "categories": []}',
             "must hold the lists images, annotations and categories, got ['annotations', 'categories', 'images']"),
            (b'{"images": [], "annotations": [], "categories": []}',
             "must hold boxes that can be used, got none of 0; check that it is the right one"),
        ],
    )  # fmt: skip
    def test_files(self, write, content: bytes, got: str) -> None:
        assert refusal(write({"a.json": content}) / "a.json", DataError) == f"'a.json' {got}"

    def test_outlines_are_not_kept(self, write) -> None:
        annotations = [{**each, "segmentation": [[0, 0, 1, 1, 2, 2]]} for each in listing()["annotations"]]
        root = write({"a.json": listing(annotations=annotations)})
        content = coco_files.read_json(coco_files.CocoPlace(root, "a.json", "all"))
        assert content["annotations"] == listing()["annotations"]

    def test_a_file_beyond_the_limit(self, write, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(coco_files, "MAX_JSON_BYTES", 3 * 1024**2)
        root = write({"a.json": b" " * (3 * 1024**2 + 1)})
        assert refusal(root / "a.json", DataError) == (
            "'a.json' must be a JSON file that can be read, got 'file is larger than 3 MB'"
        )

    def test_links_out_of_the_folder(self, write, tmp_path: Path) -> None:
        root = write({}, "b9.png")
        (tmp_path / "secret.json").write_text(json.dumps(listing()))
        (root / "annotations").mkdir()
        (root / "annotations" / "a.json").symlink_to(tmp_path / "secret.json")
        assert refusal(root, DataError) == (
            "'annotations/a.json' must be a JSON file that can be read, got 'path leads out of the folder'"
        )
