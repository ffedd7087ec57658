from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from byline.dedup.decoding import decode, decode_gray
from byline.dedup.hashes import hashes_of_bytes
from byline.dedup.progressive import means_only
from tests.builders import a_picture, encoded

LARGE = (1200, 900)


def a_large_jpeg(**options) -> bytes:
    """Return a JPEG with detail in it."""
    noise = np.random.default_rng(0).normal(0, 12, (LARGE[1], LARGE[0], 3))
    pixels = np.clip(np.asarray(a_picture(5, size=LARGE)) + noise, 0, 255).astype(np.uint8)
    return encoded(Image.fromarray(pixels), quality=90, **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_full_decode_is_pillows(kind):
    data = encoded(a_picture(), kind)
    assert decode(data, at_least_px=None).tobytes() == Image.open(BytesIO(data)).convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("at_least_px", "size"),
    [(900, (1200, 900)), (451, (1200, 900)), (450, (600, 450)), (225, (300, 225)), (128, (300, 225)), (8, (150, 113))],
)
def test_a_jpeg_shrinks_as_far_as_its_shorter_side_may(at_least_px, size):
    assert decode(a_large_jpeg(), at_least_px=at_least_px).size == size


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("reader", [decode, decode_gray])
def test_a_reduced_decode_looks_like_the_whole_one(progressive, reader):
    data = a_large_jpeg(progressive=progressive)
    small = reader(data, at_least_px=100)
    whole = reader(data, at_least_px=None).resize(small.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small, float) - np.asarray(whole, float)).mean() < 2


def test_other_formats_come_in_their_full_size():
    assert decode(encoded(a_picture(size=LARGE), "PNG"), at_least_px=10).size == LARGE


def test_gray_is_one_channel():
    assert decode_gray(a_large_jpeg(), at_least_px=100).mode == "L"


def test_cmyk_is_decoded():
    assert decode(encoded(a_picture(size=LARGE).convert("CMYK")), at_least_px=100).mode == "RGB"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("at_least_px", [None, 4])
def test_transparency_is_refused(mode, at_least_px):
    with pytest.raises(ValueError, match=f"mode {mode} has transparency; flatten it"):
        decode(encoded(Image.new(mode, (8, 8)), "PNG"), at_least_px=at_least_px)


def test_a_size_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at_least_px must be 1 or more, got 0; say None"):
        decode(a_large_jpeg(), at_least_px=0)


@pytest.mark.parametrize("progressive", [False, True])
def test_reduced_hashes_are_at_most_2_bits_of_64_off(progressive):
    data = a_large_jpeg(progressive=progressive)
    near, exact = hashes_of_bytes(data), hashes_of_bytes(data, exact=True)
    for name in ("phash64", "dhash64"):
        one, other = (int.from_bytes(getattr(found, name)) for found in (near, exact))
        assert (one ^ other).bit_count() <= 2, name


def test_the_means_of_a_progressive_jpeg_are_a_small_part_of_it():
    data = a_large_jpeg(progressive=True)
    assert len(means_only(data, needs_color=True)) < len(data) / 5


def test_the_means_of_a_gray_progressive_jpeg_are_read():
    data = encoded(a_picture(size=LARGE).convert("L"), progressive=True)
    assert decode_gray(means_only(data, needs_color=True), at_least_px=100).size == (150, 113)


@pytest.mark.parametrize(
    "data", [a_large_jpeg(), a_large_jpeg(progressive=True)[:300], b"", b"\xff\xd8", b"\xff\xd8\xff\xda\0\2", b"GIF89a"]
)
def test_what_has_no_means_of_its_own_stays_as_it_is(data):
    assert means_only(data, needs_color=True) == data


def test_cutting_a_damaged_file_never_raises():
    data, random = a_large_jpeg(progressive=True), np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(data)
        for place in random.integers(2, 700, 5):
            damaged[place] = random.integers(0, 256)
        means_only(bytes(damaged), needs_color=True)
