"""Pictures of more pixels than any decoder here would open: each is a record, and has a verdict of its own."""

from struct import pack

import pytest

from byline.catalog.corpora.packs import Outcome
from byline.catalog.corpora.records import ImageRecord
from byline.pictures.config import PixelConfig
from byline.pipelines.fetching.held import read_held
from byline.pipelines.fetching.index_rows import index_row
from byline.pipelines.fetching.transport import Answer
from byline.pipelines.sources.readers.folder import read_folder
from byline.pipelines.sources.readers.inside import MAX_XMP_FILE_BYTES
from tests.pictures.pixels.structures import BMP, GIF, GREY_TIFF, JPEG, ONE_STRIP, PNG, a_chunk, a_tiff
from tests.pipelines.sources.readers.folders import a_folder

MOST = 2**32 - 1


def a_webp(wide, high):
    sides = (wide - 1).to_bytes(3, "little") + (high - 1).to_bytes(3, "little")
    return b"RIFF" + pack("<I", 22) + b"WEBPVP8X" + pack("<I", 10) + bytes(4) + sides


def a_grey_tiff(wide, high):
    return a_tiff([(256, 4, 1, wide), (257, 4, 1, high), *GREY_TIFF[2:], *ONE_STRIP], bytes(64))


FRAME = JPEG.index(b"\xff\xc0") + 5
LARGEST = {
    "a.jpg": (JPEG[:FRAME] + pack(">HH", 65_500, 65_499) + JPEG[FRAME + 4 :], (65_499, 65_500)),
    "a.png": (PNG[:8] + a_chunk(b"IHDR", pack(">II", 30_000, 20_000) + PNG[24:29]) + PNG[33:], (30_000, 20_000)),
    "b.png": (PNG[:8] + a_chunk(b"IHDR", pack(">II", MOST, 1) + PNG[24:29]) + PNG[33:], (None, 1)),
    "a.gif": (GIF[:6] + pack("<HH", 65_535, 65_534) + GIF[10:], (65_535, 65_534)),
    "a.webp": (a_webp(16_383, 16_382), (16_383, 16_382)),
    "a.tif": (a_grey_tiff(20_000, 30_000), (20_000, 30_000)),
    "b.tif": (a_grey_tiff(MOST, MOST), (None, None)),
    "a.bmp": (
        BMP[:2] + pack("<I", 0) + BMP[6:18] + pack("<iiHHII", 50_000, -4_000, 1, 8, 1, 0) + BMP[34:],
        (50_000, 4_000),
    ),
}


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_pictures_end_as_too_many_pixels(name, tmp_path):
    data, size = LARGEST[name]
    (record,) = read_folder(a_folder(tmp_path, {name: data}), "f")
    assert isinstance(record, ImageRecord)
    assert (record.width, record.height) == size
    asked = {"record_id": record.record_id, "url": record.url, "held": record.held}
    for answer in (read_held(record.held, max_bytes=10**6), Answer(body=data)):  # on this machine; as a server sends it
        row, *stored = index_row(asked, answer, PixelConfig())
        assert (row["outcome"], stored) == (Outcome.TOO_MANY_PIXELS, [None, None])
        assert "px; the limit is 100,000,000 pixels" in row["error_message"]


def test_of_a_file_of_many_bytes_the_size_is_read_wherever_it_stands(tmp_path):
    place = MAX_XMP_FILE_BYTES + 1_000
    tiff = a_grey_tiff(20_000, 30_000)
    with open(tmp_path / "a.tif", "wb") as file:
        file.write(tiff[:4] + pack("<I", place))
        file.seek(place)
        file.write(tiff[8:])
    told, record = read_folder(str(tmp_path), "f")
    assert (record.width, record.height) == (20_000, 30_000)
    assert told.problem == f"its XMP cannot be read: a file of {place + len(tiff) - 8:,} bytes is not looked through"
