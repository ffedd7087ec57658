"""Progressive JPEGs, cut to the scans that a picture of an eighth of the size is made of (ITU T.81, annex G)."""

from byline.pictures.pixels.jpegs import END, FRAMES, PIXELS, PROGRESSIVE, SOS, walk_jpeg


def means_only(data: bytes, *, needs_color: bool) -> bytes:
    """Return a JPEG that has the same means of its 8x8 blocks, without what only adds detail to them.

    Progressive files come with the means of all blocks first, up to their last bit, and at an eighth of the size
    nothing else is seen; reading the rest would take most of the time. A file that is not progressive, is cut off in
    the means (the decoder has to see it), or has them in another order, is returned as it is.
    """
    walk = walk_jpeg(data)
    frame = next(walk.of_kind(*FRAMES), None)
    if frame is None or frame.kind != PROGRESSIVE:
        return data
    components = data[frame.content + 6 : frame.stop : 3]
    needed, covered = set(components if needs_color else components[:1]), set[int]()
    for scan, pixels in zip(walk.of_kind(SOS), walk.of_kind(PIXELS), strict=True):
        named, first, last, bits = _scan(data[scan.content : scan.stop])
        is_cut = walk.problem and pixels is walk.parts[-1]
        if first or last or bits >> 4 or is_cut:  # detail, or a last bit
            break
        covered.update(named)
        if needed and covered >= needed:
            return data[: pixels.stop] + END
    return data


def _scan(segment: bytes) -> tuple[bytes, int, int, int]:
    """Return the components of a scan's header, its first and last frequency, and its bits (those before, and left)."""
    number = segment[0] if segment else 0
    named, rest = segment[1 : 1 + 2 * number : 2], segment[1 + 2 * number :]
    return (named, rest[0], rest[1], rest[2]) if len(rest) == 3 else (named, 1, 1, 0)
