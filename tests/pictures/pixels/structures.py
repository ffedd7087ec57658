"""Files made by hand, part by part."""

import zlib
from io import BytesIO
from struct import pack
from zipfile import ZipFile

from byline.catalog.corpora.packs import Outcome
from byline.pictures.pixels import UnusableError, store_image
from tests.builders import a_picture, encoded

JPEG, PROGRESSIVE = encoded(a_picture(), quality=90), encoded(a_picture(), quality=90, progressive=True)
PNG, GIF, BMP = (encoded(a_picture(), kind) for kind in ("PNG", "GIF", "BMP"))
WEBP, TIFF = encoded(a_picture(), "WEBP"), encoded(a_picture(), "TIFF")


def outcome_of(data):
    try:
        store_image(data)
    except UnusableError as error:
        return error.outcome
    return Outcome.FETCHED


def a_chunk(kind, data):
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


def a_segment(marker, data):
    return bytes((0xFF, marker)) + pack(">H", len(data) + 2) + data


def in_jpeg(*segments):
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def in_png(*chunks):
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def a_zip(comment=b""):
    sink = BytesIO()
    with ZipFile(sink, "w") as archive:
        archive.writestr("a.class", b"x" * 100)
        archive.comment = comment
    return sink.getvalue()


def without(data, start, stop):
    return data[:start] + data[stop:]


def a_tiff(entries, tail=b""):
    """Return a TIFF of these (tag, type, count, value) and then `tail`."""
    return (
        b"II*\0\x08\0\0\0" + pack("<H", len(entries)) + b"".join(pack("<HHII", *e) for e in entries) + bytes(4) + tail
    )


GREY_TIFF = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
ONE_STRIP = [(273, 4, 1, 122), (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]
