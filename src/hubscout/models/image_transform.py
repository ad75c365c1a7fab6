"""From a picture to the numbers a vision model takes, without torch: for ONNX files and factories."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.errors import UsageError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
IMAGE_OPTIONS = ("input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode", "channels")


@dataclass(frozen=True)
class ImageTransform:
    """Resize, crop in the middle, scale to [0, 1], normalise.

    Parameters
    ----------
    height, width : int
        Size that the model takes.
    mean, std : tuple of float
        One value a channel, on the scale of [0, 1]; their number is the number of channels, 1 (grey) or 3
        (RGB).
    interpolation : str
        A filter of Pillow, by its name in lower case.
    crop_pct : float
        Part of the resized picture that the crop keeps.
    crop_mode : {"center", "squash"}
        ``center`` keeps the proportions and crops what hangs over; ``squash`` resizes both sides and crops
        nothing at ``crop_pct`` = 1.

    Notes
    -----
    The same arithmetic as timm's and torchvision's evaluation transforms: the shorter side becomes
    ``floor(size / crop_pct)``, the longer one is truncated to whole pixels, and the offset of the crop is
    rounded.

    Examples
    --------
    >>> from PIL import Image
    >>> transform = ImageTransform(8, 8, mean=(0.0,), std=(1.0,))
    >>> pixels = transform(Image.new("RGB", (20, 10), "white"))
    >>> pixels.shape, float(pixels.min())
    ((1, 8, 8), 1.0)
    """

    height: int
    width: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bilinear"
    crop_pct: float = 1.0
    crop_mode: str = "center"

    def __post_init__(self) -> None:
        _check(self)

    @property
    def channels(self) -> int:
        """Number of colour channels."""
        return len(self.mean)

    def __call__(self, image: Any) -> npt.NDArray[np.float32]:
        """Transform one picture.

        Parameters
        ----------
        image : PIL.Image.Image
            In any mode that converts to RGB.

        Returns
        -------
        ndarray of shape (channels, height, width), float32
        """
        image = image.convert("L" if self.channels == 1 else "RGB")
        image = _centre_crop(self._resize(image), self.height, self.width)
        pixels = np.asarray(image, dtype=np.float32).reshape(self.height, self.width, self.channels)
        mean, std = (np.asarray(values, dtype=np.float32) for values in (self.mean, self.std))
        return np.ascontiguousarray(((pixels / np.float32(255) - mean) / std).transpose(2, 0, 1))

    def _resize(self, image: Any) -> Any:
        from PIL import Image

        method = Image.Resampling[self.interpolation.upper()]
        height, width = math.floor(self.height / self.crop_pct), math.floor(self.width / self.crop_pct)
        w, h = image.size
        if self.crop_mode == "squash":
            size = (width, height)
        elif w * height <= h * width:  # the width is what just fits
            size = (width, int(width * h / w))
        else:
            size = (int(height * w / h), height)
        return image if size == (w, h) else image.resize(size, method)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "input_size": [self.channels, self.height, self.width],
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "crop_pct": self.crop_pct,
            "crop_mode": self.crop_mode,
        }


def _centre_crop(image: Any, height: int, width: int) -> Any:
    w, h = image.size
    if (w, h) == (width, height):
        return image
    left, top = round((w - width) / 2), round((h - height) / 2)
    # Beyond the border Pillow fills with black, which is what torchvision pads with.
    return image.crop((left, top, left + width, top + height))


def transform_from_options(
    options: Mapping[str, str], config: Mapping[str, Any]
) -> tuple[ImageTransform, tuple[str, ...]]:
    """Settle the transform: the address's options, then the model's own configuration, then ImageNet's.

    Parameters
    ----------
    options : mapping of str to str
        Options of the address; only those in ``IMAGE_OPTIONS`` are read.
    config : mapping
        What the model states about itself, in the words of timm's ``pretrained_cfg``.

    Returns
    -------
    transform : ImageTransform
    notes : tuple of str
        One sentence on what nobody stated and was assumed.

    Raises
    ------
    UsageError
        When an option is not of its form.

    Examples
    --------
    >>> transform, notes = transform_from_options({"input_size": "32", "mean": "0.5", "std": "0.5"}, {})
    >>> transform.to_dict()["input_size"], notes
    ([3, 32, 32], ())
    """
    assumed = [key for key in ("input_size", "mean", "std") if key not in options and config.get(key) is None]
    size = _size(options.get("input_size"), config.get("input_size"))
    channels = _channels(options.get("channels"), config.get("input_size"), size)
    mean = _numbers("mean", options.get("mean"), config.get("mean"), IMAGENET_MEAN, channels)
    std = _numbers("std", options.get("std"), config.get("std"), IMAGENET_STD, channels)
    crop_pct = options.get("crop_pct", config.get("crop_pct") or 1.0)
    try:
        crop_pct = float(crop_pct)
    except ValueError:
        msg = f"crop_pct must be a number in (0, 1], got {crop_pct!r}"
        raise UsageError(msg) from None
    transform = ImageTransform(
        height=size[-2],
        width=size[-1],
        mean=mean,
        std=std,
        interpolation=str(options.get("interpolation", config.get("interpolation") or "bilinear")),
        crop_pct=crop_pct,
        crop_mode=str(options.get("crop_mode", config.get("crop_mode") or "center")),
    )
    if not assumed:
        return transform, ()
    stated = ", ".join(f"{key}=" for key in assumed)
    note = f"the model does not state its {', '.join(assumed)}: ImageNet's usual values are assumed; set {stated}"
    return transform, (f"{note} in the address to change them",)


def _size(option: str | None, stated: Any) -> tuple[int, ...]:
    if option is None:
        return tuple(int(n) for n in stated) if stated is not None else (224, 224)
    parts = option.lower().replace("x", ",").split(",")
    try:
        numbers = tuple(int(part) for part in parts)
    except ValueError:
        numbers = ()
    if not 1 <= len(numbers) <= 3:
        msg = f"input_size must be pixels such as 224, 224,160 or 3,224,224, got {option!r}"
        raise UsageError(msg)
    return numbers * 2 if len(numbers) == 1 else numbers


def _channels(option: str | None, stated: Any, size: tuple[int, ...]) -> int:
    if option is not None:
        if option not in ("1", "3"):
            msg = f"channels must be 1 (grey) or 3 (RGB), got {option!r}"
            raise UsageError(msg)
        return int(option)
    if len(size) == 3:
        return size[0]
    return int(stated[0]) if stated is not None and len(stated) == 3 else 3


def _numbers(
    name: str, option: str | None, stated: Any, default: tuple[float, ...], channels: int
) -> tuple[float, ...]:
    if option is not None:
        try:
            values = tuple(float(n) for n in option.strip("[] ").split(","))
        except ValueError:
            values = ()
    else:
        values = tuple(float(n) for n in stated) if stated is not None else default
    if len(values) == 1:
        values *= channels
    if channels == 1 and len(values) == 3 and option is None:
        values = (sum(values) / 3,)
    if len(values) != channels:
        msg = f"{name} must be one number or {channels} of them, separated by commas, got {option!r}"
        raise UsageError(msg)
    return values


def _check(transform: ImageTransform) -> None:
    numbers = (*transform.mean, *transform.std)
    rules = (
        (
            0 < transform.height <= 4096 and 0 < transform.width <= 4096,
            "input_size",
            "1 to 4096 pixels a side",
            (transform.height, transform.width),
        ),
        (len(transform.mean) in (1, 3), "mean", "1 or 3 numbers", transform.mean),
        (len(transform.std) == len(transform.mean), "std", "as many numbers as mean", transform.std),
        (all(math.isfinite(n) for n in numbers), "mean and std", "finite", numbers),
        (all(transform.std), "std", "free of zeros", transform.std),
        (0 < transform.crop_pct <= 1, "crop_pct", "a number in (0, 1]", transform.crop_pct),
        (
            transform.interpolation in INTERPOLATIONS,
            "interpolation",
            f"one of {', '.join(INTERPOLATIONS)}",
            transform.interpolation,
        ),
        (
            transform.crop_mode in ("center", "squash"),
            "crop_mode",
            "center or squash",
            transform.crop_mode,
        ),
    )
    for holds, name, rule, value in rules:
        if not holds:
            msg = f"{name} must be {rule}, got {value!r}"
            raise UsageError(msg)
