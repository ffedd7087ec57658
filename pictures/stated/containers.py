"""The parts of a picture's file, as far as they hold what it says of itself. Stops where the file makes no sense."""

import struct
from collections.abc import Iterator

JPEG, PNG, WEBP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"
GIF = (b"GIF87a", b"GIF89a")
TIFF = {b"II*\0": "<", b"MM\0*": ">"}
MAX_TAGS = 4_096


def jpeg_segments(data: bytes, marker: int) -> Iterator[bytes]:
    """Yield what the segments with this marker hold, up to the pixels."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        found = data[place + 1]
        if found == 0xFF or found == 0x01 or 0xD0 <= found <= 0xD8:  # fill, or a marker without a length
            place += 1 if found == 0xFF else 2
            continue
        if found in (0xD9, 0xDA):  # end, or pixels
            return
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if found == marker:
            yield data[place + 4 : place + 2 + length]
        place += 2 + max(length, 2)


def png_chunks(data: bytes, kinds: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and content of the chunks of these kinds."""
    place = len(PNG)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind in kinds:
            yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def riff_chunks(data: bytes, kind: bytes) -> Iterator[bytes]:
    """Yield the content of WebP's chunks of this kind."""
    place = 12
    while place + 8 <= len(data):
        found, length = struct.unpack_from("<4sI", data, place)
        if found == kind:
            yield data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def gif_application(data: bytes, name: bytes) -> bytes:
    """Return the content of GIF's application block of this name (11 bytes), put together from its parts."""
    place = data.find(b"\x21\xff\x0b" + name)
    if place < 0:
        return b""
    place += 14
    parts: list[bytes] = []
    while place < len(data) and data[place]:
        parts.append(data[place + 1 : place + 1 + data[place]])
        place += 1 + data[place]
    return b"".join(parts)


def tiff_tag(data: bytes, tag: int) -> bytes:
    """Return the bytes of a tag of TIFF's first directory."""
    order = TIFF[data[:4]]
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        (number,) = struct.unpack_from(f"{order}H", data, place)
        for entry in range(min(number, MAX_TAGS)):
            found, _, length, at = struct.unpack_from(f"{order}HHII", data, place + 2 + 12 * entry)
            if found == tag:
                return data[at : at + length]
    except struct.error:
        pass
    return b""
