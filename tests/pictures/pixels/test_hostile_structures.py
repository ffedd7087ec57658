"""Files made by hand against the parsers: what is missing inside, what repeats, what asks for too much."""

import time
import zlib
from pathlib import Path
from struct import pack

import cv2
import numpy as np
import pytest

from byline.catalog.corpora.packs import Outcome
from byline.pictures.pixels import store_image
from tests.builders import a_picture, encoded
from tests.growth import grows_linearly
from tests.pictures.pixels.structures import (
    BMP,
    GIF,
    GREY_TIFF,
    JPEG,
    ONE_STRIP,
    PNG,
    PROGRESSIVE,
    TIFF,
    WEBP,
    a_chunk,
    a_tiff,
    in_jpeg,
    in_png,
    outcome_of,
    without,
)


def test_the_builder_of_tiffs_makes_a_picture():
    assert outcome_of(a_tiff(GREY_TIFF + ONE_STRIP, bytes(64))) == Outcome.FETCHED


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9, 0.97])
def test_a_jpeg_cut_off_and_closed_again_is_no_picture(data, share):
    """libjpeg fills the rest with grey and only warns."""
    scans = data.index(b"\xff\xda") + 20
    cut = scans + int((len(data) - scans) * share)
    assert outcome_of(data[:cut].rstrip(b"\xff") + b"\xff\xd9") == Outcome.DAMAGED


def test_a_jpeg_from_whose_middle_bytes_are_gone_is_no_picture():
    middle = (JPEG.index(b"\xff\xda") + len(JPEG)) // 2
    assert outcome_of(without(JPEG, middle, middle + 60)) == Outcome.DAMAGED


def test_zeros_before_the_end_of_a_jpeg_are_harmless():
    assert outcome_of(JPEG[:-2] + bytes(64) + JPEG[-2:]) == Outcome.FETCHED


def test_a_jpeg_of_an_unknown_jfif_revision_is_a_picture():
    place = JPEG.index(b"JFIF\0") + 5
    assert outcome_of(JPEG[:place] + b"\x05" + JPEG[place + 1 :]) == Outcome.FETCHED


def test_a_png_with_too_few_rows_is_no_picture():
    rows = zlib.compress(b"\0" * 1000)
    header = a_chunk(b"IHDR", pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    assert outcome_of(PNG[:8] + header + a_chunk(b"IDAT", rows) + a_chunk(b"IEND", b"")) == Outcome.DAMAGED


def test_a_gif_with_too_few_pixels_is_no_picture():
    frame = GIF.rindex(b"\0\x3b") - len(GIF) // 3
    start = GIF.index(b",\0\0\0\0")
    assert start < frame
    sizes = GIF.index(b"\xff", start)  # the first full sub-block
    assert outcome_of(GIF[: sizes + 256] + b"\0;") == Outcome.DAMAGED


def test_a_webp_that_is_cut_off_and_says_so_is_no_picture():
    half = len(WEBP) // 2 & ~1
    frame = pack("<I", half - 20)
    assert outcome_of(WEBP[:4] + pack("<I", half - 8) + WEBP[8:16] + frame + WEBP[20:half]) == Outcome.DAMAGED


@pytest.mark.parametrize(
    "data",
    [
        without(JPEG, JPEG.index(b"\xff\xc0"), JPEG.index(b"\xff\xc0") + 19),
        without(JPEG, JPEG.index(b"\xff\xdb"), JPEG.index(b"\xff\xc0")),
        in_jpeg(JPEG[JPEG.index(b"\xff\xc0") :][:19]),
        in_jpeg(b"\xff\xd8"),
        in_jpeg(b"\xff\xe1\0\0"),
        in_jpeg(b"\xff\xe1\xff\xff"),
        JPEG.replace(b"\xff\xc0", b"\xff\xc3"),
        JPEG.replace(b"\xff\xc0", b"\xff\xc9"),
        JPEG[:2] + b"\xff" * 100_000,
        PROGRESSIVE[:-2] + PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2] * 100 + b"\xff\xd9",
    ],
    ids="no-frame no-tables two-frames two-starts empty-segment long-segment lossless arithmetic fill scans".split(),
)
def test_a_jpeg_whose_segments_are_wrong_is_damaged(data):
    assert outcome_of(data) == Outcome.DAMAGED


@pytest.mark.parametrize(
    "data",
    [
        PNG[:8] + PNG[33:],
        PNG[:29] + b"\0\0\0\0" + PNG[33:],
        in_png(a_chunk(b"ABCD", b"")),
        in_png(pack(">I", 0xFFFFFFFF) + b"tEXt"),
        in_png(a_chunk(b"IHDR", PNG[16:29])),
        in_png(a_chunk(b"tEXt", b"") * 100_001),
        PNG[:-12],
        PNG[:60] + bytes([PNG[60] ^ 1]) + PNG[61:],
    ],
    ids="no-header header-crc unknown-critical huge-chunk two-headers many-chunks no-end data-crc".split(),
)
def test_a_png_whose_chunks_are_wrong_is_damaged(data):
    assert outcome_of(data) == Outcome.DAMAGED


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_bomb_in_what_png_says_of_itself_is_never_unpacked(kind):
    bomb = zlib.compress(bytes(100_000_000))
    start = time.process_time()
    assert outcome_of(in_png(a_chunk(kind, b"name\0\0" + bomb))) == Outcome.FETCHED
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("entries", "outcome"),
    [
        ([(322, 4, 1, 60_000), (323, 4, 1, 60_000), (324, 4, 1, 8), (325, 4, 1, 8)], Outcome.TOO_MANY_PIXELS),
        ([(322, 4, 1, 2**31), (323, 4, 1, 2**31), (324, 4, 1, 8), (325, 4, 1, 8)], Outcome.TOO_MANY_PIXELS),
        ([(273, 4, 1, 8), (279, 4, 1, 2**32 - 1)], Outcome.DAMAGED),
        ([(273, 4, 2**32 - 1, 8), (279, 4, 2**32 - 1, 8)], Outcome.DAMAGED),
        ([(273, 4, 1, 8), (277, 3, 1, 60_000), (279, 4, 1, 64)], Outcome.DAMAGED),
        ([(273, 5, 1, 8), (279, 5, 1, 8)], Outcome.DAMAGED),
        ([(50_706, 1, 4, 0), *ONE_STRIP], Outcome.NOT_AN_IMAGE),
    ],
    ids="tile overflow strip strips samples fractions raw".split(),
)
def test_a_tiff_that_asks_for_too_much_has_an_outcome(entries, outcome):
    assert outcome_of(a_tiff(GREY_TIFF + entries, bytes(64))) == outcome


@pytest.mark.parametrize("compression", [6, 34_712, 34_887, 34_925, 50_000, 50_001, 65_535])
def test_a_tiff_of_a_rare_compression_is_not_read(compression):
    entries = [e if e[0] != 259 else (259, 3, 1, compression) for e in GREY_TIFF]
    assert outcome_of(a_tiff(entries + ONE_STRIP, bytes(64))) == Outcome.DAMAGED


def test_a_tiff_of_many_tags_at_one_place_costs_no_memory():
    """Each of 60,000 tags says that it has a megabyte: who reads them all holds 60 GB."""
    private = [(tag, 1, 1_000_000, 8) for tag in range(1000, 60_000) if tag not in {34_665, 50_706}]
    entries = [*GREY_TIFF, *ONE_STRIP[1:], (34_665, 4, 1, 8), *private, (273, 4, 1, 900_000)]
    data = a_tiff(entries, bytes(1_000_000))
    start = time.process_time()
    assert outcome_of(data) == Outcome.FETCHED
    assert time.process_time() - start < 2


def test_exif_of_many_tags_at_one_place_costs_no_memory():
    table = pack("<H", 5000) + b"".join(pack("<HHII", tag, 7, 65_000, 8) for tag in range(5000))
    exif = b"II*\0\x08\0\0\0" + table + bytes(4)
    assert outcome_of(in_png(a_chunk(b"eXIf", exif))) == Outcome.FETCHED


def test_a_canvas_of_webp_is_refused_by_its_header():
    header = b"VP8X" + pack("<I", 10) + b"\x02\0\0\0" + b"\xff\xff\xff" * 2
    body = b"WEBP" + header
    assert outcome_of(b"RIFF" + pack("<I", len(body)) + body) == Outcome.TOO_MANY_PIXELS


def test_of_a_gif_the_larger_of_canvas_and_frame_counts():
    start = GIF.index(b",\0\0\0\0") + 5
    assert outcome_of(GIF[:start] + pack("<HH", 65_535, 65_535) + GIF[start + 4 :]) == Outcome.TOO_MANY_PIXELS


@pytest.mark.parametrize(
    ("head", "repeated"),
    [
        (JPEG[:2], b"\xff"),
        (JPEG[:2], b"\xff\x01"),
        (JPEG[:2], b"\xff\xfe\0\2"),
        (GIF[:-1], b"\x21\xfe\0"),
        (GIF[:-1] + b"\x21\xfe", b"\1a"),
        (GIF[:-1], b"\0"),
        (PNG[:33], b"\0"),
        (WEBP[:4] + pack("<I", 3_000_004) + b"WEBP", b"\0"),
        (JPEG, b"PK\5\6"),
        (b"", b"<?xml"),
        (b"", b"<!--"),
        (b"", b" "),
    ],
)
def test_megabytes_of_nearly_nothing_cost_time_in_proportion(head, repeated):
    assert grows_linearly(lambda body: outcome_of(head + body), repeated, short=700_000)


def test_only_the_first_of_ten_thousand_frames_is_decoded():
    frames = GIF[GIF.index(b",\0\0\0\0") : -1] * 200
    start = time.process_time()
    assert outcome_of(GIF[:-1] + frames + b";") == Outcome.FETCHED
    assert time.process_time() - start < 1


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, PNG, GIF, BMP, WEBP, TIFF], ids="J P N G B W T".split())
def test_cut_off_at_any_byte_it_is_no_picture(data):
    """But for a JPEG of which only the end marker is cut off, or half of it."""
    end = len(data) - 2 * (data[:2] == JPEG[:2])
    places = {*range(0, min(end, 700)), *range(0, end, max(1, end // 150)), *range(end - 9, end)}
    allowed = {Outcome.DAMAGED, Outcome.NOT_AN_IMAGE}
    assert not {place for place in sorted(places) if outcome_of(data[:place]) not in allowed}


RESTARTED = encoded(a_picture(), restart_marker_blocks=2)
GREY = encoded(a_picture().convert("L"))
CASE = (Path(__file__).parent / "no-end.jpg").read_bytes()


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, RESTARTED, GREY, CASE + b"\xff\xd9"], ids="J P R G C".split())
@pytest.mark.parametrize("lacking", [1, 2])
@pytest.mark.parametrize("more", [{}, {"skip_reencode": True}, {"decoding": "reduced", "image_size": 16}])
def test_a_jpeg_without_its_end_marker_is_the_same_picture(data, lacking, more):
    whole, cut = store_image(data, **more), store_image(data[:-lacking], **more)
    assert cut.data == whole.data
    assert (whole.note, cut.note) == (None, "a JPEG without an end marker")


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, RESTARTED, CASE + b"\xff\xd9"], ids="J P R C".split())
@pytest.mark.parametrize("behind", [bytes(64), b"\xff\0" * 32, b"<html>" * 10, b"abc" * 20])
def test_a_jpeg_without_its_end_marker_has_nothing_behind_its_pixels(data, behind):
    """As downloads that broke off have, into whose place zeros were written."""
    for place in (len(data) - 2, len(data) - 3, len(data) - 30):
        assert outcome_of(data[:place] + behind) == Outcome.DAMAGED


def test_of_a_sampling_that_only_pillow_decodes_the_end_marker_is_needed():
    grey = np.full((32, 32, 3), 128, np.uint8)
    data = bytearray(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x411111])[1].tobytes())
    data[data.index(b"\xff\xc0") + 11] = 0x14  # 4:4:1
    data = bytes(data)
    assert (outcome_of(data), outcome_of(data[:-2])) == (Outcome.FETCHED, Outcome.DAMAGED)
