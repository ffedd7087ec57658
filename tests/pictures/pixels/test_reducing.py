"""JPEGs that libjpeg shrinks while it decodes them: sizes to the pixel, a loss in numbers, and nothing else changed."""

from io import BytesIO
from pathlib import Path
from statistics import median
from struct import pack

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageCms

from byline.catalog.corpora.packs import Outcome
from byline.pictures.config import PixelConfig
from byline.pictures.pixels import UnusableError, store_image
from byline.pictures.pixels.decoding import decode_as_stored, survey
from byline.pictures.pixels.resizing import reduction
from tests.builders import a_picture, encoded

PHOTOGRAPHS = sorted(Path("samples/photographs").rglob("*.jpg"))[::7]
MODES = ("keep_ratio", "keep_ratio_largest", "center_crop", "border")
SIDES = ("width", "height", "original_width", "original_height")


def _pixels(data):
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"), dtype=int)


def _psnr(a, b):
    return 10 * np.log10(255**2 / max(np.mean((a - b) ** 2), 1e-9))


def _both(data, **settings):
    """Return the picture decoded in full and reduced, hardly changed by its encoding."""
    return tuple(store_image(data, decoding=way, encode_quality=100, **settings) for way in ("full", "reduced"))


def _assert_close(data, *, least_db=45, **settings):
    full, reduced = _both(data, **settings)
    assert [getattr(reduced, side) for side in SIDES] == [getattr(full, side) for side in SIDES]
    assert reduced.data != full.data
    assert _psnr(_pixels(full.data), _pixels(reduced.data)) >= least_db


def _turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _collage(seed):
    """Return 1024x768 px of real photographs side by side, none of them enlarged."""
    whole = Image.new("RGB", (1024, 768))
    wide = [image for image in map(Image.open, sorted(Path("samples/photographs").glob("*.jpg"))) if image.width == 256]
    for place, number in enumerate(np.random.default_rng(seed).choice(len(wide), 24, replace=False)):
        whole.paste(wide[number], (place % 4 * 256, place // 4 * 128))
    return encoded(whole, quality=90)


class TestReduction:
    @pytest.mark.parametrize(
        ("size", "by"),
        [
            ((1023, 800), 1),
            ((1024, 768), 2),
            ((768, 1024), 2),
            ((2047, 1), 1),
            ((2048, 1536), 4),
            ((4000, 3000), 4),
            ((4096, 8), 8),
            ((4096, 7), 4),
            ((20_000, 200), 8),
        ],
    )
    def test_leaves_the_filter_twice_the_size_at_least(self, size, by):
        assert reduction(*size, PixelConfig(decoding="reduced")) == by

    @pytest.mark.parametrize(
        ("settings", "by"),
        [
            ({"decoding": "full"}, 1),
            ({"resize_mode": "no"}, 1),
            ({"resize_mode": "border"}, 4),
            ({"resize_mode": "keep_ratio"}, 2),
            ({"resize_mode": "center_crop"}, 2),
            ({"image_size": 2000}, 1),
            ({"image_size": 4000, "resize_only_if_bigger": False}, 1),
        ],
    )
    def test_follows_from_the_config(self, settings, by):
        assert reduction(2048, 1200, PixelConfig(**{"decoding": "reduced", **settings})) == by

    def test_needs_the_area_filter(self):
        with pytest.raises(ValueError, match='goes with downscale_interpolation = "area" alone, got "cubic"'):
            PixelConfig(decoding="reduced", downscale_interpolation="cubic")


class TestLoss:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("size", [(1024, 768), (1029, 771), (773, 1031), (1400, 1057), (2055, 1541)])
    def test_of_odd_sizes(self, mode, size):
        _assert_close(encoded(a_picture(size=size), quality=92), resize_mode=mode, image_size=190)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_of_what_lies_otherwise(self, orientation):
        data = encoded(a_picture(size=(1029, 775)), exif=_turned(orientation), quality=92)
        for mode in MODES:
            _assert_close(data, resize_mode=mode, image_size=150)

    @pytest.mark.parametrize("kind", ["L", "CMYK"])
    @pytest.mark.parametrize("options", [{}, {"progressive": True}])
    def test_of_other_colors(self, kind, options):
        _assert_close(encoded(a_picture(size=(1029, 775)).convert(kind), quality=92, **options), image_size=200)

    @pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"subsampling": 1}])
    def test_of_other_codings(self, options):
        _assert_close(encoded(a_picture(size=(1029, 775)), quality=92, **options))

    def test_under_a_color_profile(self):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
        _assert_close(encoded(a_picture(size=(1029, 775)), quality=92, icc_profile=profile))

    def test_of_a_usual_size(self):
        for seed in range(4):
            _assert_close(_collage(seed))

    @pytest.mark.parametrize(("image_size", "least_db", "median_db"), [(32, 35, 45), (40, 40, 44), (64, 36, 45)])
    def test_of_photographs(self, image_size, least_db, median_db):
        pairs = [_both(path.read_bytes(), image_size=image_size) for path in PHOTOGRAPHS]
        losses = [_psnr(_pixels(full.data), _pixels(reduced.data)) for full, reduced in pairs if full != reduced]
        assert len(losses) > 40
        assert min(losses) >= least_db
        assert median(losses) >= median_db


def _samples(data, by):
    return decode_as_stored(survey(data, max_pixels=10**8), reduction=by)


@pytest.mark.parametrize("by", [2, 4, 8])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size", [(64, 8), (65, 9), (127, 93), (1023, 771)])
def test_pixels_are_those_of_libjpegs_own_scales(size, subsampling, by):
    data = encoded(a_picture(size=size), subsampling=subsampling)
    with Image.open(BytesIO(data)) as image:
        image.draft(None, (size[0] // by, size[1] // by))
        assert np.array_equal(_samples(data, by), np.asarray(image))


def test_a_sampling_that_turbojpeg_has_no_name_for_is_reduced_too():
    data = bytearray(encoded(Image.new("RGB", (800, 800), (128, 128, 128)), keep_rgb=True))
    frame = data.index(b"\xff\xc0")
    data[frame + 7 : frame + 9] = pack(">H", 1440)  # 5 blocks for 24x8 px are as many as 3 for 8x8 were, and all equal
    data[frame + 11] = 0x31
    with pytest.raises(ValueError, match="subsampling"):
        simplejpeg.decode_jpeg_header(bytes(data))
    pixels = _samples(bytes(data), 8)
    assert pixels.shape == (100, 180, 3)
    assert (pixels == 128).all()


def test_what_is_not_shrunk_by_4_has_the_same_bytes():
    full, reduced = _both(encoded(a_picture(size=(1023, 800))))
    assert reduced == full


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_only_jpegs_are_reduced(kind):
    full, reduced = _both(encoded(a_picture(size=(300, 200)), kind), image_size=32)
    assert reduced == full


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_damaged(share, progressive):
    data = encoded(a_picture(size=(1024, 768)), progressive=progressive)
    cut = data[: int(len(data) * share)]
    for bytes_ in (cut, cut + b"\xff\xd9"):
        with pytest.raises(UnusableError) as caught:
            store_image(bytes_, decoding="reduced")
        assert caught.value.outcome == Outcome.DAMAGED
