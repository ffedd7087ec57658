"""JPEG (ITU-T T.81, annex B): the walk over its segments, what they say, and a file without its metadata."""

import re
from collections.abc import Iterator
from struct import unpack_from

from byline.pictures.pixels.directories import directory_of_exif
from byline.pictures.pixels.heads import Head
from byline.pictures.pixels.surveys import Survey, damaged
from byline.pictures.pixels.walks import CUT_OFF, Bytes, Part, Walk

START, END = b"\xff\xd8\xff", b"\xff\xd9"
MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""The next marker, over what decoders skip: pixels, restarts, fill bytes, and rubbish between segments."""
TEM, EOI, SOS, SOI, APP0, APP1, APP2, APP11, APP13, APP14, COM = (
    bytes([code]) for code in (0x01, 0xD9, 0xDA, 0xD8, 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xFE)
)
PIXELS = b"\0"
"""The part behind an SOS, which has no marker of its own."""
FRAMES = {bytes([code]) for code in range(0xC0, 0xD0)} - {b"\xc4", b"\xc8", b"\xcc"}
PROGRESSIVE, LOSSLESS = b"\xc2", b"\xc3"
PLAIN_FRAMES = {b"\xc0", b"\xc1", PROGRESSIVE}
APPS = {bytes([code]) for code in range(0xE0, 0xF0)} | {COM}
NO_END_MARKER = "a JPEG without an end marker"
MAX_SCANS = 64
"""A progressive picture has about ten. Each is a pass over all pixels, and may fill but a few bytes."""
MAX_SEGMENTS = 10_000
ICC, EXIF, PHOTOSHOP = b"ICC_PROFILE\0", b"Exif\0\0", b"Photoshop 3.0\0"
JFIF = bytes.fromhex("ffe000104a46494600010100000100010000")
IPTC_RESOURCE = 0x0404


def walk_jpeg(data: Bytes, start: int = 0) -> Walk:
    """Walk the segments of the JPEG at `start`, to its end marker; of a scan, its pixels are a part of their own.

    What lies between segments is stepped over, as decoders do, and one kind of end is told from all others: none at
    all behind the pixels of a scan, which may be whole (`NO_END_MARKER`).
    """
    parts: list[Part] = []
    offset = start + 2
    for _ in range(MAX_SEGMENTS):
        is_scan = bool(parts) and parts[-1].kind == SOS
        marker = MARKER.search(data, offset)
        if is_scan:
            parts.append(Part(PIXELS, offset, offset, marker.start() if marker else _before_fill(data, offset)))
        if marker is None:
            return Walk(tuple(parts), len(data), NO_END_MARKER if is_scan else CUT_OFF.format("JPEG"))
        kind, begin, offset = marker[1], marker.start(), marker.end()
        if kind == EOI:
            return Walk(tuple(parts), offset)
        if kind == SOI:
            return Walk(tuple(parts), begin, "a second JPEG begins before the first one ends")
        if kind == TEM:
            continue
        length = int.from_bytes(data[offset : offset + 2])
        if length < 2 or offset + 2 > len(data):
            return Walk(tuple(parts), begin, CUT_OFF.format("JPEG"))
        parts.append(Part(kind, begin, offset + 2, min(offset + length, len(data))))
        if offset + length > len(data):
            return Walk(tuple(parts), begin, CUT_OFF.format("JPEG"))
        offset += length
    return Walk(tuple(parts), offset, f"a JPEG of more than {MAX_SEGMENTS:,} segments")


def _before_fill(data: Bytes, start: int) -> int:
    """Return where the data end, without the first half of a marker."""
    tail = data[max(start, len(data) - 64) :]
    return len(data) - len(tail) + len(tail.rstrip(b"\xff"))


def head_of_jpeg(data: Bytes, walk: Walk) -> Head:
    """Return what a JPEG says of itself before its pixels, be it cut off behind. Raises `UnusableError`."""
    frame = next(walk.of_kind(*FRAMES), None)
    if frame is None or frame.stop - frame.content < 6:
        raise damaged(walk.problem or "a JPEG without a frame")
    _, height, width, _ = unpack_from(">BHHB", data, frame.content)
    exif = next((text for text in walk.contents(data, APP1) if text.startswith(EXIF)), b"")
    return Head(
        width=width,
        height=height,
        tags=directory_of_exif(exif),
        has_exif=bool(exif),
        profile=_profile(walk.contents(data, APP2)),
        iptc=b"".join(_resources(data, walk, IPTC_RESOURCE)),
    )


def survey_jpeg(data: bytes) -> Survey:
    """Read what a JPEG says of itself, and check that its picture has an end, or may be whole without."""
    walk = walk_jpeg(data)
    if walk.problem not in ("", NO_END_MARKER):
        raise damaged(walk.problem)
    frames, scans = list(walk.of_kind(*FRAMES)), list(walk.of_kind(SOS))
    if len(frames) != 1 or not 1 <= len(scans) <= MAX_SCANS or frames[0].stop - frames[0].content < 6:
        raise damaged(f"a JPEG with {len(frames)} frames and {len(scans)} scans")
    head, precision, components = head_of_jpeg(data, walk), data[frames[0].content], data[frames[0].content + 5]
    if not head.width or not head.height:
        raise damaged(f"a JPEG of {head.width}x{head.height} px")
    if frames[0].kind != LOSSLESS and not _is_complete(data, components, scans):
        raise damaged("the JPEG has not all scans of its picture")
    picture = data[: walk.parts[-1].stop] + END if walk.problem else data
    return Survey(
        width=head.width,
        height=head.height,
        picture=picture,
        end=len(picture) if walk.problem else walk.end,
        metadata=b"".join(data[part.start : part.stop] for part in walk.of_kind(*APPS)),
        orientation=head.orientation,
        profile=head.profile,
        is_plain=frames[0].kind in PLAIN_FRAMES and precision == 8 and components == 3,
        note=walk.problem or None,
    )


def _is_complete(data: bytes, components: int, scans: list[Part]) -> bool:
    """Tell whether the scans give every coefficient of every component to its last bit.

    Without the last scans of a progressive picture decoders show a blurred one, and do not even warn.
    """
    lacking: dict[int, list[int]] = {}
    for scan in scans:
        number = data[scan.content]
        names = data[scan.content + 1 : scan.content + 1 + 2 * number : 2]
        first, last, bits = data[scan.content + 1 + 2 * number : scan.content + 4 + 2 * number]
        for name in names:
            coefficients = lacking.setdefault(name, [1] * 64)
            coefficients[first : last + 1] = [bits & 15] * len(coefficients[first : last + 1])
    return len(lacking) == components and not any(any(left) for left in lacking.values())


def _profile(segments: list[bytes]) -> bytes | None:
    """Join the parts of an ICC profile, in their order; none when a part is missing."""
    parts = {text[12]: text[14:] for text in segments if text.startswith(ICC) and len(text) > 14}
    whole = {text[13] for text in segments if text.startswith(ICC) and len(text) > 14}
    if len(whole) != 1 or sorted(parts) != list(range(1, whole.pop() + 1)):
        return None
    return b"".join(parts[number] for number in sorted(parts))


def _resources(data: Bytes, walk: Walk, wanted: int) -> Iterator[bytes]:
    """Yield the contents of Photoshop's resources with this number: `8BIM`, number, padded name, padded content."""
    for text in walk.contents(data, APP13):
        offset = len(PHOTOSHOP)
        while text.startswith(PHOTOSHOP) and text[offset : offset + 4] == b"8BIM" and offset + 7 <= len(text):
            number = int.from_bytes(text[offset + 4 : offset + 6])
            offset += 6 + (text[offset + 6] + 2) // 2 * 2
            size = int.from_bytes(text[offset : offset + 4])
            if number == wanted:
                yield text[offset + 4 : offset + 4 + size]
            offset += 4 + (size + 1) // 2 * 2


def bare_jpeg(data: bytes) -> bytes:
    """Return the same compressed pixels without metadata, thumbnails and what follows the picture."""
    walk = walk_jpeg(data)
    pieces = [START[:2]]
    if any(text.startswith(b"JFIF\0") for text in walk.contents(data, APP0)):
        pieces.append(JFIF)
    for part in walk.parts:
        text = data[part.start : part.stop]
        is_color = part.kind == APP14 and text[4:9] == b"Adobe" and len(text) == 16
        if part.kind not in APPS or is_color:
            pieces.append(text)
    return b"".join([*pieces, END])
