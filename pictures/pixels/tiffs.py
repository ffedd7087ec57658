"""TIFF files: the walk over the first directory, and whether the pixels that it promises are there."""

import struct

from byline.catalog.corpora.packs import Outcome
from byline.pictures.pixels.directories import ORIENTATION, SIZES, Directory, read_directory
from byline.pictures.pixels.heads import Head
from byline.pictures.pixels.surveys import Survey, UnusableError, damaged
from byline.pictures.pixels.walks import Bytes, Part, Walk

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION = 254, 256, 257, 258, 259
STRIP_OFFSETS, SAMPLES, STRIP_SIZES = 273, 277, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES = 322, 323, 324, 325
IPTC, PROFILE, DNG = 33723, 34675, 50706
TO_DECODE = {
    *(WIDTH, HEIGHT, BITS, COMPRESSION, 262, 266, STRIP_OFFSETS, SAMPLES, 278, STRIP_SIZES, 284, 292, 293, 317, 320),
    *(TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES, 332, 338, 339, 347, 529, 530, 531, 532),
}
"""Tags that say how the pixels are stored. A decoder is shown no others."""
COMPRESSIONS = {1, 5, 7, 8, 32773, 32946}
"""None, LZW, JPEG, Deflate, PackBits. Not fax: its decoder puts something in the place of what is broken."""
TILE_PIXELS = 1 << 22
"""Most pixels of a tile that is larger than the picture."""


def kind_of_tag(tag: int) -> bytes:
    """Return the kind of the part that holds a tag's values."""
    return tag.to_bytes(2)


def walk_tiff(data: Bytes) -> Walk:
    """Walk the values of the first directory, in the order of their tags; of values that are cut off, what is there."""
    try:
        directory = read_directory(data)
        end, problem = _end(directory), ""
    except UnusableError as error:
        return Walk((), len(data), str(error))
    parts = []
    for tag in sorted(directory.entries):
        start, stop = directory.range_of(tag)
        if stop > len(data):
            problem = f"TIFF tag {tag} is cut off"
        if start < min(stop, len(data)):
            parts.append(Part(kind_of_tag(tag), start, start, min(stop, len(data))))
    return Walk(tuple(parts), end, problem)


def head_of_tiff(data: Bytes, walk: Walk) -> Head:
    """Return what a TIFF says of its first picture. Raises `UnusableError`."""
    tags = read_directory(data)
    width, height = tags.number(WIDTH, 0), tags.number(HEIGHT, 0)
    return Head(width=width, height=height, tags=tags, profile=tags.raw(PROFILE), iptc=tags.raw(IPTC) or b"")


def survey_tiff(data: bytes) -> Survey:
    """Read what a TIFF file says of its first picture, and check that its pixels are there."""
    directory = read_directory(data)
    if DNG in directory.entries or directory.number(SUBFILE, 0) & 1 or data[8:10] == b"CR":
        message = "its first picture is a thumbnail; it seems to be a camera's raw file"
        raise UnusableError(Outcome.NOT_AN_IMAGE, message)
    width, height = directory.number(WIDTH, 0), directory.number(HEIGHT, 0)
    compression = directory.number(COMPRESSION, 1)
    if not width or not height:
        raise damaged(f"a TIFF of {width}x{height} px")
    if compression not in COMPRESSIONS:
        raise damaged(f"TIFF compression {compression} is not read")
    tile_pixels = directory.number(TILE_WIDTH, 1) * directory.number(TILE_HEIGHT, 1)
    if tile_pixels > max(width * height, TILE_PIXELS):
        raise UnusableError(Outcome.TOO_MANY_PIXELS, f"a TIFF tile of {tile_pixels:,} pixels")
    orientation = directory.number(ORIENTATION, 1)
    return Survey(
        width=width,
        height=height,
        picture=_bare(directory, data),
        end=_end(directory),
        orientation=orientation if 1 <= orientation <= 8 else 1,
        profile=directory.raw(PROFILE),
    )


def _end(directory: Directory) -> int:
    """Return where the last strip, tile or value ends."""
    ends = [8]
    for offsets, sizes in ((STRIP_OFFSETS, STRIP_SIZES), (TILE_OFFSETS, TILE_SIZES)):
        places = zip(directory.numbers(offsets), directory.numbers(sizes), strict=False)
        ends += [offset + size for offset, size in places]
    end = max(ends)
    if end > len(directory.data):
        raise damaged(f"the pixels end at byte {end:,} of {len(directory.data):,}")
    for kind, count, start, _ in directory.entries.values():
        value_end = start + count * SIZES.get(kind, 0)
        end = max(end, value_end) if value_end <= len(directory.data) else end
    return end


def _bare(directory: Directory, data: bytes) -> bytes:
    """Return the file with one new directory that says how to decode the pixels, and nothing else.

    Decoders follow every tag of the old one: 65,535 tags of 30 MB each at one place, EXIF in a loop, a chain of pages.
    """
    order = directory.order
    kept = []
    for tag in sorted(TO_DECODE & directory.entries.keys()):
        kind, count, value_start, entry = directory.entries[tag]
        if value_start + count * SIZES.get(kind, 0) > len(data):
            raise damaged(f"TIFF tag {tag} is cut off")
        kept.append(entry)
    padding = bytes(len(data) % 2)
    start = struct.pack(f"{order}I", len(data) + len(padding))
    table = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + bytes(4)
    return b"".join((data[:4], start, memoryview(data)[8:], padding, table))
