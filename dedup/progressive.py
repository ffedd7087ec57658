"""Progressive JPEGs, cut to the scans that a picture of an eighth of the size is made of (ITU T.81, annex G)."""

import re

_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_PROGRESSIVE, _SCAN, _END, _END_FILE = 0xC2, 0xDA, 0xD9, b"\xff\xd9"


def means_only(data: bytes, *, needs_color: bool) -> bytes:
    """Return a JPEG that has the same means of its 8x8 blocks, without what only adds detail to them.

    Progressive files come with the means of all blocks first, up to their last bit, and at an eighth of the size
    nothing else is seen; reading the rest would take most of the time. A file that is not progressive, or whose means
    come in another order, is returned as it is.
    """
    components, position = b"", 2
    covered: set[int] = set()
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != _END:
        kind, size = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        segment = data[position + 4 : position + 2 + size]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            if kind != _PROGRESSIVE:
                return data
            components = segment[6::3]
        position += 2 + size
        if kind == _SCAN:
            named, first, last, bits = _scan(segment)
            if first or last or bits >> 4:  # detail, or a last bit
                return data
            covered.update(named)
            if (found := _MARKER_AFTER_SCAN.search(data, position)) is None:  # cut off: the decoder has to see it
                return data
            position = found.start()
            if components and covered >= set(components if needs_color else components[:1]):
                return data[:position] + _END_FILE
    return data


def _scan(segment: bytes) -> tuple[bytes, int, int, int]:
    """Return the components of a scan's header, its first and last frequency, and its bits (those before, and left)."""
    number = segment[0] if segment else 0
    named, rest = segment[1 : 1 + 2 * number : 2], segment[1 + 2 * number :]
    return (named, rest[0], rest[1], rest[2]) if len(rest) == 3 else (named, 1, 1, 0)
