"""From a picture with boxes or points to a model's input, with nothing cut off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray
from hubscout.data.parts import Points, Regions
from hubscout.models.image_transform import ImageTransform


@dataclass(frozen=True)
class PlacedInput:
    """A model's input and the places in it.

    Parameters
    ----------
    pixels : ndarray of shape (channels, height, width), float32
        Normalised.
    places : ndarray of shape (k, 4) or (k, 2), float64
        Boxes or points as shares of the input's width and height.
    """

    pixels: npt.NDArray[np.float32]
    places: FloatArray


@dataclass(frozen=True)
class WholeImageTransform:
    """Scale the whole picture into the model's input, keep its proportions, and fill the rest.

    Parameters
    ----------
    usual : ImageTransform
        The model's size, colours and interpolation; its crop is left out.

    Notes
    -----
    A model's usual transform crops, and boxes near the border would be lost. Here the longer side fills the input,
    the picture stands in the middle, and the rest is the mean colour, 0 after normalisation: what a network with zero
    padding expects beyond a border. Proportions are kept because models are trained on pictures that keep them.

    Examples
    --------
    >>> from PIL import Image
    >>> transform = WholeImageTransform(ImageTransform(8, 8, mean=(0.5,), std=(0.5,)))
    >>> placed = transform(Regions(Image.new("RGB", (20, 10), "white"), np.array([[0.0, 0.0, 1.0, 1.0]])))
    >>> placed.pixels[0, :, 0].tolist(), placed.places.tolist()
    ([0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0], [[0.0, 0.25, 1.0, 0.75]])
    """

    usual: ImageTransform

    def __call__(self, sample: Regions | Points) -> PlacedInput:
        """Transform one picture and its places.

        Parameters
        ----------
        sample : Regions or Points
            A picture with boxes or points as shares of it.

        Returns
        -------
        PlacedInput
        """
        height, width = self.usual.height, self.usual.width
        w, h = sample.image.size
        scale = min(width / w, height / h)
        inner_w, inner_h = max(1, round(w * scale)), max(1, round(h * scale))
        left, top = (width - inner_w) // 2, (height - inner_h) // 2
        resized = replace(self.usual, height=inner_h, width=inner_w, crop_pct=1.0, crop_mode="squash")
        pixels = np.zeros((self.usual.channels, height, width), dtype=np.float32)
        pixels[:, top : top + inner_h, left : left + inner_w] = resized(sample.image)
        shares = sample.boxes if isinstance(sample, Regions) else sample.points
        # The picture's edges lie on whole pixels of the input, so the mapping of its shares is exact.
        pairs = shares.reshape(len(shares), -1, 2) * (inner_w, inner_h) + (left, top)
        return PlacedInput(pixels, (pairs / (width, height)).reshape(shares.shape))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        usual = self.usual.to_dict()
        kept = {key: usual[key] for key in ("input_size", "mean", "std", "interpolation")}
        return {**kept, "fit": "whole picture in the middle, proportions kept, rest filled with the mean"}
