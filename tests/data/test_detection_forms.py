"""The same boxes in every form give the same target, and each form is recognised."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pictures

from hubscout.data.detection_forms import detection_target_of, looks_like_detection
from hubscout.data.hf_boxes import hub_boxes_target
from hubscout.data.task import Target
from hubscout.data.verification import verify_samples
from hubscout.errors import HubscoutError, UsageError

HUB = Path(__file__).parents[2].parent / "shared" / "hub"


class Boxes:
    """Images, and boxes with classes, written in any form by code of its own."""

    def __init__(self, images: list, corners: np.ndarray, box_image: np.ndarray, box_class: np.ndarray, names: list):
        self.images, self.corners, self.names = images, np.asarray(corners, dtype=float), names
        self.box_image, self.box_class = box_image, box_class

    def pictures(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for number, pixels in enumerate(self.images):
            Pictures.fromarray(pixels).save(folder / f"img{number}.png", compress_level=0)

    def rows(self, image: int) -> list[tuple]:
        return [(self.box_class[k], *self.corners[k]) for k in np.flatnonzero(self.box_image == image)]

    def coco(self, root: Path) -> Path:
        self.pictures(root / "images")
        order = list(range(len(self.images)))[::-1]
        sizes = {number: self.images[number].shape for number in order}
        images = [{"id": 3 * n, "file_name": f"img{n}.png", "width": sizes[n][1], "height": sizes[n][0]} for n in order]
        annotations = [
            {"id": 1, "image_id": 3 * n, "category_id": 90 - int(c), "bbox": [left, top, right - left, bottom - top]}
            for n in order
            for c, left, top, right, bottom in self.rows(n)
        ]
        categories = [{"id": 90 - code, "name": name} for code, name in enumerate(self.names)]
        (root / "annotations").mkdir()
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / "instances.json").write_text(json.dumps(content))
        return root

    def voc(self, root: Path) -> Path:
        self.pictures(root / "JPEGImages")
        (root / "Annotations").mkdir()
        for number, pixels in enumerate(self.images):
            height, width = pixels.shape[:2]
            text = f"<size><width>{width}</width><height>{height}</height></size>"
            for code, left, top, right, bottom in self.rows(number):
                box = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
                text += f"<object><name>{self.names[code]}</name><bndbox>{box}</bndbox></object>"
            document = f"<annotation><filename>img{number}.png</filename>{text}</annotation>"
            (root / "Annotations" / f"img{number}.xml").write_text(document)
        return root

    def yolo(self, root: Path) -> Path:
        self.pictures(root / "images" / "train")
        (root / "labels" / "train").mkdir(parents=True)
        for number, pixels in enumerate(self.images):
            height, width = pixels.shape[:2]
            lines = [
                f"{code} {(left + right) / 2 / width:.6f} {(top + bottom) / 2 / height:.6f} "
                f"{(right - left) / width:.6f} {(bottom - top) / height:.6f}\n"
                for code, left, top, right, bottom in self.rows(number)
            ]
            (root / "labels" / "train" / f"img{number}.txt").write_text("".join(lines))
        (root / "data.yaml").write_text(f"path: {root}\ntrain: images/train\nnames: {self.names}\n")
        return root

    def npz(self, path: Path) -> Path:
        arrays = {"boxes": self.corners, "box_image": self.box_image, "box_class": self.box_class}
        np.savez(path, images=np.stack(self.images), label_names=self.names, **arrays)
        return path

    def hub(self, folder: Path) -> Target:
        contents = [(folder / f"img{n}.png").read_bytes() for n in range(len(self.images))]
        objects = [
            [
                {"bbox": [left, top, right - left, bottom - top], "category": self.names[code]}
                for code, left, top, right, bottom in self.rows(n)
            ]
            for n in range(len(self.images))
        ]
        fields = {"bbox": List(Value("float64")), "category": Value("string")}
        dataset = Dataset.from_dict(
            {"image": [{"bytes": content, "path": None} for content in contents], "objects": objects},
            features=Features({"image": Image(), "objects": List(fields)}),
        )
        return hub_boxes_target(dataset, name="pets", source="x", split="train")


@pytest.fixture(scope="module")
def made() -> Boxes:
    """Twelve images of odd sizes, with boxes on hundredths of pixels, some of which reach out."""
    generator = np.random.default_rng(5)
    sizes = generator.integers(20, 61, (12, 2))
    images = [generator.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in sizes]
    box_image = generator.integers(0, 11, 60)
    limits = sizes[box_image][:, ::-1]
    # The first box starts well outside, so that nobody takes the annotations of Pascal VOC for ones that count from 0.
    first = np.round(generator.uniform(-3, 1, (60, 2)) + generator.uniform(0, 0.8, (60, 2)) * limits, 2)
    last = np.round(first + 1.5 + generator.uniform(0, 0.6, (60, 2)) * limits, 2)
    first[0] = -2.75
    return Boxes(images, np.hstack([first, last]), box_image, generator.integers(0, 4, 60), ["b10", "b9", "a", "c"])


def require_the_same(target: Target, other: Target, *, same_pixels: bool = True) -> None:
    assert target.boxes.tobytes() == other.boxes.tobytes()
    assert (target.task.kind, target.task.label_names) == (other.task.kind, other.task.label_names)
    assert np.array_equal(target.labels, other.labels)
    assert np.array_equal(target.unit_counts, other.unit_counts)
    if same_pixels:
        assert verify_samples(target.samples).fingerprint == verify_samples(other.samples).fingerprint


@pytest.mark.parametrize("form", ["voc", "yolo"])
def test_the_same_data_in_other_forms(made: Boxes, tmp_path: Path, form: str) -> None:
    coco = detection_target_of(made.coco(tmp_path / "coco"), name="pets")
    folder = getattr(made, form)(tmp_path / form)
    target = detection_target_of(folder, name="pets")
    assert looks_like_detection(folder)
    require_the_same(target, coco)
    assert target.notes == coco.notes
    assert coco.notes[0].endswith("reach out of the image and were clipped to it")
    assert coco.task.label_names == ("a", "b9", "b10", "c")


def test_the_same_data_in_a_data_set_of_the_hub(made: Boxes, tmp_path: Path) -> None:
    coco = detection_target_of(made.coco(tmp_path / "coco"), name="pets")
    require_the_same(made.hub(tmp_path / "coco" / "images"), coco)


def test_the_same_data_in_arrays(made: Boxes, tmp_path: Path) -> None:
    square = [np.resize(image, (40, 50, 3)) for image in made.images]
    data = Boxes(square, made.corners, made.box_image, made.box_class, made.names)
    coco = detection_target_of(data.coco(tmp_path / "coco"), name="pets")
    path = data.npz(tmp_path / "pets.npz")
    assert looks_like_detection(path)
    require_the_same(detection_target_of(path, name="pets"), coco, same_pixels=False)


@pytest.mark.hub
def test_real_boxes_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not HUB.is_dir():
        pytest.skip(f"no folder {HUB} beside the checkout")
    monkeypatch.setattr(sys, "path", [*sys.path, str(HUB)])
    try:
        import hub_data
    except ImportError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{HUB} is there and cannot be used: {error}")
        pytest.skip(f"{HUB} cannot be used: {error}")
    found = hub_data.load_boxes("bccd_det", "test")
    few = found["box_image"] < 40
    boxes, images = found["boxes"][few], list(found["images"][:40])
    data = Boxes(images, boxes, found["box_image"][few], found["box_class"][few], found["classes"])
    coco = detection_target_of(data.coco(tmp_path / "coco"), name="cells")
    assert len(coco.labels) == len(boxes)
    np.testing.assert_allclose(np.sort(coco.boxes, axis=0), np.sort(boxes / [320, 240, 320, 240], axis=0))
    assert (coco.task.label_names, coco.problems, coco.notes) == (("Platelets", "RBC", "WBC"), (), ())
    for form in ("voc", "yolo"):
        require_the_same(detection_target_of(getattr(data, form)(tmp_path / form), name="cells"), coco)
    require_the_same(detection_target_of(data.npz(tmp_path / "x.npz"), name="cells"), coco, same_pixels=False)


class TestRecognition:
    @pytest.mark.parametrize(
        ("files", "looks"),
        [
            ({"train/labels/a.txt": "", "train/images/a.png": ""}, True),
            ({"images/train/a.png": "", "labels/train/a.txt": ""}, True),
            ({"a.png": "", "a.txt": "0 .5 .5 .5 .5\n"}, True),
            ({"train/a.PNG": "", "train/a.txt": "0 .5 .5 .5 .5\n"}, True),
            ({"data.yaml": ""}, True),
            ({"Annotations/a.xml": ""}, True),
            ({"a.xml": "", "a.jpg": ""}, True),
            ({"valid/a.xml": "", "valid/a.jpg": ""}, True),
            ({"annotations/x.json": '{"images": [], "categories": []}'}, True),
            ({"train/_annotations.coco.json": '{"images": [], "annotations": []}'}, True),
            ({"cat/a.png": "", "dog/b.png": ""}, False),
            ({"images/a.png": "", "labels/b.png": ""}, False),
            ({"cat/a.png": "", "cat/a.txt": "0 .5 .5 .5 .5\n"}, False),
            ({"a.png": "", "a.txt": "a cat on a mat, asleep"}, False),
            ({"a.png": "", "a.txt": "17\n"}, False),
            ({"a.png": "", "classes.txt": "0 .5 .5 .5 .5\n"}, False),
            ({"a.png": "", "pom.xml": ""}, False),
            ({"annotations/x.json": '{"version": 1, "shapes": []}'}, False),
            ({"config.json": "{}", "config.yaml": "x: 1", "cat/a.png": ""}, False),
            ({"metadata.csv": "", "labels/a.txt": "", "images/a.png": ""}, False),
            ({"dataset_dict.json": "", "labels/a.txt": "", "images/a.png": ""}, False),
        ],
    )
    def test_folders(self, tmp_path: Path, files: dict[str, str], looks: bool) -> None:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        assert looks_like_detection(tmp_path) is looks

    @pytest.mark.parametrize(
        ("name", "content", "looks"),
        [
            ("a.json", b'{"annotations": [], "images": []}', True),
            ("a.json", b'[{"text": "x"}]', False),
            ("a.json", b"\xff" * 9, False),
            ("a.yaml", b"", True),
            ("a.csv", b"x,y", False),
            ("a.npz", b"", False),
        ],
    )
    def test_files(self, tmp_path: Path, name: str, content: bytes, looks: bool) -> None:
        (tmp_path / name).write_bytes(content)
        assert looks_like_detection(tmp_path / name) is looks

    def test_a_long_file_is_known_by_its_ends(self, tmp_path: Path) -> None:
        middle = json.dumps([{"id": number, "bbox": [0, 0, 1, 1]} for number in range(9000)])
        content = f'{{"images": [], "annotations": {middle}, "categories": []}}'
        (tmp_path / "a.json").write_text(content)
        assert looks_like_detection(tmp_path / "a.json")

    def test_more_than_one_form(self, made: Boxes, tmp_path: Path) -> None:
        made.coco(tmp_path / "pets")
        made.yolo(tmp_path / "other")
        (tmp_path / "other" / "labels" / "train").rename(tmp_path / "pets" / "labels")
        target = detection_target_of(tmp_path / "pets", name="pets")
        note = "the boxes are read in the form of COCO; those in the form of YOLO are not looked at"
        assert target.notes[-1] == note

    @pytest.mark.parametrize("is_folder", [True, False])
    def test_no_form(self, folder: Callable[..., Path], is_folder: bool) -> None:
        root = folder("cat/a.png")
        (root / "x.csv").write_text("a")
        with pytest.raises(UsageError) as caught:
            detection_target_of(root if is_folder else root / "x.csv", name="pets")
        what = "the folder 'pets'" if is_folder else "'x.csv'"
        assert str(caught.value) == (
            f"{what} must hold boxes for a detection task, got none of: a COCO .json file or annotations/*.json; "
            "Annotations/*.xml of Pascal VOC, or .xml files beside images; data.yaml or labels/*.txt of YOLO beside "
            "images/, or .txt files beside images; an .npz file with images, boxes, box_image and box_class"
        )

    @pytest.mark.parametrize(
        ("files", "error"),
        [
            ({"annotations/x.json": "{}"}, "'annotations/x.json' must hold the lists images, annotations and "),
            ({"x.xml": "", "b.png": ""}, "the folder 'pets' must hold boxes that can be used, got none of 0"),
            ({"pets.yaml": "names: [a]"}, "the folder 'pets' must hold images of split 'train' in '', got none"),
        ],
    )
    def test_a_user_who_says_so_hears_what_is_wrong(self, tmp_path: Path, files: dict[str, str], error: str) -> None:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        assert not looks_like_detection(tmp_path)
        with pytest.raises(HubscoutError) as caught:
            detection_target_of(tmp_path, name="pets")
        assert str(caught.value).startswith(error)
