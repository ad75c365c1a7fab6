from __future__ import annotations

from collections.abc import Callable

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, Image, List, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_boxes import hub_boxes_target
from hubscout.data.task import RowProblem, Target
from hubscout.data.verification import verify_samples
from hubscout.errors import DataError, HubscoutError, UsageError

NAMED = ClassLabel(names=["dog", "cat"])
BOX = List(Value("float32"), length=4)
LISTS = {"bbox": List(BOX), "category": List(NAMED)}
OBJECTS = List({"bbox": BOX, "category": NAMED})
NOTE = (
    "columns: image 'image', boxes 'bbox' and classes 'category' of 'objects'; boxes are read as left, top, width and "
    "height in pixels"
)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    datasets.disable_progress_bars()


@pytest.fixture
def make(picture: Callable[..., bytes]) -> Callable[..., Dataset]:
    """Make a data set of one picture of 12 x 10 pixels a row, with the given objects."""

    def build(objects: list, feature: object = OBJECTS, **columns: list) -> Dataset:
        rows = {"image": [{"bytes": picture(i), "path": None} for i in range(len(objects))], "objects": objects}
        features = {"image": Image(), "objects": feature, **{key: Value("int64") for key in columns}}
        return Dataset.from_dict({**rows, **columns}, features=Features(features))

    return build


def read(dataset: Dataset, **options: object) -> Target:
    return hub_boxes_target(dataset, name="x", source="the data set 'x'", split="train", **options)


def refusal(dataset: Dataset, error: type[Exception], **options: object) -> str:
    with pytest.raises(error) as caught:
        read(dataset, **options)
    return str(caught.value)


def one(category: object = 0, bbox: object = (0, 0, 6, 5)) -> dict:
    return {"bbox": bbox if bbox is None else list(bbox), "category": category}


class TestContent:
    @pytest.mark.parametrize("is_lists", [False, True])
    def test_both_shapes_of_objects(self, make, is_lists: bool) -> None:
        rows = [[one(), one(1, (6, 5, 6, 5))], [], [one(1, (3, 0, 3.5, 2.25))]]
        lists = [{key: [each[key] for each in row] for key in ("bbox", "category")} for row in rows]
        target = read(make(lists, LISTS) if is_lists else make(rows))
        assert (target.task.label_names, target.labels.tolist()) == (("cat", "dog"), [1, 0, 0])
        assert target.boxes.tolist() == [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.25, 0, 650 / 1200, 0.225]]
        assert [target.samples.name(i) for i in range(2)] == ["row 1", "row 3"]
        assert (target.split, target.problems) == ("train", ())
        assert target.notes == (NOTE, "1 image without a usable box is left out")
        assert target.samples[1].image.size == (12, 10)

    @pytest.mark.parametrize(
        ("category", "values", "expected"),
        [
            (Value("string"), ["b", "a "], ("a", "b")),
            (Value("int32"), [10, 9], ("9", "10")),
            (Value("float64"), [10.0, 9.0], ("9", "10")),
            (ClassLabel(num_classes=2), [1, 0], ("0", "1")),
        ],
    )
    @pytest.mark.parametrize("key", ["category", "category_id", "label", "labels", "name"])
    def test_classes(self, make, key: str, category: object, values: list, expected: tuple) -> None:
        objects = [[{"bbox": [0, 0, 6, 5], key: value} for value in values]]
        target = read(make(objects, List({"bbox": BOX, key: category})))
        assert (target.task.label_names, target.labels.tolist()) == (expected, [1, 0])

    @pytest.mark.parametrize("mark", ["iscrowd", "is_crowd", "difficult", "ignore"])
    def test_marked_ones_are_left_out(self, make, mark: str) -> None:
        objects = [[{**one(), mark: False}, {**one(1), mark: True}]]
        target = read(make(objects, List({"bbox": BOX, "category": NAMED, mark: Value("bool")})))
        assert (target.task.label_names, target.notes[1]) == (
            ("dog",),
            "1 box marked as crowd, difficult or ignored is left out",
        )

    def test_stated_sizes_are_those_of_the_boxes(self, make) -> None:
        dataset = make([[one()], [one()], [one()]], width=[24, None, 10], height=[20, None, 12])
        target = read(dataset)
        assert target.boxes.tolist()[:2] == [[0, 0, 0.25, 0.25], [0, 0, 0.5, 0.5]]
        assert verify_samples(target.samples).problems == (
            RowProblem("row 3", "image is 12 x 10 pixels, but its boxes are for 10 x 12"),
        )

    def test_a_format_does_not_matter(self, make) -> None:
        assert read(make([[one()]]).with_format("numpy")).boxes.tolist() == [[0, 0, 0.5, 0.5]]

    def test_more_rows_than_are_read_at_once(self, make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hubscout.data.hf_boxes._ROWS_AT_ONCE", 2)
        target = read(make([[one(i % 2)] for i in range(5)]))
        assert (target.labels.tolist(), target.unit_counts.tolist()) == ([1, 0, 1, 0, 1], [1] * 5)


class TestColumns:
    def test_names_that_were_given(self, make) -> None:
        dataset = make([[one()]]).add_column("faces", [[one(1)]])
        dataset = dataset.add_column("scan", [{"bytes": b"x", "path": None}]).cast_column("scan", Image())
        assert refusal(dataset, UsageError) == (
            "the data set 'x' must have one column of type datasets.Image, got 'image', 'scan'; name it with "
            "image_column (--image-column)"
        )
        assert refusal(dataset, UsageError, request=ColumnRequest(image="image")) == (
            "the data set 'x' must have one column of objects with 'bbox' and 'category', got 'objects', 'faces'; name "
            "it with label_column (--label-column)"
        )
        assert refusal(dataset, UsageError, request=ColumnRequest(image="image", label="scan")) == (
            "the data set 'x' must have one column of objects with 'bbox' and 'category', got 'scan'; those that fit: "
            "'objects', 'faces'; name it with label_column (--label-column)"
        )
        assert read(dataset, request=ColumnRequest(image="image", label="faces")).task.label_names == ("1",)

    def test_no_column_fits(self, make) -> None:
        dataset = Dataset.from_dict({"text": ["a"], "bbox": [[0.0]]})
        assert refusal(dataset, UsageError) == (
            "the data set 'x' must have one column of type datasets.Image, got none; name it with image_column "
            "(--image-column)"
        )
        assert refusal(make([[one()]]), UsageError, request=ColumnRequest(text="objects")) == (
            "text_column (--text-column) does not fit boxes, got 'objects' for the data set 'x'; leave it out"
        )


class TestFaults:
    @pytest.mark.parametrize(
        ("broken", "row", "reason"),
        [
            (one(None), "row 1, object 2", "class is missing"),
            (one(-1), "row 1, object 2", "class '-1' is none of the 2 classes"),
            (one(0, None), "row 1, box 2", "box is not made of finite numbers"),
            (one(0, (0, 0, float("nan"), 5)), "row 1, box 2", "box is not made of finite numbers"),
            (one(0, (0, 0, -1, 5)), "row 1, box 2", "box has a negative width or height"),
            (one(0, (20, 0, 5, 5)), "row 1, box 2", "box lies outside of the image"),
        ],
    )
    def test_objects(self, make, broken: dict, row: str, reason: str) -> None:
        target = read(make([[one(), broken]]))
        assert target.problems == (RowProblem(row, reason),)
        assert len(target.labels) == 1

    def test_lists_of_different_lengths(self, make) -> None:
        uneven = {"bbox": [[0, 0, 6, 5]], "category": [0, 1]}
        target = read(make([{"bbox": [[0, 0, 6, 5]], "category": [0]}, uneven, None], LISTS))
        assert target.problems == (RowProblem("row 2", "the lists of its objects differ in length"),)
        assert target.unit_counts.tolist() == [1]

    def test_boxes_of_three_numbers(self, make) -> None:
        objects = [[{"bbox": [0, 0, 6], "category": 0}]]
        assert refusal(make(objects, List({"bbox": List(Value("float32")), "category": NAMED})), DataError) == (
            "the data set 'x' must hold boxes that can be used, got none of 1; the first of the problems is 'row 1, "
            "box 1': box is not made of finite numbers"
        )

    def test_images_that_are_missing(self, make) -> None:
        rows = {"image": [None], "objects": [[one()]]}
        dataset = Dataset.from_dict(rows, features=Features({"image": Image(), "objects": OBJECTS}))
        assert refusal(dataset, DataError) == (
            "the data set 'x' must hold boxes that can be used, got none of 1; the first of the problems is 'row 1': "
            "sample 'row 1' cannot be used: image is missing"
        )


OBJECT = st.fixed_dictionaries(
    {
        "bbox": st.none() | st.lists(st.none() | st.floats(width=32), max_size=5),
        "category": st.none() | st.text(max_size=3).filter(lambda text: text.isprintable()),
        "iscrowd": st.none() | st.integers(-1, 2),
    }
)
ANY = List({"bbox": List(Value("float32")), "category": Value("string"), "iscrowd": Value("int64")})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | st.lists(OBJECT, max_size=4), min_size=1, max_size=3))
def test_anything(make, objects: list) -> None:
    try:
        target = read(make(objects, ANY))
    except HubscoutError as error:
        assert "must hold boxes that can be used" in str(error)  # noqa: PT017
    else:
        assert target.boxes.min() >= 0
        assert target.boxes.max() <= 1
