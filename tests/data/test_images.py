from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hubscout.data.images import IMAGE_FORMATS, check_image, decode_image, pixels_to_rgb
from hubscout.errors import DataError

NOT_AN_IMAGE = "not an image in one of the formats JPEG, PNG, WEBP, BMP, GIF, TIFF"


def encode(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def noise(width: int = 40, height: int = 30) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def both_fail(content: bytes, **options: int) -> str:
    """Decode and check, which must refuse with the same phrase, and return it."""
    with pytest.raises(DataError) as decoding:
        decode_image(content, **options)
    with pytest.raises(DataError) as checking:
        check_image(content, **options)
    assert str(decoding.value) == str(checking.value)
    return str(decoding.value)


class TestFaults:
    def test_zero_bytes(self) -> None:
        assert both_fail(b"") == "image is empty (0 bytes)"

    @pytest.mark.parametrize(
        "content",
        [b"hello", b"<html><body>404</body></html>", b"<svg></svg>", b"SIMPLE  =   T" * 30, b"8BPS\0\1"],
    )
    def test_another_kind_of_file(self, content: bytes) -> None:
        assert both_fail(content) == NOT_AN_IMAGE

    def test_an_image_of_a_format_that_is_not_on_the_list(self) -> None:
        assert both_fail(encode(noise(), "PPM")) == NOT_AN_IMAGE

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
    def test_truncated_at_any_tenth_never_passes_for_whole(self, file_format: str) -> None:
        content = encode(noise(), file_format)
        for tenth in range(1, 10):
            reason = both_fail(content[: len(content) * tenth // 10])
            assert reason in ("image is truncated", "image is damaged", NOT_AN_IMAGE)

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP"])
    def test_half_a_file_is_truncated(self, file_format: str) -> None:
        content = encode(noise(), file_format)
        assert both_fail(content[: len(content) // 2]) == "image is truncated"

    def test_a_broken_stream_is_damaged(self) -> None:
        content = bytearray(encode(noise()))
        content[60:90] = bytes(30)
        assert both_fail(bytes(content)) == "image is damaged"

    def test_a_known_beginning_and_nothing_more_is_damaged(self) -> None:
        assert both_fail(b"\xff\xd8\xff") == "image is damaged"

    def test_more_pixels_than_allowed(self) -> None:
        assert both_fail(encode(noise(40, 30)), max_pixels=1199) == "image has more than 0.001199 megapixels"
        decode_image(encode(noise(40, 30)), max_pixels=1200)

    @pytest.mark.parametrize("side", [8_000, 9_800, 15_000, 60_000])
    def test_a_bomb_is_refused_before_its_pixels(self, side: int) -> None:
        # 64 megapixels are above our cap alone, 96 make Pillow warn, 225 make it raise.
        assert both_fail(png_header(side, side)) == "image has more than 50 megapixels"

    @given(
        st.binary(max_size=200),
        st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0"]),
    )
    def test_any_bytes_decode_or_raise_a_data_error(self, content: bytes, magic: bytes) -> None:
        try:
            image = decode_image(magic + content)
        except DataError:
            return
        assert image.mode == "RGB"

    @given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
    def test_flipped_bytes_decode_or_raise_a_data_error(self, flips: list[tuple[int, int]]) -> None:
        for file_format in ("PNG", "JPEG", "GIF"):
            content = bytearray(encode(noise(12, 9), file_format))
            for place, value in flips:
                content[place % len(content)] = value
            try:
                check_image(bytes(content))
            except DataError:
                continue
            assert decode_image(bytes(content)).mode == "RGB"


class TestDecodeImage:
    @pytest.mark.parametrize("file_format", IMAGE_FORMATS)
    def test_each_format_gives_rgb_of_the_same_size(self, file_format: str) -> None:
        image = decode_image(encode(noise(), file_format))
        assert (image.mode, image.size) == ("RGB", (40, 30))

    def test_pixels_of_a_png_are_exact(self) -> None:
        assert np.array_equal(np.asarray(decode_image(encode(noise()))), np.asarray(noise()))

    @pytest.mark.parametrize(("value", "expected"), [(0, 0), (257, 1), (32896, 128), (65535, 255)])
    def test_16_bit_grey_is_scaled(self, value: int, expected: int) -> None:
        pixels = np.full((4, 5), value, dtype=np.uint16)
        for file_format in ("PNG", "TIFF"):
            image = decode_image(encode(Image.fromarray(pixels), file_format))
            assert image.getpixel((0, 0)) == (expected,) * 3

    @pytest.mark.parametrize(
        ("values", "expected"),
        [([0, 128, 255], [0, 128, 255]), ([0, 257, 65535], [0, 1, 255]), ([-100, 0, 100], [0, 128, 255])],
    )
    def test_32_bit_integers(self, values: list[int], expected: list[int]) -> None:
        image = decode_image(encode(Image.fromarray(np.array([values], dtype=np.int32)), "TIFF"))
        assert np.asarray(image)[0, :, 0].tolist() == expected

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([0, 0.5, 1], [0, 128, 255]),
            ([0, 1, 255], [0, 1, 255]),
            ([1e6, 2e6, 3e6], [0, 128, 255]),
            ([-5, -5, -5], [0] * 3),
        ],
    )
    def test_floats(self, values: list[float], expected: list[int]) -> None:
        image = decode_image(encode(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF"))
        assert np.asarray(image)[0, :, 0].tolist() == expected

    def test_floats_that_are_not_finite(self) -> None:
        content = encode(Image.fromarray(np.array([[0, np.nan]], dtype=np.float32)), "TIFF")
        assert both_fail(content) == "image holds values that are not finite numbers"

    def test_one_bit(self) -> None:
        image = decode_image(encode(Image.new("1", (3, 3), 1)))
        assert image.getpixel((1, 1)) == (255, 255, 255)

    def test_cmyk(self) -> None:
        image = decode_image(encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"))
        assert image.getpixel((1, 1)) == (255, 0, 0)

    @pytest.mark.parametrize(("mode", "ink"), [("RGBA", (0, 0, 0, 0)), ("LA", (0, 0))])
    def test_transparent_pixels_are_white(self, mode: str, ink: tuple[int, ...]) -> None:
        assert decode_image(encode(Image.new(mode, (3, 3), ink))).getpixel((1, 1)) == (255, 255, 255)

    def test_half_transparent_pixels_are_mixed_with_white(self) -> None:
        content = encode(Image.new("RGBA", (3, 3), (255, 0, 0, 128)))
        assert decode_image(content).getpixel((1, 1)) == (255, 127, 127)

    def test_a_transparent_palette_colour_is_white(self) -> None:
        image = Image.new("P", (3, 3), 1)
        image.putpalette([10, 20, 30, 40, 50, 60])
        assert decode_image(encode(image)).getpixel((1, 1)) == (40, 50, 60)
        assert decode_image(encode(image, transparency=1)).getpixel((1, 1)) == (255, 255, 255)

    def test_exif_rotation_is_applied(self) -> None:
        image = Image.new("RGB", (20, 10), "black")
        image.paste("white", (0, 0, 4, 10))
        exif = Image.Exif()
        exif[0x0112] = 6
        upright = decode_image(encode(image, "JPEG", exif=exif, quality=95))
        assert upright.size == (10, 20)
        assert upright.getpixel((5, 1))[0] > 200
        assert upright.getpixel((5, 18))[0] < 50

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_every_exif_rotation_agrees_with_pillow(self, orientation: int) -> None:
        from PIL import ImageOps

        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encode(noise(), exif=exif)
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        assert np.array_equal(np.asarray(decode_image(content)), np.asarray(expected))

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
    def test_a_broken_exif_block_does_not_cost_the_image(self) -> None:
        content = encode(noise(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
        assert decode_image(content).size == (40, 30)

    def test_an_animation_gives_its_first_frame(self) -> None:
        frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue", "green")]
        content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
        assert decode_image(content).getpixel((2, 2)) == (255, 0, 0)


class TestPixelsToRgb:
    @pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
    def test_shapes(self, shape: tuple[int, ...]) -> None:
        image = pixels_to_rgb(np.full(shape, 7, dtype=np.uint8))
        assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (5, 4), (7, 7, 7))

    def test_a_fourth_channel_is_transparency(self) -> None:
        assert pixels_to_rgb(np.zeros((2, 2, 4), dtype=np.uint8)).getpixel((0, 0)) == (255, 255, 255)
