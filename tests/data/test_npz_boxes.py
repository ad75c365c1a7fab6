from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from hubscout.data.npz_boxes import holds_boxes, npz_boxes_target
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, HubscoutError, UnsafeFileError, UsageError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.npz"


def save(path: Path, **changes: object) -> Path:
    """Write three images of 12 x 10 pixels and four boxes; None leaves an array out."""
    whole = {
        "images": np.random.default_rng(0).integers(0, 256, (3, 10, 12, 3), dtype=np.uint8),
        "boxes": [[0, 0, 6, 5], [6, 5, 12, 10], [3, 0, 6.5, 2.25], [0, 0, 12, 10]],
        "box_image": [2, 0, 2, 2],
        "box_class": [0, 1, 1, 2],
        "label_names": ["dog", "cat", "bat"],
        **changes,
    }
    np.savez(path, **{key: np.asarray(value) for key, value in whole.items() if value is not None})
    return path


def read(path: Path, **options: object) -> Target:
    return npz_boxes_target(path, name="x", **options)


def refusal(path: Path, error: type[Exception], **options: object) -> str:
    with pytest.raises(error) as caught:
        read(path, **options)
    return str(caught.value)


class TestContent:
    def test_images_and_boxes(self, path: Path) -> None:
        target = read(save(path))
        assert (target.task.label_names, target.labels.tolist()) == (("bat", "cat", "dog"), [1, 2, 1, 0])
        assert target.boxes.tolist() == [[0.5, 0.5, 1, 1], [0, 0, 0.5, 0.5], [0.25, 0, 650 / 1200, 0.225], [0, 0, 1, 1]]
        assert [target.samples.name(i) for i in range(2)] == ["row 1", "row 3"]
        assert (target.unit_counts.tolist(), target.split, target.problems) == ([1, 3], "all", ())
        assert target.notes == ("1 image without a usable box is left out",)
        assert target.samples[1].image.size == (12, 10)

    def test_channels_first(self, path: Path) -> None:
        target = read(save(path, images=np.zeros((3, 3, 10, 12), dtype=np.uint8)))
        assert target.boxes[0].tolist() == [0.5, 0.5, 1, 1]

    @pytest.mark.parametrize(
        ("changes", "names"),
        [
            ({"label_names": None, "classes": ["c", "b", "a"]}, ("a", "b", "c")),
            ({"label_names": None}, ("0", "1", "2")),
            ({"label_names": None, "box_class": ["b10", "b9", "b9", "a"]}, ("a", "b9", "b10")),
            ({"box_class": np.array(["dog", "cat", "cat", "bat"], dtype="S3")}, ("bat", "cat", "dog")),
            ({"box_class": [0.0, 1.0, 1.0, 2.0]}, ("bat", "cat", "dog")),
        ],
    )
    def test_classes(self, path: Path, changes: dict, names: tuple) -> None:
        assert read(save(path, **changes)).task.label_names == names

    def test_splits(self, path: Path) -> None:
        save(path, split=["train", "val", "train"], box_image=[2, 0, 1, 2])
        target = read(path)
        assert (target.split, target.labels.tolist()) == ("train", [1, 2, 0])
        assert target.notes == ()
        assert read(path, split="validation").samples.name(0) == "row 2"
        assert refusal(path, UsageError, split="test") == (
            "'x.npz' has no split 'test'; name one of its splits ('train', 'val') with split (--split)"
        )

    def test_which_files_hold_boxes(self, path: Path, tmp_path: Path) -> None:
        assert holds_boxes(save(path))
        assert not holds_boxes(save(path, box_class=None))
        path.write_bytes(b"PK junk")
        assert not holds_boxes(path)
        assert not holds_boxes(tmp_path / "none.npz")


class TestFaults:
    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"box_image": [2, 0, 2, 3]}, RowProblem("box 4", "box_image 3 is none of the 3 images")),
            ({"box_image": [2, 0, 2, -1]}, RowProblem("box 4", "box_image -1 is none of the 3 images")),
            ({"box_class": [0, 1, 1, 3]}, RowProblem("box 4", "class 3 is none of the 3 classes")),
            ({"box_class": [0, 1, 1, -1]}, RowProblem("box 4", "class -1 is none of the 3 classes")),
            ({"box_class": [0, 1, 1, 0.5]}, RowProblem("box 4", "class 0.5 is none of the 3 classes")),
            ({"box_class": [0, 1, 1, np.nan]}, RowProblem("box 4", "class nan is none of the 3 classes")),
            ({"box_class": ["dog", "cat", "cat", "x"]}, RowProblem("box 4", "class 'x' is none of the 3 classes")),
            (
                {"box_class": ["dog", "cat", "cat", ""], "label_names": None},
                RowProblem("box 4", "class is empty"),
            ),
            (
                {"boxes": [[0, 0, 6, 5], [6, 5, 12, 10], [3, 0, 6.5, 2.25], [0, 0, np.inf, 10]]},
                RowProblem("row 3, box 3", "box is not made of finite numbers"),
            ),
        ],
    )
    def test_boxes(self, path: Path, changes: dict, problem: RowProblem) -> None:
        target = read(save(path, **changes))
        assert target.problems == (problem,)
        assert len(target.labels) == 3

    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            (
                {"boxes": None, "box_class": None},
                UsageError,
                (
                    "'x.npz' must hold images, boxes, box_image, box_class, got ['box_image', 'images', "
                    "'label_names']; save it with numpy.savez under these names"
                ),
            ),
            (
                {"boxes": [[0, 0, 6]]},
                DataError,
                "boxes of 'x.npz' must be numbers of shape (m, 4), got int64 of shape (1, 3)",
            ),
            (
                {"boxes": [["a"] * 4]},
                DataError,
                "boxes of 'x.npz' must be numbers of shape (m, 4), got <U1 of shape (1, 4)",
            ),
            (
                {"boxes": np.array([{}])},
                UnsafeFileError,
                (
                    "boxes of 'x.npz' holds pickled objects, which could run code, and was refused; save it as an "
                    "array of numbers or of strings"
                ),
            ),
            ({"box_image": [0]}, DataError, "box_image of 'x.npz' must have one entry a box (4), got 1"),
            ({"box_class": [0]}, DataError, "box_class of 'x.npz' must have one entry a box (4), got 1"),
            (
                {"box_image": [0.0, 1, 2, 2]},
                DataError,
                "box_image of 'x.npz' must be whole numbers, got float64; count images from 0",
            ),
            (
                {"label_names": ["a", "a"]},
                DataError,
                "label_names of 'x.npz' must differ from each other, got ['a', 'a']; rename the repeated ones",
            ),
            (
                {"images": np.zeros((3, 4))},
                DataError,
                (
                    "images of 'x.npz' must be numbers of shape (n, height, width) or (n, height, width, 1, 3 or 4), "
                    "got float64 of shape (3, 4)"
                ),
            ),
            ({"split": ["train"]}, DataError, "split of 'x.npz' must have one entry a label (3), got 1"),
        ],
    )
    def test_arrays(self, path: Path, changes: dict, error: type[Exception], message: str) -> None:
        assert refusal(save(path, **changes), error) == message

    def test_a_file_that_is_none(self, path: Path) -> None:
        path.write_bytes(b"junk")
        assert refusal(path, DataError) == (
            "'x.npz' must be an .npz file that can be read, got 'File is not a zip file'; save it again with "
            "numpy.savez"
        )


SMALL = st_numpy.array_shapes(max_dims=3, max_side=4)
ARRAYS = st.sampled_from(["int8", "uint64", "float16", "float64", "bool", "<U2", "S2", "complex64"]).flatmap(
    lambda dtype: st_numpy.arrays(dtype, SMALL)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["images", "boxes", "box_image", "box_class", "label_names", "split"]), ARRAYS))
def test_any_arrays(path: Path, changes: dict) -> None:
    try:
        read(save(path, **changes))
    except HubscoutError as error:
        assert len(str(error)) < 1000  # noqa: PT017


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes(path: Path, data: st.DataObject) -> None:
    content = bytearray(save(path).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        read(path)
    except HubscoutError as error:
        assert len(str(error)) < 1000  # noqa: PT017
