"""Where pictures keep XMP: the places of each format, and packets anywhere else in the bytes.

A place is asked through the one walk over its format (`pixels.formats`). What lies outside of it is looked through for
whatever begins like a packet: behind a stray byte, in a chunk that nobody knows, behind the picture's end.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from byline.pictures.pixels import gifs, jpegs, pngs, webps
from byline.pictures.pixels.formats import MAX_PICTURES, pictures_in
from byline.pictures.pixels.kinds import Kind
from byline.pictures.pixels.tiffs import kind_of_tag
from byline.pictures.pixels.walks import Part, Walk, gaps, unhexed

MAX_PACKET_BYTES = 4_000_000
"""Largest packet, unpacked and put together. A longer one is handed on cut, and so cannot be parsed."""
MAX_UNPACKED_BYTES = 16_000_000
"""Most bytes of text of one PNG that are unpacked, all together."""
MAX_PACKETS = 8
"""Packets of one picture that are parsed. All others are only looked through for a no."""

STANDARD = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
PNG_KEYWORD, PNG_PROFILES = b"XML:com.adobe.xmp", (b"Raw profile type xmp", b"Raw profile type APP1")
GIF_NAME, TIFF_TAG = b"\x0bXMP DataXMP", kind_of_tag(700)
_RDF = b"rdf-syntax-ns#"
"""The end of a namespace that every packet names, unless it is compressed or of wider letters."""
_RDF_IN_WIDE = tuple(_RDF.decode().encode(name).strip(b"\0") for name in ("utf-16-le", "utf-32-le"))
_BEGIN = re.compile(rb"<[A-Za-z]{0,16}:?(?:xmpmeta|xapmeta|RDF)[\s>]")
_WHOLE = re.compile(rb"<(?P<name>[A-Za-z]{0,16}:?(?:xmpmeta|xapmeta|RDF))[\s>].*?</(?P=name)\s*>", re.DOTALL)
_NEXT = re.compile(rb"<\?xpacket begin")


@dataclass
class Packets:
    """The packets of one file."""

    own: list[bytes] = field(default_factory=list)
    """Packets of the picture itself, where its format keeps them."""
    others: list[bytes] = field(default_factory=list)
    """Packets of pictures behind it, and whatever else looks like one."""
    unparsed: list[bytes] = field(default_factory=list)
    """Bytes that are to be looked through, and not parsed."""
    is_all: bool = True
    """Whether the file could be walked to its end, and nothing was left packed."""


def own_packets(data: bytes) -> list[bytes]:
    """Return what a picture says of itself: its own packets, or, where it has none, those anywhere in its bytes."""
    packets = packets_of(data)
    return (packets.own or packets.others)[:MAX_PACKETS]


def packets_of(data: bytes) -> Packets:
    """Return all packets in the bytes, of which `MAX_PACKETS` are to be parsed. Fast where there is none.

    Pixels are not looked through, if the walk comes to their end.
    """
    packets, known = Packets(), []
    for number, (kind, walk) in enumerate(pictures_in(data)):
        if number == 0:
            packets.is_all = not walk.problem
        if number == MAX_PICTURES - 1:
            packets.is_all = False
        for packet, parts in _PLACES[kind](data, walk, packets):
            (packets.others if number else packets.own).append(packet)
            known += [(part.start, part.stop) for part in parts]
        if not walk.problem:
            known += [(part.start, part.stop) for part in walk.of_kind(jpegs.PIXELS, pngs.PIXELS)]
    for start, stop in gaps(known, 0, len(data)):
        _look_through(data, start, stop, packets)
    too_many = max(0, len(packets.own) + len(packets.others) - MAX_PACKETS)
    if too_many:
        everything = [*packets.own, *packets.others]
        packets.unparsed += everything[MAX_PACKETS:]
        packets.own = packets.own[:MAX_PACKETS]
        packets.others = everything[len(packets.own) : MAX_PACKETS]
    return packets


_Found = Iterator[tuple[bytes, list[Part]]]
"""Packets, and the parts that each of them was put together from."""


def _of_jpeg(data: bytes, walk: Walk, packets: Packets) -> _Found:
    """Yield the standard packets, then the extended ones: each put together from the segments of its digest."""
    extended: dict[bytes, list[tuple[int, Part]]] = {}
    for part in walk.of_kind(jpegs.APP1):
        if data.startswith(STANDARD, part.content):
            yield data[part.content + len(STANDARD) : part.stop], [part]
        elif data.startswith(EXTENSION, part.content) and part.stop - part.content > len(EXTENSION) + 40:
            digest, _, offset = struct.unpack_from(">32sII", data, part.content + len(EXTENSION))
            extended.setdefault(digest, []).append((offset, part))
    for of_digest in extended.values():
        ordered = sorted(of_digest)  # where two claim one place both are kept: then it is no XML, and is looked through
        packet = b"".join(data[part.content + len(EXTENSION) + 40 : part.stop] for _, part in ordered)
        yield packet[:MAX_PACKET_BYTES], [part for _, part in ordered]
        if len(packet) > MAX_PACKET_BYTES:
            packets.unparsed.append(packet)


def _of_png(data: bytes, walk: Walk, packets: Packets) -> _Found:
    """Yield the packets in text chunks: under the keywords for XMP, and wherever else a text holds one."""
    left = MAX_UNPACKED_BYTES
    for part in walk.of_kind(*pngs.TEXTS):
        most = min(left, MAX_PACKET_BYTES)
        if most <= 0:
            packets.is_all = False
            return
        keyword, text, is_whole = pngs.texts_of(data[part.content : part.stop], part.kind, most=most)
        left -= len(text)
        packet = unhexed(text) if keyword.startswith(b"Raw profile") else None
        packet = (text if packet is None else packet).removeprefix(STANDARD)
        if keyword == PNG_KEYWORD or keyword in PNG_PROFILES[:1] or _is_sign_in(packet):
            yield packet, [part]
        elif not is_whole:
            packets.is_all = False


def _of_webp(data: bytes, walk: Walk, packets: Packets) -> _Found:
    return ((data[part.content : part.stop], [part]) for part in walk.of_kind(webps.XMP))


def _of_gif(data: bytes, walk: Walk, packets: Packets) -> _Found:
    """Yield the packets of application blocks: not in sub-blocks, as others are, but whole, before a magic trailer."""
    for part in walk.of_kind(gifs.APPLICATION):
        if data.startswith(GIF_NAME, part.content):
            start = part.content + len(GIF_NAME)
            text = data[start : part.stop]
            is_whole = text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
            yield (text[: text.rfind(b">") + 1] if is_whole else gifs.joined(text)), [part]


def _of_tiff(data: bytes, walk: Walk, packets: Packets) -> _Found:
    return ((data[part.content : part.stop], [part]) for part in walk.of_kind(TIFF_TAG))


def _of_none(data: bytes, walk: Walk, packets: Packets) -> _Found:
    return iter(())


_PLACES = {
    Kind.JPEG: _of_jpeg,
    Kind.PNG: _of_png,
    Kind.WEBP: _of_webp,
    Kind.GIF: _of_gif,
    Kind.TIFF: _of_tiff,
    Kind.BMP: _of_none,
}


def _is_sign_in(data: bytes, start: int = 0, stop: int | None = None) -> bool:
    return any(data.find(sign, start, len(data) if stop is None else stop) >= 0 for sign in (_RDF, *_RDF_IN_WIDE))


def _look_through(data: bytes, start: int, stop: int, packets: Packets) -> None:
    """Add what begins like a packet in [start, stop); where its letters are wide, in the same without zeros."""
    if data.find(_RDF, start, stop) >= 0:
        _add_packets(data, start, stop, packets)
    if any(data.find(sign, start, stop) >= 0 for sign in _RDF_IN_WIDE):
        narrow = data[start:stop].replace(b"\0", b"")
        _add_packets(narrow, 0, len(narrow), packets)


def _add_packets(data: bytes, offset: int, stop: int, packets: Packets) -> None:
    """Add packets, one without its end as far as the next one; past `MAX_PACKETS` of them the rest as it is."""
    for _ in range(MAX_PACKETS):
        if (begin := _BEGIN.search(data, offset, stop)) is None:
            return
        most = min(stop, begin.start() + MAX_PACKET_BYTES)
        following = _NEXT.search(data, begin.end(), most)
        offset = following.start() if following else most
        if whole := _WHOLE.match(data, begin.start(), offset):
            offset = whole.end()
        packets.others.append(data[begin.start() : offset])
    if _BEGIN.search(data, offset, stop):
        packets.unparsed.append(data[offset:stop])
