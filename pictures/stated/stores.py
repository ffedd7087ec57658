"""C2PA manifest stores: taken out of a picture, and looked over before a library in another language reads them.

That library fills as much memory as a text claims to be long. So here every length is compared with what there is.
"""

from byline.pictures.stated.containers import (
    GIF,
    JPEG,
    PNG,
    TIFF,
    WEBP,
    gif_application,
    jpeg_segments,
    png_chunks,
    riff_chunks,
    tiff_tag,
)

STORE = bytes.fromhex("63327061 0011 0010 8000 00AA00389B71")
"""The type of a manifest store's box: in every picture that holds one."""
MAX_STORE_BYTES = 10_000_000
MAX_ITEMS = 100_000
MAX_DEPTH = 32
_HEADER, _TYPE_AT = 8, 16
_TIFF_TAG = 0xCD41


def store_of(data: bytes) -> bytes:
    """Return the manifest store in a picture; raises ValueError where it is not where its format keeps it."""
    for store in _candidates(data):
        length = int.from_bytes(store[:4], "big")
        is_store = store[4:8] == b"jumb" and store[_TYPE_AT : _TYPE_AT + len(STORE)] == STORE
        if is_store and length <= min(len(store), MAX_STORE_BYTES):
            return store[:length]
    raise ValueError("no manifest store")


def _candidates(data: bytes) -> list[bytes]:
    if data.startswith(JPEG):
        return _of_jpeg(data)
    if data.startswith(PNG):
        return [content for _, content in png_chunks(data, frozenset({b"caBX"}))]
    if data.startswith(WEBP):
        return list(riff_chunks(data, b"C2PA"))
    if data.startswith(GIF):
        return [gif_application(data, b"C2PA_GIF\x01\x00\x00")]
    return [tiff_tag(data, _TIFF_TAG)] if data[:4] in TIFF else []


def _of_jpeg(data: bytes) -> list[bytes]:
    """Return the boxes of APP11 segments: of each number one, its parts after the first without a repeated header."""
    boxes: dict[bytes, list[bytes]] = {}
    for segment in jpeg_segments(data, 0xEB):
        if segment.startswith(b"JP") and len(segment) > 16:
            parts = boxes.setdefault(segment[2:4], [])
            parts.append(segment[16:] if parts else segment[8:])
    return [b"".join(parts) for parts in boxes.values()]


def check_store(store: bytes) -> None:
    """Raise ValueError unless every box and every item in it is as long as it says, and none of them is compressed."""
    waiting = [(0, len(store), 0)]
    num_boxes = 0
    while waiting:
        place, end, depth = waiting.pop()
        while place < end:
            num_boxes += 1
            length = int.from_bytes(store[place : place + 4], "big")
            kind = store[place + 4 : place + _HEADER]
            if length < _HEADER or place + length > end or depth > MAX_DEPTH or num_boxes > MAX_ITEMS:
                raise ValueError("a box that is longer than what holds it")
            if kind == b"jumb":
                waiting.append((place + _HEADER, place + length, depth + 1))
            elif kind == b"cbor":
                check_cbor(store, place + _HEADER, place + length)
            elif kind == b"brob":
                raise ValueError("a compressed box")
            place += length


def check_cbor(data: bytes, place: int, end: int) -> None:
    """Raise ValueError unless `data[place:end]` is one CBOR item (RFC 8949) without lengths beyond its end."""
    left = [1]  # items that are still to come, at each depth; -1 where a break ends them
    num_items = 0
    while left:
        if left[-1] == 0:
            left.pop()
            continue
        num_items += 1
        if place >= end or num_items > MAX_ITEMS or len(left) > 2 * MAX_DEPTH:
            raise ValueError("an item that does not end")
        first = data[place]
        place += 1
        if first == 0xFF and left[-1] < 0:
            left.pop()
            continue
        left[-1] -= left[-1] > 0
        major, short = first >> 5, first & 31
        if short < 24:
            value = short
        elif short < 28:
            size = 1 << (short - 24)
            value = int.from_bytes(data[place : place + size], "big")
            place += size
        elif short == 31 and 2 <= major <= 5:
            left.append(-1)
            continue
        else:
            raise ValueError("no CBOR")
        if major in (2, 3):
            place += value
        elif major in (4, 5):
            left.append(value * (major - 3))
        elif major == 6:
            left.append(1)
        if place > end or (left and left[-1] > end - place):
            raise ValueError("an item that is longer than what holds it")
