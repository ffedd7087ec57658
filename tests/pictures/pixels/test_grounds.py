"""What a transparent picture is laid on: white, as everybody does, unless nothing of it could be seen there."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byline.dedup.quality import measure_quality
from byline.pictures.pixels import store_image
from byline.pictures.pixels.colors import LEAST_SPREAD, on_ground
from tests.builders import encoded

DRAWINGS = Path(__file__).parents[3] / "samples/drawings"
HEART = DRAWINGS / "twemoji-2764.png"
WHITE, BLACK = 255, 0


def _drawn(level, *, opacity=1.0, path=HEART):
    """Return a drawing in one level of grey, as logos for dark pages are: color says nothing, alpha all."""
    pixels_HW4 = np.asarray(Image.open(path).convert("RGBA")).copy()
    pixels_HW4[..., :3] = level
    pixels_HW4[..., 3] = (pixels_HW4[..., 3] * opacity).astype(np.uint8)
    return Image.fromarray(pixels_HW4)


def _with_a_speck(image):
    image = image.copy()
    image.paste((0, 0, 0, 255), (40, 40, 41, 41))
    return image


def _stored(image, kind="PNG", **options):
    return Image.open(BytesIO(store_image(encoded(image, kind, **options)).data))


@pytest.mark.parametrize(
    ("image", "ground"),
    [
        (_drawn(0), WHITE),
        (_drawn(128), WHITE),
        (_drawn(255 - LEAST_SPREAD), WHITE),  # can just be seen
        (_drawn(255), BLACK),
        (_drawn(250), BLACK),
        (_drawn(255, path=DRAWINGS / "openmoji-1f504.png"), BLACK),
        (_with_a_speck(_drawn(255)), BLACK),
        (_drawn(255, opacity=0.5), BLACK),
        (Image.open(DRAWINGS / "twemoji-1f90d.png"), WHITE),  # a white heart, drawn to be seen on white
    ],
)
def test_a_picture_is_laid_on_the_ground_that_keeps_it(image, ground):
    stored = _stored(image)
    assert abs(stored.convert("L").getpixel((0, 79)) - ground) <= 3
    assert measure_quality(stored).spread >= LEAST_SPREAD


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (80, 80), (200, 30, 30, 0)),  # clear, whatever color it has
        _drawn(120, opacity=0.02),
        Image.new("RGBA", (80, 80), (255, 255, 255, 255)),
        Image.new("LA", (80, 80), (255, 0)),
    ],
)
def test_what_no_ground_keeps_stays_on_white_and_is_measured_as_empty(image):
    stored = _stored(image)
    assert stored.convert("L").getextrema()[0] >= 250
    assert measure_quality(stored).spread < LEAST_SPREAD


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF"])
def test_the_ground_is_chosen_in_every_format_that_has_transparency(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert _stored(_drawn(255), kind, **options).convert("L").getpixel((0, 79)) <= 3


def test_what_is_not_clear_anywhere_has_no_ground_to_choose():
    page_HW4 = np.full((60, 80, 4), 255, np.uint8)
    assert (on_ground(page_HW4) == 255).all()


@pytest.mark.parametrize("path", sorted(DRAWINGS.glob("*-1f[34]*.png"))[::20], ids=lambda path: path.stem)
def test_drawings_that_white_keeps_are_those_of_img2dataset(path):
    pixels_HW4 = np.asarray(Image.open(path).convert("RGBA"))
    alpha_HW1 = pixels_HW4[..., 3:] / 255
    expected_HW3 = np.rint(alpha_HW1 * pixels_HW4[..., :3] + 255 * (1 - alpha_HW1))
    assert np.abs(on_ground(pixels_HW4) - expected_HW3).max() <= 1
