"""JPEG's segments: size, turn, profile, where the picture ends; and a JPEG without its metadata."""

import re
from dataclasses import dataclass
from struct import unpack_from

from byline.pictures.pixels.surveys import Survey, damaged
from byline.pictures.pixels.tiffs import orientation_of

MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""The next marker, over what decoders skip: pixels, restarts, fill bytes, and rubbish between segments."""
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
TEM, EOI, SOS, SOI, APP0, APP1, APP2, APP14, COM = 0x01, 0xD9, 0xDA, 0xD8, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
APPS = {*range(0xE0, 0xF0), COM}
LOSSLESS = 0xC3
MAX_SCANS = 64
"""A progressive picture has about ten. Each is a pass over all pixels, and may fill but a few bytes."""
MAX_SEGMENTS = 10_000
ICC = b"ICC_PROFILE\0"
JFIF = bytes.fromhex("ffe000104a46494600010100000100010000")


@dataclass(frozen=True)
class Segment:
    """One marker and what it says: bytes [start, stop) of the file, the marker's own first."""

    marker: int
    start: int
    stop: int


def segments(data: bytes) -> tuple[list[Segment], int]:
    """Return the segments (of a scan, its pixels too) and where the picture ends. Raises `UnusableError`."""
    found: list[Segment] = []
    place = 2
    for _ in range(MAX_SEGMENTS):
        if not (marker := MARKER.search(data, place)):
            break
        start, place = marker.end() - 2, marker.end()
        code = marker[1][0]
        if found and found[-1].marker == SOS:
            found[-1] = Segment(SOS, found[-1].start, start)
        if code == EOI:
            return found, place
        if code == SOI:
            raise damaged("a second JPEG begins before the first one ends")
        if code == TEM:
            continue
        if place + 2 > len(data):
            break
        (length,) = unpack_from(">H", data, place)
        place += length
        if length < 2 or place > len(data):
            break
        found.append(Segment(code, start, place))
    raise damaged("the JPEG ends before its picture does")


def survey_jpeg(data: bytes) -> Survey:
    """Read what a JPEG says of itself, and check that its picture has an end."""
    found, end = segments(data)
    frames = [segment for segment in found if segment.marker in FRAMES]
    num_scans = sum(segment.marker == SOS for segment in found)
    if len(frames) != 1 or not 1 <= num_scans <= MAX_SCANS or frames[0].stop - frames[0].start < 10:
        raise damaged(f"a JPEG with {len(frames)} frames and {num_scans} scans")
    precision, height, width, components = unpack_from(">BHHB", data, frames[0].start + 4)
    if not width or not height:
        raise damaged(f"a JPEG of {width}x{height} px")
    if frames[0].marker != LOSSLESS and not _is_complete(data, components, found):
        raise damaged("the JPEG has not all scans of its picture")
    said = [data[segment.start : segment.stop] for segment in found if segment.marker in APPS]
    exif = next((text[4:] for text in said if text[1] == APP1 and text[4:].startswith(b"Exif\0\0")), b"")
    return Survey(
        width=width,
        height=height,
        picture=data,
        end=end,
        metadata=b"".join(said),
        orientation=orientation_of(exif),
        profile=_profile([text[4:] for text in said if text[1] == APP2]),
        is_plain=frames[0].marker in (0xC0, 0xC1, 0xC2) and precision == 8 and components == 3,
    )


def _is_complete(data: bytes, components: int, found: list[Segment]) -> bool:
    """Tell whether the scans give every coefficient of every component to its last bit.

    Without the last scans of a progressive picture decoders show a blurred one, and do not even warn.
    """
    lacking: dict[int, list[int]] = {}
    for scan in (segment for segment in found if segment.marker == SOS):
        number = data[scan.start + 4]
        names = data[scan.start + 5 : scan.start + 5 + 2 * number : 2]
        first, last, bits = data[scan.start + 5 + 2 * number : scan.start + 8 + 2 * number]
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


def bare_jpeg(data: bytes) -> bytes:
    """Return the same compressed pixels without metadata, thumbnails and what follows the picture."""
    found, _ = segments(data)
    pieces = [b"\xff\xd8"]
    if any(segment.marker == APP0 and data.startswith(b"JFIF\0", segment.start + 4) for segment in found):
        pieces.append(JFIF)
    for segment in found:
        text = data[segment.start : segment.stop]
        is_color = segment.marker == APP14 and text[4:9] == b"Adobe" and len(text) == 16
        if segment.marker not in APPS or is_color:
            pieces.append(text)
    return b"".join([*pieces, b"\xff\xd9"])
