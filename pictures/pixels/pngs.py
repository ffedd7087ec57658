"""PNG: the walk over its chunks, and which of them make the picture: only those reach a decoder."""

import zlib
from collections.abc import Iterator
from struct import unpack_from

from byline.pictures.pixels.directories import Directory, directory_of_exif
from byline.pictures.pixels.heads import Head
from byline.pictures.pixels.surveys import Survey, damaged
from byline.pictures.pixels.walks import CUT_OFF, Bytes, Part, Walk, unhexed

START = b"\x89PNG\r\n\x1a\n"
PIXELS = b"IDAT"
TO_DECODE = {b"IHDR", b"PLTE", PIXELS, b"IEND", b"tRNS"}
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
EXIF_KEYWORD = b"Raw profile type exif"
MAX_CHUNKS = 100_000
MAX_PROFILE_BYTES = 1 << 22
"""Largest profile, or text with EXIF, once it is unpacked."""


def walk_png(data: Bytes, start: int = 0) -> Walk:
    """Walk the chunks of the PNG at `start`, to the end of its picture. Checksums are not looked at."""
    parts: list[Part] = []
    offset = start + len(START)
    for _ in range(MAX_CHUNKS):
        if offset + 8 > len(data):
            return Walk(tuple(parts), offset, CUT_OFF.format("PNG"))
        kind, stop = data[offset + 4 : offset + 8], offset + 8 + int.from_bytes(data[offset : offset + 4])
        parts.append(Part(kind, offset, offset + 8, min(stop, len(data))))
        if stop + 4 > len(data):
            return Walk(tuple(parts), offset, CUT_OFF.format("PNG"))
        offset = stop + 4
        if kind == b"IEND":
            return Walk(tuple(parts), offset)
    return Walk(tuple(parts), offset, f"a PNG with more than {MAX_CHUNKS:,} chunks")


def head_of_png(data: Bytes, walk: Walk) -> Head:
    """Return what a PNG says of itself, as far as it can be walked. Raises `UnusableError`."""
    if not walk.parts or walk.parts[0].kind != b"IHDR" or walk.parts[0].stop - walk.parts[0].content != 13:
        raise damaged(walk.problem or "a PNG without its header, or with two")
    width, height = unpack_from(">II", data, walk.parts[0].content)
    exif, profile = walk.contents(data, b"eXIf"), walk.contents(data, b"iCCP")
    return Head(
        width=width,
        height=height,
        tags=directory_of_exif(exif[-1] if exif else b""),
        has_exif=bool(exif),
        tags_in_text=_tags_in_text(data, walk),
        profile=_profile(profile[-1]) if profile else None,
    )


def survey_png(data: bytes) -> Survey:
    """Read what a PNG says of itself, and check that its picture is whole."""
    walk = walk_png(data)
    if walk.problem:
        raise damaged(walk.problem)
    head = head_of_png(data, walk)
    if len(list(walk.of_kind(b"IHDR"))) != 1:
        raise damaged("a PNG without its header, or with two")
    if not head.width or not head.height:
        raise damaged(f"a PNG of {head.width}x{head.height} px")
    return Survey(
        width=head.width,
        height=head.height,
        picture=START + b"".join(_to_decode(data, walk)),
        end=walk.end,
        metadata=b"".join(data[part.content : part.stop] for part in walk.parts if part.kind not in TO_DECODE),
        orientation=head.orientation,
        profile=head.profile,
    )


def _to_decode(data: bytes, walk: Walk) -> Iterator[bytes]:
    """Yield the chunks that make the picture. Raises `UnusableError` for one that is damaged, or is not known."""
    for kind, start, content, stop in walk.parts:
        if kind in TO_DECODE:
            if zlib.crc32(data[content - 4 : stop]) != unpack_from(">I", data, stop)[0]:
                raise damaged(f"the checksum of a PNG chunk {kind.decode()} is wrong")
            yield data[start : stop + 4]
        elif kind[0] & 0x20 == 0:
            raise damaged(f"a PNG with the unknown chunk {kind!r}, without which it cannot be read")


def _profile(chunk: bytes) -> bytes:
    """Return the ICC profile of a chunk, empty when it cannot be unpacked or is a bomb."""
    _, _, packed = chunk.partition(b"\0")
    profile, is_whole = _unpacked(packed[1:], MAX_PROFILE_BYTES)
    return profile if is_whole else b""


def _tags_in_text(data: Bytes, walk: Walk) -> Directory | None:
    """Return the EXIF that ImageMagick writes into a text chunk."""
    for kind, _, start, stop in walk.of_kind(*TEXTS):
        if data[start : start + len(EXIF_KEYWORD)] == EXIF_KEYWORD:
            return directory_of_exif(unhexed(texts_of(data[start:stop], kind, most=MAX_PROFILE_BYTES)[1]) or b"")
    return None


def texts_of(chunk: bytes, kind: bytes, *, most: int) -> tuple[bytes, bytes, bool]:
    """Return keyword and text of a text chunk, unpacked to `most` bytes at most, and whether that is all of it."""
    keyword, _, text = chunk.partition(b"\0")
    is_packed = kind == b"zTXt" or (kind == b"iTXt" and text[:1] == b"\1")
    if kind == b"iTXt":  # compression flag and method, language, keyword in that language, text
        text = text[2:].split(b"\0", 2)[-1]
    elif kind == b"zTXt":
        text = text[1:]
    return keyword, *(_unpacked(text, most) if is_packed else (text[:most], len(text) <= most))


def _unpacked(packed: bytes, most: int) -> tuple[bytes, bool]:
    """Return what comes out of a stream before its end, `most` bytes, or damage, and whether it is all."""
    unpack, out = zlib.decompressobj(), bytearray()
    try:
        for offset in range(0, len(packed), 4096):
            out += unpack.decompress(packed[offset : offset + 4096], most - len(out))
            if unpack.eof or unpack.unconsumed_tail or len(out) >= most:
                break
    except zlib.error:
        return bytes(out), False
    return bytes(out), unpack.eof
