from __future__ import annotations

import pytest

from hubscout.errors import UsageError
from hubscout.models.reading import Reading, choose_layers
from hubscout.ranking.reading import choose_reading


class TestChooseReading:
    @pytest.mark.parametrize(
        ("layers", "pooling", "reading"),
        [
            (None, None, Reading()),
            (None, "cls", Reading(poolings=("cls",))),
            ("all", None, Reading(layers="all")),
            ("3, 6,-1", "cls,mean", Reading(layers=(3, 6, -1), poolings=("cls", "mean"))),
            (4, ["mean"], Reading(layers=(4,), poolings=("mean",))),
            ([2, 2, 1], None, Reading(layers=(2, 1))),
            (None, "cls,max,cls", Reading(layers=(-1,), poolings=("cls", "max"))),
        ],
    )
    def test_forms(self, layers, pooling, reading):
        assert choose_reading(layers, pooling) == reading

    @pytest.mark.parametrize("layers", ["some", "1,,2", "", "1.5", True, [], [True], [1.0], ["1"]])
    def test_layers_of_another_form(self, layers):
        with pytest.raises(UsageError) as caught:
            choose_reading(layers, None)
        rule = "layers (--layers) must be 'all' or whole numbers such as 3,6,-1"
        assert str(caught.value) == f"{rule}, got {layers!r}"

    def test_unknown_pooling(self):
        with pytest.raises(UsageError) as caught:
            choose_reading(None, "cls,median")
        rule = "pooling (--pool) must be one of cls, mean, max, last, pooler, or several with commas"
        assert str(caught.value) == f"{rule}, got 'median'"

    def test_boxes_and_points_have_no_layers(self):
        assert choose_reading(None, None, "box") == Reading("box")
        for layers, pooling in (("all", None), (None, "mean,max")):
            with pytest.raises(UsageError, match=r"^layers .* are for whole samples and words, got them for a box; "):
                choose_reading(layers, pooling, "box")


class TestChooseLayers:
    def test_counted_from_either_end(self):
        assert choose_layers("all", 4, "a") == (1, 2, 3, 4)
        assert choose_layers((-1, 4, 0, -4), 4, "a") == (0, 1, 4)

    @pytest.mark.parametrize("layer", [5, -5])
    def test_beyond_the_depth(self, layer):
        with pytest.raises(UsageError) as caught:
            choose_layers((layer,), 4, "hf:a/b")
        assert str(caught.value) == f"layers (--layers) of 'hf:a/b' must lie between -4 and 4, got {layer}"
