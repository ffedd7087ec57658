"""What is guaranteed of the one walk over each format."""

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import byline
from byline.pictures.pixels.decoding import survey
from byline.pictures.pixels.formats import READERS, pictures_in
from byline.pictures.pixels.kinds import Kind, known_kind
from byline.pictures.pixels.surveys import UnusableError
from byline.pictures.pixels.walks import gaps
from tests.pictures.pixels.structures import BMP, GIF, JPEG, PNG, PROGRESSIVE, TIFF, WEBP

WHOLE = {"JPEG": JPEG, "progressive": PROGRESSIVE, "PNG": PNG, "GIF": GIF, "BMP": BMP, "WebP": WEBP, "TIFF": TIFF}
SIGNATURES = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"IHDR", b"VP8X", b"8BIM")


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_picture_is_walked_to_where_its_survey_ends(name):
    data = WHOLE[name]
    reader = READERS[known_kind(data)]
    walk, found = reader.walk(data + b"more"), survey(data, max_pixels=10**6).survey
    assert (walk.problem, walk.end) == ("", found.end)
    head = reader.head(data, walk)
    assert (head.width, head.height, head.orientation) == (found.width, found.height, found.orientation)


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, PNG, WEBP], ids=["JPEG", "progressive", "PNG", "WebP"])
def test_nothing_of_a_whole_picture_lies_between_its_parts(data):
    walk = READERS[known_kind(data)].walk(data)
    between = list(gaps([(part.start, part.stop) for part in walk.parts], walk.parts[0].start, walk.parts[-1].stop))
    assert sum(stop - start for start, stop in between) == (4 * (len(walk.parts) - 1) if data == PNG else 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
@given(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=40))
@settings(deadline=None, max_examples=300)
def test_no_bytes_make_a_walk_raise_or_leave_the_file(name, share, num_gone, instead):
    head, rest = WHOLE[name][:12], WHOLE[name][12:]
    at = round(share * len(rest))
    odd = head + rest[:at] + instead + rest[at + num_gone :]
    kind = known_kind(head + rest)
    walk = READERS[kind].walk(odd)
    assert 0 <= walk.end <= len(odd)
    assert all(0 <= part.start <= part.content <= part.stop <= len(odd) for part in walk.parts)
    if kind != Kind.TIFF:  # whose tags may share a place
        ends = [0, *(part.stop for part in walk.parts)]
        assert all(end <= part.start for end, part in zip(ends, walk.parts, strict=False))
    try:
        found = survey(odd, max_pixels=10**9).survey
    except UnusableError:
        pass
    else:
        read = READERS[kind].head(odd, walk)
        assert (read.width, read.height) == (found.width, found.height)
    assert len(list(pictures_in(odd))) <= 16


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: tuple(sorted(pair)))))
def test_gaps_are_what_no_range_holds(ranges):
    held = {place for start, stop in ranges for place in range(start, stop)}
    found = [place for start, stop in gaps(ranges, 5, 40) for place in range(start, stop)]
    assert found == [place for place in range(5, 40) if place not in held]


def test_no_other_file_parses_a_picture():
    """Each format has one file, in one folder; a second parser would begin with one of these."""
    here = Path(READERS[Kind.PNG].walk.__code__.co_filename).resolve().parent
    rooms = [room.resolve() for room in Path(next(iter(byline.__path__))).iterdir() if room.is_dir()]
    others = [path for room in rooms for path in room.rglob("*.py") if path.parent != here]
    assert len(others) > 100
    found = {
        f"{path}:{node.lineno}"
        for path in others
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes)
        if any(signature in node.value for signature in SIGNATURES)
    }
    assert not found
