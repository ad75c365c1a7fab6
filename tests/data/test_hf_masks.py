from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, Features, Value
from datasets import Image as ImageFeature
from PIL import Image

from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_masks import hub_masks_target
from hubscout.data.splits import TEST_NOTE
from hubscout.data.task import RowProblem, Target
from hubscout.errors import UsageError

CODES = np.repeat(np.repeat(np.array([[0, 1], [2, 255]], np.uint8), 5, axis=0), 6, axis=1)


def cell(array: np.ndarray, file_format: str = "PNG") -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, file_format)
    return {"bytes": buffer.getvalue(), "path": None}


def make(masks: list[Any], image: str = "image", mask: str = "annotation", **more: str) -> Dataset:
    photos = [cell(np.full((10, 12, 3), i, np.uint8), "JPEG") for i in range(len(masks))]
    columns = {image: photos, mask: masks, "id": list(range(len(masks)))}
    columns |= dict.fromkeys(more.values(), photos)
    features = {name: Value("int64") if name == "id" else ImageFeature() for name in columns}
    return Dataset.from_dict(columns, features=Features(features))


def read(dataset: Dataset, **options: Any) -> Target:
    return hub_masks_target(dataset, **{"name": "roads", "source": "the data set 'roads'", "split": "train", **options})


def refusal(dataset: Dataset, **request: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(dataset, request=ColumnRequest(**request))
    return str(caught.value)


def test_masks_give_points() -> None:
    target = read(make([cell(CODES), None, cell(CODES)]), split="test")
    assert (target.task.kind, target.task.label_names, target.split) == ("segmentation", ("0", "1", "2"), "test")
    assert target.notes[0] == "columns guessed: image 'image', label 'annotation'"
    assert target.notes[-1] == TEST_NOTE
    assert target.problems == (RowProblem("row 2", "mask is missing"),)
    assert [target.samples.name(i) for i in range(2)] == ["row 1", "row 3"]
    points = target.samples[1].points
    rows, columns = (points[:, 1] * 10).astype(int), (points[:, 0] * 12).astype(int)
    assert CODES[rows, columns].tolist() == target.labels[target.unit_counts[0] :].tolist()


def test_images_that_are_missing() -> None:
    data = make([cell(CODES)] * 3).to_dict()
    data["image"][1] = None
    features = Features({"image": ImageFeature(), "annotation": ImageFeature(), "id": Value("int64")})
    target = read(Dataset.from_dict(data, features=features))
    assert target.problems == (RowProblem("row 2", "image is missing"),)


def test_named_columns() -> None:
    data = make([cell(CODES)], image="photo", mask="truth", other="depth")
    target = read(data, request=ColumnRequest(image="photo", label="truth"))
    assert (len(target.samples), len(target.notes)) == (1, 1)
    target = read(make([cell(CODES)], image="photo", mask="truth"), request=ColumnRequest(label="truth"))
    assert target.notes[0] == "columns guessed: image 'photo'"


def test_which_columns_fit() -> None:
    data = make([cell(CODES)], other="depth")
    assert refusal(data) == (
        "the column with the images of the data set 'roads' must be the only one of the type datasets.Image that fits, "
        "but 'image', 'depth' fit; name it with image_column (--image-column)"
    )
    assert refusal(make([cell(CODES)], mask="truth")) == (
        "the column with the masks of the data set 'roads' must be the only one of the type datasets.Image that fits, "
        "but 'image', 'truth' fit; name it with label_column (--label-column)"
    )
    assert "must be the only one of the type datasets.Image that fits, but none fits" in refusal(
        data.select_columns(["id", "image"])
    )
    assert refusal(data, label="id") == (
        "label_column (--label-column) must name a column of the data set 'roads' with the type datasets.Image, got "
        "'id'; its columns of that type are 'image', 'annotation', 'depth'"
    )
    assert refusal(data, image="depth", label="depth") == (
        "the images and the masks of the data set 'roads' must be different columns, got 'depth' for both"
    )
    assert refusal(data, text="id") == (
        "text_column (--text-column) does not fit the masks of the data set 'roads', got 'id'; leave it out"
    )
