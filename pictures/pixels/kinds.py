"""What bytes are, by the bytes alone: never by a header or a file name."""

import re
from enum import StrEnum

from byline.catalog.corpora.packs import Outcome
from byline.pictures.pixels.surveys import UnusableError


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
REFUSED = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), name)
    for pattern, name in (
        (rb"\s*(<!doctype html|<html|<head|<body|<script|<!--)", "an HTML page"),
        (rb"\s*<\?xml|\s*<[a-z]", "XML or HTML"),
        (rb".{0,1023}%PDF-\d", "a PDF"),
        (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "a ZIP archive"),
        (rb"\x1f\x8b", "a gzip archive"),
        (rb"BZh[1-9]", "a bzip2 archive"),
        (rb"\xfd7zXZ\0", "an xz archive"),
        (rb"Rar!\x1a\x07", "a RAR archive"),
        (rb"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (rb"\(\xb5/\xfd", "a zstd archive"),
        (rb".{257}ustar", "a tar archive"),
        (rb".{4}ftyp(avif|avis)", "AVIF, which is not read"),
        (rb".{4}ftyp(hei[cxms]|hev[cx]|mif1|msf1)", "HEIF, which is not read"),
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


def kind_of(data: bytes) -> Kind:
    """Return the format of the bytes. Raises `UnusableError` that names what they seem to be instead."""
    if found := READ.match(data):
        return Kind[str(found.lastgroup)]
    raise UnusableError(Outcome.NOT_AN_IMAGE, f"the content is no image format we read; it seems to be {_seems(data)}")


def _seems(data: bytes) -> str:
    head = data[:4096].removeprefix(UTF_8_MARK)
    if not head:
        return "empty"
    if head.lstrip().startswith(b"<") and b"<svg" in head.lower():
        return "an SVG drawing"
    for pattern, name in REFUSED:
        if pattern.match(head):
            return name
    is_text = TEXT.match(head) and "\ufffd" not in head[:-3].decode(errors="replace")
    return "text" if is_text else f"nothing known (it begins with {head[:8].hex(' ')})"
