"""PNG's chunks: only those that make the picture reach a decoder."""

import zlib
from collections.abc import Iterator
from struct import unpack_from

from byline.pictures.pixels.surveys import Survey, damaged
from byline.pictures.pixels.tiffs import orientation_of

TO_DECODE = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"}
TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
MAX_CHUNKS = 100_000
MAX_PROFILE_BYTES = 1 << 22
"""Of a profile once it is unpacked."""


def survey_png(data: bytes) -> Survey:
    """Read what a PNG says of itself, and check that its picture is whole."""
    chunks = list(_chunks(data))
    headers = [stop - start for kind, start, stop in chunks if kind == b"IHDR"]
    if chunks[0][0] != b"IHDR" or headers != [13]:
        raise damaged("a PNG without its header, or with two")
    width, height = unpack_from(">II", data, chunks[0][1])
    if not width or not height:
        raise damaged(f"a PNG of {width}x{height} px")
    kept, texts, exif, profile = [data[:8]], [], b"", None
    for kind, start, stop in chunks:
        if kind in TO_DECODE:
            kept.append(data[start - 8 : stop + 4])
            if zlib.crc32(data[start - 4 : stop]) != unpack_from(">I", data, stop)[0]:
                raise damaged(f"the checksum of a PNG chunk {kind.decode()} is wrong")
        elif kind[0] & 0x20 == 0:
            raise damaged(f"a PNG with the unknown chunk {kind!r}, without which it cannot be read")
        else:
            texts.append(data[start:stop])
            exif = data[start:stop] if kind == b"eXIf" else exif
            profile = _profile(data[start:stop]) if kind == b"iCCP" else profile
    return Survey(
        width=width,
        height=height,
        picture=b"".join(kept),
        end=chunks[-1][2] + 4,
        metadata=b"".join(texts),
        orientation=orientation_of(exif),
        profile=profile,
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind and place of each chunk's data, to the end of the picture."""
    place = 8
    for _ in range(MAX_CHUNKS):
        if place + 12 > len(data):
            raise damaged("the PNG ends before its picture does")
        (length,) = unpack_from(">I", data, place)
        kind, start = data[place + 4 : place + 8], place + 8
        place = start + length + 4
        if place > len(data):
            raise damaged("the PNG ends before its picture does")
        yield kind, start, start + length
        if kind == b"IEND":
            return
    raise damaged(f"a PNG with more than {MAX_CHUNKS:,} chunks")


def _profile(chunk: bytes) -> bytes | None:
    """Return the ICC profile of a chunk, none when it cannot be unpacked or is a bomb."""
    _, _, packed = chunk.partition(b"\0")
    unpack = zlib.decompressobj()
    try:
        profile = unpack.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if unpack.eof else b""
