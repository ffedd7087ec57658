"""GIF, WebP and BMP: how large they are, whether they are whole, and where they end."""

import struct
from struct import unpack_from

from byline.pictures.pixels.surveys import Survey, damaged
from byline.pictures.pixels.tiffs import orientation_of

CUT_OFF = "the {} ends before its picture does"
MAX_CHUNKS = 100_000


def survey_gif(data: bytes) -> Survey:
    """Read a GIF to its end. Its picture is the first frame, and a decoder is shown no other."""
    try:
        return _survey_gif(data)
    except (struct.error, IndexError) as error:
        raise damaged(CUT_OFF.format("GIF")) from error


def _survey_gif(data: bytes) -> Survey:
    width, height, flags = unpack_from("<HHB", data, 6)
    place = start = 13 + _colors_bytes(flags)
    texts, frame, control = [], b"", b""
    for _ in range(MAX_CHUNKS):
        began, block = place, data[place]
        if block == 0x3B:
            break
        if block == 0x21:
            place = _after_sub_blocks(data, place + 2)
            texts.append(data[began:place])
            control = data[began:place] if data[began + 1] == 0xF9 else control
        elif block == 0x2C:
            left, top, wide, high, local = unpack_from("<HHHHB", data, place + 1)
            place = _after_sub_blocks(data, place + 11 + _colors_bytes(local))
            if not frame:
                frame = control + data[began:place]
                width, height = max(width, left + wide), max(height, top + high)
        elif block == 0:
            place += 1
        else:
            raise damaged(f"a GIF with a block of kind {block:#x}")
    if not frame or not width or not height or data[place] != 0x3B:
        raise damaged(f"a GIF without a picture, or of more than {MAX_CHUNKS:,} blocks")
    picture = data[:start] + frame + b"\x3b"
    return Survey(width=width, height=height, picture=picture, end=place + 1, metadata=b"".join(texts))


def _colors_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, place: int) -> int:
    while size := data[place]:
        place += size + 1
    return place + 1


def survey_webp(data: bytes) -> Survey:
    """Read what a WebP says of its canvas, and check that all its chunks are there."""
    end = 8 + unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise damaged(CUT_OFF.format("WebP"))
    chunks: dict[bytes, tuple[int, int]] = {}
    place = 12
    for _ in range(MAX_CHUNKS):
        if place + 8 > end:
            break
        (size,) = unpack_from("<I", data, place + 4)
        if place + 8 + size > end:
            raise damaged(CUT_OFF.format("WebP"))
        chunks.setdefault(data[place : place + 4], (place + 8, place + 8 + size))
        place += 8 + size + size % 2
    said = {name: data[slice(*chunks[name])] for name in (b"EXIF", b"ICCP", b"XMP ") if name in chunks}
    try:
        width, height = _webp_canvas(data, chunks)
    except struct.error as error:
        raise damaged(CUT_OFF.format("WebP")) from error
    if not width or not height:
        raise damaged("a WebP without a picture")
    return Survey(
        width=width,
        height=height,
        picture=data[:end],
        end=end,
        metadata=b"".join(said.values()),
        orientation=orientation_of(said.get(b"EXIF", b"")),
        profile=said.get(b"ICCP"),
    )


def _webp_canvas(data: bytes, chunks: dict[bytes, tuple[int, int]]) -> tuple[int, int]:
    """Return width and height: the canvas, or the larger frame where the two disagree."""
    sizes = [(0, 0)]
    if b"VP8X" in chunks:
        start = chunks[b"VP8X"][0] + 4
        wide, high = (int.from_bytes(data[place : place + 3], "little") for place in (start, start + 3))
        sizes.append((wide + 1, high + 1))
    if b"VP8L" in chunks:
        (bits,) = unpack_from("<I", data, chunks[b"VP8L"][0] + 1)
        sizes.append(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
    if b"VP8 " in chunks:
        wide, high = unpack_from("<HH", data, chunks[b"VP8 "][0] + 6)
        sizes.append((wide & 0x3FFF, high & 0x3FFF))
    return max(size[0] for size in sizes), max(size[1] for size in sizes)


def survey_bmp(data: bytes) -> Survey:
    """Read what a BMP says of itself, and check that its rows are there."""
    (said_end,), (start, header) = unpack_from("<I", data, 2), unpack_from("<II", data, 10)
    try:
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
    if end > len(data) or start < 14 + header:
        raise damaged(CUT_OFF.format("BMP"))
    end = said_end if is_packed and not size and said_end <= len(data) else end
    return Survey(width=width, height=height, picture=data, end=end, metadata=data[14:start])
