from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hubscout.data.parts import Points, Regions
from hubscout.models.image_transform import ImageTransform
from hubscout.models.whole_image import WholeImageTransform

PLAIN = ImageTransform(64, 64, mean=(0.0,), std=(1.0,), interpolation="box", crop_pct=0.5)


def _white(w, h, mode="L"):
    return Image.new(mode, (w, h), "white")


class TestWholeImage:
    @pytest.mark.parametrize(
        ("size", "height", "width", "filled"),
        [
            ((64, 64), 64, 64, (0, 64, 0, 64)),
            ((128, 64), 64, 64, (16, 48, 0, 64)),
            ((64, 128), 64, 64, (0, 64, 16, 48)),
            ((640, 10), 64, 64, (31, 32, 0, 64)),
            ((10_000, 1), 64, 64, (31, 32, 0, 64)),
            ((100, 100), 32, 64, (0, 32, 16, 48)),
            ((3, 2), 64, 64, (10, 53, 0, 64)),
        ],
    )
    def test_the_longer_side_fills_and_the_rest_is_the_mean(self, size, height, width, filled):
        transform = WholeImageTransform(ImageTransform(height, width, mean=(0.25,), std=(0.5,), crop_pct=0.875))
        placed = transform(Regions(_white(*size), np.array([[0.0, 0.0, 1.0, 1.0]])))
        expected = np.zeros((1, height, width), np.float32)
        top, bottom, left, right = filled
        expected[:, top:bottom, left:right] = 1.5
        np.testing.assert_allclose(placed.pixels, expected, rtol=1e-6)
        np.testing.assert_allclose(
            placed.places, [[left / width, top / height, right / width, bottom / height]], atol=1e-15
        )

    @given(st.integers(1, 90), st.integers(1, 90), st.data())
    def test_boxes_land_where_their_pixels_land(self, w, h, data):
        x0, y0 = data.draw(st.integers(0, w - 1)), data.draw(st.integers(0, h - 1))
        x1, y1 = data.draw(st.integers(x0 + 1, w)), data.draw(st.integers(y0 + 1, h))
        pixels = np.zeros((h, w), np.uint8)
        pixels[y0:y1, x0:x1] = 255
        image = Image.fromarray(pixels)
        placed = WholeImageTransform(PLAIN)(Regions(image, np.array([[x0 / w, y0 / h, x1 / w, y1 / h]])))
        # The mass of a box filter lies exactly in the mapped box, up to the resized picture's whole pixels.
        left, top, right, bottom = placed.places[0] * 64
        mass = placed.pixels[0]
        columns, rows = np.nonzero(mass.sum(0) > 1e-2)[0], np.nonzero(mass.sum(1) > 1e-2)[0]
        assert columns.min() >= np.floor(left) - 1
        assert columns.max() <= np.ceil(right)
        assert rows.min() >= np.floor(top) - 1
        assert rows.max() <= np.ceil(bottom)

    def test_points_are_mapped_as_the_corners_of_boxes_are(self):
        shares = np.random.default_rng(0).random((5, 2))
        image = _white(30, 50)
        points = WholeImageTransform(PLAIN)(Points(image, shares)).places
        boxes = WholeImageTransform(PLAIN)(Regions(image, np.hstack([shares, shares]))).places
        assert points.shape == (5, 2)
        np.testing.assert_allclose(boxes, np.hstack([points, points]))
        inner = round(30 * 64 / 50)
        expected = np.column_stack([(shares[:, 0] * inner + (64 - inner) // 2) / 64, shares[:, 1]])
        np.testing.assert_allclose(points, expected)

    def test_a_square_picture_is_what_the_usual_transform_gives_without_its_crop(self):
        image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8))
        usual = ImageTransform(32, 32, crop_pct=1.0)
        placed = WholeImageTransform(usual)(Points(image, np.array([[0.5, 0.5]])))
        np.testing.assert_array_equal(placed.pixels, usual(image))

    def test_card(self):
        stated = WholeImageTransform(PLAIN).to_dict()
        assert stated == {
            "input_size": [1, 64, 64],
            "mean": [0.0],
            "std": [1.0],
            "interpolation": "box",
            "fit": "whole picture in the middle, proportions kept, rest filled with the mean",
        }
        json.dumps(stated)
