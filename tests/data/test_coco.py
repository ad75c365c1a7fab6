from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubscout.data.below import relative_path
from hubscout.data.coco import coco_multilabel_target, coco_target
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, HubscoutError

FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def listing(**changes: object) -> dict:
    """Two images of 12 x 10 pixels, two classes, three boxes."""
    whole = {
        "licenses": [{"id": 1, "url": "http://x"}],
        "images": [
            {"id": 7, "file_name": "b10.png", "width": 12, "height": 10},
            {"id": "x", "file_name": "b9.png", "width": 12, "height": 10},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [0, 0, 6, 5], "segmentation": [[0, 0]], "iscrowd": 0},
            {"id": 1, "image_id": "x", "category_id": 90, "bbox": [6, 5, 6, 5]},
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [3, 0, 3.5, 2.25]},
        ],
        "categories": [{"id": 90, "name": "dog", "supercategory": "pet"}, {"id": 1, "name": "cat"}],
    }
    return {**whole, **changes}


@pytest.fixture
def write(tmp_path: Path, folder: Callable[..., Path]) -> Callable[..., Path]:
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


class TestContent:
    def test_images_in_natural_order(self, write) -> None:
        target = read(write({"annotations/instances.json": listing()}))
        assert [target.samples.name(i) for i in range(2)] == ["images/b9.png", "images/b10.png"]
        assert target.task.label_names == ("cat", "dog")
        assert target.labels.tolist() == [1, 1, 0]
        assert target.unit_counts.tolist() == [1, 2]
        assert target.boxes.tolist() == [[0.5, 0.5, 1, 1], [0, 0, 0.5, 0.5], [0.25, 0, 650 / 1200, 0.225]]
        assert (target.problems, target.notes, target.split) == ((), (), "all")
        assert target.samples[1].image.size == (12, 10)

    def test_a_size_that_is_not_stated_is_read(self, write) -> None:
        images = [{"id": 7, "file_name": "b10.png"}, {"id": "x", "file_name": "b9.png", "width": 0, "height": "10"}]
        assert read(write({"a.json": listing(images=images)})).boxes[0].tolist() == [0.5, 0.5, 1, 1]

    def test_crowds_are_left_out(self, write) -> None:
        marked = [{**each, "iscrowd": 1} if n == 0 else each for n, each in enumerate(listing()["annotations"])]
        marked[2] = {**marked[2], "ignore": 1}
        target = read(write({"a.json": listing(annotations=marked)}))
        assert target.labels.tolist() == [0]
        assert target.notes[0] == "2 boxes marked as crowd, difficult or ignored are left out"

    def test_categories_of_one_name_are_one_class(self, write) -> None:
        target = read(write({"a.json": listing(categories=[{"id": 90, "name": "dog"}, {"id": 1, "name": " dog "}])}))
        assert (target.task.label_names, target.labels.tolist()) == (("dog",), [0, 0, 0])

    def test_a_byte_order_mark(self, write) -> None:
        assert len(read(write({"a.json": b"\xef\xbb\xbf" + json.dumps(listing()).encode()})).labels) == 3


class TestFaults:
    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            (None, "file name is missing"),
            ({"id": 1}, "file name is missing"),
            ({"id": 1, "file_name": 5}, "file name is of type int, not a string"),
            ({"id": 1, "file_name": "a\0b"}, "file name holds a NUL character"),
            ({"id": 1, "file_name": "\ud800"}, "file name holds half of a surrogate pair"),
            ({"id": 1, "file_name": "/etc/passwd"}, "file name leads out of the folder"),
            ({"id": 1, "file_name": "a/../../x.png"}, "file name leads out of the folder"),
            ({"id": 1, "file_name": ".."}, "file name leads out of the folder"),
            ({"id": None, "file_name": "c.png"}, "image has no id"),
            ({"id": True, "file_name": "c.png"}, "image has no id"),
            ({"id": [7], "file_name": "c.png"}, "image has no id"),
            ({"id": 7, "file_name": "c.png"}, "id 7 is that of an earlier image"),
            ({"id": 1, "file_name": "./b9.png"}, "file name is that of an earlier image"),
        ],
    )
    def test_images(self, write, entry: object, reason: str) -> None:
        target = read(write({"a.json": listing(images=[*listing()["images"], entry])}))
        assert target.problems == (RowProblem("image 3", reason),)
        assert len(target.labels) == 3

    def test_boxes_of_images_that_are_left_out(self, write) -> None:
        images = [{"id": 7, "file_name": "../b10.png"}, listing()["images"][1]]
        target = read(write({"a.json": listing(images=images)}))
        assert target.notes[0] == "2 annotations belong to images that are left out"
        assert len(target.labels) == 1

    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            (5, "name is missing"),
            ({"id": 3}, "name is missing"),
            ({"id": 3, "name": " "}, "name is empty"),
            ({"name": "x"}, "category has no id"),
            ({"id": 90, "name": "x"}, "id 90 is that of an earlier category"),
        ],
    )
    def test_categories(self, write, entry: object, reason: str) -> None:
        target = read(write({"a.json": listing(categories=[*listing()["categories"], entry])}))
        assert target.problems == (RowProblem("category 3", reason),)

    @pytest.mark.parametrize(
        ("entry", "row", "reason"),
        [
            (5, "annotation 4", "annotation is of type int, not an object"),
            ({}, "annotation 4", "image_id None is none of the images"),
            ({"image_id": 8}, "annotation 4", "image_id 8 is none of the images"),
            ({"image_id": "7"}, "annotation 4", "image_id '7' is none of the images"),
            ({"image_id": {}}, "annotation 4", "image_id {} is none of the images"),
            ({"image_id": "y" * 500}, "annotation 4", "image_id 'yyyyyyyyyyyy...yyyyyyyyyyyyy' is none of the images"),
            ({"image_id": 7, "category_id": 2}, "annotation 4", "category_id 2 is none of the categories"),
            ({"image_id": 7, "category_id": 1}, "b10.png, box 3", "box is not made of finite numbers"),
            (
                {"image_id": 7, "category_id": 1, "bbox": [0, 0, "3", 3]},
                "b10.png, box 3",
                "box is not made of finite numbers",
            ),
            (
                {"image_id": 7, "category_id": 1, "bbox": [0, 0, 10**400, 3]},
                "b10.png, box 3",
                "box is not made of finite numbers",
            ),
            (
                {"image_id": 7, "category_id": 1, "bbox": [0, 0, None, 3]},
                "b10.png, box 3",
                "box is not made of finite numbers",
            ),
            (
                {"image_id": 7, "category_id": 1, "bbox": [0, 0, -3, 3]},
                "b10.png, box 3",
                "box has a negative width or height",
            ),
        ],
    )
    def test_annotations(self, write, entry: object, row: str, reason: str) -> None:
        annotations = [*listing()["annotations"], entry]
        target = read(write({"a.json": listing(annotations=annotations)}, "b9.png", "b10.png"))
        assert target.problems == (RowProblem(row, reason),)
        assert len(target.labels) == 3


class TestMultilabel:
    def test_categories_of_each_image(self, write) -> None:
        annotations = listing()["annotations"]
        annotations[0]["iscrowd"], annotations[2]["bbox"] = 1, None
        images = [*listing()["images"], {"id": 3, "file_name": "b11.png"}]
        annotations.append({"image_id": "x", "category_id": 90, "bbox": [0, 0, 1, 1]})
        root = write({"a.json": listing(images=images, annotations=annotations)}, "b9.png", "b10.png", "b11.png")
        target = coco_multilabel_target(root, name="pets")
        assert (target.task.kind, target.task.label_names) == ("multilabel", ("cat", "dog"))
        assert [target.samples.name(i) for i in range(3)] == ["b9.png", "b10.png", "b11.png"]
        assert np.asarray(target.labels).tolist() == [[0, 1], [1, 1], [0, 0]]

    def test_problems_are_those_of_boxes(self, write) -> None:
        root = write({"a.json": listing(annotations=[*listing()["annotations"], {"image_id": 99}])})
        assert coco_multilabel_target(root, name="pets").problems == read(root).problems


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "bbox", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def entries(**usual: object) -> st.SearchStrategy:
    """Draw objects of which most fields are as they should be."""
    fields = {key: st.just(value) | st.just(value) | JSON for key, value in usual.items()}
    return st.lists(JSON | st.fixed_dictionaries({}, optional=fields), max_size=3)


IMAGES = entries(id=1, file_name="a.png", width=12, height=10)
ANNOTATIONS = entries(image_id=1, category_id=1, bbox=[0, 0, 3, 3], iscrowd=0)
CATEGORIES = entries(id=1, name="cat")


class TestAnything:
    @FUZZ
    @given(st.binary(max_size=200))
    def test_bytes(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(HubscoutError):
            read(tmp_path / "a.json")

    @FUZZ
    @given(IMAGES, ANNOTATIONS, CATEGORIES)
    def test_json(self, write, images: list, annotations: list, categories: list) -> None:
        content = {"images": images, "annotations": annotations, "categories": categories}
        root = write({"a.json": content}, "a.png")
        for reader in (coco_target, coco_multilabel_target):
            try:
                reader(root / "a.json", name="x")
            except HubscoutError as error:
                assert len(str(error)) < 1000  # noqa: PT017

    @given(st.text(max_size=30))
    def test_paths_stay_below(self, path: str) -> None:
        try:
            settled = relative_path(path)
        except DataError:
            return
        assert not settled.startswith("/")
        assert ".." not in settled.split("/")
