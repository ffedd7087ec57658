"""Files that are a picture and something else too: an archive, a document, a page, a program.

Much that is harmless follows a photograph: a second picture (MPF, gain maps), a film (motion photos), makers' notes,
zeros. So unknown bytes pass, and only what another program would open is refused.
"""

import re
from struct import unpack_from

from byline.catalog.corpora.packs import Outcome
from byline.pictures.pixels.kinds import Kind
from byline.pictures.pixels.surveys import Survey, UnusableError

EOCD = b"PK\5\6"
"""End of a ZIP's central directory: it may lie up to 65,557 bytes before the end, and archives are read from there."""
EOCD_REACH = 22 + 65_535
FOLLOWS = re.compile(
    rb"(?P<ZIP>PK\x03\x04|PK\x05\x06)|(?P<gzip>\x1f\x8b\x08)|(?P<bzip2>BZh[1-9]1AY&SY)|(?P<xz>\xfd7zXZ\x00)|(?P<PDF>%PDF-\d)"
    rb"|(?P<script>#!\s*/)|(?P<program>\x7fELF|MZ.{58}|\x00asm|\xca\xfe\xba\xbe)|(?P<tar>.{257}ustar)"
    rb"|(?P<HTML>\s*<(!doctype|html|head|body|script|iframe|svg|\?php))",
    re.DOTALL | re.IGNORECASE,
)
"""What a stranger behind a picture begins with."""
INSIDE = {b"<script": "HTML", b"<?php": "PHP", b"<html": "HTML", b"<!doctype html": "HTML", b"<iframe": "HTML"}
"""Markup, in small letters, that the metadata of no honest picture has -> what it is."""
BEHIND = {b"rar!\x1a\x07": "RAR", b"7z\xbc\xaf\x27\x1c": "7z", b"__halt_compiler();": "PHP archive"} | INSIDE
"""What counts anywhere behind a picture: it is long enough never to come up in a film by chance."""
COMMENT_AT = {Kind.JPEG: 4, Kind.GIF: 6, Kind.BMP: 2}
"""Offset in the header where a script can open a comment, so that the picture is a remark in it."""


def refuse_polyglot(data: bytes, kind: Kind, survey: Survey) -> None:
    """Raise `UnusableError` when the picture is something else too, naming what."""
    if other_format := _other_self(data, kind, survey):
        raise UnusableError(Outcome.POLYGLOT, f"the file is {kind.name} and {other_format} at once")


def _other_self(data: bytes, kind: Kind, survey: Survey) -> str | None:
    if _is_zip(data):
        return "ZIP"
    if re.search(rb"%PDF-\d", data[:1024]) and (b"endobj" in data or b"startxref" in data):
        return "PDF"
    if data[257:262] == b"ustar":
        return "tar"
    if data[32_769:32_774] == b"CD001":
        return "a disk image"
    comment = COMMENT_AT.get(kind)
    behind = data[survey.end :]
    if comment and data[comment : comment + 2] == b"/*" and (b"*/" in survey.metadata or b"*/" in behind):
        return "a script"
    if survey.metadata and (other_format := _named(survey.metadata, INSIDE)):
        return other_format
    if not behind:
        return None
    if other_format := _named(behind, BEHIND):
        return other_format
    begins = FOLLOWS.match(behind.lstrip(b"\0 \t\r\n"))
    return begins.lastgroup if begins else None


def _named(text: bytes, names: dict[bytes, str]) -> str | None:
    text = text.lower()
    return next((name for signature, name in names.items() if signature in text), None)


def _is_zip(data: bytes) -> bool:
    """Tell whether a ZIP reader would find its directory: at its end, where it says that it is."""
    offset = len(data)
    while (offset := data.rfind(EOCD, max(0, len(data) - EOCD_REACH), offset)) >= 0:
        if offset + 22 <= len(data):
            (size,) = unpack_from("<I", data, offset + 12)
            if size <= offset and data[offset - size : offset - size + 4] == b"PK\1\2":
                return True
    return False
