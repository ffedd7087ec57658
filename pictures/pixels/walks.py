"""A file as its format divides it: the account of its parts that decoding, consent and takedowns share."""

import re
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

Bytes = bytes | mmap
"""A file. Walkers copy nothing of it, so a large one may stay on the disk."""
CUT_OFF = "the {} ends before its picture does"


class Part(NamedTuple):
    """One part: bytes [start, stop) of the file, of which [content, stop) are what it says."""

    kind: bytes
    """A marker, a chunk's type, a tag: as it stands in the file."""
    start: int
    content: int
    stop: int


class Walk(NamedTuple):
    """What a walker found. It never raises, whatever the bytes; its steps are counted, and none goes back."""

    parts: tuple[Part, ...]
    """The parts in the order of the file. What lies between two of them is none that the format knows. Where there is a
    problem, the last part may be cut off, and is what there is of it."""
    end: int
    """Offset at which the picture ends, or at which the walk stopped."""
    problem: str = ""
    """Why it stopped before the end; empty where it came there."""

    def of_kind(self, *kinds: bytes) -> Iterator[Part]:
        """Yield the parts of these kinds."""
        return (part for part in self.parts if part.kind in kinds)

    def contents(self, data: Bytes, *kinds: bytes) -> list[bytes]:
        """Return what the parts of these kinds say."""
        return [data[part.content : part.stop] for part in self.of_kind(*kinds)]


def gaps(ranges: list[tuple[int, int]], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield, in order, what of [start, stop) lies in none of the `ranges`."""
    for begin, end in sorted(ranges):
        if begin > start:
            yield start, min(begin, stop)
        start = max(start, end)
        if start >= stop:
            return
    if start < stop:
        yield start, stop


_LINES_OF_HEX = re.compile(rb"\s*[a-zA-Z0-9]+\s+\d+\s([\s0-9a-fA-F]*)")


def unhexed(text: bytes) -> bytes | None:
    """Return what ImageMagick wrote as a name, a length and lines of hexadecimal digits; none for other text."""
    match = _LINES_OF_HEX.match(text)
    try:
        return bytes.fromhex(match[1].decode("ascii")) if match else None
    except ValueError:
        return None
