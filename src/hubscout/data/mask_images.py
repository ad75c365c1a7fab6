"""Decode mask files that nobody has vouched for: pixel values are class codes or colours, and stay exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hubscout.data.images import MAX_PIXELS, exif_orientation, load_pixels, open_image, turn_upright
from hubscout.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

# JPEG and WEBP blend the values of neighbours, which makes classes that nobody drew.
MASK_FORMATS = ("PNG", "BMP", "GIF", "TIFF")
# A colour is stored as this and its 24 bits, so that it never passes for a class code.
COLOUR = 1 << 24
_MOST_CODES = 1 << 16
# Pillow spreads 2 and 4 bits of grey over 0 to 255; what is wanted is the number that was stored.
_GREY_STEPS = {"L;2": 85, "L;4": 17}


def decode_mask(content: bytes, *, max_pixels: int = MAX_PIXELS) -> npt.NDArray[Any]:
    """Decode the bytes of one mask file.

    Parameters
    ----------
    content : bytes
        The whole file.
    max_pixels : int
        Larger masks are refused before any pixel is decoded.

    Returns
    -------
    ndarray of shape (height, width), uint8, uint16 or int32
        The stored numbers of masks with a palette, grey masks of up to 16 bits and those of one bit, upright as EXIF
        says; `COLOUR` plus 65536 R + 256 G + B for masks in colours.

    Raises
    ------
    DataError
        With one phrase, such as ``mask is truncated``; the caller says which mask it is.

    Notes
    -----
    GIF masks are read by colour, because programs number the colours of a GIF anew in every file. A pixel that is
    wholly transparent is black.
    """
    try:
        image = open_image(content, max_pixels)
        if image.format not in MASK_FORMATS:
            msg = f"mask is a {image.format} file, which does not keep values exactly; save masks as PNG"
            raise DataError(msg)
        step = _grey_step(image)
        load_pixels(image)
        return _guarded_values(image, step)
    except DataError as error:
        reason = str(error)
        raise DataError(f"mask {reason.removeprefix('image ')}" if reason.startswith("image ") else reason) from None


def value_name(value: int) -> str:
    """Name a pixel value that no class file names.

    Examples
    --------
    >>> value_name(7), value_name(COLOUR + 0xFF8000)
    ('7', '#ff8000')
    """
    return f"#{value - COLOUR:06x}" if value >= COLOUR else str(value)


def colour_value(red: int, green: int, blue: int) -> int:
    """Return the value that `decode_mask` gives a colour."""
    return COLOUR + (red << 16) + (green << 8) + blue


def _grey_step(image: Image.Image) -> int:
    tiles = getattr(image, "tile", None) or []
    raw_mode = tiles[0][3] if tiles else None
    if isinstance(raw_mode, (tuple, list)):
        raw_mode = raw_mode[0] if raw_mode else None
    return _GREY_STEPS.get(raw_mode, 1) if isinstance(raw_mode, str) and image.mode == "L" else 1


def _guarded_values(image: Image.Image, step: int) -> npt.NDArray[Any]:
    try:
        return _values(turn_upright(image, exif_orientation(image)), image.format, step)
    except (DataError, MemoryError):
        raise
    except Exception:
        # Hostile palettes make Pillow raise anything.
        msg = "mask is damaged"
        raise DataError(msg) from None


def _values(image: Image.Image, file_format: str | None, step: int) -> npt.NDArray[Any]:
    mode = image.mode
    if file_format == "GIF" or mode in ("RGB", "RGBA"):
        return _colours(image)
    if mode in ("1", "L", "P"):
        return np.asarray(image).astype(np.uint8) // step
    if mode in ("LA", "PA"):
        return np.where(np.asarray(image)[:, :, 1] > 0, np.asarray(image)[:, :, 0], 0).astype(np.uint8)
    if mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if mode == "I":
        return _whole_codes(np.asarray(image))
    msg = f"mask has the mode {mode!r}, which holds neither class codes nor colours; save masks as PNG"
    raise DataError(msg)


def _whole_codes(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= _MOST_CODES:
        msg = (
            f"mask holds the value {low if low < 0 else high}, but codes of classes lie within 0 and {_MOST_CODES - 1}"
        )
        raise DataError(msg)
    return values.astype(np.int32)


def _colours(image: Image.Image) -> npt.NDArray[Any]:
    has_alpha = image.mode == "RGBA" or "transparency" in image.info
    pixels = np.asarray(image.convert("RGBA" if has_alpha else "RGB")).astype(np.int32)
    packed = (pixels[:, :, 0] << 16) + (pixels[:, :, 1] << 8) + pixels[:, :, 2]
    if has_alpha:
        packed[pixels[:, :, 3] == 0] = 0
    return packed + np.int32(COLOUR)
