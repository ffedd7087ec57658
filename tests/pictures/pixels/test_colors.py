"""Color: whatever a file stores, what comes out is sRGB, upright and of 8 bits."""

import zlib
from io import BytesIO
from struct import pack

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageCms, ImageOps

from byline.pictures.pixels import store_image
from byline.pictures.pixels.colors import is_srgb, to_8_bits, to_srgb
from byline.pictures.pixels.decoding import decode, survey
from tests.builders import a_picture, encoded

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _decoded(data):
    return decode(survey(data, max_pixels=10**6))


def _pixels(data):
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"), int)


def _as_bgr_profile():
    """Return an sRGB profile whose red and blue are exchanged: a picture under it looks the other way round."""
    return SRGB.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")


def _a_cmyk_picture():
    return a_picture().convert("CMYK")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_becomes_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(a_picture(size=(96, 64)), kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")
    stored = store_image(data)
    assert np.array_equal(_decoded(data), np.asarray(upright))
    assert (stored.original_width, stored.original_height) == upright.size


def test_a_jpeg_of_4_4_1_is_read():
    grey = np.full((32, 32, 3), 128, np.uint8)
    data = bytearray(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x411111])[1].tobytes())
    data[data.index(b"\xff\xc0") + 11] = 0x14  # as many blocks as 4:1:1 has, the other way round
    with pytest.raises(KeyError):
        simplejpeg.decode_jpeg_header(bytes(data))
    assert (_decoded(bytes(data)) == 128).all()


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" + b"\1" * 99])
def test_a_broken_exif_turns_nothing(exif):
    data = encoded(a_picture(), exif=b"Exif\0\0" + exif)
    assert store_image(data).width == 96


def test_a_profile_is_converted_to_srgb():
    data = encoded(Image.new("RGB", (32, 32), (250, 10, 10)), "PNG", icc_profile=_as_bgr_profile())
    red, _, blue = _pixels(store_image(data).data)[16, 16]
    assert blue > 200 > 100 > red


def test_a_profile_that_is_srgb_changes_nothing():
    picture = a_picture()
    assert store_image(encoded(picture, icc_profile=SRGB)).data == store_image(encoded(picture)).data
    assert store_image(encoded(picture, icc_profile=SRGB)).note is None


def test_srgb_is_known_by_what_it_says_not_by_its_name():
    assert is_srgb(SRGB)
    assert not is_srgb(_as_bgr_profile())
    assert not is_srgb(b"sRGB IEC61966-2.1" * 20)


@pytest.mark.parametrize(
    "profile",
    [
        b"x",
        b"\0" * 200,
        SRGB[:300],
        SRGB[:128] + b"\xff\xff\xff\xff" + SRGB[132:],
        b"\xff" * 3000,
        SRGB[:500] + b"\xff" * 500,
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_broken_profile_is_ignored_and_noted(kind, profile):
    stored = store_image(encoded(a_picture(), kind, icc_profile=profile))
    assert stored.note is not None
    assert "color profile ignored" in stored.note


def test_a_profile_of_another_space_is_ignored_and_noted():
    stored = store_image(encoded(a_picture().convert("L"), icc_profile=SRGB))
    assert "the picture is GRAY" in stored.note


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_ink_becomes_light(kind):
    data = encoded(_a_cmyk_picture(), kind, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))
    difference = np.abs(_pixels(store_image(data, encode_quality=100).data) - np.asarray(a_picture(), int))
    assert difference.mean() < 6


def test_ycck_becomes_light():
    """Four components with Adobe's transform 2, as Photoshop writes them: YCC of ink, and paper for black."""
    ink = np.asarray(_a_cmyk_picture())
    ycc = Image.fromarray(np.ascontiguousarray(ink[..., :3])).convert("YCbCr")
    stored_as = np.dstack([np.asarray(ycc), 255 - ink[..., 3]])
    plain = encoded(Image.frombytes("CMYK", (96, 64), (255 - stored_as).tobytes()), quality=95, subsampling=0)
    place = plain.index(b"Adobe") + 11
    data = plain[:place] + b"\x02" + plain[place + 1 :]
    difference = np.abs(_pixels(store_image(data, encode_quality=100).data) - np.asarray(a_picture(), int))
    assert difference.mean() < 6


def test_a_profile_for_ink_that_is_no_profile_is_noted():
    stored = store_image(encoded(_a_cmyk_picture(), icc_profile=SRGB))
    assert "the picture is CMYK" in stored.note


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_grey_is_scaled_not_clipped(dtype):
    top = 1.0 if dtype == np.float32 else 65_535
    ramp = np.linspace(0, top, 64 * 64).reshape(64, 64).astype(dtype)
    pixels = _decoded(encoded(Image.fromarray(ramp), "TIFF"))
    assert np.array_equal(pixels, np.rint(ramp.astype(float) / top * 255).astype(np.uint8))


@pytest.mark.parametrize("values", [[0.0, 500.0], [np.nan, np.inf, -5.0, 1.0], [-1.0, -2.0]])
def test_odd_floats_stay_in_range(values):
    pixels = to_8_bits(np.array([values], np.float32))
    assert pixels.dtype == np.uint8
    assert pixels[0, -1] == (255 if values[-1] > 0 else 0)


def test_deep_color_keeps_its_range():
    """A TIFF of three 16-bit channels, which Pillow does not write."""
    samples = np.linspace(0, 65_535, 16 * 16 * 3).astype("<u2").tobytes()
    entries = [(256, 3, 1, 16), (257, 3, 1, 16), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, 1, 140), (277, 3, 1, 3), (278, 3, 1, 16), (279, 4, 1, len(samples))]
    table = pack("<H", len(entries)) + b"".join(pack("<HHII", *entry) for entry in entries) + bytes(4)
    data = (b"II*\0" + pack("<I", 8) + table).ljust(134, b"\0") + pack("<HHH", 16, 16, 16) + samples
    pixels = _decoded(data)
    assert (pixels[0, 0, 0], pixels[-1, -1, -1]) == (0, 255)
    assert np.all(np.diff(pixels.astype(int).ravel()) >= 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "RGB"])
def test_every_mode_of_png_becomes_color(mode):
    stored = store_image(encoded(a_picture().convert(mode), "PNG"))
    assert Image.open(BytesIO(stored.data)).mode == "RGB"


def test_grey_with_a_clear_level_is_laid_on_white():
    image = Image.fromarray(np.full((32, 32), 1000, np.uint16))
    png = encoded(image, "PNG")
    place = png.index(b"IDAT") - 4
    clear = _chunk(b"tRNS", pack(">H", 1000))
    assert _pixels(store_image(png[:place] + clear + png[place:]).data).min() > 250


def _chunk(kind, data):
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


def test_without_a_profile_the_array_is_passed_through():
    pixels = np.asarray(a_picture())
    assert to_srgb(pixels, None)[0] is pixels
