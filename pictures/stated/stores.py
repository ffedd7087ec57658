"""C2PA manifest stores: taken out of a picture, and looked over before a library in another language reads them.

That library fills as much memory as a text claims to be long. So here every length is compared with what there is.
"""

from itertools import islice

from byline.pictures.pixels import gifs, jpegs
from byline.pictures.pixels.formats import pictures_in
from byline.pictures.pixels.kinds import Kind
from byline.pictures.pixels.tiffs import kind_of_tag
from byline.pictures.pixels.walks import Walk

STORE = bytes.fromhex("63327061 0011 0010 8000 00AA00389B71")
"""The type of a manifest store's box: in every picture that holds one."""
MAX_STORE_BYTES = 10_000_000
MAX_ITEMS = 100_000
MAX_DEPTH = 32
_HEADER, _TYPE_AT = 8, 16
_PLACES = {Kind.PNG: b"caBX", Kind.WEBP: b"C2PA", Kind.TIFF: kind_of_tag(0xCD41)}
_GIF_NAME = b"\x0bC2PA_GIF\x01\x00\x00"


def store_of(data: bytes) -> bytes:
    """Return the manifest store in a picture; raises ValueError where it is not where its format keeps it."""
    for kind, walk in islice(pictures_in(data), 1):
        for store in _candidates(data, kind, walk):
            length = int.from_bytes(store[:4])
            is_store = store[4:8] == b"jumb" and store[_TYPE_AT : _TYPE_AT + len(STORE)] == STORE
            if is_store and length <= min(len(store), MAX_STORE_BYTES):
                return store[:length]
    raise ValueError("no manifest store")


def _candidates(data: bytes, kind: Kind, walk: Walk) -> list[bytes]:
    if kind == Kind.JPEG:
        return _boxes_of(walk.contents(data, jpegs.APP11))
    if kind == Kind.GIF:
        blocks = walk.contents(data, gifs.APPLICATION)
        return [gifs.joined(block[len(_GIF_NAME) :]) for block in blocks if block.startswith(_GIF_NAME)]
    return walk.contents(data, _PLACES[kind]) if kind in _PLACES else []


def _boxes_of(segments: list[bytes]) -> list[bytes]:
    """Return the boxes of APP11 segments: of each number one, its parts after the first without a repeated header."""
    boxes: dict[bytes, list[bytes]] = {}
    for segment in segments:
        if segment.startswith(b"JP") and len(segment) > 16:
            parts = boxes.setdefault(segment[2:4], [])
            parts.append(segment[16:] if parts else segment[8:])
    return [b"".join(parts) for parts in boxes.values()]


def check_store(store: bytes) -> None:
    """Raise ValueError unless every box and every item in it is as long as it says, and none of them is compressed."""
    waiting = [(0, len(store), 0)]
    num_boxes = 0
    while waiting:
        offset, end, depth = waiting.pop()
        while offset < end:
            num_boxes += 1
            length = int.from_bytes(store[offset : offset + 4], "big")
            kind = store[offset + 4 : offset + _HEADER]
            if length < _HEADER or offset + length > end or depth > MAX_DEPTH or num_boxes > MAX_ITEMS:
                raise ValueError("a box that is longer than what holds it")
            if kind == b"jumb":
                waiting.append((offset + _HEADER, offset + length, depth + 1))
            elif kind == b"cbor":
                check_cbor(store, offset + _HEADER, offset + length)
            elif kind == b"brob":
                raise ValueError("a compressed box")
            offset += length


def check_cbor(data: bytes, offset: int, end: int) -> None:
    """Raise ValueError unless `data[place:end]` is one CBOR item (RFC 8949) without lengths beyond its end."""
    left = [1]  # items that are still to come, at each depth; -1 where a break ends them
    num_items = 0
    while left:
        if left[-1] == 0:
            left.pop()
            continue
        num_items += 1
        if offset >= end or num_items > MAX_ITEMS or len(left) > 2 * MAX_DEPTH:
            raise ValueError("an item that does not end")
        first = data[offset]
        offset += 1
        if first == 0xFF and left[-1] < 0:
            left.pop()
            continue
        left[-1] -= left[-1] > 0
        major, short = first >> 5, first & 31
        if short < 24:
            value = short
        elif short < 28:
            size = 1 << (short - 24)
            value = int.from_bytes(data[offset : offset + size], "big")
            offset += size
        elif short == 31 and 2 <= major <= 5:
            left.append(-1)
            continue
        else:
            raise ValueError("no CBOR")
        if major in (2, 3):
            offset += value
        elif major in (4, 5):
            left.append(value * (major - 3))
        elif major == 6:
            left.append(1)
        if offset > end or (left and left[-1] > end - offset):
            raise ValueError("an item that is longer than what holds it")
