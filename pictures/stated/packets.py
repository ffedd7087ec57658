"""Where pictures keep XMP: JPEG's APP1 segments, PNG's text chunks, what Pillow finds in the others, or anywhere."""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator

from PIL import Image

from byline.pictures.stated.containers import JPEG, PNG, WEBP, jpeg_segments, png_chunks

MAX_PACKET_BYTES = 4_000_000
"""Of one packet, unpacked and put together. What is longer is handed on cut, and so cannot be parsed."""
MAX_PACKETS = 8

STANDARD = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
PNG_KEYWORD, PNG_PROFILE = b"XML:com.adobe.xmp", b"Raw profile type xmp"
_TEXT_CHUNKS = frozenset({b"iTXt", b"tEXt", b"zTXt"})
_RDF = b"rdf-syntax-ns#"
"""In every packet, unless it is compressed or of two-byte letters."""
_RDF_IN_TWO_BYTES = _RDF.decode("ascii").encode("utf-16-le")[:-1]
_WHOLE = re.compile(rb"<(?P<name>[A-Za-z]{0,16}:?(?:xmpmeta|xapmeta|RDF))[\s>].*?</(?P=name)\s*>", re.DOTALL)
_BEGIN = re.compile(rb"<[A-Za-z]{0,16}:?(?:xmpmeta|xapmeta|RDF)[\s>]")
_SIGNS = {JPEG: (_RDF,), PNG[:3]: (_RDF, PNG_KEYWORD, PNG_PROFILE), WEBP[:3]: (_RDF,)}
_OTHER_SIGNS = (_RDF, _RDF_IN_TWO_BYTES)
_PILLOWS = ("WEBP", "GIF", "TIFF")


def packets_of(data: bytes) -> list[bytes]:
    """Return the XMP packets of a picture, at most `MAX_PACKETS`; none, fast, when there is no sign of any."""
    if not any(sign in data for sign in _SIGNS.get(data[:3], _OTHER_SIGNS)):
        return []
    if data.startswith(JPEG):
        packets = _jpeg_packets(data)
    elif data.startswith(PNG):
        packets = list(_png_packets(data))
    else:
        packets = _pillow_packets(data)
    return (packets or list(_raw_packets(data)))[:MAX_PACKETS]


def _jpeg_packets(data: bytes) -> list[bytes]:
    """Return the standard packets, then the extended ones: each put together from the segments of its digest."""
    standard: list[bytes] = []
    extended: dict[bytes, dict[int, bytes]] = {}
    for segment in jpeg_segments(data, 0xE1):
        if segment.startswith(STANDARD):
            standard.append(segment[len(STANDARD) :])
        elif segment.startswith(EXTENSION) and len(segment) > len(EXTENSION) + 40:
            digest, _, offset = struct.unpack_from(">32sII", segment, len(EXTENSION))
            extended.setdefault(digest, {})[offset] = segment[len(EXTENSION) + 40 :]
    joined = (b"".join(parts for _, parts in sorted(of.items())) for of in extended.values())
    return standard + [packet[:MAX_PACKET_BYTES] for packet in joined]


def _png_packets(data: bytes) -> Iterator[bytes]:
    for kind, chunk in png_chunks(data, _TEXT_CHUNKS):
        keyword, _, text = chunk.partition(b"\0")
        if kind == b"iTXt" and keyword == PNG_KEYWORD:
            yield _international_text(text)
        elif kind != b"iTXt" and keyword == PNG_PROFILE:
            yield _profile(_inflated(text[1:]) if kind == b"zTXt" else text)


def _international_text(chunk: bytes) -> bytes:
    """Return the text of an iTXt chunk after its keyword: compression flag and method, language, keyword, text."""
    text = chunk[2:].split(b"\0", 2)[-1]
    return _inflated(text) if chunk[:1] == b"\1" else text[:MAX_PACKET_BYTES]


def _profile(text: bytes) -> bytes:
    """Return the packet that ImageMagick wrote as `xmp`, its length, and lines of hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text[: 2 * MAX_PACKET_BYTES].decode("ascii").split()[2:]))
    except ValueError:
        return text[:MAX_PACKET_BYTES]


def _inflated(text: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(text, MAX_PACKET_BYTES)
    except zlib.error:
        return text[:MAX_PACKET_BYTES]


def _pillow_packets(data: bytes) -> list[bytes]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_PILLOWS) as image:
                packet = image.info.get("xmp")
    except Exception:  # Pillow raises whatever its plugins do; what it cannot open is looked through as it is
        return []
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "surrogateescape")
    return [packet[:MAX_PACKET_BYTES]] if isinstance(packet, bytes) and packet else []


def _raw_packets(data: bytes) -> Iterator[bytes]:
    """Yield what looks like a packet anywhere in the bytes, the last one perhaps without its end."""
    place = 0
    while (begin := _BEGIN.search(data, place)) is not None:
        whole = _WHOLE.match(data, begin.start(), begin.start() + MAX_PACKET_BYTES)
        if whole is None:
            yield data[begin.start() : begin.start() + MAX_PACKET_BYTES]
            return
        yield whole[0]
        place = whole.end()
