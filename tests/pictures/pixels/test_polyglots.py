"""Pictures that another program would open as something else, and what cameras really write."""

import gzip

import numpy as np
import pytest
from PIL import Image

from byline.catalog.corpora.packs import Outcome
from byline.pictures.pixels import UnusableError, store_image
from tests.builders import a_picture, encoded
from tests.pictures.pixels.structures import (
    BMP,
    GIF,
    JPEG,
    PNG,
    TIFF,
    WEBP,
    a_chunk,
    a_segment,
    a_zip,
    in_jpeg,
    in_png,
    outcome_of,
)


@pytest.mark.parametrize(
    "data",
    [
        JPEG + a_zip(),
        JPEG + a_zip() + bytes(100),
        JPEG + a_zip(b"\xff\xd9" * 100),
        in_jpeg(a_segment(0xFE, b"%PDF-1.4\n1 0 obj")) + b"endobj startxref 0 %%EOF",
        in_jpeg(a_segment(0xFE, b"<?php system($_GET[0]); ?>")),
        in_jpeg(a_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<SCRIPT>alert(1)</SCRIPT>")),
        b"\xff\xd8\xff\xe0/*" + bytes(0x2F2A - 2) + a_segment(0xFE, b"*/=alert(1)/*") + JPEG[20:],
        JPEG + b"\n\n<html><body>",
        JPEG + b"#!/bin/sh\nrm",
        JPEG + b"Rar!\x1a\x07\x01\0" + bytes(99),
        JPEG + b"\0\0junk 7z\xbc\xaf\x27\x1c" + bytes(99),
        JPEG + b"\x7fELF" + bytes(99),
        JPEG + b"\x1f\x8b\x08" + bytes(99),
        PNG + a_zip(),
        in_png(a_chunk(b"tEXt", b"Comment\0<script src=//a.example/></script>")),
        in_png(a_chunk(b"prVt", bytes(216) + b"ustar" + bytes(300))) + bytes(512),
        GIF + a_zip(),
        GIF[:6] + b"/*" + GIF[8:-1] + b"\x21\xfe\x04*/=1\0;",
        GIF + b"<?php echo 1 ?>",
        BMP + a_zip(),
        WEBP + a_zip(),
        TIFF + a_zip(),
        JPEG + b"prefix__HALT_COMPILER(); ?>",
    ],
)
def test_a_picture_that_is_something_else_too_is_a_polyglot(data):
    assert outcome_of(data) == Outcome.POLYGLOT


@pytest.mark.parametrize(
    "trailer",
    [
        bytes(4096),
        b"\r\n",
        b"\xff" * 32,
        JPEG,
        in_jpeg(a_segment(0xE2, b"MPF\0" + bytes(60))),
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
    assert outcome_of(data + trailer) == Outcome.FETCHED


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
        (a_zip(), "a ZIP archive"),
        (b"<?xml version='1.0'?>\n<!-- %s -->\n<svg/>" % (b"x" * 3_000), "an SVG drawing"),
        (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'svg11.dtd' [<!ENTITY a 'b'>]><svg:svg/>", "an SVG drawing"),
        ("<svg xmlns='http://www.w3.org/2000/svg'/>".encode("utf-16"), "an SVG drawing"),
        (b"<!DOCTYPE html><html><body><svg></svg>", "an HTML page"),
        (b"<html><svg></svg>", "an HTML page"),
        (b"<?xml version='1.0'?><rss><svg/></rss>", "XML or HTML"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"\0\0\0\x1cftypheic", r"HEIF \(HEIC\)"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", r"HEIF \(HEIC\)"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf", "HEIF, which"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1miafavif", "HEIF, which"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp41avif", r"a video \(MP4\)"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (gzip.compress(b"GIF89a" + bytes(50_000), mtime=0), r"a gzip-encoded picture \(image/gif\); unpack it"),
        (gzip.compress(b"\x89PNG\r\n\x1a\n" + bytes(9), mtime=0)[:-8], r"a gzip-encoded picture \(image/png\)"),
        (gzip.compress(b"a,b\n", mtime=0), "a gzip archive"),
        (b"\x1f\x8b\x08no gzip", "a gzip archive"),
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
