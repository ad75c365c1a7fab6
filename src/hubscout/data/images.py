"""Decode image files that nobody has vouched for: few formats, a cap on pixels, one phrase for each fault."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from hubscout.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
MAX_PIXELS = 50_000_000

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"BM", b"GIF8", b"II*\0", b"MM\0*")
_DRAFT_SIDE = 64
_ORIENTATION_TAG = 0x0112


def decode_image(content: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode the bytes of one image file into an upright RGB image.

    Parameters
    ----------
    content : bytes
        The whole file.
    max_pixels : int
        Larger images are refused before any pixel is decoded.

    Returns
    -------
    PIL.Image.Image
        Mode RGB.

    Raises
    ------
    DataError
        With one phrase, such as ``image is truncated``; the caller says which image it is.

    Notes
    -----
    EXIF rotation is applied, an animation gives its first frame, transparent pixels are laid on white, and
    16-bit grey is divided by 257. Images of 32-bit integers or floats state no range: values within [0, 1]
    (floats), [0, 255] or [0, 65535] are scaled from that range, all others from their own minimum and
    maximum.
    """
    image = open_image(content, max_pixels)
    load_pixels(image)
    return _guarded_rgb(image)


def check_image(content: bytes, *, max_pixels: int = MAX_PIXELS) -> None:
    """Raise what `decode_image` would raise, for less work where the format allows it.

    Parameters
    ----------
    content : bytes
        The whole file.
    max_pixels : int
        As in `decode_image`.

    Raises
    ------
    DataError
        As `decode_image`.

    Notes
    -----
    A JPEG is decoded at a fraction of its size: its whole stream is still read, so that a truncated file is
    seen.
    """
    image = open_image(content, max_pixels)
    if image.format == "JPEG":
        image.draft(None, (_DRAFT_SIDE, _DRAFT_SIDE))
    load_pixels(image)
    if image.mode in ("I", "F"):
        # The one conversion that can fail on readable pixels: a float image that holds NaN.
        _guarded_rgb(image)


def pixels_to_rgb(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """Turn an array of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) into an RGB image."""
    from PIL import Image

    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    return _to_rgb(Image.fromarray(np.ascontiguousarray(pixels)))


def open_image(content: bytes, max_pixels: int) -> Image.Image:
    """Open an image by its content alone, and refuse what is none, or too large."""
    from PIL import Image, UnidentifiedImageError

    if not content:
        msg = "image is empty (0 bytes)"
        raise DataError(msg)
    try:
        image = Image.open(BytesIO(content), formats=IMAGE_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        _refuse_size(max_pixels)
    except UnidentifiedImageError:
        if content.startswith(_MAGIC):
            _refuse_damaged()
        msg = f"not an image in one of the formats {', '.join(IMAGE_FORMATS)}"
        raise DataError(msg) from None
    except MemoryError:
        raise
    except Exception:
        # Hostile headers make the plugins raise anything (struct.error, IndexError, SyntaxError, ...).
        _refuse_damaged()
    if image.width * image.height > max_pixels:
        _refuse_size(max_pixels)
    return image


def load_pixels(image: Image.Image) -> None:
    """Decode all pixels, and refuse an image that is truncated or damaged."""
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, EOFError) or "truncated" in str(error).lower():
            msg = "image is truncated"
            raise DataError(msg) from None
        _refuse_damaged()


def _refuse_size(max_pixels: int) -> NoReturn:
    msg = f"image has more than {max_pixels / 1e6:g} megapixels"
    raise DataError(msg) from None


def _refuse_damaged() -> NoReturn:
    msg = "image is damaged"
    raise DataError(msg) from None


def _guarded_rgb(image: Image.Image) -> Image.Image:
    try:
        return turn_upright(_to_rgb(image), exif_orientation(image))
    except (DataError, MemoryError):
        raise
    except Exception:
        _refuse_damaged()


def exif_orientation(image: Image.Image) -> int:
    """Return how a camera held the picture, from 1 to 8; 1 is upright."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        # A broken EXIF block says nothing about the pixels, which are fine.
        return 1


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Undo what `exif_orientation` says."""
    from PIL import Image

    turn = Image.Transpose
    steps: dict[int, Any] = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_270,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_90,
    }
    return image.transpose(steps[orientation]) if orientation in steps else image


def _to_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_grey_bytes(image)).convert("RGB")
    has_alpha = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    if has_alpha and image.mode != "CMYK":
        # Laid on white rather than dropped: the colours below a transparent pixel are arbitrary, often all
        # black.
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _grey_bytes(image: Image.Image) -> npt.NDArray[np.uint8]:
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return np.rint(values.astype(np.float32) / 257).astype(np.uint8)
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        msg = "image holds values that are not finite numbers"
        raise DataError(msg)
    low, high = float(values.min()), float(values.max())
    if image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    elif low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    # high > low holds here: a constant image inside a known range took that range.
    span = high - low or 1.0
    return np.rint((values - low) / span * 255).astype(np.uint8)
