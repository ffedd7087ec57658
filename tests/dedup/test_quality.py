import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from byline.dedup.quality import FLAT_FROM, is_flat, measure_quality
from byline.pictures.pixels.colors import LEAST_SPREAD


def noise(size: tuple[int, int] = (64, 48), low: int = 0, high: int = 256) -> Image.Image:
    width, height = size
    pixels = np.random.default_rng(0).integers(low, high, (height, width), dtype=np.uint8)
    return Image.fromarray(pixels)


def halves(dark: int, light: int) -> Image.Image:
    image = Image.new("L", (40, 40), dark)
    image.paste(light, (20, 0, 40, 40))
    return image


def test_sharpness_is_opencvs_laplacian_variance():
    image = noise()
    laplacian = cv2.Laplacian(np.asarray(image), cv2.CV_64F)[1:-1, 1:-1]
    assert measure_quality(image).sharpness == pytest.approx(laplacian.var(), rel=1e-6)


def test_blur_lowers_sharpness():
    image = noise()
    blurred = image.filter(ImageFilter.GaussianBlur(2))
    assert measure_quality(blurred).sharpness < 0.1 * measure_quality(image).sharpness


def test_sharpness_of_a_line_is_zero():
    assert measure_quality(Image.new("L", (50, 2))).sharpness == 0.0


def test_large_pictures_are_measured_at_512_px():
    small = noise((512, 384))
    large = small.resize((2048, 1536), Image.Resampling.NEAREST)
    assert measure_quality(large) == measure_quality(small)


@pytest.mark.parametrize(
    ("image", "flatness"),
    [
        (Image.new("RGB", (9, 9), "white"), 1.0),
        (noise(low=120, high=136), 1.0),
        (halves(0, 255), 0.5),
        (halves(100, 115), 1.0),
        (halves(100, 116), 0.5),
    ],
)
def test_flatness_is_the_share_of_the_commonest_tone(image, flatness):
    assert measure_quality(image).flatness == flatness


@pytest.mark.parametrize("share", [93, 94, 95, 96, 97])
def test_a_picture_is_flat_from_that_flatness_on(share):
    image = Image.new("RGB", (700, 100), "white")
    image.paste("black", (0, share, 700, 100))
    assert is_flat(image) == (measure_quality(image).flatness >= FLAT_FROM)


@pytest.mark.parametrize(("dark", "light", "contrast"), [(0, 255, 0.5), (7, 7, 0.0), (0, 51, 0.1)])
def test_contrast_is_the_deviation_of_luminance(dark, light, contrast):
    assert measure_quality(halves(dark, light)).contrast == pytest.approx(contrast)


def test_measuring_leaves_the_picture_as_it_was():
    image = noise((700, 10))
    measure_quality(image)
    assert image.size == (700, 10)


@pytest.mark.parametrize(
    ("image", "spread"),
    [
        (Image.new("RGB", (9, 9), (180, 20, 90)), 0),
        (halves(0, 255), 255),
        (halves(240, 255), LEAST_SPREAD - 1),
        (Image.merge("RGB", [Image.new("L", (40, 40), 90), halves(90, 130), Image.new("L", (40, 40), 90)]), 40),
        (Image.merge("RGB", [halves(0, 152), halves(77, 0), Image.new("L", (40, 40))]), 152),  # of one luminance
    ],
)
def test_spread_is_the_greatest_difference_in_any_channel(image, spread):
    assert measure_quality(image).spread == spread
