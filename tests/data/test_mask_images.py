from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hubscout.data.mask_images import COLOUR, colour_value, decode_mask, value_name
from hubscout.errors import DataError

CODES = np.array([[0, 3, 3], [7, 0, 200]], dtype=np.uint8)
COLOURS = np.array([[[0, 0, 0], [255, 0, 0]], [[1, 2, 3], [255, 255, 255]]], dtype=np.uint8)
PACKED = [[0, 0xFF0000], [0x010203, 0xFFFFFF]]


def encode(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def palette_image(codes: np.ndarray) -> Image.Image:
    image = Image.fromarray(codes).convert("L")
    with_palette = Image.new("P", image.size)
    with_palette.putdata(list(codes.reshape(-1)))
    with_palette.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    return with_palette


def grey_png(depth: int, row: bytes, width: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, 1, depth, 0, 0, 0, 0)
    body = zlib.compress(b"\0" + row)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def fault(content: bytes, **options: int) -> str:
    with pytest.raises(DataError) as caught:
        decode_mask(content, **options)
    return str(caught.value)


class TestCodes:
    @pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
    def test_numbers_of_a_palette_and_not_its_colours(self, file_format: str) -> None:
        np.testing.assert_array_equal(decode_mask(encode(palette_image(CODES), file_format)), CODES)

    @pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
    def test_grey(self, file_format: str) -> None:
        np.testing.assert_array_equal(decode_mask(encode(Image.fromarray(CODES), file_format)), CODES)

    def test_one_bit(self) -> None:
        for file_format in ("PNG", "TIFF", "BMP"):
            mask = decode_mask(encode(Image.fromarray(CODES > 0).convert("1"), file_format))
            assert mask.tolist() == [[0, 1, 1], [1, 0, 1]]

    @pytest.mark.parametrize(("depth", "row", "codes"), [(4, b"\x01\x2f", [0, 1, 2, 15]), (2, b"\x1b", [0, 1, 2, 3])])
    def test_few_bits_are_numbers_and_not_brightness(self, depth: int, row: bytes, codes: list[int]) -> None:
        assert decode_mask(grey_png(depth, row, 4)).tolist() == [codes]

    @pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
    def test_sixteen_bits(self, file_format: str) -> None:
        codes = np.array([[0, 65535], [256, 1000]], dtype=np.uint16)
        mask = decode_mask(encode(Image.fromarray(codes), file_format))
        np.testing.assert_array_equal(mask, codes)

    def test_32_bits(self) -> None:
        content = encode(Image.fromarray(np.array([[0, 65535]], dtype=np.int32)), "TIFF")
        assert decode_mask(content).tolist() == [[0, 65535]]
        for value in (-1, 65536):
            content = encode(Image.fromarray(np.array([[0, value]], dtype=np.int32)), "TIFF")
            assert fault(content) == f"mask holds the value {value}, but codes of classes lie within 0 and 65535"

    def test_grey_with_transparency(self) -> None:
        layers = np.array([[[9, 255], [9, 0]]], dtype=np.uint8)
        assert decode_mask(encode(Image.fromarray(layers, "LA"))).tolist() == [[9, 0]]

    def test_upright_as_images_are(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        mask = decode_mask(encode(palette_image(CODES), exif=exif))
        np.testing.assert_array_equal(mask, np.rot90(CODES, -1))


class TestColours:
    @pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
    def test_are_packed(self, file_format: str) -> None:
        mask = decode_mask(encode(Image.fromarray(COLOURS), file_format))
        assert (mask - COLOUR).tolist() == PACKED

    def test_of_a_gif_whatever_its_numbers(self) -> None:
        # The same colours get other numbers in each file.
        for order in ([0, 1], [1, 0]):
            mask = decode_mask(encode(Image.fromarray(COLOURS[order]), "GIF"))
            assert (mask - COLOUR).tolist() == [PACKED[i] for i in order]

    def test_transparent_pixels_are_black(self) -> None:
        layers = np.dstack([COLOURS, np.array([[255, 0], [1, 255]], dtype=np.uint8)])
        assert (decode_mask(encode(Image.fromarray(layers))) - COLOUR).tolist() == [[0, 0], [0x010203, 0xFFFFFF]]

    def test_names(self) -> None:
        assert [value_name(value) for value in (0, 65535, COLOUR, colour_value(1, 2, 255))] == [
            "0",
            "65535",
            "#000000",
            "#0102ff",
        ]


class TestFaults:
    def test_blended_formats(self) -> None:
        for file_format in ("JPEG", "WEBP"):
            assert fault(encode(Image.fromarray(CODES), file_format)) == (
                f"mask is a {file_format} file, which does not keep values exactly; save masks as PNG"
            )

    def test_other_modes(self) -> None:
        assert fault(encode(Image.fromarray(CODES.astype(np.float32)), "TIFF")) == (
            "mask has the mode 'F', which holds neither class codes nor colours; save masks as PNG"
        )
        assert "mask has the mode 'CMYK'" in fault(encode(Image.new("CMYK", (2, 2)), "TIFF"))

    def test_damage(self) -> None:
        content = encode(Image.fromarray(np.random.default_rng(0).integers(0, 9, (64, 64), dtype=np.uint8)))
        assert fault(b"") == "mask is empty (0 bytes)"
        assert fault(b"hello") == "not an image in one of the formats JPEG, PNG, WEBP, BMP, GIF, TIFF"
        assert fault(content[: len(content) // 2]) == "mask is truncated"
        assert fault(content, max_pixels=1000) == "mask has more than 0.001 megapixels"

    @given(st.sampled_from(["PNG", "GIF", "TIFF", "BMP"]), st.data())
    def test_nothing_but_phrases(self, file_format: str, data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from(["P", "1", "L", "RGB"]))
        content = bytearray(encode(palette_image(CODES).convert(mode), file_format))
        for _ in range(data.draw(st.integers(1, 6))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(content)))
        try:
            mask = decode_mask(bytes(content[:cut] if data.draw(st.booleans()) else content), max_pixels=10_000)
        except DataError:
            return
        assert (mask.ndim, mask.dtype.kind in "ui", mask.size > 0) == (2, True, True)
