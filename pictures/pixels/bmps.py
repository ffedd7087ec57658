"""BMP: one header, and whether its rows are there. It has no parts that say more."""

import struct
from struct import unpack_from
from typing import NamedTuple

from byline.pictures.pixels.heads import Head
from byline.pictures.pixels.surveys import Survey, UnusableError, damaged
from byline.pictures.pixels.walks import CUT_OFF, Bytes, Walk


class _Header(NamedTuple):
    width: int
    height: int
    start: int
    """Offset of the pixels in the file."""
    end: int


def _header(data: Bytes) -> _Header:
    try:
        (said_end,), (start, header) = unpack_from("<I", data, 2), unpack_from("<II", data, 10)
        if header == 12:
            width, height, _, bits = unpack_from("<HHHH", data, 18)
            compression, size = 0, 0
        else:
            width, height, _, bits, compression, size = unpack_from("<iiHHII", data, 18)
    except struct.error as error:
        raise damaged(CUT_OFF.format("BMP")) from error
    height = abs(height)
    if width <= 0 or not height:
        raise damaged(f"a BMP of {width}x{height} px")
    is_packed = compression in (1, 2)
    end = start + (size if is_packed else (width * bits + 31) // 32 * 4 * height)
    if start < 14 + header:
        raise damaged(CUT_OFF.format("BMP"))
    end = said_end if is_packed and not size and said_end <= len(data) else end
    return _Header(width, height, start, end)


def walk_bmp(data: Bytes) -> Walk:
    """Tell where the pixels end."""
    try:
        end = _header(data).end
    except UnusableError as error:
        return Walk((), len(data), str(error))
    return Walk((), end) if end <= len(data) else Walk((), len(data), CUT_OFF.format("BMP"))


def head_of_bmp(data: Bytes, walk: Walk) -> Head:
    """Return what a BMP says of its size. Raises `UnusableError`."""
    header = _header(data)
    return Head(width=header.width, height=header.height)


def survey_bmp(data: bytes) -> Survey:
    """Read what a BMP says of itself, and check that its rows are there."""
    walk, (width, height, start, end) = walk_bmp(data), _header(data)
    if walk.problem:
        raise damaged(walk.problem)
    return Survey(width=width, height=height, picture=data, end=end, metadata=data[14:start])
