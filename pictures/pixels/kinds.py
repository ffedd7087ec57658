"""What bytes are, by the bytes alone: never by a header or a file name."""

import re
import zlib
from enum import StrEnum

from byline.catalog.corpora.packs import Outcome
from byline.pictures.pixels.surveys import UnusableError
from byline.pictures.pixels.walks import Bytes


class Kind(StrEnum):
    """The formats that are read; the value is the media type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    GIF = "image/gif"
    BMP = "image/bmp"
    TIFF = "image/tiff"


READ = re.compile(
    rb"(?P<JPEG>\xff\xd8\xff)|(?P<PNG>\x89PNG\r\n\x1a\n)|(?P<GIF>GIF8[79]a)|(?P<WEBP>RIFF.{4}WEBP)"
    rb"|(?P<BMP>BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0)|(?P<TIFF>II\*\0|MM\0\*)",
    re.DOTALL,
)
GZIP = b"\x1f\x8b"
REFUSED = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), name)
    for pattern, name in (
        (rb"\s*(<!doctype html|<html|<head|<body|<script|<!--)", "an HTML page"),
        (rb"\s*<\?xml|\s*<[a-z]", "XML or HTML"),
        (rb".{0,1023}%PDF-\d", "a PDF"),
        (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "a ZIP archive"),
        (GZIP, "a gzip archive"),
        (rb"BZh[1-9]", "a bzip2 archive"),
        (rb"\xfd7zXZ\0", "an xz archive"),
        (rb"Rar!\x1a\x07", "a RAR archive"),
        (rb"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (rb"\(\xb5/\xfd", "a zstd archive"),
        (rb".{257}ustar", "a tar archive"),
        (rb".{4}ftyp", "a video (MP4)"),
        (rb"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
        (rb"RIFF.{4}AVI ", "a video (AVI)"),
        (rb"RIFF.{4}WAVE|ID3|OggS|fLaC", "a sound"),
        (rb"\0\0\0\x0cJXL |\xff\x0a", "JPEG XL, which is not read"),
        (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000, which is not read"),
        (rb"8BPS", "a Photoshop document"),
        (rb"II\+\0|MM\0\+", "BigTIFF, which is not read"),
        (rb"\0\0[\x01\x02]\0", "an icon"),
        (rb"P[1-7]\s", "a netpbm picture, which is not read"),
        (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript"),
        (rb"\x7fELF|MZ|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe|\0asm", "a program"),
        (rb"#!", "a script"),
        (rb"\s*[{\[]", "JSON"),
    )
)
TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+\Z")
UTF_8_MARK = b"\xef\xbb\xbf"
TWO_BYTES = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
"""What text of two-byte letters begins with."""
HEAD_BYTES = 4096
FIRST_BYTES = 64
"""Unpacked bytes that tell a picture: more than `READ` looks at."""
SVG = re.compile(
    rb"\s*+(?:(?>(?:<!--.*?-->|<\?.*?\?>|<!doctype\s+svg[^\[>]*+(?:\[[^\]]*+\]\s*+)?+>)\s*+))*+<(?:[a-z]+:)?svg[\s>/]",
    re.DOTALL | re.IGNORECASE,
)
"""An SVG's first element; an HTML page may hold one too, and is none."""
ANY_HEIF = frozenset({b"mif1", b"msf1"})
BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF, which is not read"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis"), "HEIF (HEIC), which is not read"),
    **dict.fromkeys((b"hevc", b"hevx", b"hevm", b"hevs"), "HEIF (HEIC), which is not read"),
    **dict.fromkeys(ANY_HEIF, "HEIF, which is not read"),
}
"""Brand of an ISO file that is a picture -> what it is."""


def known_kind(data: Bytes) -> Kind | None:
    """Return the format of the bytes; none when it is none that is read."""
    match = READ.match(data)
    return Kind[str(match.lastgroup)] if match else None


def kind_of(data: Bytes) -> Kind:
    """Return the format of the bytes. Raises `UnusableError` that names what they seem to be instead."""
    if kind := known_kind(data):
        return kind
    message = f"the content is no image format we read; it seems to be {seems(data)}"
    raise UnusableError(Outcome.NOT_AN_IMAGE, message)


def seems(data: Bytes) -> str:
    """Name what the first 4,096 bytes are, which are no format that is read."""
    head = _in_one_byte(data[:HEAD_BYTES])
    if not head:
        return "empty"
    if SVG.match(head):
        return "an SVG drawing"
    if name := _of_brands(head) or _of_gzip(head):
        return name
    for pattern, name in REFUSED:
        if pattern.match(head):
            return name
    is_text = TEXT.match(head) and "\ufffd" not in head[:-3].decode(errors="replace")
    return "text" if is_text else f"nothing known (it begins with {head[:8].hex(' ')})"


def _in_one_byte(head: bytes) -> bytes:
    """Return markup of two-byte letters in one-byte ones, and all else without the mark of UTF-8."""
    for mark, encoding in TWO_BYTES.items():
        if head.startswith(mark):
            return head.decode(encoding, "replace").removeprefix("\ufeff").encode(errors="replace")
    return head.removeprefix(UTF_8_MARK)


def _of_gzip(head: bytes) -> str | None:
    """Name a picture that a server or a tool packed: by what its first bytes unpack to, and no more of them."""
    if not head.startswith(GZIP):
        return None
    try:
        first = zlib.decompressobj(wbits=zlib.MAX_WBITS + 16).decompress(head, FIRST_BYTES)
    except zlib.error:
        return None
    kind = known_kind(first)
    return f"a gzip-encoded picture ({kind}); unpack it" if kind else None


def _of_brands(head: bytes) -> str | None:
    """Name a picture in an ISO file (`ftyp`) by its own brand, or by those that it is compatible with.

    `mif1` and `msf1` say only that it is one: AVIF and HEIC both begin so.
    """
    if head[4:8] != b"ftyp":
        return None
    size = min(max(int.from_bytes(head[:4]), 16), 256)
    brands = [head[offset : offset + 4] for offset in (8, *range(16, size - 3, 4))]
    if brands[0] not in BRANDS:
        return None
    return next((BRANDS[brand] for brand in brands if brand in BRANDS and brand not in ANY_HEIF), BRANDS[brands[0]])
