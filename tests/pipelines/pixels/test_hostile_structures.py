"""Files made by hand against the parsers: what is missing inside, what repeats, what another program would open."""

import time
import zlib
from io import BytesIO
from struct import pack
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from catalog.packs import Outcome
from pipelines.pixels import UnusableError, store_image
from tests.builders import a_picture, encoded

JPEG, PROGRESSIVE = encoded(a_picture(), quality=90), encoded(a_picture(), quality=90, progressive=True)
PNG, GIF, BMP = (encoded(a_picture(), kind) for kind in ("PNG", "GIF", "BMP"))
WEBP, TIFF = encoded(a_picture(), "WEBP"), encoded(a_picture(), "TIFF")


def _outcome(data):
    try:
        store_image(data)
    except UnusableError as error:
        return error.outcome
    return Outcome.FETCHED


def _chunk(kind, data):
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


def _segment(marker, data):
    return bytes((0xFF, marker)) + pack(">H", len(data) + 2) + data


def _in_jpeg(*segments):
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def _in_png(*chunks):
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def _zip(comment=b""):
    sink = BytesIO()
    with ZipFile(sink, "w") as archive:
        archive.writestr("a.class", b"x" * 100)
        archive.comment = comment
    return sink.getvalue()


def _without(data, start, stop):
    return data[:start] + data[stop:]


def _tiff(entries, tail=b""):
    """Return a TIFF of these (tag, type, count, value) and then `tail`."""
    return (
        b"II*\0\x08\0\0\0" + pack("<H", len(entries)) + b"".join(pack("<HHII", *e) for e in entries) + bytes(4) + tail
    )


GREY_TIFF = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
ONE_STRIP = [(273, 4, 1, 122), (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]


def test_the_builder_of_tiffs_makes_a_picture():
    assert _outcome(_tiff(GREY_TIFF + ONE_STRIP, bytes(64))) == Outcome.FETCHED


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9, 0.97])
def test_a_jpeg_cut_off_and_closed_again_is_no_picture(data, share):
    """libjpeg fills the rest with grey and only warns."""
    scans = data.index(b"\xff\xda") + 20
    cut = scans + int((len(data) - scans) * share)
    assert _outcome(data[:cut].rstrip(b"\xff") + b"\xff\xd9") == Outcome.DAMAGED


def test_a_jpeg_from_whose_middle_bytes_are_gone_is_no_picture():
    middle = (JPEG.index(b"\xff\xda") + len(JPEG)) // 2
    assert _outcome(_without(JPEG, middle, middle + 60)) == Outcome.DAMAGED


def test_zeros_before_the_end_of_a_jpeg_are_harmless():
    assert _outcome(JPEG[:-2] + bytes(64) + JPEG[-2:]) == Outcome.FETCHED


def test_a_jpeg_of_an_unknown_jfif_revision_is_a_picture():
    place = JPEG.index(b"JFIF\0") + 5
    assert _outcome(JPEG[:place] + b"\x05" + JPEG[place + 1 :]) == Outcome.FETCHED


def test_a_png_with_too_few_rows_is_no_picture():
    rows = zlib.compress(b"\0" * 1000)
    header = _chunk(b"IHDR", pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    assert _outcome(PNG[:8] + header + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")) == Outcome.DAMAGED


def test_a_gif_with_too_few_pixels_is_no_picture():
    frame = GIF.rindex(b"\0\x3b") - len(GIF) // 3
    start = GIF.index(b",\0\0\0\0")
    assert start < frame
    sizes = GIF.index(b"\xff", start)  # the first full sub-block
    assert _outcome(GIF[: sizes + 256] + b"\0;") == Outcome.DAMAGED


def test_a_webp_that_is_cut_off_and_says_so_is_no_picture():
    half = len(WEBP) // 2 & ~1
    frame = pack("<I", half - 20)
    assert _outcome(WEBP[:4] + pack("<I", half - 8) + WEBP[8:16] + frame + WEBP[20:half]) == Outcome.DAMAGED


@pytest.mark.parametrize(
    "data",
    [
        _without(JPEG, JPEG.index(b"\xff\xc0"), JPEG.index(b"\xff\xc0") + 19),
        _without(JPEG, JPEG.index(b"\xff\xdb"), JPEG.index(b"\xff\xc0")),
        _in_jpeg(JPEG[JPEG.index(b"\xff\xc0") :][:19]),
        _in_jpeg(b"\xff\xd8"),
        _in_jpeg(b"\xff\xe1\0\0"),
        _in_jpeg(b"\xff\xe1\xff\xff"),
        JPEG.replace(b"\xff\xc0", b"\xff\xc3"),
        JPEG.replace(b"\xff\xc0", b"\xff\xc9"),
        JPEG[:2] + b"\xff" * 100_000,
        PROGRESSIVE[:-2] + PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2] * 100 + b"\xff\xd9",
    ],
    ids="no-frame no-tables two-frames two-starts empty-segment long-segment lossless arithmetic fill scans".split(),
)
def test_a_jpeg_whose_segments_are_wrong_is_damaged(data):
    assert _outcome(data) == Outcome.DAMAGED


@pytest.mark.parametrize(
    "data",
    [
        PNG[:8] + PNG[33:],
        PNG[:29] + b"\0\0\0\0" + PNG[33:],
        _in_png(_chunk(b"ABCD", b"")),
        _in_png(pack(">I", 0xFFFFFFFF) + b"tEXt"),
        _in_png(_chunk(b"IHDR", PNG[16:29])),
        _in_png(_chunk(b"tEXt", b"") * 100_001),
        PNG[:-12],
        PNG[:60] + bytes([PNG[60] ^ 1]) + PNG[61:],
    ],
    ids="no-header header-crc unknown-critical huge-chunk two-headers many-chunks no-end data-crc".split(),
)
def test_a_png_whose_chunks_are_wrong_is_damaged(data):
    assert _outcome(data) == Outcome.DAMAGED


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_bomb_in_what_png_says_of_itself_is_never_unpacked(kind):
    bomb = zlib.compress(bytes(100_000_000))
    start = time.perf_counter()
    assert _outcome(_in_png(_chunk(kind, b"name\0\0" + bomb))) == Outcome.FETCHED
    assert time.perf_counter() - start < 1


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
    assert _outcome(_tiff(GREY_TIFF + entries, bytes(64))) == outcome


@pytest.mark.parametrize("compression", [6, 34_712, 34_887, 34_925, 50_000, 50_001, 65_535])
def test_a_tiff_of_a_rare_compression_is_not_read(compression):
    entries = [e if e[0] != 259 else (259, 3, 1, compression) for e in GREY_TIFF]
    assert _outcome(_tiff(entries + ONE_STRIP, bytes(64))) == Outcome.DAMAGED


def test_a_tiff_of_many_tags_at_one_place_costs_no_memory():
    """Each of 60,000 tags says that it has a megabyte: who reads them all holds 60 GB."""
    private = [(tag, 1, 1_000_000, 8) for tag in range(1000, 60_000) if tag not in {34_665, 50_706}]
    entries = [*GREY_TIFF, *ONE_STRIP[1:], (34_665, 4, 1, 8), *private, (273, 4, 1, 900_000)]
    data = _tiff(entries, bytes(1_000_000))
    start = time.perf_counter()
    assert _outcome(data) == Outcome.FETCHED
    assert time.perf_counter() - start < 2


def test_exif_of_many_tags_at_one_place_costs_no_memory():
    table = pack("<H", 5000) + b"".join(pack("<HHII", tag, 7, 65_000, 8) for tag in range(5000))
    exif = b"II*\0\x08\0\0\0" + table + bytes(4)
    assert _outcome(_in_png(_chunk(b"eXIf", exif))) == Outcome.FETCHED


def test_a_canvas_of_webp_is_refused_by_its_header():
    header = b"VP8X" + pack("<I", 10) + b"\x02\0\0\0" + b"\xff\xff\xff" * 2
    body = b"WEBP" + header
    assert _outcome(b"RIFF" + pack("<I", len(body)) + body) == Outcome.TOO_MANY_PIXELS


def test_of_a_gif_the_larger_of_canvas_and_frame_counts():
    start = GIF.index(b",\0\0\0\0") + 5
    assert _outcome(GIF[:start] + pack("<HH", 65_535, 65_535) + GIF[start + 4 :]) == Outcome.TOO_MANY_PIXELS


@pytest.mark.parametrize(
    "data",
    [
        JPEG[:2] + b"\xff" * 3_000_000,
        JPEG[:2] + b"\xff\x01" * 1_500_000,
        JPEG[:2] + b"\xff\xfe\0\2" * 750_000,
        GIF[:-1] + b"\x21\xfe\0" * 1_000_000,
        GIF[:-1] + b"\x21\xfe" + b"\1a" * 1_500_000,
        GIF[:-1] + bytes(3_000_000),
        PNG[:33] + bytes(3_000_000),
        WEBP[:4] + pack("<I", 3_000_004) + b"WEBP" + bytes(3_000_000),
        JPEG + b"PK\5\6" * 750_000,
        b"<?xml" * 600_000,
        b"<!--" * 750_000,
        b" " * 3_000_000,
    ],
)
def test_three_megabytes_of_nearly_nothing_cost_no_time(data):
    start = time.perf_counter()
    _outcome(data)
    assert time.perf_counter() - start < 1


def test_only_the_first_of_ten_thousand_frames_is_decoded():
    frames = GIF[GIF.index(b",\0\0\0\0") : -1] * 200
    start = time.perf_counter()
    assert _outcome(GIF[:-1] + frames + b";") == Outcome.FETCHED
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    "data",
    [
        JPEG + _zip(),
        JPEG + _zip() + bytes(100),
        JPEG + _zip(b"\xff\xd9" * 100),
        _in_jpeg(_segment(0xFE, b"%PDF-1.4\n1 0 obj")) + b"endobj startxref 0 %%EOF",
        _in_jpeg(_segment(0xFE, b"<?php system($_GET[0]); ?>")),
        _in_jpeg(_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<SCRIPT>alert(1)</SCRIPT>")),
        b"\xff\xd8\xff\xe0/*" + bytes(0x2F2A - 2) + _segment(0xFE, b"*/=alert(1)/*") + JPEG[20:],
        JPEG + b"\n\n<html><body>",
        JPEG + b"#!/bin/sh\nrm",
        JPEG + b"Rar!\x1a\x07\x01\0" + bytes(99),
        JPEG + b"\0\0junk 7z\xbc\xaf\x27\x1c" + bytes(99),
        JPEG + b"\x7fELF" + bytes(99),
        JPEG + b"\x1f\x8b\x08" + bytes(99),
        PNG + _zip(),
        _in_png(_chunk(b"tEXt", b"Comment\0<script src=//a.example/></script>")),
        _in_png(_chunk(b"prVt", bytes(216) + b"ustar" + bytes(300))) + bytes(512),
        GIF + _zip(),
        GIF[:6] + b"/*" + GIF[8:-1] + b"\x21\xfe\x04*/=1\0;",
        GIF + b"<?php echo 1 ?>",
        BMP + _zip(),
        WEBP + _zip(),
        TIFF + _zip(),
        JPEG + b"prefix__HALT_COMPILER(); ?>",
    ],
)
def test_a_picture_that_is_something_else_too_is_a_polyglot(data):
    assert _outcome(data) == Outcome.POLYGLOT


@pytest.mark.parametrize(
    "trailer",
    [
        bytes(4096),
        b"\r\n",
        b"\xff" * 32,
        JPEG,
        _in_jpeg(_segment(0xE2, b"MPF\0" + bytes(60))),
        b"\0\0\0\x18ftypmp42" + np.random.default_rng(0).bytes(200_000),
        b"SEFH" + bytes(40) + b"SEFT",
        b"CANON OPTIONAL DATA\0" + bytes(50),
        b"PK",
        b"MotionPhoto_Data" + b"\0\0\0\x18ftypisom" + bytes(500),
        b"cbipcbbl" + bytes(30),
        b"AXS!" + bytes(30),
    ],
)
@pytest.mark.parametrize("data", [JPEG, PNG], ids=["JPEG", "PNG"])
def test_what_cameras_put_behind_a_picture_is_harmless(data, trailer):
    assert _outcome(data + trailer) == Outcome.FETCHED


def test_what_is_stored_says_nothing_but_the_picture():
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    data = encoded(a_picture(), exif=exif, comment=b"a secret") + b"a secret"
    stored = store_image(data).data
    assert b"a secret" not in stored
    assert [marker for marker in (b"Exif", b"ICC_PROFILE", b"http") if marker in stored] == []


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<?xml version='1.0'?>\n<!-- made by -->\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"\xef\xbb\xbf<svg/>", "an SVG drawing"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"%PDF-1.7", "a PDF"),
        (_zip(), "a ZIP archive"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"\0\0\0\x1cftypheic", "HEIF"),
        (b'{"error": "gone"}', "JSON"),
        (b"Not found", "text"),
        (b"", "empty"),
        (b"\x93NUMPY", "nothing known"),
    ],
)
def test_what_is_no_picture_is_named(data, name):
    with pytest.raises(UnusableError, match=f"it seems to be {name}") as caught:
        store_image(data)
    assert caught.value.outcome == Outcome.NOT_AN_IMAGE


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, PNG, GIF, BMP, WEBP, TIFF], ids="J P N G B W T".split())
def test_cut_off_at_any_byte_it_is_no_picture(data):
    places = {*range(0, min(len(data), 700)), *range(0, len(data), max(1, len(data) // 150)), len(data) - 1}
    allowed = {Outcome.DAMAGED, Outcome.NOT_AN_IMAGE}
    assert not {place for place in sorted(places) if _outcome(data[:place]) not in allowed}
