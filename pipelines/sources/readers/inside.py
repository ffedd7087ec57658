"""What a picture file says of itself in EXIF, IPTC and XMP, each statement under its name. No pixel is decoded.

Only what the record has a place for is read, and coordinates only when they are asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from typing import IO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from byline.pictures.pixels.directories import GPS
from byline.pictures.pixels.formats import head_of
from byline.pictures.pixels.heads import Head
from byline.pictures.pixels.kinds import known_kind, seems
from byline.pictures.pixels.surveys import UnusableError
from byline.pictures.pixels.walks import Bytes
from byline.pictures.stated.packets import own_packets

MAX_XMP_FILE_BYTES = 1 << 26
"""XMP is not looked for in a larger file, and no more of one is read at once."""
MAX_XMP_BYTES = 2_000_000
MAX_ITEMS = 1000
"""Most items of one property; more are the work of somebody who means harm."""
EXIF = {270: "exif:ImageDescription", 315: "exif:Artist", 33432: "exif:Copyright"}
IPTC = {
    (2, 5): "iptc:ObjectName",
    (2, 25): "iptc:Keywords",
    (2, 80): "iptc:By-line",
    (2, 110): "iptc:Credit",
    (2, 116): "iptc:CopyrightNotice",
    (2, 120): "iptc:Caption-Abstract",
}
_IPTC_ENCODING, _IPTC_UTF_8 = (1, 90), b"\x1b%G"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_RIGHTS = "{http://ns.adobe.com/xap/1.0/rights/}"
_CC = "{http://creativecommons.org/ns#}"
XMP = {
    f"{_DC}creator": "xmp:dc:creator",
    f"{_DC}rights": "xmp:dc:rights",
    f"{_DC}title": "xmp:dc:title",
    f"{_DC}description": "xmp:dc:description",
    f"{_DC}subject": "xmp:dc:subject",
    f"{_RIGHTS}WebStatement": "xmp:xmpRights:WebStatement",
    f"{_RIGHTS}UsageTerms": "xmp:xmpRights:UsageTerms",
    f"{_CC}license": "xmp:cc:license",
    f"{_CC}attributionName": "xmp:cc:attributionName",
    f"{_CC}attributionURL": "xmp:cc:attributionURL",
    "{http://ns.adobe.com/photoshop/1.0/}Credit": "xmp:photoshop:Credit",
}
ONE_LANGUAGE = frozenset({"xmp:dc:title", "xmp:dc:description"})
"""Properties of which the text in the default language is enough. Of rights, what any language says counts."""
_PLUS = "{http://ns.useplus.org/ldf/xmp/1.0/}"
LICENSOR = "xmp:plus:LicensorURL"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

Statements = dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What was found in a file."""

    width: int | None
    """None for what is no size of a record."""
    height: int | None
    statements: Statements
    """Name, such as `xmp:dc:rights` -> what is said under it, in the order of the file."""
    problems: tuple[str, ...]
    """What could not be read, though it is there."""


def look_inside(file: IO[bytes], *, size: int, with_coordinates: bool) -> Inside:
    """Return what a picture file says. Raises `ValueError` for what is no picture of a kind that is read.

    A picture that is cut off, or has more pixels than are decoded, says it too: it is judged when it is decoded.
    """
    data: Bytes = file.read(MAX_XMP_FILE_BYTES)
    if known_kind(data) is None:
        raise ValueError(f"no picture of a kind that is read: it seems to be {seems(data)}")
    if size > MAX_XMP_FILE_BYTES:  # a TIFF's directory may lie at its end
        data = mmap(file.fileno(), 0, access=ACCESS_READ)
    try:
        head = head_of(data)
    except UnusableError as error:
        raise ValueError(f"no picture of a kind that is read: {error}") from error
    statements: Statements = {}
    problems = []
    parts: list[tuple[str, Callable[[], Iterator[tuple[str, str]]]]] = [
        ("XMP", lambda: _xmp(data)),
        ("IPTC", lambda: _iptc(head.iptc)),
        ("EXIF", lambda: _exif(head, with_coordinates)),
    ]
    for part, read in parts:
        try:
            named_texts = list(read())
        except ValueError as error:
            problems.append(f"its {part} cannot be read: {_why(error)}")
            continue
        for name, text in named_texts:
            texts = statements.setdefault(name, [])
            if text not in texts and len(texts) < MAX_ITEMS:
                texts.append(text)
    width, height = (side if side < 1 << 31 else None for side in (head.width, head.height))
    return Inside(width=width, height=height, statements=statements, problems=tuple(problems))


def _exif(head: Head, with_coordinates: bool) -> Iterator[tuple[str, str]]:
    tags = head.tags or head.tags_in_text
    if tags is None:
        if head.has_exif:
            raise ValueError("its directory is cut off")
        return
    for tag, name in EXIF.items():
        if text := _clean(_utf_8(tags.text(tag))):
            yield name, text
    gps = tags.inner(GPS) if with_coordinates else None
    if gps:
        for name, reference, value in (("latitude", 1, 2), ("longitude", 3, 4)):
            if (degrees := _degrees(gps.text(reference), gps.fractions(value))) is not None:
                yield name, degrees


def _utf_8(text: bytes) -> str:
    """Return text that is UTF-8, as most of it is, or else Latin-1."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _degrees(reference: bytes, value: list[float]) -> str | None:
    if len(value) != 3:
        return None
    degrees, minutes, seconds = value
    total = degrees + minutes / 60 + seconds / 3600
    if not 0 <= total <= 180:
        return None
    return f"{-total if reference.strip(bytes(1)) in (b'S', b'W') else total:.6f}"


def _iptc(data: bytes) -> Iterator[tuple[str, str]]:
    data_sets: dict[tuple[int, int], list[bytes]] = {}
    for number, value in _data_sets(data):
        data_sets.setdefault(number, []).append(value)
    is_utf_8 = data_sets.get(_IPTC_ENCODING) == [_IPTC_UTF_8]
    for number, name in IPTC.items():
        for value in data_sets.get(number, ()):
            text = _clean(value.decode("utf-8", "replace") if is_utf_8 else _utf_8(value))
            if text:
                yield name, text


def _data_sets(data: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield record, number and content of each data set of IPTC-IIM, up to what is none. Raises `ValueError`."""
    offset = 0
    while data[offset : offset + 1] == b"\x1c":
        size, start = int.from_bytes(data[offset + 3 : offset + 5]), offset + 5
        if size >> 15:  # the size of the size
            start += size & 0x7FFF
            size = int.from_bytes(data[offset + 5 : start])
        if len(data) < start + size or start - offset > 9:
            raise ValueError("a data set that is cut off")
        yield (data[offset + 1], data[offset + 2]), data[start : start + size]
        offset = start + size


def _xmp(data: Bytes) -> Iterator[tuple[str, str]]:
    if not isinstance(data, bytes):
        raise ValueError(f"a file of {len(data):,} bytes is not looked through")
    for packet in own_packets(data):
        if len(packet) > MAX_XMP_BYTES:
            raise ValueError(f"a packet of {len(packet):,} bytes")
        try:
            root = fromstring(packet.strip(b" \t\r\n\0\xef\xbb\xbf"), forbid_dtd=True)
        except (ParseError, DefusedXmlException, LookupError) as error:
            raise ValueError(f"no XML, {_why(error)}") from error
        yield from _properties(root)


def _properties(root: Element) -> Iterator[tuple[str, str]]:
    """Yield what is said of the picture itself, not of those that it was made from, which may be told of below."""
    for rdf in root.iter(f"{_RDF}RDF"):
        for description in rdf:
            for attribute, value in description.items():
                if attribute in XMP and (text := _clean(value)):
                    yield XMP[attribute], text
            for element in description:
                if element.tag in XMP:
                    values = _values(element)
                    yield from ((XMP[element.tag], text) for text in _wanted(XMP[element.tag], values))
                elif element.tag == f"{_PLUS}Licensor":
                    yield from ((LICENSOR, text) for text in _licensors(element))


def _values(element: Element) -> list[tuple[str | None, str]]:
    """Return language and text of a property: its resource, its text, or the items of its list."""
    items = [item for container in element for item in container if item.tag == f"{_RDF}li"]
    parts = items or [element]
    texts = ((part.get(_LANGUAGE), _clean(part.get(f"{_RDF}resource") or part.text or "")) for part in parts)
    return [(language, text) for language, text in texts if text]


def _wanted(name: str, values: list[tuple[str | None, str]]) -> list[str]:
    if name not in ONE_LANGUAGE:
        return [text for _, text in values]
    default = [text for language, text in values if language == "x-default"]
    return (default or [text for _, text in values])[:1]


def _licensors(element: Element) -> Iterator[str]:
    for part in element.iter():
        for text in (part.get(f"{_PLUS}LicensorURL"), part.text if part.tag == f"{_PLUS}LicensorURL" else None):
            if text and _clean(text):
                yield _clean(text)


def _clean(text: str) -> str:
    return text.strip(" \t\r\n\0")


def _why(error: Exception) -> str:
    return str(error).split("\n")[0][:120] or type(error).__name__
