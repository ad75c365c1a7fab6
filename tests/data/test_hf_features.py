from __future__ import annotations

from typing import Any

import pytest
from datasets import Array2D, ClassLabel, Features, Image, LargeList, List, Sequence, Value

from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_features import class_names, column_facts, kind_of_parts

CLASS = ClassLabel(names=["a", "b"])
BOXES = {"bbox": List(List(Value("float32"), length=4)), "category": List(CLASS)}
NER = {"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(CLASS)}
MASKS = {"image": Image(), "mask": Image()}


@pytest.mark.parametrize(
    ("feature", "content"),
    [
        (Value("string"), "text"),
        (Value("large_string"), "text"),
        (Value("int8"), "number"),
        (Value("bool"), "number"),
        (Value("timestamp[s]"), "other"),
        (CLASS, "label"),
        (Image(), "image"),
        (List(CLASS), "label"),
        (Sequence(CLASS), "label"),
        ([Value("string")], "list"),
        (LargeList(Value("int64")), "list"),
        (List(List(Value("int64"))), "other"),
        (List(Image()), "other"),
        (List({"bbox": Value("string")}), "other"),
        (Array2D((2, 2), "int8"), "other"),
        (BOXES, "other"),
    ],
)
def test_content(feature: Any, content: str) -> None:
    features = Features({"c": feature, "split": Value("string")})
    assert [(fact.name, fact.content) for fact in column_facts(features)] == [("c", content)]


def test_class_names() -> None:
    assert class_names(CLASS) == class_names(List(CLASS)) == class_names([CLASS]) == ["a", "b"]
    assert class_names(Value("string")) is class_names(List(Value("string"))) is class_names(BOXES) is None


class TestKindOfParts:
    @pytest.mark.parametrize(
        ("columns", "kind"),
        [
            ({"image": Image(), "objects": BOXES}, "detection"),
            ({"image": Image(), "objects": List({"bbox": List(Value("float32")), "category": CLASS})}, "detection"),
            ({"image": Image(), "objects": Sequence(BOXES), "label": CLASS}, "detection"),
            ({"image": Image(), "objects": List(Value("string")), "label": CLASS}, None),
            (MASKS, "segmentation"),
            ({"pixels": Image(), "Annotation": Image()}, "segmentation"),
            ({"mask": Image(), "label": CLASS}, None),
            ({"left": Image(), "right": Image()}, None),
            ({"image": Image(), "label": CLASS}, None),
            (NER, "token_classification"),
            ({"text": Value("string"), "labels": List(CLASS)}, None),
            ({"text": Value("string"), "label": CLASS}, None),
        ],
    )
    def test_by_columns(self, columns: dict[str, Any], kind: str | None) -> None:
        assert kind_of_parts(Features(columns), ColumnRequest(), None) == kind

    @pytest.mark.parametrize("columns", [{"image": Image(), "objects": BOXES}, MASKS, NER])
    @pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
    def test_kinds_of_whole_samples(self, columns: dict[str, Any], kind: str) -> None:
        assert kind_of_parts(Features(columns), ColumnRequest(), kind) is None

    @pytest.mark.parametrize("kind", ["detection", "segmentation", "token_classification"])
    def test_what_the_user_says(self, kind: str) -> None:
        assert kind_of_parts(Features({"a": Value("string")}), ColumnRequest(), kind) == kind

    def test_a_named_column_that_belongs_to_no_parts(self) -> None:
        more = {"label": CLASS, "text": Value("string")}
        assert (
            kind_of_parts(Features({"image": Image(), "objects": BOXES} | more), ColumnRequest(label="label"), None)
            is None
        )
        assert kind_of_parts(Features(MASKS | more), ColumnRequest(label="label"), None) is None
        assert kind_of_parts(Features(NER | more), ColumnRequest(label="label"), None) is None
        assert kind_of_parts(Features(NER | more), ColumnRequest(text="text"), None) is None
        assert kind_of_parts(Features(NER | more), ColumnRequest(label="nothing"), None) is None

    def test_a_named_column_that_belongs_to_parts(self) -> None:
        boxes = Features({"image": Image(), "objects": BOXES})
        assert kind_of_parts(boxes, ColumnRequest(label="objects", image="image"), None) == "detection"
        assert kind_of_parts(Features(MASKS), ColumnRequest(label="mask"), None) == "segmentation"
        assert kind_of_parts(Features(NER), ColumnRequest("tokens", label="ner_tags"), None) == "token_classification"
