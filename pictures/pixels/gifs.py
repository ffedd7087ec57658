"""GIF: the walk over its blocks. Its picture is the first frame, and a decoder is shown no other."""

from struct import error, unpack_from

from byline.pictures.pixels.heads import Head
from byline.pictures.pixels.surveys import Survey, damaged
from byline.pictures.pixels.walks import CUT_OFF, Bytes, Part, Walk

FRAME, EXTENSION, TRAILER = b",", b"!", b";"
CONTROL, APPLICATION = b"!\xf9", b"!\xff"
MAX_BLOCKS = 100_000


def walk_gif(data: Bytes) -> Walk:
    """Walk the frames and extensions (`!` and their label), to the trailer."""
    parts: list[Part] = []
    offset = 0
    try:
        offset = _after_colors(data, 13, data[10])
        for _ in range(MAX_BLOCKS):
            start, block = offset, data[offset : offset + 1]
            if block == TRAILER:
                return Walk(tuple(parts), offset + 1)
            if block == EXTENSION:
                offset = _after_sub_blocks(data, offset + 2)
                parts.append(Part(data[start : start + 2], start, start + 2, offset))
            elif block == FRAME:
                offset = _after_sub_blocks(data, _after_colors(data, offset + 10, data[offset + 9]) + 1)
                parts.append(Part(FRAME, start, start + 1, offset))
            elif block == b"\0":
                offset += 1
            elif block:
                return Walk(tuple(parts), offset, f"a GIF with a block of kind {block[0]:#x}")
            else:
                return Walk(tuple(parts), offset, CUT_OFF.format("GIF"))
    except IndexError:
        if data[offset : offset + 1] == EXTENSION and offset + 2 < len(data):
            parts.append(Part(data[offset : offset + 2], offset, offset + 2, len(data)))
        return Walk(tuple(parts), offset, CUT_OFF.format("GIF"))
    return Walk(tuple(parts), offset, f"a GIF of more than {MAX_BLOCKS:,} blocks")


def _after_colors(data: Bytes, offset: int, flags: int) -> int:
    return offset + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)


def _after_sub_blocks(data: Bytes, offset: int) -> int:
    while size := data[offset]:
        offset += size + 1
    return offset + 1


def joined(block: bytes) -> bytes:
    """Return what the sub-blocks of a part say, put together."""
    offset, parts = 0, []
    while offset < len(block) and block[offset]:
        parts.append(block[offset + 1 : offset + 1 + block[offset]])
        offset += 1 + block[offset]
    return b"".join(parts)


def head_of_gif(data: Bytes, walk: Walk) -> Head:
    """Return the size of the canvas, or of the first frame where that is larger. Raises `UnusableError`."""
    try:
        width, height = unpack_from("<HH", data, 6)
        for frame in walk.of_kind(FRAME):
            left, top, wide, high = unpack_from("<HHHH", data, frame.content)
            width, height = max(width, left + wide), max(height, top + high)
            break
    except error as cut:
        raise damaged(CUT_OFF.format("GIF")) from cut
    if not width or not height:
        raise damaged("a GIF without a picture")
    return Head(width=width, height=height)


def survey_gif(data: bytes) -> Survey:
    """Read a GIF to its end."""
    walk = walk_gif(data)
    if walk.problem:
        raise damaged(walk.problem)
    control = b""
    for part in walk.parts:
        if part.kind == FRAME:
            break
        control = data[part.start : part.stop] if part.kind == CONTROL else control
    else:
        raise damaged("a GIF without a picture")
    head = head_of_gif(data, walk)
    colors = data[: _after_colors(data, 13, data[10])]
    return Survey(
        width=head.width,
        height=head.height,
        picture=colors + control + data[part.start : part.stop] + TRAILER,
        end=walk.end,
        metadata=b"".join(data[part.start : part.stop] for part in walk.parts if part.kind != FRAME),
    )
