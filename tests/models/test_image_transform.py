from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from hubscout.errors import UsageError
from hubscout.models.image_transform import ImageTransform, transform_from_options


class TestImageTransform:
    @pytest.mark.parametrize("crop_pct", [1.0, 0.875, 0.9])
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    def test_same_arithmetic_as_timm(self, pictures, crop_pct, interpolation):
        from timm.data import create_transform

        mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
        ours = ImageTransform(40, 40, mean, std, interpolation, crop_pct)
        theirs = create_transform((3, 40, 40), mean=mean, std=std, interpolation=interpolation, crop_pct=crop_pct)
        for picture in pictures:
            np.testing.assert_allclose(ours(picture), theirs(picture).numpy(), atol=1e-6)

    def test_squash_keeps_the_borders(self):
        picture = Image.new("RGB", (40, 10), "black")
        picture.paste("white", (0, 0, 10, 10))
        squash = ImageTransform(8, 8, (0.0,), (1.0,), "nearest", crop_mode="squash")
        centre = ImageTransform(8, 8, (0.0,), (1.0,), "nearest")
        assert squash(picture)[0, 0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
        assert centre(picture).max() == 0

    def test_not_square(self):
        assert ImageTransform(4, 8)(Image.new("RGB", (30, 30))).shape == (3, 4, 8)

    @pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
    def test_any_mode(self, mode):
        pixels = ImageTransform(4, 4, (0.0,) * 3, (1.0,) * 3)(Image.new(mode, (5, 5)))
        assert pixels.shape == (3, 4, 4)
        assert pixels.dtype == np.float32
        assert pixels.flags.c_contiguous

    def test_grey_picture_for_one_channel(self):
        transform = ImageTransform(2, 2, (0.5,), (0.25,))
        assert transform(Image.new("RGB", (3, 3), (255, 255, 255))).tolist() == [[[2.0, 2.0], [2.0, 2.0]]]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"height": 0}, "input_size must be 1 to 4096 pixels a side, got (0, 8)"),
            ({"std": (1.0, 0.0, 1.0)}, "std must be free of zeros, got (1.0, 0.0, 1.0)"),
            ({"mean": (float("nan"),) * 3}, "mean and std must be finite, got (nan, nan, nan, 0.229, 0.224, 0.225)"),
            ({"crop_pct": 1.5}, "crop_pct must be a number in (0, 1], got 1.5"),
            (
                {"interpolation": "cubic"},
                "interpolation must be one of nearest, box, bilinear, hamming, bicubic, lanczos, got 'cubic'",
            ),
            ({"crop_mode": "border"}, "crop_mode must be center or squash, got 'border'"),
        ],
    )
    def test_rules(self, settings, message):
        with pytest.raises(UsageError) as caught:
            ImageTransform(**{"height": 8, "width": 8, **settings})
        assert str(caught.value) == message


class TestTransformFromOptions:
    def test_option_before_model_before_default(self):
        config = {"input_size": (3, 64, 64), "mean": (0.1, 0.1, 0.1), "crop_pct": 0.9, "interpolation": "bicubic"}
        transform, notes = transform_from_options({"mean": "0.5", "crop_pct": "0.8"}, config)
        assert transform.to_dict() == {
            "input_size": [3, 64, 64],
            "mean": [0.5, 0.5, 0.5],
            "std": [0.229, 0.224, 0.225],
            "interpolation": "bicubic",
            "crop_pct": 0.8,
            "crop_mode": "center",
        }
        assert notes == (
            (
                "the model does not state its std: ImageNet's usual values are assumed; "
                "set std= in the address to change them"
            ),
        )

    @pytest.mark.parametrize(
        ("text", "size"),
        [("32", [3, 32, 32]), ("32x48", [3, 32, 48]), ("1,28,28", [1, 28, 28])],
    )
    def test_sizes(self, text, size):
        assert transform_from_options({"input_size": text}, {})[0].to_dict()["input_size"] == size

    def test_numbers_in_brackets(self):
        transform, _ = transform_from_options({"mean": "[0.1, 0.2, 0.3]", "std": "-1"}, {})
        assert (transform.mean, transform.std) == ((0.1, 0.2, 0.3), (-1.0, -1.0, -1.0))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"input_size": "big"}, "input_size must be pixels such as 224, 224,160 or 3,224,224, got 'big'"),
            ({"mean": "a"}, "mean must be one number or 3 of them, separated by commas, got 'a'"),
            ({"std": "1,2"}, "std must be one number or 3 of them, separated by commas, got '1,2'"),
            ({"channels": "2"}, "channels must be 1 (grey) or 3 (RGB), got '2'"),
            ({"crop_pct": "x"}, "crop_pct must be a number in (0, 1], got 'x'"),
        ],
    )
    def test_wrong_options(self, options, message):
        with pytest.raises(UsageError) as caught:
            transform_from_options(options, {})
        assert str(caught.value) == message
