"""The one table of readers: for each format its walk, its head and its survey. Nobody else parses a picture's bytes."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from byline.pictures.pixels import bmps, gifs, jpegs, pngs, tiffs, webps
from byline.pictures.pixels.heads import Head
from byline.pictures.pixels.kinds import Kind, kind_of, known_kind
from byline.pictures.pixels.surveys import Survey, UnusableError, damaged
from byline.pictures.pixels.walks import Bytes, Walk


@dataclass(frozen=True)
class Reader:
    """How one format is read."""

    walk: Callable[[Bytes], Walk]
    head: Callable[[Bytes, Walk], Head]
    survey: Callable[[bytes], Survey]


READERS: dict[Kind, Reader] = {
    Kind.JPEG: Reader(jpegs.walk_jpeg, jpegs.head_of_jpeg, jpegs.survey_jpeg),
    Kind.PNG: Reader(pngs.walk_png, pngs.head_of_png, pngs.survey_png),
    Kind.WEBP: Reader(webps.walk_webp, webps.head_of_webp, webps.survey_webp),
    Kind.GIF: Reader(gifs.walk_gif, gifs.head_of_gif, gifs.survey_gif),
    Kind.BMP: Reader(bmps.walk_bmp, bmps.head_of_bmp, bmps.survey_bmp),
    Kind.TIFF: Reader(tiffs.walk_tiff, tiffs.head_of_tiff, tiffs.survey_tiff),
}
MAX_PICTURES = 16
"""Most pictures in one file: the picture, and those behind it."""
_BEHIND = re.compile(re.escape(jpegs.START) + b"|" + re.escape(pngs.START))


def head_of(data: Bytes) -> Head:
    """Return what a file says of its picture, be it cut off behind. Raises `UnusableError`."""
    kind = kind_of(data)
    with readable(kind):
        return READERS[kind].head(data, READERS[kind].walk(data))


@contextmanager
def readable(kind: Kind) -> Iterator[None]:
    """Raise `UnusableError` for whatever is raised while the structure of a file is read."""
    try:
        yield
    except UnusableError:
        raise
    except Exception as error:  # hostile bytes may contradict themselves in ways that nobody thought of
        raise damaged(f"the {kind.name} cannot be read: {error}") from error


def pictures_in(data: bytes) -> Iterator[tuple[Kind, Walk]]:
    """Yield the walk over a picture, then over JPEGs and PNGs behind it, at most `MAX_PICTURES` of all; none of others.

    Cameras put second pictures there (MPF, gain maps), each with metadata of its own.
    """
    kind = known_kind(data)
    if kind is None:
        return
    walk = READERS[kind].walk(data)
    yield kind, walk
    for _ in range(MAX_PICTURES - 1):
        if not (match := _BEHIND.search(data, walk.end)):
            return
        kind, walk_at = (Kind.JPEG, jpegs.walk_jpeg) if match[0] == jpegs.START else (Kind.PNG, pngs.walk_png)
        walk = walk_at(data, match.start())
        yield kind, walk
        if walk.end <= match.end():
            walk = walk._replace(end=match.end())
