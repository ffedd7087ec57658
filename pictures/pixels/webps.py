"""WebP: the walk over its chunks (RIFF), the size of its canvas, and whether all of it is there."""

import struct
from struct import unpack_from

from byline.pictures.pixels.directories import directory_of_exif
from byline.pictures.pixels.heads import Head
from byline.pictures.pixels.surveys import Survey, damaged
from byline.pictures.pixels.walks import CUT_OFF, Bytes, Part, Walk

EXIF, PROFILE, XMP = b"EXIF", b"ICCP", b"XMP "
MAX_CHUNKS = 100_000


def walk_webp(data: Bytes) -> Walk:
    """Walk the chunks, to the end that the file states."""
    end = 8 + int.from_bytes(data[4:8], "little")
    parts: list[Part] = []
    offset = 12
    for _ in range(MAX_CHUNKS):
        if offset + 8 > min(end, len(data)):
            break
        (size,) = unpack_from("<I", data, offset + 4)
        stop = offset + 8 + size
        parts.append(Part(data[offset : offset + 4], offset, offset + 8, min(stop, len(data))))
        if stop > min(end, len(data)):
            return Walk(tuple(parts), offset, CUT_OFF.format("WebP"))
        offset = stop + size % 2
    else:
        return Walk(tuple(parts), offset, f"a WebP with more than {MAX_CHUNKS:,} chunks")
    return Walk(tuple(parts), end) if end <= len(data) else Walk(tuple(parts), offset, CUT_OFF.format("WebP"))


def head_of_webp(data: Bytes, walk: Walk) -> Head:
    """Return what a WebP says of itself, as far as it can be walked. Raises `UnusableError`."""
    try:
        width, height = _canvas(data, walk)
    except struct.error as error:
        raise damaged(CUT_OFF.format("WebP")) from error
    if not width or not height:
        raise damaged(walk.problem or "a WebP without a picture")
    exif, profile = walk.contents(data, EXIF), walk.contents(data, PROFILE)
    tags = directory_of_exif(exif[0] if exif else b"")
    return Head(width=width, height=height, tags=tags, has_exif=bool(exif), profile=profile[0] if profile else None)


def survey_webp(data: bytes) -> Survey:
    """Read what a WebP says of its canvas, and check that all its chunks are there."""
    walk = walk_webp(data)
    if walk.problem:
        raise damaged(walk.problem)
    head = head_of_webp(data, walk)
    return Survey(
        width=head.width,
        height=head.height,
        picture=data[: walk.end],
        end=walk.end,
        metadata=b"".join(walk.contents(data, EXIF, PROFILE, XMP)),
        orientation=head.orientation,
        profile=head.profile,
    )


def _canvas(data: Bytes, walk: Walk) -> tuple[int, int]:
    """Return width and height: the canvas, or the larger frame where the two disagree. Of a chunk twice, the first."""
    sizes, seen = [(0, 0)], set()
    for kind, _, start, _ in walk.of_kind(b"VP8X", b"VP8L", b"VP8 "):
        if kind in seen:
            continue
        seen.add(kind)
        if kind == b"VP8X":
            wide, high = (int.from_bytes(data[offset : offset + 3], "little") for offset in (start + 4, start + 7))
            sizes.append((wide + 1, high + 1))
        elif kind == b"VP8L":
            (bits,) = unpack_from("<I", data, start + 1)
            sizes.append(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        else:
            wide, high = unpack_from("<HH", data, start + 6)
            sizes.append((wide & 0x3FFF, high & 0x3FFF))
    return max(size[0] for size in sizes), max(size[1] for size in sizes)
