"""Every resize mode beside img2dataset's own Resizer: equal pixels, bit by bit."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byline.catalog.corpora.packs import Outcome
from byline.pictures.pixels import UnusableError, store_image
from tests.builders import a_picture, encoded

PHOTOGRAPHS = sorted(Path("samples/photographs").rglob("*.jpg"))[::43]
DRAWINGS = sorted(Path("samples/drawings").glob("*.png"))[::400]
MODES = ("no", "keep_ratio", "keep_ratio_largest", "center_crop", "border")
SIZES = [
    (1, 1),
    (7, 1),
    (1, 7),
    (500, 1),
    (1, 500),
    (257, 255),
    (256, 256),
    (256, 257),
    (300, 77),
    (77, 300),
    (641, 480),
]


@pytest.fixture(scope="module")
def resizer():
    """img2dataset's class, which must not ask the network whether albumentations is new."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    return pytest.importorskip("img2dataset.resizer").Resizer


def _pixels(data):
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def _assert_equal(resizer, data, **settings):
    size, mode, only = (settings.pop(name) for name in ("image_size", "resize_mode", "resize_only_if_bigger"))
    theirs, *sizes, error = resizer(size, mode, only, **settings)(BytesIO(data))
    ours = store_image(data, image_size=size, resize_mode=mode, resize_only_if_bigger=only, **settings)
    assert error is None
    assert sizes == [ours.width, ours.height, ours.original_width, ours.original_height]
    assert np.array_equal(_pixels(ours.data), _pixels(theirs))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("only", [True, False])
@pytest.mark.parametrize("mode", MODES)
class TestEqualPixels:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("kind", ["RGB", "L"])
    def test_of_odd_sizes(self, resizer, mode, only, size, kind):
        data = encoded(a_picture(size=size).convert(kind), quality=92)
        _assert_equal(resizer, data, image_size=64, resize_mode=mode, resize_only_if_bigger=only)

    @pytest.mark.parametrize("path", PHOTOGRAPHS, ids=lambda path: path.stem)
    def test_of_photographs(self, resizer, mode, only, path):
        data = path.read_bytes()
        for size in (48, 320):
            _assert_equal(resizer, data, image_size=size, resize_mode=mode, resize_only_if_bigger=only)

    def test_of_a_picture_with_transparency(self, resizer, mode, only):
        image = a_picture(size=(150, 99)).convert("RGBA")
        image.putalpha(a_picture(1, size=(150, 99)).convert("L"))
        _assert_equal(resizer, encoded(image, "PNG"), image_size=64, resize_mode=mode, resize_only_if_bigger=only)

    @pytest.mark.parametrize("up", ["nearest", "bilinear", "cubic", "area", "lanczos"])
    def test_with_every_filter(self, resizer, mode, only, up):
        filters = {"upscale_interpolation": up, "downscale_interpolation": up}
        data = encoded(a_picture(size=(150, 99)), progressive=True, subsampling=0)
        for size in (64, 128, 200):
            _assert_equal(resizer, data, image_size=size, resize_mode=mode, resize_only_if_bigger=only, **filters)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_drawings_have_equal_pixels(resizer, path):
    settings = {"image_size": 64, "resize_mode": "keep_ratio_largest", "resize_only_if_bigger": True}
    _assert_equal(resizer, path.read_bytes(), **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_image_size": 65}, "96x64 px: image too small"),
        ({"max_image_area": 96 * 64 - 1}, "96x64 px: image area too large"),
        ({"max_aspect_ratio": 1.4}, "96x64 px: aspect ratio too large"),
    ],
)
def test_a_size_that_the_config_refuses_is_not_resizable(settings, message):
    with pytest.raises(UnusableError, match=message) as caught:
        store_image(encoded(a_picture()), **settings)
    assert caught.value.outcome == Outcome.NOT_RESIZABLE


def test_no_bomb_is_made_by_enlarging():
    data = encoded(Image.new("RGB", (1, 20_000)))
    with pytest.raises(UnusableError, match="256x5120000 px would come out of it"):
        store_image(data, resize_mode="keep_ratio", resize_only_if_bigger=False)


def test_a_jpeg_that_needs_no_change_can_keep_its_compressed_pixels():
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    data = encoded(a_picture(), quality=40, exif=exif, comment=b"a secret")
    stored = store_image(data + b"a secret", skip_reencode=True).data
    assert b"a secret" not in stored
    assert np.array_equal(_pixels(stored), _pixels(data))
    assert stored[stored.index(b"\xff\xda") :] == data[data.index(b"\xff\xda") :]


@pytest.mark.parametrize("change", [{"size": (400, 300)}, {"orientation": 3}, {"kind": "PNG"}])
def test_what_needs_a_change_is_encoded_again(change):
    exif = Image.Exif()
    exif[0x0112] = change.get("orientation", 1)
    data = encoded(a_picture(size=change.get("size", (96, 64))), change.get("kind", "JPEG"), exif=exif)
    assert store_image(data, skip_reencode=True).data == store_image(data).data
