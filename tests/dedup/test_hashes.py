import sys

import imagehash
import numpy as np
import pytest
from PIL import Image

from byline.catalog.errors import ConfigError
from byline.dedup.hashes import HASH_INSTRUMENT, Hashes, dhash, hashes_of_bytes, perceptual_hashes, pixel_digest
from byline.dedup.pdq import MIN_QUALITY, pdq
from tests.builders import encoded


def a_picture(seed: int = 0, size: tuple[int, int] = (90, 70), mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "1", "P"])
@pytest.mark.parametrize(("place", "hash_size"), [(0, 8), (1, 16)])
def test_hashes_are_those_of_imagehash(mode, place, hash_size):
    image = a_picture(mode=mode)
    expected = str(imagehash.phash(image, hash_size=hash_size))
    assert perceptual_hashes(image)[place].hex() == expected


def test_hashes_have_8_and_32_bytes():
    assert [len(code) for code in perceptual_hashes(a_picture())] == [8, 32]


def test_half_of_the_bits_are_set():
    assert [int.from_bytes(code).bit_count() for code in perceptual_hashes(a_picture())] == [
        32,
        128,
    ]


@pytest.mark.parametrize("measure", [perceptual_hashes, dhash, pixel_digest, pdq])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_refused(measure, mode):
    with pytest.raises(ValueError, match=f"mode {mode} has transparency; flatten it"):
        measure(Image.new(mode, (8, 8)))


def test_pixel_digest_does_not_depend_on_the_mode():
    gray = a_picture(mode="L")
    assert pixel_digest(gray) == pixel_digest(gray.convert("RGB"))


def test_pixel_digest_sees_the_last_bit_of_one_pixel():
    image = a_picture()
    pixels = np.array(image)
    pixels[4, 3, 2] ^= 1
    changed = Image.fromarray(pixels)
    assert pixel_digest(image) != pixel_digest(changed)


def test_pixel_digest_sees_the_shape():
    assert pixel_digest(Image.new("RGB", (4, 6))) != pixel_digest(Image.new("RGB", (6, 4)))


def test_instrument_names_imagehash_and_its_version():
    assert HASH_INSTRUMENT.startswith(f"imagehash-{imagehash.__version__}-")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [(90, 70), (3, 200), (9, 8), (1, 1), (640, 480)])
def test_exact_hashes_of_a_file_are_those_of_imagehash(seed, size):
    image = a_picture(seed, size)
    found = hashes_of_bytes(encoded(image, "PNG"), exact=True)
    assert found == Hashes(
        phash64=bytes.fromhex(str(imagehash.phash(image))),
        phash256=bytes.fromhex(str(imagehash.phash(image, hash_size=16))),
        dhash64=bytes.fromhex(str(imagehash.dhash(image))),
    )


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "1", "P"])
def test_dhash_is_that_of_imagehash(mode):
    image = a_picture(mode=mode)
    assert dhash(image).hex() == str(imagehash.dhash(image))


def test_pdq_is_that_of_pdqhash():
    pdqhash = pytest.importorskip("pdqhash")
    image = a_picture(size=(640, 480))
    bits, quality = pdqhash.compute(np.asarray(image))
    assert pdq(image) == (np.packbits(bits).tobytes(), quality)


def test_pdq_of_a_flat_picture_has_no_quality():
    pytest.importorskip("pdqhash")
    assert pdq(Image.new("RGB", (64, 64), "teal"))[1] < MIN_QUALITY


def test_pdq_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pdqhash", None)
    with pytest.raises(ConfigError, match=r"pip install 'byline\[pdq\]'"):
        pdq(a_picture())
