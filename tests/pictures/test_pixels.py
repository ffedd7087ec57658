"""Pictures that are odd, and bytes that are none: each becomes an upright RGB picture or an outcome."""

import contextlib
import zlib
from io import BytesIO
from struct import pack

import numpy as np
import pytest
from PIL import Image

from byline.catalog.corpora.packs import Outcome
from byline.pictures.config import PixelConfig
from byline.pictures.pixels import UnusableError, store_image
from tests.builders import a_picture, encoded

RED, BLUE = (255, 0, 0), (0, 0, 255)


def _stored(data, **overrides):
    return store_image(data, **PixelConfig(**overrides).model_dump())


def _pixels(data):
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"), dtype=int)


def _outcome(data, **overrides):
    with pytest.raises(UnusableError) as caught:
        _stored(data, **overrides)
    return caught.value.outcome


def _left_red_right_blue():
    image = Image.new("RGB", (64, 32), RED)
    image.paste(BLUE, (32, 0, 64, 32))
    return image


def test_exif_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    stored = _stored(encoded(_left_red_right_blue(), exif=exif, quality=95))
    assert (stored.width, stored.height) == (32, 64)
    top, bottom = _pixels(stored.data)[8, 16], _pixels(stored.data)[56, 16]
    assert top[0] > 200 > top[2]
    assert bottom[2] > 200 > bottom[0]


def test_transparency_is_laid_on_white():
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 32, 16))
    pixels = _pixels(_stored(encoded(image, "PNG")).data)
    assert pixels[28, 16].min() > 240
    assert pixels[4, 16][0] > 200 > pixels[4, 16][1]


def test_palette_transparency_is_laid_on_white():
    image = Image.new("P", (32, 32), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert _pixels(_stored(encoded(image, "PNG", transparency=0)).data).min() > 240


def test_cmyk_is_converted():
    stored = _stored(encoded(_left_red_right_blue().convert("CMYK")))
    pixel = _pixels(stored.data)[16, 8]
    assert pixel[0] > 150 > pixel[2]


def test_sixteen_bits_become_eight():
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    pixels = _pixels(_stored(encoded(Image.fromarray(ramp), "PNG")).data)
    assert abs(pixels[32, 32].mean() - 128) < 6
    assert pixels[-1, -1].mean() > 245


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (32, 32), color) for color in (RED, BLUE)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert _pixels(_stored(data).data)[16, 16][0] > 200


def test_one_pixel_is_a_picture():
    stored = _stored(encoded(Image.new("RGB", (1, 1), RED), "PNG"))
    assert (stored.original_width, stored.original_height) == (1, 1)


def test_a_very_wide_picture_is_shrunk():
    stored = _stored(encoded(Image.new("RGB", (20_000, 200), BLUE)))
    assert stored.width == 256
    assert (stored.original_width, stored.original_height) == (20_000, 200)


def _png_chunk(kind, data):
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


def test_a_bomb_is_refused_by_its_header():
    header = _png_chunk(b"IHDR", pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    png = (
        b"\x89PNG\r\n\x1a\n"
        + header
        + _png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + _png_chunk(b"IEND", b"")
        + _png_chunk(b"IEND", b"")
    )
    assert _outcome(png) == Outcome.TOO_MANY_PIXELS


def test_a_picture_over_the_limit_is_refused():
    assert _outcome(encoded(a_picture()), max_pixels=100) == Outcome.TOO_MANY_PIXELS


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_truncated_bytes_have_an_outcome(kind, share):
    data = encoded(a_picture(), kind)
    assert _outcome(data[: int(len(data) * share)]) in {Outcome.DAMAGED, Outcome.NOT_AN_IMAGE}


@pytest.mark.parametrize("data", [b"", b"<html>", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"PK\3\4"])
def test_other_content_is_not_an_image(data):
    assert _outcome(data) == Outcome.NOT_AN_IMAGE


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP", "PNG"])
def test_broken_bytes_raise_nothing_else(kind):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    data = encoded(a_picture(size=(24, 16)), kind, exif=exif)
    random = np.random.default_rng(0)
    for _ in range(400):
        broken = bytearray(data)
        for place in random.integers(0, min(len(data), 400), random.integers(1, 6)):
            broken[place] = random.integers(0, 256)
        with contextlib.suppress(UnusableError):
            _stored(bytes(broken), max_pixels=10**6)


def test_small_pictures_keep_their_size():
    stored = _stored(encoded(a_picture(size=(90, 70))))
    assert (stored.width, stored.height) == (90, 70)


def test_the_type_is_decided_by_content():
    assert _stored(encoded(a_picture(), "PNG")).media_type == "image/png"
