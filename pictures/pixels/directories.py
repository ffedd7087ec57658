"""TIFF's directories, of TIFF files and of EXIF: read without following anything that is not asked for."""

import struct
from dataclasses import dataclass

from byline.pictures.pixels.surveys import UnusableError, damaged
from byline.pictures.pixels.walks import Bytes

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each type."""
WHOLE = {1: "B", 3: "H", 4: "I", 13: "I"}
FRACTIONS = {5: "I", 10: "i"}
TEXTS = {1, 2, 7}
ORIENTATION, GPS = 274, 34853
MAX_TEXT_BYTES = 1 << 16


@dataclass(frozen=True)
class Directory:
    """The entries of one directory: tag -> (type, number of values, where the values lie, the entry)."""

    data: Bytes
    order: str
    entries: dict[int, tuple[int, int, int, bytes]]

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the whole numbers of a tag; none when it is absent. Raises `UnusableError` when they are not there."""
        kind, count, offset, _ = self.entries.get(tag, (3, 0, 0, b""))
        if kind not in WHOLE or offset + count * SIZES[kind] > len(self.data):
            raise damaged(f"TIFF tag {tag} has no numbers")
        return struct.unpack_from(f"{self.order}{count}{WHOLE[kind]}", self.data, offset)

    def number(self, tag: int, default: int) -> int:
        """Return the first number of a tag."""
        return (*self.numbers(tag), default)[0]

    def raw(self, tag: int) -> bytes | None:
        """Return the bytes of a tag if it is there and whole."""
        start, stop = self.range_of(tag)
        return self.data[start:stop] if start < stop <= len(self.data) else None

    def range_of(self, tag: int) -> tuple[int, int]:
        """Return where the values of a tag say that they lie; nowhere, (0, 0), when it is absent."""
        kind, count, offset, _ = self.entries.get(tag, (0, 0, 0, b""))
        size = count * SIZES.get(kind, 0)
        return (offset, offset + size) if size else (0, 0)

    def text(self, tag: int) -> bytes:
        """Return the bytes of a tag that holds text; none of any other, or of one that is cut off or huge."""
        start, stop = self.range_of(tag)
        is_text = self.entries.get(tag, (0,))[0] in TEXTS and stop - start <= MAX_TEXT_BYTES
        return (self.raw(tag) or b"") if is_text else b""

    def fractions(self, tag: int) -> list[float]:
        """Return the first three values of a tag; none when it is absent, cut off, or says x/0."""
        kind, count, offset, _ = self.entries.get(tag, (5, 0, 0, b""))
        count = min(count, 3)
        if kind in WHOLE and offset + count * SIZES[kind] <= len(self.data):
            return [float(value) for value in self.numbers(tag)[:3]]
        if kind not in FRACTIONS or offset + 8 * count > len(self.data):
            return []
        values = struct.unpack_from(f"{self.order}{2 * count}{FRACTIONS[kind]}", self.data, offset)
        pairs = list(zip(values[::2], values[1::2], strict=True))
        return [above / below for above, below in pairs] if all(below for _, below in pairs) else []

    def inner(self, tag: int) -> "Directory | None":
        """Return the directory that a tag leads to; none when it leads nowhere."""
        try:
            return directory_at(self.data, self.order, self.number(tag, 0))
        except UnusableError:
            return None


def read_directory(data: Bytes) -> Directory:
    """Read the first directory. Raises `UnusableError` when it is not there."""
    order = "<" if data[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
    except struct.error as error:
        raise damaged("the TIFF directory is cut off") from error
    return directory_at(data, order, start)


def directory_at(data: Bytes, order: str, start: int) -> Directory:
    """Read the directory at a place. Raises `UnusableError` when it is not there. Of a tag twice the first counts."""
    try:
        (count,) = struct.unpack_from(f"{order}H", data, start)
    except struct.error as error:
        raise damaged("the TIFF directory is cut off") from error
    if not count or start + 2 + 12 * count > len(data):
        raise damaged("the TIFF directory is cut off")
    entries: dict[int, tuple[int, int, int, bytes]] = {}
    for entry_start in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number, offset = struct.unpack_from(f"{order}HHII", data, entry_start)
        is_inline = number * SIZES.get(kind, 0) <= 4
        entries.setdefault(
            tag, (kind, number, entry_start + 8 if is_inline else offset, data[entry_start : entry_start + 12])
        )
    return Directory(data, order, entries)


def directory_of_exif(exif: bytes) -> Directory | None:
    """Return the directory of EXIF; none when there is none, or it cannot be read."""
    try:
        return read_directory(exif.removeprefix(b"Exif\0\0")) if exif else None
    except UnusableError:
        return None


def orientation_of(tags: Directory | None) -> int:
    """Return EXIF's orientation, 1 (upright) when it is not said or not to be read."""
    try:
        turned = tags.number(ORIENTATION, 1) if tags else 1
    except UnusableError:
        return 1
    return turned if 1 <= turned <= 8 else 1
