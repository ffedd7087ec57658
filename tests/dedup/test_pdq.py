"""PDQ: what pdqhash 0.2.8 (the reference code, built for x86-64) gave, and what it gives where it is installed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byline.dedup.pdq import MIN_QUALITY, SMALLEST_PX, pdq

SAMPLES = Path(__file__).parents[2] / "samples"
NO_HASH = "0" * 64


def on_ground(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        drawn = opened.convert("RGBA")
    white = Image.new("RGBA", drawn.size, "white")
    white.alpha_composite(drawn)
    return white.convert("RGB")


def waves(width: int, height: int) -> Image.Image:
    """Return a picture of integer arithmetic alone, other in each color."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    bands = [x * y // 7 % 256, (x * x + 3 * y) % 256, (5 * x + y * y // 11) % 256]
    return Image.fromarray(np.stack(bands, -1).astype(np.uint8))


@pytest.mark.parametrize(
    ("name", "expected", "quality"),
    [
        (
            "photographs/gcompris-clickgame-sea5.jpg",
            "67339e679ccc798c653934339e66f1cc4b9c6c33a4e3d2ce630c2c3858d2e30e",
            51,
        ),
        (
            "photographs/gcompris-explore-monuments-egypt-redpyramid.jpg",
            "1febf8a4c01207f9be24d84309fae7a4de13027e3d6070030b9e85796e60cbff",
            46,
        ),
        (
            "photographs/gcompris-details-van-gogh-the-night-cafe-6.jpg",
            "0d6665d994ae76a31370abfcf0a308d6f37b4da262bd809f6c4cf342281b65a9",
            82,
        ),
        (
            "photographs/gcompris-solar-system-uranus.jpg",
            "e1e60b6c81e62d2c0786bd2c5f86d4bcfe0652b4a01eabf0057efd42ffe800ab",
            100,
        ),
        (
            "photographs/gcompris-solar-system-venus.jpg",
            "a972870bb8e7c599913613c607d3ec115b87344dec5acb6e010e2683eff89b3c",
            100,
        ),
        ("drawings/twemoji-1f315.png", "fc69c9b5b0716f1ae5349ae501e4b52e53a19aecbfe460d3d1114ed9044a65b6", 45),
        ("drawings/twemoji-2b1c.png", "15ff000003ff000217ff002a7aaa40aaaaaa00bfaaaa17feaaaf57ffaaab57ea", 3),
        ("drawings/twemoji-1f411.png", "f80f6e0f0ff40fecf00bf80fd3f403f48834f013b91907e107e0ee0df00fd336", 57),
        ("drawings/openmoji-1f53b.png", "ccc553e1ccc436b4b195e8433b1b0c9e963ef1eb6c631b1c0e945be1e169e44e", 100),
    ],
)
def test_a_sample_has_the_hash_that_pdqhash_gives(name, expected, quality):
    code, found = pdq(on_ground(SAMPLES / name))
    assert (code.hex(), found) == (expected, quality)


@pytest.mark.parametrize(
    ("size", "expected", "quality"),
    [
        ((4, 300), NO_HASH, 0),
        ((300, 4), NO_HASH, 0),
        ((5, 5), "96a564d9695a9b2631ccc6b595a43b4ece7369d896a564d9695a9f26318cc4b1", 1),
        ((63, 64), "ac6b4bd782a171d9cb55333ba6eed30a2e5688a5d763b21a2934ba45c5f11f80", 100),
        ((64, 64), "e86a5bd746a171d8db553113aeeeb34a4e5618a5866bb55e4b34eac581711f80", 100),
        ((65, 129), "6a97d8a4252ddb69b643445ebeba5920c2950fafea4dc191837f0fe01f00f47c", 100),
        ((257, 128), "69734e739c63b8e773e762c6c68e0d06091ebb9e7a3e463e8efc163074607c00", 100),
        ((7, 1000), "952ab18e952a6ad5c6d3698d192c9276b4ca947acad54d2d64d9c673c387b09e", 100),
        ((1201, 803), "dd5d2facffbdfda8ffadffacfd0dec80fd0dea00dc0cc980e08ca880c4008c00", 100),
    ],
)
def test_a_picture_of_any_size_has_the_hash_that_pdqhash_gives(size, expected, quality):
    code, found = pdq(waves(*size))
    assert (code.hex(), found) == (expected, quality)


def test_rounding_on_a_flat_picture_is_that_of_pdqhash():
    code, quality = pdq(Image.new("RGB", (640, 480), "teal"))
    assert code.hex() == "0000554b00002c4b2c4b2c4b1134017e2c4bcc5311348200cc538200a7a1190c"
    assert quality < MIN_QUALITY


def by_pdqhash(image: Image.Image) -> tuple[bytes, int]:
    bits, quality = pytest.importorskip("pdqhash").compute(np.asarray(image))
    return np.packbits(bits).tobytes(), quality


@pytest.mark.parametrize(("folder", "at_least"), [("photographs", 430), ("drawings", 2801)])
def test_every_sample_has_the_hash_that_pdqhash_gives_now(folder, at_least):
    paths = [path for path in (SAMPLES / folder).iterdir() if path.suffix in {".jpg", ".png"}]
    assert len(paths) >= at_least
    for image in map(on_ground, paths):
        assert pdq(image) == by_pdqhash(image)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("longest_px", [SMALLEST_PX + 1, 70, 300, 1500])
def test_pictures_of_chance_have_the_hashes_that_pdqhash_gives_now(seed, longest_px):
    random = np.random.default_rng(seed)
    width, height = (int(side) for side in random.integers(1, longest_px + 1, 2))
    noise = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    smooth = Image.fromarray(noise[:6, :8]).resize((width, height), Image.Resampling.BICUBIC)
    for image in (Image.fromarray(noise), smooth, smooth.convert("L").convert("RGB")):
        assert pdq(image) == by_pdqhash(image)
