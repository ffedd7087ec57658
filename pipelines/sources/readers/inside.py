"""What a picture file says of itself in EXIF, IPTC and XMP, each statement under its name. No pixel is decoded.

Only what the record has a place for is read, and coordinates only when they are asked for.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from PIL import Image, ImageFile, IptcImagePlugin

from byline.pictures.stated.packets import packets_of

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
MAX_XMP_FILE_BYTES = 1 << 26
"""XMP is not looked for in a larger file."""
MAX_XMP_BYTES = 2_000_000
MAX_ITEMS = 1000
"""Of one property; more are the work of somebody who means harm."""
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
_GPS_IFD = 0x8825
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

Statements = dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What was found in a file."""

    width: int
    height: int
    statements: Statements
    """Name, such as `xmp:dc:rights` -> what is said under it, in the order of the file."""
    problems: tuple[str, ...]
    """What could not be read, though it is there."""


def look_inside(file: IO[bytes], *, size: int, with_coordinates: bool) -> Inside:
    """Return what a picture file says. Raises `ValueError` for what is no picture of a kind that is read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged tags, and of sizes: pictures are judged when they are decoded
            image = Image.open(file, formats=FORMATS)
    except Exception as error:  # Pillow raises whatever damaged bytes lead its plugins to
        raise ValueError(f"no picture of a kind that is read: {_why(error)}") from error
    statements: Statements = {}
    problems = []
    parts: list[tuple[str, Callable[[], Iterator[tuple[str, str]]]]] = [
        ("XMP", lambda: _xmp(file, size)),
        ("IPTC", lambda: _iptc(image)),
        ("EXIF", lambda: _exif(image, with_coordinates)),
    ]
    for part, read in parts:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = list(read())
        except Exception as error:  # Pillow, and XML parsers, raise whatever damaged bytes lead them to
            problems.append(f"its {part} cannot be read: {_why(error)}")
            continue
        for name, text in found:
            said = statements.setdefault(name, [])
            if text not in said and len(said) < MAX_ITEMS:
                said.append(text)
    return Inside(width=image.width, height=image.height, statements=statements, problems=tuple(problems))


def _exif(image: Image.Image, with_coordinates: bool) -> Iterator[tuple[str, str]]:
    exif = Image.Image.getexif(image)  # that of a PNG would decode the pixels, to see what comes after them
    for tag, name in EXIF.items():
        value = exif.get(tag)
        if isinstance(value, str | bytes) and (text := _clean(_utf_8(value))):
            yield name, text
    if with_coordinates:
        gps = exif.get_ifd(_GPS_IFD)
        for name, reference, value in (("latitude", gps.get(1), gps.get(2)), ("longitude", gps.get(3), gps.get(4))):
            if (degrees := _degrees(reference, value)) is not None:
                yield name, degrees


def _utf_8(value: str | bytes) -> str:
    """Return text that is UTF-8, as most of it is, or else Latin-1. Pillow gives bytes as Latin-1."""
    try:
        raw = value if isinstance(value, bytes) else value.encode("latin-1")
    except UnicodeEncodeError:
        return str(value)  # read with care already
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _degrees(reference: Any, value: Any) -> str | None:
    try:
        degrees, minutes, seconds = (float(part) for part in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    total = degrees + minutes / 60 + seconds / 3600
    if total != total or not 0 <= total <= 180:
        return None
    return f"{-total if str(reference).strip(chr(0)) in ('S', 'W') else total:.6f}"


def _iptc(image: ImageFile.ImageFile) -> Iterator[tuple[str, str]]:
    found = IptcImagePlugin.getiptcinfo(image) or {}
    is_utf_8 = found.get(_IPTC_ENCODING) == _IPTC_UTF_8
    for place, name in IPTC.items():
        values = found.get(place) or []
        for value in values if isinstance(values, list) else [values]:
            text = _clean(value.decode("utf-8", "replace") if is_utf_8 else _utf_8(value))
            if text:
                yield name, text


def _xmp(file: IO[bytes], size: int) -> Iterator[tuple[str, str]]:
    if size > MAX_XMP_FILE_BYTES:
        raise ValueError(f"a file of {size:,} bytes is not looked through")
    file.seek(0)
    for packet in packets_of(file.read(MAX_XMP_FILE_BYTES)):
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
    said = str(error).split("\n")[0]
    return (said if said and "BytesIO object" not in said and "cannot identify" not in said else "unknown bytes")[:120]
