"""TIFF's directory, for TIFF files and for EXIF: read without following anything that it does not need."""

import struct
from dataclasses import dataclass

from byline.catalog.corpora.packs import Outcome
from byline.pictures.pixels.surveys import Survey, UnusableError, damaged

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each type."""
WHOLE = {1: "B", 3: "H", 4: "I", 13: "I"}
SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION = 254, 256, 257, 258, 259
STRIP_OFFSETS, SAMPLES, STRIP_SIZES, ORIENTATION = 273, 277, 279, 274
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES, PROFILE, DNG = 322, 323, 324, 325, 34675, 50706
TO_DECODE = {
    *(WIDTH, HEIGHT, BITS, COMPRESSION, 262, 266, STRIP_OFFSETS, SAMPLES, 278, STRIP_SIZES, 284, 292, 293, 317, 320),
    *(TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES, 332, 338, 339, 347, 529, 530, 531, 532),
}
"""Tags that say how the pixels are stored. A decoder is shown no others."""
COMPRESSIONS = {1, 5, 7, 8, 32773, 32946}
"""None, LZW, JPEG, Deflate, PackBits. Not fax: its decoder puts something in the place of what is broken."""
TILE_PIXELS = 1 << 22
"""Of a tile that is larger than the picture, at most."""


@dataclass(frozen=True)
class Directory:
    """The entries of the first directory: tag -> (type, number of values, where the values lie, the entry)."""

    data: bytes
    order: str
    entries: dict[int, tuple[int, int, int, bytes]]

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the whole numbers of a tag; none when it is absent. Raises `UnusableError` when they are not there."""
        kind, count, place, _ = self.entries.get(tag, (3, 0, 0, b""))
        if kind not in WHOLE or place + count * SIZES[kind] > len(self.data):
            raise damaged(f"TIFF tag {tag} has no numbers")
        return struct.unpack_from(f"{self.order}{count}{WHOLE[kind]}", self.data, place)

    def number(self, tag: int, default: int) -> int:
        """Return the first number of a tag."""
        return (*self.numbers(tag), default)[0]

    def raw(self, tag: int) -> bytes | None:
        """Return the bytes of a tag if it is there and whole."""
        kind, count, place, _ = self.entries.get(tag, (0, 0, 0, b""))
        size = count * SIZES.get(kind, 0)
        return self.data[place : place + size] if 0 < size <= len(self.data) - place else None


def read_directory(data: bytes) -> Directory:
    """Read the first directory. Raises `UnusableError` when it is not there. Of a tag given twice the first counts."""
    order = "<" if data[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
    except struct.error as error:
        raise damaged("the TIFF directory is cut off") from error
    if not count or start + 2 + 12 * count > len(data):
        raise damaged("the TIFF directory is cut off")
    entries: dict[int, tuple[int, int, int, bytes]] = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number, offset = struct.unpack_from(f"{order}HHII", data, place)
        is_inline = number * SIZES.get(kind, 0) <= 4
        entries.setdefault(tag, (kind, number, place + 8 if is_inline else offset, data[place : place + 12]))
    return Directory(data, order, entries)


def orientation_of(exif: bytes) -> int:
    """Return EXIF's orientation, 1 (upright) when it is not said or not to be read."""
    try:
        turned = read_directory(exif.removeprefix(b"Exif\0\0")).number(ORIENTATION, 1)
    except UnusableError:
        return 1
    return turned if 1 <= turned <= 8 else 1


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
        picture=_bare(directory),
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
    for kind, count, place, _ in directory.entries.values():
        value_end = place + count * SIZES.get(kind, 0)
        end = max(end, value_end) if value_end <= len(directory.data) else end
    return end


def _bare(directory: Directory) -> bytes:
    """Return the file with one new directory that says how to decode the pixels, and nothing else.

    Decoders follow every tag of the old one: 65,535 tags of 30 MB each at one place, EXIF in a loop, a chain of pages.
    """
    data, order = directory.data, directory.order
    kept = []
    for tag in sorted(TO_DECODE & directory.entries.keys()):
        kind, count, place, entry = directory.entries[tag]
        if place + count * SIZES.get(kind, 0) > len(data):
            raise damaged(f"TIFF tag {tag} is cut off")
        kept.append(entry)
    padding = bytes(len(data) % 2)
    start = struct.pack(f"{order}I", len(data) + len(padding))
    table = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + bytes(4)
    return b"".join((data[:4], start, memoryview(data)[8:], padding, table))
