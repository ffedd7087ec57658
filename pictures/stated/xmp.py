"""XMP packets: the few properties that speak of data mining and of how a picture was made."""

import re
from collections.abc import Iterator
from itertools import islice
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from byline.catalog.consent import Signal
from byline.catalog.consent.embedded import UNREAD

MAX_PARSED_BYTES = 2_000_000
"""A packet with more is not parsed, only looked through."""
MAX_PROPERTIES, MAX_PARTS = 200, 50
"""Properties that speak of use in one packet, and parts of one of them: no picture has as many."""
PROVENANCE = "dcterms:provenance"
"""The property that says where a C2PA manifest lies that is not in the picture."""
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_PROPERTIES = {
    ("plus", "DataMining"): "xmp:plus:DataMining",
    ("iptc", "DataMining"): "xmp:plus:DataMining",
    ("plus", "OtherConstraints"): "xmp:plus:OtherConstraints",
    ("iptc", "DigitalSourceType"): "xmp:iptc4xmpext:DigitalSourceType",
    ("tdm", "reservation"): "xmp:tdm:reservation",
    ("dcterms", "provenance"): PROVENANCE,
}
_NAMESPACES = (
    ("ns.useplus.org/", "plus"),
    ("iptc.org/std/iptc4xmpext/", "iptc"),
    ("www.w3.org/ns/tdmrep", "tdm"),
    ("purl.org/dc/terms/", "dcterms"),
)
"""How a namespace begins after `http://`, in any case -> its prefix; both `ldf/xmp/1.0/` and others are in use for
PLUS."""
_WIDE = (
    *((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"<\0\0\0", "utf-32-le"), (b"\0\0\0<", "utf-32-be")),
    *((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be")),
)
_PADDING = b" \t\r\n\0\xef\xbb\xbf"
_PROHIBITED = re.compile(rb"DMI-PROHIBITED[A-Z-]{0,40}")
_RESERVED = re.compile(rb"tdm:reservation(?:\s*=\s*[\"']|[^<>]{0,200}>(?:\s*<[^<>]{0,60}>){0,3})\s*1\s*[\"'<]")
_SYNTHETIC = re.compile(rb"digitalsourcetype/([A-Za-z]{1,60})", re.IGNORECASE)


def xmp_signals(packet: bytes) -> Iterator[Signal]:
    """Yield what a packet says, a property as often as it says it; `[xmp, unread]` where it cannot be parsed."""
    packet = _in_one_byte(packet)
    try:
        yield from _properties(_parse(packet))
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        yield from unparsed_signals(packet)


def unparsed_signals(packet: bytes) -> Iterator[Signal]:
    """Yield `[xmp, unread]`, and the noes and origins that stand in a packet, damaged as it is."""
    yield "xmp", UNREAD
    for match in _PROHIBITED.finditer(packet):
        yield "xmp:plus:DataMining", match[0].decode("ascii")
    for _ in _RESERVED.finditer(packet):
        yield "xmp:tdm:reservation", "1"
    for match in _SYNTHETIC.finditer(packet):
        yield "xmp:iptc4xmpext:DigitalSourceType", match[1].decode("ascii")


def _in_one_byte(packet: bytes) -> bytes:
    """Return a packet of letters of two or four bytes in UTF-8, and any other as it is."""
    for beginning, encoding in _WIDE:
        if packet.startswith(beginning):
            return packet.decode(encoding, "replace").encode("utf-8", "replace")
    return packet


def _parse(packet: bytes) -> Element:
    if len(packet) > MAX_PARSED_BYTES:
        raise ValueError("too large")
    root = fromstring(packet.strip(_PADDING), forbid_dtd=True)
    return root if isinstance(root, Element) else Element("none")


def _properties(root: Element) -> Iterator[Signal]:
    num_found = 0
    for element in root.iter():
        for name, value in element.items():
            if (signal := _signal_of(name)) and value.strip():
                yield signal, value.strip()
        if signal := _signal_of(element.tag):
            num_found += 1
            if num_found > MAX_PROPERTIES:
                raise ValueError("too many properties")
            yield from ((signal, value) for value in _values(element))


def _signal_of(name: str) -> str | None:
    """Return the signal of an attribute or element by its `{namespace}name`."""
    namespace, brace, local = name.rpartition("}")
    if not brace or len(namespace) > 100:
        return None
    address = namespace.lower().partition("://")[2]
    for beginning, short in _NAMESPACES:
        if address.startswith(beginning):
            return _PROPERTIES.get((short, local))
    return None


def _values(element: Element) -> Iterator[str]:
    """Yield the values of a property: text, a resource, or the items of a list."""
    for part in islice(element.iter(), MAX_PARTS):
        for value in (part.get(f"{_RDF}resource"), part.text):
            if value and value.strip():
                yield value.strip()
